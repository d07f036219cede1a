"""Inline tables on both engines: row operations, types, erasure, rebuild, queries."""

from __future__ import annotations

import sys
import traceback

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from guichet.store.port import BadChange, Row
from guichet.store.rows import Delete, EraseSubject, Insert, Table, Update
from tests.support.stores import ORG, Opened

pytestmark = pytest.mark.contract

THING = Table(
    name="test_thing",
    key=("id",),
    columns={
        "id": "text", "subject": "text", "order": "int", "weight": "real", "done": "bool", "tags": "json",
        "raw": "blob", "words": "text",
    },
    indexes=(("order",), ("subject",)),
)  # fmt: skip
PAIR = Table(name="test_pair", key=("group", "n"), columns={"group": "text", "n": "int", "words": "text"})
EMPTY: Row = dict.fromkeys([*THING.columns, "org"])


def thing(key: str, **values: object) -> Row:
    return {**EMPTY, "org": ORG, "id": key, **values}  # type: ignore[dict-item]


@pytest.fixture
async def tabled(opened: Opened) -> Opened:
    opened.tables = [THING, PAIR]
    assert await opened.leading(opened.store.writer.rebuild_needed(opened.tables)) == []
    return opened


async def things(opened: Opened) -> dict[str, Row]:
    return {str(row["id"]): row for row in await opened.store.reader.rows(THING, {})}


async def test_insert_update_delete(tabled: Opened) -> None:
    full: Row = {
        "subject": "s", "order": -(2**63), "weight": 0.1, "done": True, "tags": {"b": [1, None, "é"], "a": {}},
        "raw": b"\0\xff", "words": "«déjà vu»",
    }  # fmt: skip
    await tabled.append(ops=[Insert(THING, ("a",), full), Insert(THING, ("b",), {"done": False})])
    await tabled.append(
        ops=[Update(THING, ("b",), {"tags": [], "order": 5}), Insert(PAIR, ("g", 7), {"words": "w"})]
    )
    assert await things(tabled) == {"a": thing("a", **full), "b": thing("b", done=False, tags=[], order=5)}
    reader, writer = tabled.store.reader, tabled.store.writer
    assert await reader.row(THING, ("a",)) == thing("a", **full)
    assert await reader.row(THING, ("z",)) is None
    assert await reader.row(PAIR, ("g", 7)) == {"org": ORG, "group": "g", "n": 7, "words": "w"}
    assert await tabled.leading(writer.rows(PAIR, [("g", 7), ("g", 8)])) == {
        ("g", 7): {"org": ORG, "group": "g", "n": 7, "words": "w"}
    }
    await tabled.append(
        ops=[Delete(THING, ("a",)), Update(THING, ("gone",), {"order": 1}), Delete(PAIR, ("g", 7))]
    )
    assert set(await things(tabled)) == {"b"}
    assert await tabled.leading(writer.rows(PAIR, [("g", 7)])) == {}


async def test_operations_on_one_key_of_one_batch_are_merged(tabled: Opened) -> None:
    await tabled.append(ops=[Insert(THING, ("old",), {"words": "old", "order": 1})])
    await tabled.append(
        ops=[
            Insert(THING, ("a",), {"words": "1"}),
            Update(THING, ("a",), {"order": 2}),
            Insert(THING, ("gone",), {}),
            Delete(THING, ("gone",)),
            Delete(THING, ("old",)),
            Insert(THING, ("old",), {"words": "new"}),
            Update(THING, ("old",), {"done": True}),
        ]
    )
    assert await things(tabled) == {
        "a": thing("a", words="1", order=2),
        "old": thing("old", words="new", done=True),
    }


async def test_many_rows_of_many_shapes_in_one_batch(tabled: Opened) -> None:
    await tabled.append(ops=[Insert(THING, (f"u{n}",), {"order": 0}) for n in range(50)])
    await tabled.append(
        ops=[
            *(Insert(THING, (f"i{n}",), {"order": n}) for n in range(50)),
            *(Insert(THING, (f"j{n}",), {"words": str(n), "order": n}) for n in range(50)),
            *(Update(THING, (f"u{n}",), {"order": n} if n % 2 else {"words": "even"}) for n in range(50)),
            *(Insert(PAIR, ("g", n), {"words": None}) for n in range(50)),
        ]
    )
    found = await things(tabled)
    assert len(found) == 150
    assert found["u7"] == thing("u7", order=7)
    assert found["u8"] == thing("u8", order=0, words="even")
    assert len(await tabled.store.reader.rows(PAIR, {"group": "g"})) == 50


