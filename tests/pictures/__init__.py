"""What is found in pictures."""
