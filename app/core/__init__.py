"""The floor: no word of the business stands here."""
