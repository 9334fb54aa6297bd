"""Trials of the API by its own description."""
