"""Keeps tests/arch/catalogue.json, the promise that every fact ever written can still be read.

`python -m tools.catalogue` writes what the code says now, unless that would break the promise: then it names
each fact at fault and changes nothing. A fact changes by a new version with an upcaster from the old one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, cast

import msgspec

import guichet.events
from guichet.events.base import CATALOGUE, UPCASTERS, Fact
from guichet.kit.plugins import discover

SNAPSHOT = Path(__file__).parent.parent / "tests" / "arch" / "catalogue.json"

Schema = dict[str, Any]


class _Names:
    """Stands in for a fact: each field's value is its name."""

    def __getattr__(self, name: str) -> str:
        return name


NAMES = cast(Fact, _Names())


def described() -> dict[str, Schema]:
    """The catalogue as plain data, by fact type."""
    discover(guichet.events)
    return {
        name: {
            "version": entry.version,
            "opens": entry.opens,
            "personal": sorted(entry.personal),
            "subject": entry.subject_of(NAMES) if entry.subject_of is not None else None,
            "stream": entry.stream_of(NAMES),
            "fields": _plain(msgspec.json.schema(entry.cls)),
        }
        for name, entry in sorted(CATALOGUE.items())
        if entry.cls.__module__.startswith("guichet.")
    }


def _plain(schema: Any) -> Any:  # noqa: ANN401 (JSON)
    """A JSON schema without its words."""
    if isinstance(schema, dict):
        return {
            key: _plain(value)
            for key, value in schema.items()
            if not (key in ("description", "title") and isinstance(value, str))
        }
    return [_plain(item) for item in schema] if isinstance(schema, list | tuple) else schema


def problems(
    before: dict[str, Schema], after: dict[str, Schema], steps: set[tuple[str, int]] | None = None
) -> list[str]:
    """What can no longer be read. `steps`: the upcasters there are, as (type, from version)."""
    steps = set(UPCASTERS) if steps is None else steps
    found: list[str] = []
    for name, old in before.items():
        new = after.get(name)
        if new is None:
            found.append(f"{name}: removed, but logs hold it")
            continue
        if new["version"] < old["version"]:
            found.append(f"{name}: version {new['version']} is older than {old['version']}")
        found.extend(
            f"{name}: no upcaster from version {version}"
            for version in range(old["version"], new["version"])
            if (name, version) not in steps
        )
        if new["version"] == old["version"]:
            found.extend(f"{name}: {what}" for what in _changes(old, new))
    return found


def _changes(old: Schema, new: Schema) -> list[str]:
    """Changes under one version that old records would not survive; a new field with a default is none."""
    found = [f"{key} changed" for key in ("opens", "subject", "stream") if old[key] != new[key]]
    if not set(old["personal"]) <= set(new["personal"]):
        found.append("a personal field is not personal any more")
    old_structs, new_structs = old["fields"].get("$defs", {}), new["fields"].get("$defs", {})
    for struct, fields in old_structs.items():
        later = new_structs.get(struct, {})
        for field, kind in fields.get("properties", {}).items():
            if not _reads(kind, later.get("properties", {}).get(field)):
                found.append(f"field {struct}.{field} was removed or changed its type")
        found.extend(
            f"field {struct}.{field} is required, but old records lack it"
            for field in set(later.get("required", [])) - set(fields.get("required", []))
        )
    return found


def _reads(old: Schema, new: Schema | None) -> bool:
    """Whether a field of the new kind can hold what the old kind wrote: a choice may have grown."""
    if new is not None and "enum" in old and "enum" in new:
        return set(old["enum"]) <= set(new["enum"])
    return old == new


def main() -> int:
    """Writes the snapshot; 1 when that would break the promise."""
    after = described()
    before = json.loads(SNAPSHOT.read_text(encoding="utf-8")) if SNAPSHOT.exists() else {}
    broken = problems(before, after)
    for problem in broken:
        sys.stderr.write(f"{problem}\n")
    if broken:
        return 1
    SNAPSHOT.write_text(json.dumps(after, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
