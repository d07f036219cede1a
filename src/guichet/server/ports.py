"""Ports of the system's choice."""

from __future__ import annotations

import socket


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nobody uses now; whoever binds it next may still be somebody else."""
    with socket.create_server((host, 0)) as listener:
        return int(listener.getsockname()[1])
