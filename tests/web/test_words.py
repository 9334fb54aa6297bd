"""Every message has its Russian, in every form that a number asks for, and none is left over."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.consent.reasons import REASONS, REMEDIES
from app.identity.permissions import Role
from app.review import wording
from app.web import words
from tests.web import messages

FORMS_OF_RUSSIAN = 3
CYRILLIC = re.compile("[А-Яа-яЁё]")
HOLES = re.compile(r"%\(\w+\)[a-z]|\{\w+\}")
REFUSALS = "refusals.po"


@pytest.fixture(scope="module")
def said() -> dict[str, words.Words]:
    return words.load(ZoneInfo("Europe/Moscow"), "RU")


def test_messages_are_found_in_templates_and_in_modules() -> None:
    used = messages.used()
    assert len(used) > 200
    assert {"Log out", "Inbox", "%(num)s hour", "was told"} <= used.keys()


def test_every_message_is_translated_with_all_its_forms() -> None:
    there: dict[object, Any] = {}
    for catalog in messages.catalogs().values():
        for message in catalog:
            if message.id:
                key = message.id if isinstance(message.id, str) else message.id[0]
                assert there.get(key, message.string) == message.string, f"{key} says two things."
                there[key] = message.string
    for key, used in messages.used().items():
        translated = there.get(key)
        assert translated, f"No Russian for {used!r}."
        if not isinstance(used, str):
            assert len(translated) == FORMS_OF_RUSSIAN, used
            assert all(translated), used


def test_every_refusal_that_a_route_may_raise_has_a_russian_title(
    said: dict[str, words.Words],
) -> None:
    titles = messages.titles_of_refusals()
    assert {"app.core.errors.NotFound", "app.playback.door.ConsentChanged"} <= titles.keys()
    missing = [name for name, title in titles.items() if said["ru"].gettext(title) == title]
    assert not missing, "refusals.po has nothing for these."


def test_roles_are_not_named_in_english_in_russian() -> None:
    roles = re.compile(rf"\b({'|'.join(Role)})\b")
    said = [
        text
        for catalog in messages.catalogs().values()
        for message in catalog
        for text in ([message.string] if isinstance(message.string, str) else message.string or ())
        if message.id
    ]
    said += [words.ru for words in (*wording.ROLES.values(), *REMEDIES.values())]
    said += [words.ru for one in REASONS.values() for words in (one.title, one.meaning)]
    assert len(said) > 1000
    assert not [text for text in said if roles.search(HOLES.sub("", text))]


def test_no_translation_is_left_over() -> None:
    used = messages.used().keys()
    titles = set(messages.titles_of_refusals().values())
    for name, catalog in messages.catalogs().items():
        for message in catalog:
            if message.id:
                key = message.id if isinstance(message.id, str) else message.id[0]
                assert key in (titles if name == REFUSALS else used), (name, key)
                assert not message.fuzzy, key


def test_a_translation_has_the_holes_of_its_message() -> None:
    for catalog in messages.catalogs().values():
        for message in catalog:
            if not message.id:
                continue
            keys = [message.id] if isinstance(message.id, str) else list(message.id)
            said = message.string or ()
            texts = [said] if isinstance(said, str) else list(said)
            wanted = {hole for key in keys for hole in HOLES.findall(key)}
            for text in texts:
                assert set(HOLES.findall(text)) == wanted, keys[0]


def test_no_russian_stands_in_templates_and_modules() -> None:
    looked = 0
    for path in messages.sources():
        looked += 1
        text = path.read_text(encoding="utf-8")
        if path.name == "frame.py":
            text = text.replace('"Русский"', "")
        if path.name == "words.py":
            text = text.replace("'г.'", "")
        assert not CYRILLIC.search(text), path
    assert looked > 20


@pytest.mark.parametrize(
    ("number", "ru", "en"),
    [
        (1, "1 час", "1 hour"),
        (2, "2 часа", "2 hours"),
        (5, "5 часов", "5 hours"),
        (11, "11 часов", "11 hours"),
        (21, "21 час", "21 hours"),
        (112, "112 часов", "112 hours"),
    ],
)
def test_what_is_counted_has_the_form_of_its_number(
    said: dict[str, words.Words], number: int, ru: str, en: str
) -> None:
    assert said["ru"].duration(number * 3_600_000) == ru
    assert said["en"].duration(number * 3_600_000) == en


def test_moments_are_of_the_office(said: dict[str, words.Words]) -> None:
    at = datetime(2026, 11, 21, 22, 30, tzinfo=UTC)
    assert said["ru"].moment(at) == "22.11.2026 01:30"
    assert said["en"].moment(at) == "22 Nov 2026 01:30"
    assert said["ru"].day(at) == "22.11.2026"
    assert "Москва" in said["ru"].moment_whole(at)
    assert said["ru"].since(timedelta(days=30, hours=5)) == "30 дней"
    assert said["ru"].since(timedelta(hours=2, minutes=59)) == "2 часа"
    assert said["en"].since(timedelta(seconds=59)) == "0 minutes"


def test_sizes_shares_money_and_numbers_to_call(said: dict[str, words.Words]) -> None:
    ru, en = said["ru"], said["en"]
    assert (ru.size(1), ru.size(3), en.size(2)) == ("1 байт", "3 байта", "2 bytes")
    assert ru.size(1_572_864) == "1,5\u00a0МБ"
    assert ru.money(1200, "RUB").replace("\u00a0", " ") == "1 200,00 ₽"
    assert (ru.phone("+74951234567"), ru.phone("101"), ru.phone(None)) == (
        "+7 495 123-45-67",
        "101",
        "—",
    )


@pytest.mark.parametrize(
    ("asked", "accepted", "found"),
    [
        ("en", "ru", "en"),
        ("xx", "en-GB,ru;q=0.5", "en"),
        (None, "de, ru;q=0.2, en;q=0.1", "ru"),
        (None, "en;q=0.3,ru;q=0.8", "ru"),
        (None, "fr", "ru"),
        (None, "en;q=0", "ru"),
        (None, "en;q=nonsense", "ru"),
        (None, None, "ru"),
    ],
)
def test_the_language_is_asked_for_or_the_browsers(
    asked: str | None, accepted: str | None, found: str
) -> None:
    assert words.language_of(asked, accepted) == found
