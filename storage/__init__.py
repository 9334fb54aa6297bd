"""The object store: where bytes are kept, sealed with a key of their own, never overwritten."""
