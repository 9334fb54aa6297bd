"""Dates, lengths and numbers as people say them, in both languages."""

from __future__ import annotations

import gettext
import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from app.public import wording

WORDS = wording.load(ZoneInfo("Europe/Moscow"))
ROOM = Path(wording.__file__).parent


@pytest.mark.parametrize(
    ("milliseconds", "russian", "english"),
    [
        (400, "1 секунда", "1 second"),
        (2_000, "2 секунды", "2 seconds"),
        (65_000, "1 минута 5 секунд", "1 minute 5 seconds"),
        (121_000, "2 минуты 1 секунда", "2 minutes 1 second"),
        (11 * 60_000, "11 минут", "11 minutes"),
        (21 * 60_000, "21 минута", "21 minutes"),
        (3_600_000 + 22 * 60_000, "1 час 22 минуты", "1 hour 22 minutes"),
    ],
)
def test_a_length_of_time(milliseconds: int, russian: str, english: str) -> None:
    assert WORDS["ru"].duration(milliseconds) == russian
    assert WORDS["en"].duration(milliseconds) == english


@pytest.mark.parametrize(
    ("days", "russian"), [(1, "1 день"), (3, "3 дня"), (14, "14 дней"), (21, "21 день")]
)
def test_days(days: int, russian: str) -> None:
    assert WORDS["ru"].counted("%(num)d more day", "%(num)d more days", days) == russian


def test_a_moment_is_in_the_offices_zone() -> None:
    at = datetime(2026, 11, 20, 21, 45, tzinfo=UTC)
    assert WORDS["ru"].moment(at).replace("\xa0", " ") == "21 ноября 2026 г., 0:45 (Москва)"
    assert WORDS["en"].moment(at) == "21 November 2026, 00:45 (Moscow)"


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        (None, None, "ru"),
        (None, "en-US,en;q=0.9", "en"),
        (None, "de,fr;q=0.9", "ru"),
        (None, "en;q=0.1,ru;q=0.9", "ru"),
        (None, "en;q=x,;;,", "ru"),
        ("en", "ru", "en"),
        ("xx", "en", "en"),
    ],
)
def test_the_language(asked: str | None, accepted: str | None, language: str) -> None:
    assert wording.language_of(asked, accepted) == language


def test_every_phrase_is_translated() -> None:
    sources = "".join(p.read_text() for p in [*ROOM.glob("*.py"), *ROOM.glob("templates/*.html")])
    phrases = re.findall(r'_\("(.+?)"\)', sources) + re.findall(r'say\("(.+?)"\)', sources)
    assert len(phrases) > 10
    russian = WORDS["ru"].translations
    assert isinstance(russian, gettext.GNUTranslations)
    for phrase in phrases:
        assert russian.gettext(phrase) != phrase, phrase
