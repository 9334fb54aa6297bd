"""Verifying a bundle: the one file that is handed to people who doubt us.

`verify.py` imports nothing of the archive, so that it can be read and run alone; `audiatur verify`
runs the same file.
"""
