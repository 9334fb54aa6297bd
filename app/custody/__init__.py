"""What happened to the evidence: the ledger, append-only.

An entry is written in the transaction of what it tells. It holds no name, number or words: those
stand beside it, encrypted, and the entry only commits to them with a salt, so that they can be
erased and the entries still be checked. Nothing in `custody_entries` is ever changed or removed;
the database refuses it and the application's role has no right to it.
"""
