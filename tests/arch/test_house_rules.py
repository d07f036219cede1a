"""Each house rule keeps quiet about its good samples and speaks up about its bad ones."""

from __future__ import annotations

from types import ModuleType

import pytest

from tools.lint import lengths
from tools.lint.model import Module, Sample
from tools.lint.run import all_rules, apply, findings

pytestmark = pytest.mark.arch

RULES = all_rules()


def modules(sample: Sample | tuple[Sample, ...]) -> list[Module]:
    """A sample is one file, or several for a rule that looks at all files."""
    files = sample if isinstance(sample, tuple) else (sample,)
    return [Module(file.path, file.source) for file in files]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.NAME)
def test_a_rule_has_samples_of_both_kinds(rule: ModuleType) -> None:
    assert rule.__doc__
    assert rule.GOOD
    assert rule.BAD


@pytest.mark.parametrize(("rule", "sample"), [(rule, sample) for rule in RULES for sample in rule.GOOD])
def test_good_samples_pass(rule: ModuleType, sample: Sample) -> None:
    assert list(apply(rule, modules(sample))) == []


@pytest.mark.parametrize(("rule", "sample"), [(rule, sample) for rule in RULES for sample in rule.BAD])
def test_bad_samples_are_found(rule: ModuleType, sample: Sample) -> None:
    found = list(apply(rule, modules(sample)))
    assert found
    assert {finding.rule for finding in found} == {rule.NAME}


def test_an_exception_needs_a_reason() -> None:
    path = "src/guichet/desk/api.py"
    silent = Module(path, "import time\nnow = time.time()  # lint: allow clock")
    reasoned = Module(path, "import time\nnow = time.time()  # lint: allow clock, shown to people only")
    assert [finding.rule for finding in findings([silent])] == ["clock"]
    assert findings([reasoned]) == []


def test_exceptions_are_few() -> None:
    line = "now = time.time()  # lint: allow clock, shown to people only\n"
    found = findings([Module("src/guichet/desk/api.py", "import time\n" + line * 11)])
    assert [finding.rule for finding in found] == ["exceptions"]


@pytest.mark.parametrize(
    ("found", "listed", "says"),
    [
        ({"a.py": 400}, {}, []),
        ({"a.py": 401}, {}, ["asks for a cut"]),
        ({"a.py": 500}, {"a.py": 500}, []),
        ({"a.py": 501}, {"a.py": 500}, ["may only get shorter"]),
        ({"a.py": 450}, {"a.py": 500}, ["write that down"]),
        ({"a.py": 300}, {"a.py": 500}, ["take it off"]),
        ({}, {"a.py": 500}, ["take it off"]),
        ({"a.py": 601}, {"a.py": 601}, ["cut it in two"]),
    ],
)
def test_the_length_ratchet(found: dict[str, int], listed: dict[str, int], says: list[str]) -> None:
    messages = [finding.message for finding in lengths.check(found, listed)]
    assert len(messages) == len(says)
    assert all(part in message for part, message in zip(says, messages, strict=True))
