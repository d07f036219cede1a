"""Hypothesis profiles: `ci` finds the same examples on every run, `soak` searches on, `dev` is quick."""

from __future__ import annotations

import os
from datetime import timedelta

from hypothesis import HealthCheck, Phase, settings

SLOW_MACHINE = [HealthCheck.too_slow, HealthCheck.data_too_large]


def load() -> None:
    settings.register_profile(
        "dev", max_examples=50, deadline=timedelta(seconds=2), suppress_health_check=SLOW_MACHINE
    )
    settings.register_profile(
        "ci",
        max_examples=100,
        deadline=None,
        derandomize=True,
        database=None,
        print_blob=True,
        suppress_health_check=SLOW_MACHINE,
    )
    settings.register_profile(
        "soak",
        max_examples=5_000,
        stateful_step_count=200,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
        print_blob=True,
        suppress_health_check=SLOW_MACHINE,
    )
    settings.load_profile(name())


def name() -> str:
    if os.environ.get("GUICHET_SOAK") == "1":
        return "soak"
    return "ci" if os.environ.get("CI") else "dev"
