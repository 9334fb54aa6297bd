"""Many hosts on one machine: each in a network namespace, killed and cut off in turn."""
