"""Releases: handing recordings to a person outside, by a link that ends.

A **release** is asked for by one person (its **wishes**: which parts of which recordings), approved
by another (an **approval** is bound to the digest of everything the decision rests on), and then
granted: each wish becomes an **item**, a copy of its own in the release store, and a **link** is
made whose token is kept as a digest.

What must always hold, and is refused by the database whoever asks: no item without an allowing
decision of this moment and an approval by another person; no link without items; no end put off.
Whether a link is open is asked of `release_is_open` at every access, which answers from the consent
state of that moment. The archive's process makes copies; the process that serves links reads only
the release store and calls a few functions of the database, nothing else.
"""
