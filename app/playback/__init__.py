"""Listening inside the house: the only way out for audio of the archive.

Each request asks the consent rules anew, tells the ledger before the first byte is read, and
stops in the middle when what the decision stood on has changed.
"""
