"""The pages that people of the house work in: log-in, inbox, and a section for each subject.

A page calls services and never the JSON routes. One frozen dataclass is all that its template
sees; what every page shows beside it stands in `frame.py`. Each module of `pages` is found by
itself, with its router and its section in the navigation; each file of `locale` likewise.

What must hold: a page names a permission, as every route does; a form carries the token of its
log-in and comes from our own origin; nothing inline is let in; English stands in the source and the
templates, and each message has its Russian; a state is a word, a mark and a colour, never a colour
alone. How a page is added is in `docs/pages.md`.
"""
