"""Audiatur: keeps call recordings as evidence, and lets none out without consent."""
