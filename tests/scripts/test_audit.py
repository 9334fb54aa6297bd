"""What the audit passes over: what a line explains to ruff, for that very rule, with a reason."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))  # As scripts/audit itself does.

from audit_tool.main import RULES, SAMPLE, bandit, is_explained  # noqa: E402  # Needs the line above.

FINDING: dict[str, Any] = {"test_id": "B608", "line_range": [2, 2]}


@pytest.mark.parametrize(
    ("line", "is_good"),
    [
        ("x = 1  # noqa: S608 - the names are our own.", True),
        ("x = 1  # noqa: E501, S608 - the names are our own.", True),
        ("x = 1  # noqa: S608", False),
        ("x = 1  # noqa: S603 - a list.", False),
        ("x = 1", False),
    ],
)
def test_a_finding_is_explained_by_its_own_rule_with_a_reason(line: str, *, is_good: bool) -> None:
    assert is_explained(FINDING, ["", line, ""]) == is_good


def test_each_rule_has_a_line_of_the_sample() -> None:
    rules = re.findall(r"^  - id: (\S+)", RULES.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rules) == len(set(rules)) == len(SAMPLE.read_text(encoding="utf-8").splitlines())


def test_bandit_reads_the_whole_source_and_finds_nothing_unexplained() -> None:
    lines, explained, left = bandit()
    assert lines > 50_000
    assert explained > 5
    assert left == []
