"""One rule per module; a new file here is a new rule."""
