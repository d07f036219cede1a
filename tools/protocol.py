"""`python -m tools.protocol`: writes web/protocol/src/generated/index.ts from what the server declares.

Rows come from the views and their tables, frames and command payloads from msgspec structs, configuration from
the pydantic models. Tables do not say which columns are never empty or hold one of a few words: `ALWAYS` and
`WORDS` do, and tests/contracts/test_views.py holds real rows against them.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec

from guichet.accounts.settings import KINDS, Role
from guichet.conversations.states import Delivery, State
from guichet.desk import frames
from guichet.desk.commands import offered_to_people
from guichet.desk.views import PUBLIC, VIEWS, View
from guichet.events.conversations import Attachment, Party
from guichet.events.routing import Presence
from guichet.leader.registry import COMMANDS
from guichet.routing.model import TaskState
from guichet.server import stages

FILE = Path(__file__).resolve().parents[1] / "web" / "protocol" / "src" / "generated" / "index.ts"

SHORT = 60
"""Characters of an object that stands on one line."""

HEAD = """\
/**
 * What the desk and the server say to each other. Made by `python -m tools.protocol`; do not edit.
 * Times are milliseconds since the epoch by the server's clock.
 */
"""

ALWAYS: dict[str, str] = {
    "work": "conversation client queue live state since forced",
    "conversation": "customer client channel entry_point queue live language state n unread tags opened_at last_at",
    "message": "message client kind text attachments at internal",
    "leg": "party started",
    "task": "conversation client queue live state since priority",
    "agent_state": "presence since load capacity offered connected",
    "queue_state": (
        "client open waiting offered assigned answered_today answered_in_time_today abandoned_today"
    ),
    "config": "version value",
}
"""By table: columns outside the key that are never null."""

WORDS: dict[tuple[str, str], tuple[str, object]] = {
    ("work", "state"): ("WorkState", Literal["offered", "assigned", "wrapup", "parked"]),
    ("task", "state"): ("TaskState", TaskState),
    ("conversation", "state"): ("ConversationState", State),
    ("conversation", "last_author"): ("Author", Literal["customer", "agent"]),
    ("message", "kind"): ("MessageKind", Literal["customer", "agent", "note", "system"]),
    ("message", "status"): ("MessageStatus", Literal["received", Delivery]),
    ("leg", "party"): ("Party", Party),
    ("agent_state", "presence"): ("Presence", Presence),
}
"""Columns that hold one of a few words: the name of their type, and the words."""

JSON: dict[tuple[str, str], str] = {
    ("conversation", "tags"): "string[]",
    ("message", "attachments"): "Attachment[]",
    ("message", "headers"): "Record<string, string>",
    ("work", "why"): "WhyPart[]",
    ("config", "value"): "Record<string, unknown>",
}
"""What JSON columns hold."""

Schema = dict[str, Any]
COLUMNS = {
    "text": "string",
    "int": "number",
    "real": "number",
    "bool": "boolean",
    "json": "unknown",
    "blob": "string",
}


def generate() -> str:
    """The whole file."""
    stages.load()
    parts = [HEAD, *_rows(), *_frames(), *_commands(), *_config()]
    return "\n".join(parts)


def words_of(table: str, column: str) -> tuple[str, ...]:
    """The words that a column of `WORDS` may hold."""
    flat: list[str] = []
    for arg in typing.get_args(WORDS[table, column][1]):
        flat.extend(typing.get_args(arg) or (arg,))
    return tuple(flat)


def desk_views() -> list[View]:
    """The views that a desk may watch."""
    return [view for view in VIEWS.values() if view.permission]


# --- rows -------------------------------------------------------------------------------------------


def _rows() -> Iterable[str]:
    yield "/** One reason of a decision, as a code and its numbers. */"
    yield "export type WhyPart = { code: string } & Record<string, string | number>;\n"
    for at, (name, _) in WORDS.items():
        yield f"export type {name} = {' | '.join(json.dumps(word) for word in words_of(*at))};\n"
    yield f"export type Role = {' | '.join(json.dumps(word) for word in typing.get_args(Role))};\n"
    yield from _struct_types([Attachment])
    seen: dict[str, View] = {}
    for view in desk_views():
        if view.table not in seen:
            seen[view.table] = view
            yield _interface(_row_name(view), _row_fields(view))
    views = desk_views()
    yield "/** Each view's rows. */"
    yield _interface("Views", [f"{view.name}: {_row_name(view)}" for view in views])
    yield "export type ViewName = keyof Views;\n"
    yield "/** The columns that name a row in each view. */"
    keys = "\n".join(f"  {view.name}: {json.dumps(list(view.key))}," for view in views)
    yield f"export const KEYS = {{\n{keys}\n}} as const satisfies {{ [V in ViewName]: readonly (keyof Views[V])[] }};\n"
    yield "/** What a view's partition is: one's own organisation or oneself (may be left out), or a conversation. */"
    partitions = "\n".join(f'  {view.name}: "{_partition(view)}",' for view in views)
    yield f"export const PARTITIONS = {{\n{partitions}\n}} as const satisfies Record<ViewName, string>;\n"


def _partition(view: View) -> str:
    return "own" if view.own or view.partition == "org" else view.partition


def _row_name(view: View) -> str:
    return "".join(word.capitalize() for word in view.table.split("_")) + "Row"


def _row_fields(view: View) -> list[str]:
    table = view.source
    always = {*view.key, *ALWAYS[view.table].split()}
    fields = []
    for column in view.shown:
        at = (table.name, column)
        kind = WORDS[at][0] if at in WORDS else JSON.get(at, COLUMNS[table.columns[column]])
        fields.append(f"{column}: {kind}" + ("" if column in always else " | null"))
    return fields


# --- frames, commands, configuration ---------------------------------------------------------------


def _frames() -> Iterable[str]:
    client = typing.get_args(frames.AnyClientFrame)
    server = typing.get_args(frames.AnyServerFrame)
    yield from _struct_types(list(client))
    yield from _struct_types(list(server), absent=True)
    yield f"export type ClientFrame = {' | '.join(_frame_name(f) for f in client)};\n"
    yield f"export type ServerFrame = {' | '.join(_frame_name(f) for f in server)};\n"


def _frame_name(frame: type[msgspec.Struct]) -> str:
    return frame.__name__


def _commands() -> Iterable[str]:
    names = offered_to_people()
    payloads = {name: COMMANDS[name].payload for name in names}
    components = _components(list(dict.fromkeys(payloads.values())))
    emitter = Emitter(components[1])
    yield "/** The commands that a desk may send, and what each one takes. */"
    fields = []
    for name in names:
        schema = components[1][payloads[name].__name__]
        fields.append(f"{name}: {emitter.type(schema)}")
    yield _interface("Commands", fields)
    yield "export type CommandName = keyof Commands;\n"


def _config() -> Iterable[str]:
    yield "/** Values of the configuration by kind, as administrators read them. */"
    fields = []
    for kind, model in KINDS.items():
        schema = model.model_json_schema(mode="serialization")
        emitter = Emitter(schema.get("$defs", {}), whole=True)
        fields.append(f"{kind}: {emitter.type(schema)}")
    yield _interface("ConfigValues", fields)
    yield "export type ConfigKind = keyof ConfigValues;\n"
    yield "/** What the view `config` shows of them to everybody. */"
    picks = [
        f'{kind}: Pick<ConfigValues["{kind}"], {" | ".join(json.dumps(name) for name in names)}>'
        for kind, names in PUBLIC.items()
    ]
    yield _interface("PublicConfig", picks)


def _components(types: list[Any]) -> tuple[Any, dict[str, Any]]:
    schemas, components = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    return schemas, components


def _struct_types(types: list[Any], *, absent: bool = False) -> Iterable[str]:
    """An interface for each struct and for those that they name."""
    _, components = _components(types)
    emitter = Emitter(components, absent=absent)
    for name, schema in components.items():
        if words := (schema.get("description") or "").strip().split("\n\n")[0]:
            yield f"/** {' '.join(words.split())} */"
        yield f"export interface {name} {emitter.type(schema)}\n"


class Emitter:
    """JSON schema as TypeScript. Raises ValueError for what nobody needed so far.

    Args:
        whole: values are always written out whole, so that what has a default is there too.
        absent: what is null is left out.
    """

    def __init__(self, components: dict[str, Any], *, whole: bool = False, absent: bool = False) -> None:
        self._components = components
        self._whole = whole
        self._absent = absent

    def type(self, schema: Schema, indent: str = "") -> str:
        """The type of a schema."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return name if self._is_exported(name) else self.type(self._components[name], indent)
        if "anyOf" in schema:
            return " | ".join(dict.fromkeys(self.type(one, indent) for one in schema["anyOf"]))
        if "enum" in schema or "const" in schema:
            return " | ".join(json.dumps(word) for word in schema.get("enum", [schema.get("const")]))
        kind = schema.get("type")
        if kind == "object":
            return self._object(schema, indent)
        if kind == "array":
            item = self.type(schema.get("items", {}), indent)
            return f"({item})[]" if " " in item and not item.startswith("{") else f"{item}[]"
        simple = {
            "string": "string",
            "integer": "number",
            "number": "number",
            "boolean": "boolean",
            "null": "null",
        }
        if kind is None:
            return "unknown"
        if kind not in simple:
            raise ValueError(f"no TypeScript for {schema}")
        return simple[kind]

    @staticmethod
    def _is_exported(name: str) -> bool:
        return name in {"Attachment", "Problem"}

    def _object(self, schema: Schema, indent: str) -> str:
        properties = schema.get("properties")
        if properties is None:
            values = schema.get("additionalProperties")
            return f"Record<string, {self.type(values, indent) if isinstance(values, dict) else 'unknown'}>"
        inner = indent + "  "
        lines: list[str] = []
        for name, value in properties.items():
            there = self._whole or name in schema.get("required", [])
            if self._absent and not there:
                value = {"anyOf": [one for one in value.get("anyOf", [value]) if one != {"type": "null"}]}
            lines.append(f"{name}{'' if there else '?'}: {self.type(value, inner)};")
        short = f"{{ {' '.join(lines)} }}"
        if len(short) <= SHORT and "\n" not in short:
            return short
        return "{\n" + "\n".join(inner + line for line in lines) + f"\n{indent}}}"


def _interface(name: str, fields: list[str]) -> str:
    lines = "\n".join("  " + field.replace("\n", "\n  ") + ";" for field in fields)
    return f"export interface {name} {{\n{lines}\n}}\n"


def main() -> None:
    """Writes the file."""
    FILE.write_text(generate())
    print(f"wrote {FILE}")


if __name__ == "__main__":
    main()
