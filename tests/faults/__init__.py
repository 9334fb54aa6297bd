"""What the archive answers while its database, its store or its disk fail, and afterwards."""
