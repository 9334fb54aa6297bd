"""Who acts: people with roles, devices that may only send, and the keys that tell them apart.

A secret is shown once and kept as a digest. Every route names one permission; a role is a fixed
set of permissions, in `permissions.py` and nowhere else.
"""
