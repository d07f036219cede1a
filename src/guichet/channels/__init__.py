"""Provider payload <-> our words: one module (or one package) per channel, found by `registry`."""