async def test_a_broken_projection_writes_nothing(tabled: Opened) -> None:
    await tabled.append(ops=[Insert(THING, ("a",), {})])
    for wrong in (
        Insert(THING, ("a",), {}),
        Insert(THING, ("b",), {"nonsense": 1}),
        Update(THING, ("a",), {"nonsense": 1}),
        Update(THING, ("a",), {"order": "many"}),
        Update(THING, ("a",), {"order": 2**63}),
        Update(THING, ("a",), {"words": "half a character: \ud800"}),
    ):
        with pytest.raises(BadChange):
            await tabled.append([tabled.entry(f"thing/{id(wrong)}")], [Insert(THING, ("c",), {}), wrong])
        tabled.seq = 0
    assert await things(tabled) == {"a": thing("a")}
    assert await tabled.store.reader.last(0) == (0, 0)


async def test_what_a_broken_change_held_is_not_quoted(tabled: Opened) -> None:
    """The error ends in a log; the value may be a customer's words."""
    for column, value in {"order": "secret words", "words": "secret \ud800", "done": "secret words"}.items():
        with pytest.raises(BadChange) as raised:
            await tabled.append(ops=[Insert(THING, ("secret key",), {column: value})])
        lines = "".join(traceback.format_exception(raised.value)).splitlines()
        assert not [line for line in lines if "secret" in line and not line.startswith("    ")]
    await tabled.append(ops=[Insert(THING, ("secret key",), {})])
    with pytest.raises(BadChange) as raised:
        await tabled.append(ops=[Insert(THING, ("secret key",), {})])
    assert "secret" not in str(raised.value)


async def test_erasing_a_customer_takes_their_rows_in_every_table(tabled: Opened) -> None:
    await tabled.append(
        ops=[
            Insert(THING, (k,), {"subject": s, "words": "w"})
            for k, s in [("a", "s1"), ("b", "s2"), ("c", None)]
        ]
    )
    await tabled.append(
        ops=[
            Insert(THING, ("before",), {"subject": "s1"}),
            Update(THING, ("a",), {"words": "touched"}),
            EraseSubject("s1"),
            Insert(THING, ("after",), {"subject": "s1"}),
        ]
    )
    assert set(await things(tabled)) == {"b", "c", "after"}


async def test_rows_by_column_value_list_and_page(tabled: Opened) -> None:
    await tabled.append(
        ops=[
            Insert(THING, (f"t{n}",), {"order": n, "done": n % 2 == 0, "words": "x" if n < 3 else None})
            for n in range(10)
        ]
    )
    rows = tabled.store.reader.rows

    async def orders(where: dict[str, object], **more: object) -> list[object]:
        return [row["order"] for row in await rows(THING, where, **more)]  # type: ignore[arg-type]

    assert await orders({"done": True}, order="order") == [0, 2, 4, 6, 8]
    assert await orders({"order": [3, 1, 99], "org": ORG}, order="order") == [1, 3]
    assert await orders({"words": None, "done": [False]}, order="order", descending=True) == [9, 7, 5, 3]
    assert await orders({}, order="order", descending=True, limit=3) == [9, 8, 7]
    assert await orders({}, order="order", descending=True, before=7, limit=3) == [6, 5, 4]
    assert await orders({}, order="order", before=7) == [8, 9]
    assert await orders({"order": []}) == []
    assert await orders({"org": "other"}) == []
    assert await orders({"words": "x\0"}) == []
    await tabled.append(ops=[Insert(THING, ("last",), {})])
    assert await orders({}, order="order", descending=True) == [*range(9, -1, -1), None]
    assert await orders({}, order="order", limit=2) == [None, 0]
    for bad in ("nonsense", "tags", "id\" = '' OR 1=1 --"):
        with pytest.raises(ValueError):
            await rows(THING, {bad: "x"})


