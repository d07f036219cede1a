"""Measurements. `python -m bench` runs them all and writes RESULTS.md; `python -m bench path log` only these.

Absolute rates depend on the machine; what to compare is CPU per operation, and ratios taken in one run.
"""
