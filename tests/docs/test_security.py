"""What the table of security claims: no row is empty, each test is there, no number is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, rows

SECURITY = ROOT / "docs/security.md"
THREATS = ROOT / "docs/threats.md"
TESTS = ROOT / "tests"
# The numbers of OWASP ASVS 5.0, each with its level.
NUMBERS = dict(
    line.split() for line in (Path(__file__).parent / "asvs.txt").read_text("utf-8").splitlines()
)
_NUMBER = re.compile(r"\d+\.\d+\.\d+")
_NAMED = re.compile(r"`([a-z_0-9/]+\.py)(?:::(\w+))?`")


def _table() -> list[list[str]]:
    """Return the rows of the chapters, each of numbers, what is done, and what shows it."""
    text = SECURITY.read_text(encoding="utf-8")
    return [row for row in rows(text) if _NUMBER.match(row[0])]


@cache
def _tests_of(path: str) -> tuple[str, ...]:
    source = (TESTS / path).read_text(encoding="utf-8")
    return tuple(re.findall(r"^def test_(\w+)", source, re.MULTILINE))


def _named(text: str) -> Iterator[tuple[str, str]]:
    for found in _NAMED.finditer(text):
        yield found[1], found[2] or ""


def test_every_number_stands_in_the_table_once() -> None:
    told = [number for row in _table() for number in _NUMBER.findall(row[0])]
    assert len(NUMBERS) == 345
    assert len(told) == len(set(told))
    assert set(told) == set(NUMBERS)


def test_no_row_is_empty_and_who_claims_something_shows_it() -> None:
    for numbers, done, shown in _table():
        assert len(done.split()) > 1, numbers
        assert shown, numbers
        is_excused = done.startswith(("does not apply", "**not done**"))
        is_read = "(read by people)" in shown or "(there is no such field)" in shown
        assert is_excused or is_read or list(_named(shown)), numbers


def test_what_level_two_asks_for_is_kept_or_plainly_not_done() -> None:
    """What is not kept is one of these, so that nobody adds to it in silence."""
    open_ones = {
        number
        for numbers, done, _ in _table()
        if "**not done**" in done.lower()
        for number in _NUMBER.findall(numbers)
        if NUMBERS[number] != "3"
    }
    assert open_ones == {
        "5.4.3",
        "6.2.12",
        "6.3.3",
        "11.1.2",
        "12.3.1",
        "12.3.3",
        "12.3.4",
        "13.2.1",
        "13.3.1",
        "14.3.1",
        "16.4.3",
    }


@pytest.mark.parametrize("document", [SECURITY, THREATS], ids=lambda path: path.name)
def test_each_test_that_is_named_is_there(document: Path) -> None:
    named = set(_named(document.read_text(encoding="utf-8")))
    assert len(named) > 20
    for path, name in named:
        # Other places are named with the folder that they stand in.
        place = path.removeprefix("tests/")
        if path.startswith(("app/", "scripts/fuzz")):
            assert (ROOT / path).is_file(), path
            continue
        assert (TESTS / place).is_file(), path
        assert not name or any(one.startswith(name) for one in _tests_of(place)), (path, name)
    folders = re.findall(r"`([a-z_]+/[a-z_]+)`", document.read_text(encoding="utf-8"))
    for folder in folders:
        assert (ROOT / folder).exists() or (TESTS / folder).exists(), folder


def test_a_test_that_carries_a_number_stands_in_its_row() -> None:
    """A number in a name is a promise: the table leads to the file."""
    files = {
        number: shown for row in _table() for number in _NUMBER.findall(row[0]) for shown in row[2:]
    }
    carried = 0
    for path in TESTS.rglob("test_*.py"):
        place = str(path.relative_to(TESTS))
        for name in _tests_of(place):
            for number in re.findall(r"(?:^|_)v(\d+)_(\d+)_(\d+)(?=_)", name):
                carried += 1
                dotted = ".".join(number)
                assert dotted in NUMBERS, name
                assert f"`{place}" in files[dotted], (place, name)
    assert carried > 40
