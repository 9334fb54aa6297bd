"""Tests: a folder per room, helpers beside them."""
