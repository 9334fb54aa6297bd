"""Inputs that fuzzing has found: each broke a parser once, and is refused or read by now."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))  # As scripts/fuzz itself does.

from fuzz_tool.targets import TARGETS, Ready  # noqa: E402  # Needs the line above.

FOUND = Path(__file__).parent / "found"
INPUTS = sorted(FOUND.glob("*/*.bin"))


@cache
def _ready(target: str) -> Ready:
    return TARGETS[target].prepare()


def test_what_was_found_is_here() -> None:
    assert len(INPUTS) > 3
    assert {path.parent.name for path in INPUTS} <= set(TARGETS)


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_broke_a_parser_once_is_refused_or_read(path: Path) -> None:
    ready = _ready(path.parent.name)
    try:
        ready.one(path.read_bytes())
    except ready.refuses:
        return
