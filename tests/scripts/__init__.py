"""The programs in scripts/, run as their users run them."""
