"""The test suite; `support` holds what tests share."""
