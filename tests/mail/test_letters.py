"""Letters: words in both languages, heads that nothing can be put into, addresses."""

from __future__ import annotations

import io
import re
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from app.core import addresses
from app.core.clock import SetClock
from app.mail import letters, smtp, wording
from app.mail.letters import Told
from app.mail.models import Kind
from app.settings import Settings, SettingsInvalid, load

MOSCOW = ZoneInfo("Europe/Moscow")
HOLES = re.compile(r"%\(\w+\)s")
ID = "01a20018-0000-7000-8000-000000000001"


def _used() -> set[str]:
    source = (wording.LOCALE_DIR.parent / "letters.py").read_bytes()
    found = extract("python", io.BytesIO(source), keywords={"N_": None})
    return {message for _, message, _, _ in found if isinstance(message, str)}


def test_every_message_has_its_russian_and_none_is_left_over() -> None:
    path = wording.LOCALE_DIR / "ru" / "LC_MESSAGES" / "mail.po"
    with path.open("rb") as file:
        there = {str(m.id): str(m.string) for m in read_po(file, locale="ru") if m.id}
    assert len(_used()) > 25
    assert there.keys() == _used()
    for english, russian in there.items():
        assert set(HOLES.findall(russian)) == set(HOLES.findall(english)), english
        assert re.search("[А-Яа-я]", russian), english


def test_a_letter_has_no_hole_but_for_a_moment_and_a_key() -> None:
    assert {hole for message in _used() for hole in HOLES.findall(message)} == {
        "%(moment)s",
        "%(key)s",
    }


def _page(kind: Kind, language: str = "ru", secret: str | None = None) -> letters.Page:
    told = Told(
        kind=kind,
        about_id=ID,
        facts={"until": "2026-11-22T12:00:00+00:00", "key": "rec+1+2"},
        secret=secret,
        base_url="https://archive.example.com",
        signed="origin\n1\n<root>\n",
    )
    return letters.page_of(told, wording.load(language, MOSCOW))


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("kind", Kind)
def test_both_parts_of_every_letter_say_the_same(kind: Kind, language: str) -> None:
    page = _page(kind, language)
    text, html = letters.text_of(page), letters.html_of(page)
    for line in (*page.lines, page.foot):
        assert line in text
        assert line.replace("'", "&#39;") in html
    assert bool(re.search("[А-Яа-я]", "".join(page.lines))) == (language == "ru")
    assert f'<html lang="{language}">' in html
    assert "<script" not in html
    assert "src=" not in html


def test_what_is_signed_is_escaped_in_html_and_not_in_text() -> None:
    page = _page(Kind.CHECKPOINT)
    assert "&lt;root&gt;" in letters.html_of(page)
    assert "<root>" in letters.text_of(page)


def test_a_moment_is_of_the_office() -> None:
    assert "22\u00a0ноября 2026\u00a0г., 15:00 (Москва)" in letters.text_of(
        _page(Kind.RELEASE_LINK, secret="https://x")
    )


@pytest.mark.parametrize(
    "address",
    [
        "anna@example.com",
        "anna.petrova+audiatur@example.co.uk",
        "anna@localhost",
        "o'neil@example.com",
        "anna@компания.рф",
    ],
)
def test_what_is_an_address(address: str) -> None:
    assert addresses.is_address(address)
    wire = addresses.wire_form(address)
    assert wire is not None
    assert wire.isascii()


@pytest.mark.parametrize(
    "address",
    [
        "anna",
        "@example.com",
        "anna@",
        "anna@example.com\nBcc: all@example.com",
        "anna@example.com\r\nBcc: all@example.com",
        '"a b"@example.com',
        "anna@example.com, boss@example.com",
        "Anna <anna@example.com>",
        "anna..p@example.com",
        "anna@-example.com",
        "анна@example.com",
        "anna@exa mple.com",
        "a" * 65 + "@example.com",
        "anna@" + "a" * 64 + ".com",
        "anna@example..com",
    ],
)
def test_what_is_none(address: str) -> None:
    assert not addresses.is_address(address)


def test_nothing_can_be_put_into_the_head_of_a_letter(clock: SetClock) -> None:
    settings = Settings(_env_file=None, smtp_from="archive@example.com")
    page = _page(Kind.ALARM)
    for wrong in ("a@example.com\r\nBcc: b@example.com", "a@example.com, b@example.com"):
        with pytest.raises(ValueError, match=r".+"):
            smtp.message_of(page, to=wrong, mail_id=UUID(ID), settings=settings, clock=clock)
    found = smtp.message_of(
        page, to="a@example.com", mail_id=UUID(ID), settings=settings, clock=clock
    )
    assert found["Message-ID"] == f"<{ID}@example.com>"
    assert found["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize(
    "wrong",
    [
        {"smtp_host": "mail"},
        {"smtp_from": "nobody"},
        {"smtp_from": "a@example.com\nBcc: b@example.com"},
        {"smtp_user": "archive"},
        {"smtp_user": "archive", "smtp_password": "x", "smtp_tls": "none"},
    ],
    ids=str,
)
def test_settings_that_do_not_go_together_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(SettingsInvalid):
        load(_env_file=None, **wrong)
