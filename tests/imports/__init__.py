"""Old archives taken in."""
