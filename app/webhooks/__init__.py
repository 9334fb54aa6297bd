"""Webhooks: telling other systems what happened here, in the form of Standard Webhooks.

Words: an *endpoint* is an address that somebody asked to be told at, with its secret and the kinds
it wants; a *happening* is one thing that is told, of one kind; a *delivery* is one happening on its
way to one endpoint; an *attempt* is one try of it. (An event is always a client's.) What must hold:

- What the ledger tells is taken from its sequence by a cursor that moves in the transaction that
  writes the happenings down: each entry once, in the order of the sequence, whatever was killed.
  What the ledger does not tell, a flag or a gap, is written in the transaction of the change.
- A happening holds ids, kinds, counts and moments; no sound, name, number, address or secret.
- It is delivered at least once, always under the same id, and is tried for three days.
- An endpoint is spoken to under the rules of `core/outbound.py`, at every attempt anew.
- A secret is kept sealed, shown once, and beside its successor for a day.
"""
