"""The public links: a process of its own that shows released copies and nothing else.

It holds the release store's key and credentials and a database role that may call few functions
(`link_page`, `link_open`, `link_view`, `link_bundle`, `link_bundle_page`, `link_answered`,
`link_answer`, `link_asks`, `link_try`, `ask_page`, `ask_take`);
the archive's key, objects and tables are out of its reach.
A page is shown without a trace; listening is a POST, which counts as a view. Whether the link is
open is asked at every access and before every piece of sound. An ended link and one that never was
look the same. Nothing here writes a token down: the server runs without an access log.
"""
