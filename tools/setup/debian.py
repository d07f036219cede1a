"""Programs of the tests that are neither on PyPI nor on npm: a database server, a browser, a mail server."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tools.setup.steps import Stuck, run

PACKAGES = {
    "postgresql": "/usr/lib/postgresql/*/bin/initdb",
    "chromium": "/usr/bin/chromium",
    "fonts-liberation": "/usr/share/fonts/truetype/liberation*/*.ttf",
    "fonts-noto-color-emoji": "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
    "postfix": "/usr/sbin/postfix",
    "dovecot-imapd": "/usr/lib/dovecot/imap",
    "sip-tester": "/usr/bin/sipp",
    "coturn": "/usr/bin/turnserver",
    "iproute2": "/bin/ip",
    "nftables": "/usr/sbin/nft",
    "ffmpeg": "/usr/bin/ffmpeg",
    "espeak-ng": "/usr/bin/espeak-ng",
    "gcc": "/usr/bin/gcc",  # for Go's race detector
    "libc6-dev": "/usr/include/stdio.h",
}
"""Debian's package and a file that shows it is there."""

QUIET = {
    "DEBIAN_FRONTEND": "noninteractive",
    "RUNLEVEL": "1",  # the tests start servers of their own: start none as a service
}


def programs() -> None:
    missing = [package for package, shown_by in PACKAGES.items() if not _there(shown_by)]
    if not missing:
        return
    command = f"apt-get install {' '.join(missing)}"
    if shutil.which("apt-get") is None:
        raise Stuck(
            f"The tests need these programs, in Debian's packages {', '.join(missing)}; install them."
        )
    if os.geteuid() != 0:
        raise Stuck(f"The tests need programs that are not here. As root:\n    {command}\nthen say it again.")
    _preseed()
    hint = f"Try it by hand: {command}"
    run("Debian's package lists", ["apt-get", "update", "-qq"], hint, env=QUIET)
    run(
        f"Debian packages {', '.join(missing)}",
        ["apt-get", "install", "-qq", "--yes", "--no-install-recommends", *missing],
        hint,
        env=QUIET,
    )


def _there(pattern: str) -> bool:
    return any(Path("/").glob(pattern.lstrip("/")))


def _preseed() -> None:
    """Postfix asks at its installation what it shall be; the tests write their own configuration."""
    if shutil.which("debconf-set-selections") is None:
        return
    answer = "printf 'postfix postfix/main_mailer_type select No configuration\\n' | debconf-set-selections"
    run("answers to Debian's questions", ["sh", "-c", answer], "debconf is broken on this machine")
