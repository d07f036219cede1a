"""House rules: what no off-the-shelf linter knows about this project.

One module per rule in `rules/`, found by a scan: `NAME`, `check(module)` or `check_all(modules)`, and the samples
`GOOD` and `BAD`, which tests/arch runs. A line that must break a rule says so and why, at its end:

    started = time.monotonic()  # lint: allow clock, measures the machine, not the centre
"""
