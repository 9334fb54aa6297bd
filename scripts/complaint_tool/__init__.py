"""From a complaint to the second of the call that it is about, in a browser."""
