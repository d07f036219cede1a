"""The composition root: settings, wiring, the process, the command line."""
