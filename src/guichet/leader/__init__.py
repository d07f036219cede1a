"""The command path: the registry of commands, reactors and projections, the state, and the one loop that runs them."""
