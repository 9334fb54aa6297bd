"""Speaks the shipped announcements, for trial."""
