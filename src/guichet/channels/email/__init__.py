"""E-mail: an SMTP door in, an SMTP relay out, one thread on both sides."""

from guichet.channels.email.channel import Email

CHANNEL = Email()
