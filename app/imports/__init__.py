"""Imports: an old archive's folders taken in, and what became of each file.

A *run* is one going through a folder in the name of a device; its rows are the files that were
found. A file is *taken*, *skipped* because it is here already, *refused* with a reason, or still
*waiting*; the four always add up to what was found. A run that breaks off anywhere goes on where it
stood: that a file was taken is told by the archive itself, not by the run.
"""
