"""The town of many hosts, in its short form."""
