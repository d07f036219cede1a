"""Guichet: an open-source contact centre whose figures can be recomputed from its log."""
