"""The crash trial: uploads under load, kills at every step, and a count of what was lost."""
