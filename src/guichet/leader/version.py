"""Which code can read a snapshot: the same package version with the same catalogue and the same parts."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata, resources

from guichet.events.base import CATALOGUE


@cache
def code_version() -> str:
    """Changes whenever a fold could: the package's version, the fact versions and the stages' source text.

    A development checkout changes without its version changing, so the source counts too.
    """
    digest = hashlib.sha256(metadata.version("guichet").encode())
    for name, entry in sorted(CATALOGUE.items()):
        digest.update(f"{name}@{entry.version}".encode())
    root = resources.files("guichet")
    for stage in ("events", "leader", "accounts", "customers", "media", "conversations", "routing"):
        folder = root / stage
        if folder.is_dir():
            for file in sorted(folder.iterdir(), key=lambda f: f.name):
                if file.name.endswith(".py"):
                    digest.update(file.read_bytes())
    return digest.hexdigest()[:32]
