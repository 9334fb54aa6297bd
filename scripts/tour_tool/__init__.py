"""Pictures of the pages for docs/tour.md: the sample company, a browser, and one sentence each."""
