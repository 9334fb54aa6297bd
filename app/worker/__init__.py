"""Background work: jobs are done at least once, retried with growing pauses, then shown to people.

A worker that is killed leaves its jobs to the others, who notice by its missing heartbeat.
"""
