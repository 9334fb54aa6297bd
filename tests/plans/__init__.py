"""What queries that people and workers wait for read, over 100,000 recordings."""
