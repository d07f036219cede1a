"""The name of an entry point's secret. Where it lies, `accounts.vault` says."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator


def _name_alone(name: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9._-]{0,64}", name) is None:
        raise ValueError("write the secret's name alone: at most 64 letters, digits, dots, - and _")
    return name


SecretName = Annotated[str, AfterValidator(_name_alone)]