async def test_a_new_version_is_rebuilt(tabled: Opened) -> None:
    writer = tabled.store.writer
    await tabled.append(
        [tabled.entry()], [Insert(THING, ("a",), {"subject": "s"}), Insert(PAIR, ("g", 1), {})]
    )
    wider = replace(THING, columns={**THING.columns, "extra": "int"}, version=2)
    fresh = Table(name="test_fresh", key=("id",), columns={"id": "text"})
    needed = await tabled.leading(writer.rebuild_needed([wider, PAIR, fresh]))
    assert [table.name for table in needed] == ["test_thing", "test_fresh"]
    await tabled.leading(writer.begin_rebuild(needed))
    # A process that dies here finds them unfinished.
    await tabled.reopen(wider, PAIR, fresh)
    writer = tabled.store.writer
    again = await tabled.leading(writer.rebuild_needed([wider, PAIR, fresh]))
    assert [table.name for table in again] == ["test_thing", "test_fresh"]
    await tabled.leading(writer.begin_rebuild(again))
    changes = tabled.batch(
        ops=[
            Insert(wider, ("a",), {"extra": 1, "subject": "s"}),
            Insert(wider, ("b",), {"extra": 2, "subject": "s2"}),
            Insert(fresh, ("x",), {}),
        ]
    )
    await tabled.leading(writer.rebuild(changes.changes, []))
    await tabled.leading(writer.rebuild([], ["s"]))
    await tabled.leading(writer.end_rebuild(again))
    assert await tabled.leading(writer.rebuild_needed([wider, PAIR, fresh])) == []
    assert [row["extra"] for row in await tabled.store.reader.rows(wider, {})] == [2]
    assert len(await tabled.store.reader.rows(PAIR, {})) == 1


async def test_a_changed_definition_is_noticed_without_a_new_version(tabled: Opened) -> None:
    changed = replace(PAIR, columns={**PAIR.columns, "words": "int"})
    assert await tabled.leading(tabled.store.writer.rebuild_needed([changed])) == [changed]


@pytest.mark.parametrize("name", ["fact", "session", "Thing", "a b", 'x"y', "1x", ""])
async def test_names_that_sql_or_the_store_cannot_have(opened: Opened, name: str) -> None:
    bad = Table(name=name, key=("id",), columns={"id": "text"})
    with pytest.raises(ValueError, match="may not be used"):
        await opened.leading(opened.store.writer.rebuild_needed([bad]))


TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60)
INTEGER = st.integers(-(2**63), 2**63 - 1)
REAL = st.floats(allow_nan=False)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "order": st.none() | INTEGER,
        "weight": st.none() | REAL,
        "done": st.none() | st.booleans(),
        "tags": JSON,
        "raw": st.none() | st.binary(max_size=60),
        "words": st.none() | TEXT,
    },
)


@given(key=TEXT, first=VALUES, then=VALUES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_every_value_comes_back_as_it_was(tabled: Opened, key: str, first: Row, then: Row) -> None:
    """NUL is kept on SQLite and becomes U+FFFD on PostgreSQL, where text cannot hold it; never an error."""

    def stored(value: object) -> object:
        lossy = tabled.url != "sqlite" and isinstance(value, str)
        return value.replace("\0", "\ufffd") if lossy and isinstance(value, str) else value

    await tabled.append(ops=[Insert(THING, (key,), dict(first))])
    if then:
        await tabled.append(ops=[Update(THING, (key,), dict(then))])
    row = await tabled.store.reader.row(THING, (key,))
    expected = {name: stored(value) for name, value in {**thing(key), **first, **then}.items()}
    assert row == expected
    assert [type(value) for value in row.values()] == [type(expected[name]) for name in row]
    await tabled.append(ops=[Delete(THING, (key,))])
    assert await tabled.store.reader.row(THING, (key,)) is None


async def test_extreme_reals(tabled: Opened) -> None:
    values = [sys.float_info.max, sys.float_info.min, -0.0, float("inf"), float("-inf"), 1e-320]
    await tabled.append(ops=[Insert(THING, (str(n),), {"weight": value}) for n, value in enumerate(values)])
    found = await things(tabled)
    assert [found[str(n)]["weight"] for n in range(len(values))] == values
