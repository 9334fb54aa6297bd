"""How the archive itself is: alive, ready, measured, and what to mend."""
