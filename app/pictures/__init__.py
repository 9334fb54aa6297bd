"""Pictures looked at: a small copy, the text that stands in them, and what their metadata tell.

A *look* is what was found of one screenshot, or of one document that is a picture. The picture is
decoded in the sandbox and never here; the text is read by a program and may be wrong, so wherever
it is shown it is said to be machine-read. Metadata are kept apart from the picture: none of it
leaves, and who took it where is for those who open papers. What is found is derived: it goes with
the original, and can be found again.
"""
