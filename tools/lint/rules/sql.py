"""SQL is spoken in store/ alone: everybody else reads views and yields row operations, on any engine."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.lint.model import Finding, Module, Sample

NAME = "sql"
STATEMENT = re.compile(
    r"""^\s*(
        SELECT\s.+?\sFROM\s | SELECT\s+\S+\s*$ | INSERT\s+(OR\s+\w+\s+)?INTO\s | UPDATE\s+\S+\s+SET\s | DELETE\s+FROM\s
      | (CREATE|ALTER|DROP)\s+(UNIQUE\s+|TEMP\s+|VIRTUAL\s+|MATERIALIZED\s+)*
        (TABLE|INDEX|VIEW|TRIGGER|SCHEMA|DATABASE|SEQUENCE|FUNCTION)\s
      | PRAGMA\s+\w+ | WITH\s+\w+\s+AS\s*\( | BEGIN\s+(IMMEDIATE|EXCLUSIVE|DEFERRED) | TRUNCATE\s+\w+ | VACUUM\s+INTO
    )""",
    re.VERBOSE | re.DOTALL,
)

SMALL = (
    re.compile(  # in small letters, and no English sentence: those rarely say `from x where` or `into x (`
        r"""^\s*(
        select\s.+\sfrom\s+\w+(\s+where\s | \s*$) | insert\s+into\s+\w+\s*\( | delete\s+from\s+\w+\s+where\s
      | update\s+\w+\s+set\s+\w+\s*= | create\s+table\s+\w+\s*\(
    )""",
        re.VERBOSE | re.DOTALL,
    )
)


def check(module: Module) -> Iterator[Finding]:
    if not module.parts or module.stage == "store":
        return
    for node, text in module.strings():
        if STATEMENT.match(text) or SMALL.match(text):
            line = getattr(node, "lineno", 1)
            yield Finding(module.path, line, NAME, "SQL outside store/: read through its port, or add to it")


GOOD = (
    Sample("src/guichet/store/sql.py", 'q = "SELECT a FROM b"'),
    Sample("src/guichet/desk/api.py", 'remedy = "Select a queue from the list"'),
    Sample("src/guichet/desk/api.py", 'remedy = "Update your browser"'),
    Sample("src/guichet/desk/api.py", 'def f():\n    """SELECT a FROM b is what this becomes."""'),
)
BAD = (
    Sample("src/guichet/desk/api.py", 'q = "SELECT a, b FROM c WHERE d = ?"'),
    Sample("src/guichet/desk/api.py", 'q = f"SELECT a FROM {table}"'),
    Sample("src/guichet/desk/api.py", 'q = "insert into a (b) values (?)"'),
    Sample("src/guichet/routing/api.py", 'q = """\n    UPDATE a\n    SET b = 1"""'),
    Sample("src/guichet/accounts/api.py", 'q = "PRAGMA user_version"'),
)
