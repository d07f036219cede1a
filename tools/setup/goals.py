"""Which goal needs which parts, in order."""

from __future__ import annotations

from tools.setup import debian, media, python, steps, web

GOALS = {
    "run": (python.for_running, web.node_modules, web.build, media.build_in_background),
    "web": (python.for_running, web.node_modules, web.build),
    "dev": (python.for_development, web.node_modules),
    "media": (python.for_running, media.build),
    "test": (debian.programs, python.for_development, web.node_modules, web.build, media.build),
}


def reach(goal: str) -> None:
    if goal not in GOALS:
        raise steps.Stuck(f"no such goal: {goal} (there are {', '.join(GOALS)})")
    with steps.one_at_a_time():
        for part in GOALS[goal]:
            part()
