"""How long things are kept, sound, pictures, papers and words: holds, retention, erasure.

A hold keeps what it names, or its rule fits, whatever else is asked, and grants nobody access. A
rule says how long something is kept at least and at most; it is in force when two people have
agreed. An erasure destroys every key first, inside one database function that looks for itself
whether it was approved; bytes follow. What is erased leaves a tombstone, and does not come back
with a backup.
"""
