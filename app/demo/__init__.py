"""Demo data: made-up clients, calls, and a dispute, to look at the archive before it has any.

A set is loaded while nothing real is there, and unloaded whenever nothing hinders it. What belongs
to it is known by its device and its clients, marked from their first moment; it is never tied to
what is real, and leaves the archive by no way. Its recordings go as all recordings do, by an
erasure with a tombstone; its clients are emptied and seen by nobody any more, since the history
that nobody changes speaks of their ids.
"""
