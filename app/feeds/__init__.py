"""Feeds: what exchanges, providers and devices say took place, compared with what came in.

A *call* here is what its source (a device) told of it, known by the source's own id; told
otherwise it gets a new version, and the earlier ones stay. A *gap* is a call without its recording,
a recording without its call, or a counter that disagrees; each has a reason. A *statement* is the
signed sum of an office day; a later finding makes another that supersedes it, never another text.
"""
