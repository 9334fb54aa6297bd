"""Listening inside the house: the only way out for audio of the archive.

Each request asks the consent rules anew, or whether all that they said yes to a moment ago is as it
was; it tells the ledger before the first byte is read, and stops in the middle when what the
decision stood on has changed.
"""
