"""The read tables of routing."""

from __future__ import annotations

from guichet.store.rows import table

TASK = table(
    "task",
    key=("task",),
    columns={
        "task": "text",
        "conversation": "text",
        "client": "text",
        "queue": "text",
        "live": "bool",
        "state": "text",
        "agent": "text",
        "since": "int",
        "priority": "int",
        "answer_by": "int",
        "place": "int",
    },
    indexes=(("conversation",),),
)
"""Tasks that have not ended. `place` is the place in line of those that wait, refreshed once a second."""

WORK = table(
    "work",
    key=("agent", "task"),
    columns={
        "agent": "text",
        "task": "text",
        "conversation": "text",
        "client": "text",
        "queue": "text",
        "live": "bool",
        "state": "text",
        "since": "int",
        "answer_by": "int",
        "deadline": "int",
        "offer": "text",
        "why": "json",
        "forced": "bool",
    },
    version=2,
)
"""What an agent's list shows: offered, assigned, wrapup, parked. `deadline` is when that ends, if it does by itself;
`why` is the offer's decision record."""

# Ids of agents and queues are an organisation's own: two organisations may have the same, hence the key.
AGENT_STATE = table(
    "agent_state",
    key=("organisation", "agent"),
    columns={
        "organisation": "text",
        "agent": "text",
        "presence": "text",
        "reason": "text",
        "since": "int",
        "load": "int",
        "capacity": "int",
        "offered": "int",
        "connected": "bool",
        "site": "text",
        "team": "text",
        "wrapup_until": "int",
    },
    indexes=(("agent",),),
)

QUEUE_STATE = table(
    "queue_state",
    key=("organisation", "queue"),
    columns={
        "organisation": "text",
        "queue": "text",
        "client": "text",
        "open": "bool",
        "waiting": "int",
        "oldest": "int",
        "offered": "int",
        "assigned": "int",
        "answered_today": "int",
        "answered_in_time_today": "int",
        "abandoned_today": "int",
    },
)

DECISION = table(
    "decision",
    key=("offer",),
    columns={
        "offer": "text",
        "task": "text",
        "conversation": "text",
        "client": "text",
        "agent": "text",
        "t": "int",
        "record": "json",
    },
    indexes=(("task",),),
)
"""Why each offer went to this agent: the record, `events.routing.Decision`."""
