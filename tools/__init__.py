"""Tools that build and check the project; none of it is installed with Guichet."""
