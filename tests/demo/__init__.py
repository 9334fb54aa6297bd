"""Tests of the demo company and of the set-up."""
