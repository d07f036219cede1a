"""Makes a checkout ready: Python packages, Node, the web app, and Debian's programs for the tests.

Only the standard library, and syntax that an old Python can read far enough to be told that it is too old.
"""
