"""Networks of a test's own: a home, its router, and the outside, where the media server is. And a relay (TURN).

with Networks.laid() as networks:
    with networks.outside.entered():   # sockets and processes made here are of that network
        ...

Only processes of a test know its networks, so the kernel takes them away with the last of those, however it ended.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import listens
from tests.support.serving import lasting_port
from tests.support.waiting import wait_until_sync

HOME, ROUTER, OUTSIDE = "10.20.0.2", "198.51.100.2", "198.51.100.1"
"""Addresses: at home a private one; the router's and the server's are public ones (of the range for examples)."""
ANOTHER = "198.51.100.3"
"""One that the router can get."""
HOME6, OUTSIDE6 = "2001:db8:20::2", "2001:db8:51::1"
CLONE_NEWNET = 0x40000000
OURS = Path("/proc/thread-self/ns/net")
TURN_REALM = "guichet"
REFUSALS = ("Operation not permitted", "not supported")
"""What a sandbox says that has namespaces only by name."""

_libc = ctypes.CDLL(None, use_errno=True)
_HERE = os.open(OURS, os.O_RDONLY)


class NoNetworks(Exception):
    """This machine lets nobody make a network."""


class Network:
    """A network namespace, which lives as long as a process that only waits in it."""

    def __init__(self) -> None:
        self._keeper = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo made; exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.name = Path(f"/proc/{self._keeper.pid}/ns/net")
        assert self._keeper.stdout is not None
        if not self._keeper.stdout.readline():
            raise NoNetworks(self._keeper.communicate()[1].decode().strip())

    @property
    def keeper(self) -> int:
        """The process by which the others know it."""
        return self._keeper.pid

    def run(self, *command: str, said: str = "") -> str:
        """Runs a program in it, to its end."""
        done = subprocess.run(
            ["nsenter", f"--net={self.name}", *command],
            input=said, capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
        if any(refusal in done.stderr for refusal in REFUSALS):
            raise NoNetworks(f"{command[0]}: {done.stderr.strip()}")
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}\n{said}"
        return done.stdout

    @contextmanager
    def entered(self) -> Iterator[None]:
        """What this thread makes meanwhile is of this network: sockets, processes, threads."""
        with _entered(self.name):
            yield

    def program(self, path: str, folder: Path) -> Path:
        """The program as one that runs in this network, whoever starts it; a script in the folder."""
        script = folder / Path(path).name
        script.write_text(f'#!/bin/sh\nexec nsenter --net={self.name} {path} "$@"\n')
        script.chmod(0o755)
        return script

    def end(self) -> None:
        self._keeper.communicate()


@contextmanager
def here() -> Iterator[None]:
    """Back in the network of the test process, as long as this lasts."""
    with _entered(Path(f"/proc/self/fd/{_HERE}")):
        yield


@contextmanager
def _entered(name: Path) -> Iterator[None]:
    with OURS.open() as before, name.open() as wanted:
        _enter(wanted.fileno())
        try:
            yield
        finally:
            _enter(before.fileno())


def _enter(network: int) -> None:
    if _libc.setns(network, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@dataclass(frozen=True)
class Networks:
    """Whoever is at home reaches the outside by IPv4 through a router that gives them its own address and a port by
    chance, and by IPv6 as they are."""

    home: Network
    router: Network
    outside: Network

    @classmethod
    @contextmanager
    def laid(cls) -> Iterator[Networks]:
        with ExitStack() as ends:
            home, router, outside = (_one(ends) for _ in range(3))
            made = cls(home, router, outside)
            made._wire()
            yield made

    def _wire(self) -> None:
        _ip(
            self.router,
            "link set lo up",
            f"link add home type veth peer name wire netns {self.home.keeper}",
            f"link add out type veth peer name wire netns {self.outside.keeper}",
            "addr add 10.20.0.1/24 dev home", "addr add 2001:db8:20::1/64 dev home nodad",
            f"addr add {ROUTER}/24 dev out", "addr add 2001:db8:51::2/64 dev out nodad",
            "link set home up", "link set out up",
        )  # fmt: skip
        _ip(
            self.home,
            "link set lo up", f"addr add {HOME}/24 dev wire", f"addr add {HOME6}/64 dev wire nodad", "link set wire up",
            "route add default via 10.20.0.1", "route add default via 2001:db8:20::1",
        )  # fmt: skip
        _ip(
            self.outside,
            "link set lo up", f"addr add {OUTSIDE}/24 dev wire", f"addr add {OUTSIDE6}/64 dev wire nodad",
            "link set wire up", "route add default via 2001:db8:51::2",
        )  # fmt: skip
        forward = "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding"
        self.router.run("sh", "-c", forward)
        self.lets_through()
        wait_until_sync(self._plugged, "the wires are plugged in")

    def _plugged(self) -> bool:
        wired = (self.home, self.router, self.outside)
        return not any(" DOWN " in network.run("ip", "-br", "link") for network in wired)

    def lets_through(self, *only: str) -> None:
        """What passes from home to the outside: all, or what one of these rules of nft says."""
        rules = "".join(f"    {rule} accept\n" for rule in only)
        policy = "drop" if only else "accept"
        self.router.run("nft", "-f", "-", said=f"""
flush ruleset
table ip nat {{
  chain out {{
    type nat hook postrouting priority srcnat
    oifname "out" counter masquerade fully-random
  }}
}}
table inet gate {{
  chain forward {{
    type filter hook forward priority filter; policy {policy}
    iifname "out" accept
{rules}  }}
}}
""")  # fmt: skip

    @contextmanager
    def renumbered(self) -> Iterator[None]:
        """The router has another address meanwhile, and has forgotten whose packets it translated how."""
        try:
            _ip(self.router, f"addr del {ROUTER}/24 dev out", f"addr add {ANOTHER}/24 dev out")
            yield
        finally:
            _ip(self.router, f"addr del {ANOTHER}/24 dev out", f"addr add {ROUTER}/24 dev out")


def _one(ends: ExitStack) -> Network:
    network = Network()
    ends.callback(network.end)
    return network


def _ip(network: Network, *lines: str) -> None:
    network.run("ip", "-batch", "-", said="\n".join(lines))


@contextmanager
def relay(secret: str, folder: Path, *, host: str = "127.0.0.1", more: Sequence[str] = ()) -> Iterator[int]:
    """A TURN server (coturn) in the network where it is started; gives its port at `host`."""
    port = lasting_port()
    hosts = {host, "127.0.0.1"}  # the second is where a test may look
    command = [
        "turnserver", "-n", "--use-auth-secret", f"--static-auth-secret={secret}", f"--realm={TURN_REALM}",
        f"--listening-port={port}", "--min-port=61000", "--max-port=65535", "--no-cli", "--no-rfc5780",
        "--no-tls", "--no-dtls", "--no-stdout-log", f"--log-file={folder}/turn.log", "--simple-log",
        f"--pidfile={folder}/turn.pid", f"--db={folder}/turn.db", f"--relay-ip={host}",
        *(f"--listening-ip={each}" for each in hosts), *more,
    ]  # fmt: skip
    with (folder / "turn.out").open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        wait_until_sync(lambda: process.poll() is not None or listens(port), "the relay listens")
        assert process.poll() is None, (folder / "turn.out").read_text(errors="replace")[-2000:]
        yield port
    finally:
        process.kill()
        process.wait()
