"""What the tests share: engines, leftovers, waiting. Nothing here is a test."""
