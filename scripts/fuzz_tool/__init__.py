"""Fuzzing of the parsers: what reads bytes of strangers breaks at none of them."""
