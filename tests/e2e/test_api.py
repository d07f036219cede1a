"""Whatever is sent to the HTTP interface, by whomever: it is answered, and never with a defect (500).

Schemathesis makes requests from the running app's own OpenAPI. Half of them name things that are really there, or
most would end at "there is no such conversation".
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import json
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response
from schemathesis.schemas import APIOperation, BaseSchema

from guichet.desk.commands import offered_to_people
from guichet.leader.registry import COMMANDS
from guichet.server.demo.operator import DOMAIN, PASSWORD
from tests.e2e.demonstration import Demonstration

pytestmark = [pytest.mark.contract, pytest.mark.slow, pytest.mark.timeout(240)]

Known = dict[str, list[str]]
Operation = APIOperation[Any, Any, Any, Any]
ROLES = {"nobody": "", "agent": "paul", "leader": "claire", "administrator": "marc"}
FEW = settings(
    max_examples=20,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
KEYS = st.from_regex(r"[!-~]{1,20}", fullmatch=True) | st.text(min_size=1, max_size=20)
SIGN_OUT = "/api/sign-out"


def session_of(demo: Demonstration, who: str) -> requests.Session:
    """Signed in, unless it is nobody's."""
    session = requests.Session()
    session.headers["X-Guichet"] = "1"
    if who:
        body = {"email": f"{who}@{DOMAIN}", "password": PASSWORD}
        assert session.post(f"{demo.url}/api/sign-in", json=body).status_code == 200
    return session


def things(demo: Demonstration) -> Known:
    """Ids of what is there, by the name that paths and payloads give them."""
    with session_of(demo, "claire") as claire:
        rows = claire.get(f"{demo.url}/api/conversations", params={"limit": 20}).json()
        conversations = [row["conversation"] for row in rows]
        messages = claire.get(f"{demo.url}/api/conversations/{conversations[0]}/messages").json()
    return {
        "conversation": conversations,
        "customer": [row["customer"] for row in rows],
        "task": [f"{conversation}-1" for conversation in conversations],
        "offer": [f"{conversation}-1-1" for conversation in conversations],
        "message": [row["message"] for row in messages if row["message"]],
        "agent": ["paul", "claire"],
        "queue": ["corvelle-chat", "wrenfield-mail"],
        "kind": ["agent", "queue", "reply", "note"],
        "ident": ["paul", "corvelle-chat"],
    }


def naming(known: Known, fields: dict[str, Any], choose: st.DataObject) -> dict[str, Any]:
    """The same fields, about half of those that can be naming something real."""
    return {
        name: choose.draw(st.sampled_from(known[name]))
        if name in known and choose.draw(st.booleans())
        else value
        for name, value in fields.items()
    }


def commands_as_openapi() -> BaseSchema:
    """Every command that a desk may send, as if each had a path of its own: what makes payloads for them."""
    names = offered_to_people()
    payloads, components = json.schema_components(
        [COMMANDS[name].payload for name in names], ref_template="#/components/schemas/{name}"
    )
    paths = {
        f"/{name}": {
            "post": {
                "requestBody": {"required": True, "content": {"application/json": {"schema": payload}}},
                "responses": {"200": {"description": "done"}},
            }
        }
        for name, payload in zip(names, payloads, strict=True)
    }
    return schemathesis.openapi.from_dict(
        {
            "openapi": "3.1.0",
            "info": {"title": "commands", "version": "1"},
            "paths": paths,
            "components": {"schemas": components},
        }
    )


def operations(schema: BaseSchema) -> list[Operation]:
    """All of a schema. Fails for one that the schema describes badly."""
    found = list(schema.get_all_operations())
    assert found
    return [result.ok() for result in found if isinstance(result, Ok)]


class Asking:
    """One role's requests, and what was found."""

    def __init__(self, demo: Demonstration, role: str, session: requests.Session, known: Known) -> None:
        self.demo = demo
        self.role = role
        self.session = session
        self.known = known
        self.found: set[str] = set()
        self.answers: Counter[int] = Counter()

    def operation(self, operation: Operation) -> None:
        """A few requests of one operation."""

        @FEW
        @given(case=operation.as_strategy(), choose=st.data())
        def ask(case: schemathesis.Case[Any], choose: st.DataObject) -> None:
            case.path_parameters = naming(self.known, dict(case.path_parameters or {}), choose)
            case.query = naming(self.known, dict(case.query or {}), choose)
            self._check(f"{case.method} {case.formatted_path}", case.call(session=self.session))

        ask()

    def command(self, operation: Operation) -> None:
        """A few commands of one kind."""
        name = operation.path.strip("/")

        @FEW
        @given(case=operation.as_strategy(), key=KEYS, choose=st.data())
        def ask(case: schemathesis.Case[Any], key: str, choose: st.DataObject) -> None:
            payload = case.body if isinstance(case.body, dict) else {}
            body: dict[str, Any] = {"name": name, "key": key, "payload": naming(self.known, payload, choose)}
            response = self.session.post(f"{self.demo.url}/api/commands", json=body)
            self._check(f"{name} {body['payload']!r}"[:300], response)

        ask()

    def _check(self, what: str, response: requests.Response | Response) -> None:
        self.answers[response.status_code] += 1
        if response.status_code >= 500:
            self.found.add(f"{response.status_code} for {self.role}: {what}: {response.text[:200]}")


async def test_no_request_meets_a_defect(demo: Demonstration) -> None:
    schema = schemathesis.openapi.from_url(f"{demo.url}/api/openapi.json")
    known = things(demo)
    found: set[str] = set()
    with ExitStack() as opened:
        # All before the first of them tries passwords: too many at once are refused.
        sessions = {role: opened.enter_context(session_of(demo, who)) for role, who in ROLES.items()}
        for role, session in sessions.items():
            asking = Asking(demo, role, session, known)
            for operation in operations(schema):
                if operation.path != SIGN_OUT:
                    asking.operation(operation)
            for operation in operations(commands_as_openapi()):
                asking.command(operation)
            assert session.post(f"{demo.url}{SIGN_OUT}").status_code < 500
            found |= asking.found
            wanted = {200, 401} if role == "nobody" else {200, 404, 422}
            assert wanted <= set(asking.answers), f"{role} met only {asking.answers}"
    assert not found, "\n".join(sorted(found)[:20])
    assert not demo.problems()
