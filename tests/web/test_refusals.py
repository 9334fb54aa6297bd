"""What refusals tell people beside their titles: facts in their words, none for programs."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from app.disputes.refusals import MoveNotAllowed
from app.identity.passwords import PasswordTooShort
from app.recordings.multipart import FileTooLarge
from app.releases.refusals import ReleaseNotRequested
from app.review.service import ClaimTaken
from app.web import refusal_words, words
from tests.web.messages import ROOM

APP = ROOM.parent
OF_STATES = {"allowed", "how", "state", "status"}
TOLD_BY_THEIR_TITLE = {"BundleGone", "ChangeSettled", "JobNotGivenUp", "MailNotDead"}
"""What of these would be added says nothing that the title does not."""
LATIN = re.compile(r"[A-Za-z]{3}")
_NAMES = """
import json
import app.main
from app.core.errors import Refusal
found, waiting = set(), [Refusal]
while waiting:
    kind = waiting.pop()
    waiting += kind.__subclasses__()
    found.add(kind.__name__)
print(json.dumps(sorted(found)))
"""


@cache
def facts() -> dict[str, set[str]]:
    """Return the facts that refusals are raised with, by the name of the class."""
    asked = [sys.executable, "-c", _NAMES]
    told = subprocess.run(  # noqa: S603 - this very Python.
        asked, cwd=APP.parent, capture_output=True, check=True, timeout=120
    )
    refusals = set(json.loads(told.stdout))
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path in APP.rglob("*.py"):
        for name, keywords in _calls(path):
            if name in refusals:
                found[name] |= keywords
    return dict(found)


def _calls(path: Path) -> Iterator[tuple[str, set[str]]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    yield name, {one.arg for one in node.keywords if one.arg}


@pytest.fixture(scope="module")
def said() -> dict[str, words.Words]:
    return words.load(ZoneInfo("Europe/Moscow"), "RU")


def test_each_fact_of_a_refusal_is_told_or_left_to_programs() -> None:
    raised = set().union(*facts().values())
    assert len(raised) > 60
    assert not raised - refusal_words.TOLD.keys() - refusal_words.UNTOLD
    assert not refusal_words.TOLD.keys() & refusal_words.UNTOLD
    assert not (refusal_words.TOLD.keys() | refusal_words.UNTOLD) - raised


def test_the_states_of_each_refusal_have_their_words() -> None:
    telling = {name for name, told in facts().items() if told & OF_STATES}
    assert telling - TOLD_BY_THEIR_TITLE == set(refusal_words.GROUPS)


def test_the_name_of_each_fact_has_its_russian(said: dict[str, words.Words]) -> None:
    for label, _ in refusal_words.TOLD.values():
        assert not LATIN.search(said["ru"].gettext(label)), label


def test_what_a_refusal_depends_on_is_told_in_the_readers_words(
    said: dict[str, words.Words],
) -> None:
    ru, en = said["ru"], said["en"]
    moved = MoveNotAllowed(state="with_specialist", allowed=["checking", "decided"])
    told = refusal_words.said(moved, ru)
    assert "состояние: у специалиста; сейчас возможно: проверяем, есть заключение" in told
    assert not LATIN.search(told)
    assert "its state: with a specialist; possible now: checking, decided" in (
        refusal_words.said(moved, en)
    )
    assert refusal_words.details(PasswordTooShort("At least 15.", shortest=15), ru) == (
        "не меньше знаков: 15"
    )
    assert refusal_words.details(FileTooLarge(max_bytes=1024**2), ru) == "не больше: 1\u00a0МБ"
    until = "2026-11-21T12:00:00+00:00"
    assert refusal_words.details(ClaimTaken(owner="Вера", until=until), ru) == (
        "взял(а): Вера; до: 21.11.2026 15:00"
    )


def test_a_code_without_words_is_not_shown(said: dict[str, words.Words]) -> None:
    refusal = ReleaseNotRequested("For programs.", state="some_new_state")
    assert refusal_words.said(refusal, said["ru"]) == said["ru"].gettext(refusal.title())
