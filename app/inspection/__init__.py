"""What the audio tells: its true length, its picture, a copy that plays, and the notices in it.

An uploaded file is hostile until proven otherwise, so it is decoded by a program in a sandbox and
never in this process. What was decoded is the truth; what a header claims is a hint. A recording
that cannot be decoded stays a recording: inspection fails with a reason, nothing is made up.
"""
