"""The list of mutants that survive: it can be read, and it is of functions that are there."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))  # As scripts/mutants itself does.

from mutants_tool import main  # noqa: E402  # Needs the line above.
from mutants_tool.main import Mutant, listed, report, written  # noqa: E402  # The same.

SURVIVOR = Mutant(module="gates", function="passed", change="a | b → a & b", end="survived")


def test_each_reason_of_the_list_is_for_a_change_of_code_that_is_there() -> None:
    reasons = listed(main.LIST.read_text(encoding="utf-8"))
    assert reasons
    for (place, change), reason in reasons.items():
        module, _, function = place.partition(".")
        code = (ROOT / main.ROOM / f"{module}.py").read_text(encoding="utf-8")
        assert f"{function.rpartition('.')[2]}(" in code
        before = change.partition(" → ")[0].replace("¦", "|")
        assert before.split(" for ")[0] in code, change
        assert reason.startswith("equivalent")


def test_a_survivor_without_a_reason_is_told_and_fails() -> None:
    killed = Mutant(module="gates", function="passed", change="x → y", end="killed")
    assert report([killed], {}) == 0
    assert report([killed, SURVIVOR], {}) == 1
    assert report([killed, SURVIVOR], {written(SURVIVOR): "equivalent"}) == 0
    assert written(SURVIVOR) == ("gates.passed", "a ¦ b → a & b")
