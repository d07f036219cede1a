"""Runs the project's checks one after the other, says how long each took, and what failed."""
