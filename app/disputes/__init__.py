"""Disputes: what a client complains of, how it is settled, and the exhibits that show it.

A state changes by a move of one table, which the database has too. Statements are replaced and
never changed; what changes (a plan, a step, a request) leaves its earlier form in the history.
Whose conduct is in question decides nothing. Nobody need be to blame.

An exhibit points into a recording, from one moment to another, or at a screenshot, and says what of
it must be neither heard nor seen (`redactions`, `areas`). It is never changed, another replaces it.
It shows nothing to anybody outside by itself. Handing exhibits over is a release, which asks the
consent rules for each of them.
"""
