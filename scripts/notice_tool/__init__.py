"""The bench of the notice detector: telephone calls made from seeds, and what is found in them."""
