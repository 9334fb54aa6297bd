"""What `scripts/bench` measures: how fast the archive is beside its limits and simpler ways.

A part is a module with `run(options) -> Section`; `main.py` lists the parts. Variants of one thing
are run in turn (`rounds.py`), each in processes of its own (`servers.py`), and what comes out is
compared by plain arithmetic (`figures.py`). S4, S6 and the like number the archive's targets.
"""
