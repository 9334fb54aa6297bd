"""What waits for a person: queues, claims, verdicts on many at once, samples and reports.

A queue is a question to the other rooms, never a list of its own: an item is there while its
reason is, and goes when somebody has settled it there. What this room keeps is who has taken an
item, the frozen lists of bulk review, the seeds by which samples are drawn, and what the samples
found. A batch is decided only after its decider has opened what the archive picked; a seed is in
the ledger before the period that it draws from begins.
"""
