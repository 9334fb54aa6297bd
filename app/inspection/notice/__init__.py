"""The search for notice texts in the sound of a call.

Owns: references (`reference.py`), the search (`features.py`, `search.py`), the closer look
(`align.py`, `waveform.py`), the verdict (`checks.py`) and the pass over a call (`detector.py`).
Nothing here reads a file, asks a clock or knows a database: samples go in, hits come out.

What must hold: channels are never mixed; a hit is `full` only where the whole announcement, in
this very recording of it, was heard without a gap or an interruption that could hide a word; how
the samples were cut into blocks changes nothing; memory does not grow with the call.

Words: a *reference* is the announcement as it is played, a *candidate* a place where it may begin,
a *hit* a playing found, with its verdict and the stretches heard.
"""
