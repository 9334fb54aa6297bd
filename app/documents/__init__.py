"""Papers that stand behind evidence: contracts, consents, acts, demands, as PDF or picture.

A document is what its bytes say, whatever its name. It is kept as it came in, never shown, drawn or
run by the archive; what was looked at and what was odd is written beside it. A document is never
changed: another version is another document.
"""
