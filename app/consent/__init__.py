"""Who was told, who agreed to what, and what follows: the decision on every use of a recording.

*Notice* means told, *consent* means agreed; an *assertion* is one piece of evidence for either, or
against. Unknown means no. The flag shown to people is derived and never set by hand. `decide` is a
pure function of everything known at one moment, and only an allowing decision makes a `Permit`.
Assertions, screenings and verifications are never removed; the database refuses it, and it refuses
the same person in two places where two are asked for.
"""
