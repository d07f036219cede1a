"""People, the identities by which they reach us, merging, erasure."""
