"""`guichet media lab`: a media server to play with, two people in a browser, and a carrier that is not one."""

from guichet.server.lab.lab import serve as serve
