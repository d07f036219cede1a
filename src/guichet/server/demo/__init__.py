"""The demonstration: an invented operator with a past, its clients' shops, a mailbox for their customers, traffic."""

from guichet.server.demo.demo import Demo as Demo
