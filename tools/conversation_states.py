"""Writes docs/reference/conversation-states.md from the state table: `python -m tools.conversation_states`."""

from __future__ import annotations

from pathlib import Path

from guichet.conversations import states
from guichet.events.base import BY_CLASS, Fact

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "conversation-states.md"

WORDS = {
    states.OPEN: "Nobody need do anything: it has just begun, or the customer was answered.",
    states.WAITING: "Somebody is needed and nobody is on it.",
    states.ACTIVE: "At least one agent is on it.",
    states.PARKED: "Put aside until a time, or until the customer writes.",
    states.CLOSED: "Done, as far as we know. The customer's next message wakes it up.",
}


def name(fact: type[Fact]) -> str:
    """The fact as the log names it."""
    return BY_CLASS[fact].name


def page() -> str:
    """The whole page."""
    moves: dict[tuple[str, str], list[str]] = {}
    for (before, fact), after in states.TRANSITIONS.items():
        if before != after:
            moves.setdefault((before, after), []).append(name(fact))
    lines = [
        "# States of a conversation",
        "",
        "Made from `src/guichet/conversations/states.py` by `python -m tools.conversation_states`; do not edit.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        f"    [*] --> {states.FIRST}: conversation.opened",
        *(f"    {before} --> {after}: {', '.join(facts)}" for (before, after), facts in moves.items()),
        "```",
        "",
        "| state | meaning |",
        "| --- | --- |",
        *(f"| {state} | {WORDS[state]} |" for state in states.STATES),
        "",
        "Legs move a conversation only when they are agents', and `leg.ended` only when it is the last agent's.",
        "",
        "## What may follow",
        "",
        "| fact | " + " | ".join(states.STATES) + " |",
        "| --- " * (len(states.STATES) + 1) + "|",
        *(_row(fact) for fact in states.EVENTS),
        "",
        "A dash: refused.",
        "",
        "## What becomes of a reply",
        "",
        "```mermaid",
        "stateDiagram-v2",
        "    [*] --> held: message.queued",
        "    held --> queued: message.released",
        "    held --> [*]: message.withdrawn",
        *(
            f"    {before} --> {after}"
            for before, following in states.DELIVERIES.items()
            for after in states.DELIVERIES
            if after in following
        ),
        *(
            f"    {before} --> queued: message.released"
            for before in states.DELIVERIES
            if before in states.RETRIED
        ),
        "```",
        "",
        "All other news (`delivery.recorded`) is late or told twice, and is ignored.",
    ]
    return "\n".join(lines) + "\n"


def _row(fact: type[Fact]) -> str:
    after = (states.TRANSITIONS.get((state, fact), "-") for state in states.STATES)
    return f"| `{name(fact)}` | " + " | ".join(after) + " |"


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
