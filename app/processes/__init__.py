"""The processes of the archive, a file for each: who starts it imports what it needs alone."""
