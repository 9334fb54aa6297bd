"""Every letter in both languages, as a real server got it: its words, and not one word more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from typing import Final
from zoneinfo import ZoneInfo

import psycopg
import pytest

from app.disputes.jobs import handle_remind
from app.fixity import service as fixity
from app.mail import letters, wording
from app.mail.models import Kind, MailState
from app.releases.witnesses import handle_monthly
from tests.mail.conftest import Office, part

DIRECTOR: Final = "director@client.example"
STAFF: Final = ("approver", "manager", "admin")
SUBJECT: Final = "Кассы стоят вторую смену"
ASKED: Final = "Снимок экрана третьей кассы"
ADDRESS: Final = re.compile(r"https://archive\.example\.com/[\w/.-]*|http://127\.0\.0\.1:\d+/\S*")
MOMENT: Final = r"\d{1,2}\s\w+\s\d{4}(?:\sг\.)?, \d{1,2}:\d\d \((?:Москва|Moscow)\)"
HOLES: Final = {"moment": MOMENT, "key": r"[\w./-]+\+\w+\+[\w+/=]+"}


def _messages() -> Iterator[str]:
    for form in letters._FORMS.values():
        yield from (*form.lines, form.label or letters._OPEN)
    yield from (letters._INSIDE, letters._OUTSIDE, letters._FOR_WITNESS)


def _sayings(language: str) -> re.Pattern[str]:
    """Return what a line of a letter may be: words of the product with a moment or a key."""
    words = wording.load(language, ZoneInfo("Europe/Moscow"))
    parts = []
    for message in _messages():
        said = re.escape(words.say(message) % {name: f"<{name}>" for name in HOLES})
        for name, inside in HOLES.items():
            said = said.replace(re.escape(f"<{name}>"), inside)
        parts.append(f"{said}:?")
    return re.compile("|".join(parts))


def _unknown(letter: EmailMessage, language: str) -> list[str]:
    """Return the lines of both parts that are none of the product's, no address and not signed."""
    signed: set[str] = set()
    for attached in letter.iter_attachments():
        signed |= set(str(attached.get_content()).splitlines())
    plain = part(letter, "plain")
    markup = re.sub(r"<(?:head>.*?</head|[^>]+)>", "\n", part(letter, "html"), flags=re.DOTALL)
    lines = [*plain.splitlines(), *markup.replace("&#39;", "'").splitlines()]
    sayings = _sayings(language)
    return [
        line
        for line in (one.strip() for one in lines)
        if line
        and line not in signed
        and not ADDRESS.fullmatch(line)
        and not sayings.fullmatch(line)
    ]


def _cause_each(office: Office, language: str, place: str) -> None:
    """Let happen what is told by each kind of letter; clients are written to in a language.

    What may be released to a place is another matter: the letter with the link is put into the
    language while it waits.
    """
    house = office.house
    release = house.wanted(screened=True, known=True, email=DIRECTOR)
    office.work()
    approved = house.call("approver", "POST", f"/v1/releases/{release}/approve")
    assert approved.status_code == 200, approved.text
    with psycopg.connect(office.urls.owner, autocommit=True) as owner:
        owner.execute("UPDATE clients SET jurisdiction = %s", (place,))
        owner.execute("UPDATE mails SET language = %s WHERE state = 'queued'", (language,))
    office.work()
    assert house.call("approver", "POST", f"/v1/releases/{release}/revoke").status_code == 200
    with house.making() as make:
        client = make.client(jurisdiction=place)
        contact = make.contact(client, email="clerk@client.example")
        external = client.external_id
    due = (house.clock.now() + timedelta(hours=2)).isoformat()
    told = {"client": external, "subject": SUBJECT, "due_at": due}
    dispute = house.call("manager", "POST", "/v1/disputes", json=told).json()["id"]
    handle_remind(house.tools)
    path = f"/v1/disputes/{dispute}/requests"
    wish = {"asked": ASKED, "contact_id": str(contact.id)}
    asked = house.call("manager", "POST", path, json=wish).json()["id"]
    link = house.call("manager", "POST", f"{path}/{asked}/link", json={"days": 3})
    assert link.status_code == 201, link.text
    mailed = house.call("admin", "POST", "/v1/users/manager/recovery-mail")
    assert mailed.status_code == 204, mailed.text
    with house.database.transaction() as session:
        fixity.alarm(session, at=house.clock.now())
    handle_monthly(house.tools)
    office.work()


@pytest.mark.parametrize(("language", "place"), [("ru", "RU"), ("en", "DE")])
def test_every_letter_comes_with_its_words_and_not_one_more(
    office: Office, language: str, place: str
) -> None:
    for name in STAFF:
        office.address(name, f"{name}@example.com", language)
    with office.box.up():
        _cause_each(office, language, place)
    rows = office.mails()
    assert {row.kind for row in rows} == set(Kind)
    assert {row.state for row in rows} == {MailState.SENT}
    assert len(office.box.letters) == len(rows)
    subjects = {
        wording.load(language, ZoneInfo("UTC")).say(form.subject)
        for form in letters._FORMS.values()
    }
    assert {letter["Subject"] for _, letter in office.box.letters} == subjects
    for _, letter in office.box.letters:
        assert letter["Content-Language"] == language
        assert _unknown(letter, language) == []


def test_a_word_more_is_seen() -> None:
    letter = EmailMessage()
    letter.set_content("Something waits for your approval\nA link has ended\nООО «Вектор»\n")
    letter.add_alternative("<p>Open: <a href='x'>Роман</a></p>", subtype="html")
    found = _unknown(letter, "en")
    assert found == [
        "Something waits for your approval",
        "A link has ended",
        "ООО «Вектор»",
        "Роман",
    ]
