"""Reading the source for known faults."""
