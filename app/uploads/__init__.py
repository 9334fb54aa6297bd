"""Uploads that go on where they were cut, by tus 1.0 or the IETF's draft, over the way in of all.

An *upload* is a file that is still on its way, a *piece* a part of it that is durable: an object of
the store, whose row is written before its offset is told. When the last piece is there the upload
is *assembled*: read once more, recognised, and kept by `recordings.ingest` as if it had come at
once, with the same refusals and the same receipt. The pieces are destroyed then, and what was told
of the call is forgotten here. The last body of a file that is not long goes *straight* into its
recording, and becomes a piece only where it is cut off.
"""
