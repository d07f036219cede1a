"""The vocabulary: one frozen struct per fact."""
