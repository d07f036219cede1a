"""The command path: what stages register, the state, and the one loop that runs commands."""
