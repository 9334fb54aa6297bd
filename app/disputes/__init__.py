"""Disputes: what a client complains of, and the exhibits that show what happened.

An exhibit points into a recording, from one moment to another, or at a screenshot, and says what of
it must be neither heard nor seen (`redactions`, `areas`). It is never changed, another replaces it.
It shows nothing to anybody outside by itself. Handing exhibits over is a release, which asks the
consent rules for each of them.
"""
