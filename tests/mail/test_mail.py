"""Mail over a real server: what is sent to whom, once, and what becomes of what is not taken."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import select

from app.clients.models import Client, Contact
from app.core.ids import new_id
from app.custody import notes
from app.custody.signing import Purpose
from app.disputes.jobs import handle_remind
from app.disputes.models import DocumentRequest
from app.fixity import service as fixity
from app.fixity.ledger import handle_recount
from app.fixity.models import Occasion, Outcome
from app.fixity.service import Found
from app.identity.models import User
from app.mail import jobs, queries, service
from app.mail.models import Kind, MailState
from app.mail.service import Letter
from app.recordings.models import Leg, Recording
from app.releases.models import ShareLink
from app.releases.witnesses import handle_monthly
from app.system import doctor
from app.system.doctor import Level
from tests.mail.conftest import Box, Office, Open, certificate, part

DIRECTOR = "director@client.example"
LINK = re.compile(r"https?://\S+")


def _alarm(office: Office) -> None:
    """Ask for one letter to the administrator."""
    with office.house.database.transaction() as session:
        fixity.alarm(session, at=office.house.clock.now())


def _names(office: Office) -> list[str]:
    """Return what no letter may hold: names, numbers and external ids of clients and people."""
    with office.house.database.transaction() as session:
        found = [*session.scalars(select(Client.name)), *session.scalars(select(Client.tax_id))]
        found += [
            *session.scalars(select(Client.external_id)),
            *session.scalars(select(Contact.name)),
        ]
        found += session.scalars(select(Recording.outside_number)).all()
        found += session.scalars(select(User.full_name)).all()
    return [name for name in found if name]


def _holds_nothing_confidential(office: Office) -> None:
    names = _names(office)
    assert len(names) > 8
    looked = 0
    for _, letter in office.box.letters:
        whole = "\n".join([str(letter["Subject"]), part(letter, "plain"), part(letter, "html")])
        words = set(re.findall(r"[\w+.-]+", re.sub(LINK, "", whole)))
        for name in names:
            looked += 1
            assert name not in words, name
            assert " " not in name or name not in whole, name
    assert looked > 8


# --- a release ------------------------------------------------------------------------------------


def test_a_release_is_told_from_the_wish_to_its_end(office: Office) -> None:
    office.address("approver", "approver@example.com", "en")
    office.address("legal", "legal@example.com")
    office.address("manager", "manager@example.com")
    house = office.house
    release = house.wanted(screened=True, known=True, email=DIRECTOR)
    with office.box.up():
        office.work()
        (asked,) = office.box.to("approver@example.com")
        assert asked["Subject"] == "Something waits for your approval"
        assert f"https://archive.example.com/releases/{release}" in part(asked, "plain")
        assert office.box.to("legal@example.com")[0]["Subject"] == "Ждёт вашего одобрения"
        assert office.box.to("manager@example.com") == []

        answer = house.call("approver", "POST", f"/v1/releases/{release}/approve")
        assert answer.status_code == 200, answer.text
        office.work()
        (sent,) = office.box.to(DIRECTOR)
        url = answer.json()["link"]["url"]
        for kind in ("plain", "html"):
            assert url in part(sent, kind)
        with house.database.transaction() as session:
            (digest,) = session.scalars(select(ShareLink.token_digest)).all()
        assert sha256(url.rsplit("/", 1)[1].encode()).digest() == digest

        assert house.call("legal", "POST", f"/v1/releases/{release}/revoke").status_code == 200
        office.work()
        (ended,) = office.box.to("manager@example.com")
        assert ended["Subject"] == "Ссылка больше не действует"
    assert [row.state for row in office.mails()] == [MailState.SENT] * 4
    assert all(row.secret is None for row in office.mails())
    _holds_nothing_confidential(office)


def test_a_link_goes_to_nobody_whose_address_was_changed_after_it_was_asked_for(
    office: Office,
) -> None:
    house = office.house
    with house.making() as make:
        contact = make.contact(make.client(), email=DIRECTOR)
        letter = Letter(kind=Kind.REQUEST_LINK, about=("request", new_id()), secret="https://x")
        assert service.to_contact(make.session, contact.id, letter, at=house.clock.now())
        make.session.get_one(Contact, contact.id).email = "stranger@example.org"
    with office.box.up():
        office.work()
    assert office.box.letters == []
    (row,) = office.mails()
    assert (row.state, row.secret) == (MailState.WITHDRAWN, None)


def test_the_link_of_a_release_that_has_ended_is_not_sent_any_more(office: Office) -> None:
    house = office.house
    release = house.wanted(screened=True, known=True, email=DIRECTOR)
    assert house.call("approver", "POST", f"/v1/releases/{release}/approve").status_code == 200
    assert house.call("manager", "POST", f"/v1/releases/{release}/revoke").status_code == 200
    with office.box.up():
        office.work()
    assert office.box.letters == []
    assert [row.state for row in office.mails()] == [MailState.WITHDRAWN]


def test_nobody_is_asked_for_an_approval_that_was_given_meanwhile(office: Office) -> None:
    office.address("legal", "legal@example.com")
    house = office.house
    release = house.wanted(screened=True, known=True)
    assert house.call("approver", "POST", f"/v1/releases/{release}/approve").status_code == 200
    with office.box.up():
        office.work()
    assert office.box.letters == []


# --- how it is sent -------------------------------------------------------------------------------


def test_a_letter_is_sent_once_whatever_asks_or_runs_twice(office: Office) -> None:
    office.address("admin", "admin@example.com")
    _alarm(office)
    _alarm(office)
    with office.box.up():
        office.work()
        (row,) = office.mails()
        jobs.handle_send(office.house.tools, str(row.id))
    assert len(office.box.letters) == 1
    assert row.state == MailState.SENT
    office.house.clock.advance(timedelta(hours=1))
    _alarm(office)
    assert len(office.mails()) == 2


def test_nothing_is_asked_for_where_the_change_was_rolled_back(office: Office) -> None:
    office.address("admin", "admin@example.com")
    with office.house.database.transaction() as session:
        fixity.alarm(session, at=office.house.clock.now())
        session.rollback()
    assert office.mails() == []
    assert office.jobs() == []


def test_a_server_that_is_down_gets_the_letter_when_it_is_up_again(office: Office) -> None:
    office.address("admin", "admin@example.com")
    _alarm(office)
    office.work()
    (row,) = office.mails()
    assert (row.state, row.attempts, row.fault) == (
        MailState.QUEUED,
        1,
        "ConnectionRefusedError",
    )
    assert office.jobs() == [("todo", 1, True)]  # It waits for a later moment.
    with office.box.up():
        office.work()
    assert len(office.box.letters) == 1
    assert [row.state for row in office.mails()] == [MailState.SENT]


def test_a_letter_is_given_up_after_all_attempts_and_sent_when_asked_again(office: Office) -> None:
    office.address("admin", "admin@example.com")
    _alarm(office)
    for _ in range(jobs.MOST_ATTEMPTS + 1):
        office.work()
    (row,) = office.mails()
    assert (row.state, row.attempts) == (MailState.GIVEN_UP, jobs.MOST_ATTEMPTS)
    house = office.house
    listed = house.call("admin", "GET", "/v1/mails?state=given_up").json()
    assert [one["to"] for one in listed["items"]] == ["admin"]
    assert listed["counts"]["given_up"] == 1
    finding = doctor._mail(
        house.tools.settings,
        {MailState.GIVEN_UP: 1} | dict.fromkeys(set(MailState) - {MailState.GIVEN_UP}, 0),
    )
    assert finding.level is Level.WARN
    with office.box.up():
        assert house.call("admin", "POST", f"/v1/mails/{row.id}/retry").status_code == 204
        office.work()
    assert len(office.box.letters) == 1
    again = house.call("admin", "POST", f"/v1/mails/{row.id}/retry")
    assert (again.status_code, again.json()["state"]) == (409, "sent")
    assert house.call("admin", "POST", f"/v1/mails/{new_id()}/retry").status_code == 404


def test_a_recipient_who_is_refused_is_not_tried_again(office: Office) -> None:
    office.address("admin", "admin@example.com")
    office.box.refused["admin@example.com"] = "550 no such mailbox"
    _alarm(office)
    with office.box.up():
        office.work()
        office.work()
    (row,) = office.mails()
    assert (row.state, row.attempts, row.fault) == (MailState.REFUSED, 1, "recipient 550")
    assert office.jobs() == [("succeeded", 1, False)]


def test_a_recipient_who_is_put_off_is_tried_again(office: Office) -> None:
    office.address("admin", "admin@example.com")
    office.box.refused["admin@example.com"] = "451 come back later"
    _alarm(office)
    with office.box.up():
        office.work()
        (row,) = office.mails()
        assert (row.state, row.fault) == (MailState.QUEUED, "recipient 451")
        office.box.refused.clear()
        office.work()
    assert len(office.box.letters) == 1


def test_without_a_server_all_works_and_nothing_is_kept_to_be_sent(open_office: Open) -> None:
    office = open_office(smtp_host=None, smtp_from=None)
    office.address("approver", "approver@example.com")
    house = office.house
    release = house.wanted(screened=True, known=True, email=DIRECTOR)
    assert house.call("approver", "POST", f"/v1/releases/{release}/approve").status_code == 200
    office.work()
    assert {row.state for row in office.mails()} == {MailState.WITHDRAWN, MailState.SKIPPED}
    assert all(row.secret is None for row in office.mails())
    (finding,) = doctor._mail_server(house.tools.settings)
    assert finding.level is Level.OK
    assert "no mail server" in finding.found
    mailed = house.call("admin", "POST", "/v1/users/manager/recovery-mail")
    assert (mailed.status_code, mailed.json()["type"]) == (409, "/problems/mail-off")


def test_a_link_that_could_not_be_sent_in_a_week_is_forgotten(office: Office) -> None:
    house = office.house
    release = house.wanted(screened=True, known=True, email=DIRECTOR)
    assert house.call("approver", "POST", f"/v1/releases/{release}/approve").status_code == 200
    assert office.mails()[0].secret is not None
    jobs.handle_forget(house.tools)
    assert office.mails()[0].secret is not None
    house.clock.advance(timedelta(days=8))
    jobs.handle_forget(house.tools)
    (row,) = office.mails()
    assert (row.state, row.secret) == (MailState.WITHDRAWN, None)


def test_a_link_that_has_run_out_is_not_sent(office: Office) -> None:
    house = office.house
    release = house.wanted(screened=True, known=True, email=DIRECTOR)
    assert house.call("approver", "POST", f"/v1/releases/{release}/approve").status_code == 200
    house.clock.advance(timedelta(days=400))
    with office.box.up():
        office.work()
    assert office.box.letters == []


# --- encryption -----------------------------------------------------------------------------------


def test_a_letter_goes_over_starttls_with_a_certificate_that_is_trusted(
    open_office: Open, box: Box, tmp_path: Path
) -> None:
    made = certificate(tmp_path, "ours")
    office = open_office(smtp_tls="starttls", smtp_ca_file=made.path)
    office.address("admin", "admin@example.com")
    _alarm(office)
    with box.up(made.context()):
        office.work()
        (finding,) = doctor._mail_server(office.house.tools.settings)
    assert box.encrypted == [True]
    assert finding.level is Level.OK
    (down,) = doctor._mail_server(office.house.tools.settings)
    assert down.level is Level.FAIL


def test_nothing_is_sent_to_a_server_that_nobody_vouches_for(
    open_office: Open, box: Box, tmp_path: Path
) -> None:
    trusted, other = certificate(tmp_path, "trusted"), certificate(tmp_path, "other")
    office = open_office(smtp_tls="starttls", smtp_ca_file=trusted.path)
    office.address("admin", "admin@example.com")
    _alarm(office)
    with box.up(other.context()):
        office.work()
    assert box.letters == []
    assert office.mails()[0].fault == "SSLCertVerificationError"


def test_nothing_is_sent_in_the_clear_where_encryption_was_asked_for(
    open_office: Open, box: Box, tmp_path: Path
) -> None:
    office = open_office(smtp_tls="starttls", smtp_ca_file=certificate(tmp_path, "ours").path)
    office.address("admin", "admin@example.com")
    _alarm(office)
    with box.up():
        office.work()
    assert box.letters == []
    assert office.mails()[0].fault == "SMTPNotSupportedError"


# --- the other kinds ------------------------------------------------------------------------------


def test_damage_is_told_to_administrators_alone(office: Office) -> None:
    office.address("admin", "admin@example.com")
    office.address("reviewer", "reviewer@example.com")
    recording = office.house.recording()
    with office.house.database.transaction() as session:
        object_id = session.scalars(
            select(Leg.object_id).where(Leg.recording_id == recording.id)
        ).one()
        found = Found(object_id=object_id, occasion=Occasion.QUARTER, outcome=Outcome.DAMAGED)
        fixity.write_down(session, found, at=office.house.clock.now())
    with office.box.up():
        office.work()
    (letter,) = office.box.to("admin@example.com")
    assert "https://archive.example.com/system" in part(letter, "plain")
    assert len(office.box.letters) == 1


def test_a_ledger_that_was_changed_is_told_by_the_nightly_recount(office: Office) -> None:
    office.address("admin", "admin@example.com")
    tools = office.house.tools
    tools.log.sequencer().catch_up()
    handle_recount(tools)
    assert office.mails() == []
    with psycopg.connect(office.urls.owner, autocommit=True) as owner:
        owner.execute("ALTER TABLE custody_entries DISABLE TRIGGER USER")
        owner.execute("UPDATE custody_entries SET outcome = 'failed' WHERE position = 1")
        owner.execute("ALTER TABLE custody_entries ENABLE TRIGGER USER")
    handle_recount(tools)
    assert [row.kind for row in office.mails()] == [Kind.ALARM]


def test_the_checkpoint_of_a_month_can_be_checked_by_who_got_it(office: Office) -> None:
    office.address("approver", "approver@example.com")
    house = office.house
    house.wanted(screened=True, known=True, email=DIRECTOR)
    house.wanted(screened=True, known=False, email="unknown@example.org")
    for _ in range(2):
        handle_monthly(house.tools)
    with office.box.up():
        office.work()
    assert office.box.to("unknown@example.org") == []
    key = house.tools.log.ring.keys.public(Purpose.LOG)[0]
    for address in (DIRECTOR, "approver@example.com"):
        letter = next(one for one in office.box.to(address) if list(one.iter_attachments()))
        (attached,) = letter.iter_attachments()
        signed = attached.get_content()
        assert isinstance(signed, str)
        head = notes.open_checkpoint(signed.replace("\r\n", "\n"), [key], origin=key.name)
        assert head.size > 0
        assert key.vkey() in part(letter, "plain")
    assert sum(row.kind == Kind.CHECKPOINT for row in office.mails()) == 2


@pytest.mark.parametrize(("whom", "count"), [("none", 0), ("own", 1)])
def test_who_is_mailed_the_checkpoint_is_a_setting(
    open_office: Open, whom: str, count: int
) -> None:
    office = open_office(checkpoint_mail=whom)
    office.address("approver", "approver@example.com")
    office.house.wanted(screened=True, known=True, email=DIRECTOR)
    handle_monthly(office.house.tools)
    assert sum(row.kind == Kind.CHECKPOINT for row in office.mails()) == count


def test_a_link_for_a_password_is_seen_by_the_person_alone_and_works(office: Office) -> None:
    house = office.house
    none = house.call("admin", "POST", "/v1/users/manager/recovery-mail")
    assert (none.status_code, none.json()["type"]) == (409, "/problems/no-address")
    assert house.call("admin", "POST", "/v1/users/nobody/recovery-mail").status_code == 404
    assert house.call("manager", "POST", "/v1/users/manager/recovery-mail").status_code == 403
    office.address("manager", "manager@example.com")
    for _ in range(2):
        sent = house.call("admin", "POST", "/v1/users/manager/recovery-mail")
        assert (sent.status_code, sent.content) == (204, b"")
    with office.box.up():
        office.work()
    (letter,) = office.box.to("manager@example.com")  # The first link was void before it was sent.
    (url,) = LINK.findall(part(letter, "plain"))
    assert url.startswith("https://archive.example.com/recovery/")
    body = {"token": url.rsplit("/", 1)[1], "password": "vier Woerter sind genug hier"}
    assert house.call("manager", "POST", "/v1/recoveries", json=body).status_code == 204


def test_a_client_is_mailed_the_link_of_what_he_is_asked_for(office: Office) -> None:
    house = office.house
    with house.making() as make:
        client = make.client()
        contact = make.contact(client, email=DIRECTOR)
        external = client.external_id
    opened = house.call(
        "manager", "POST", "/v1/disputes", json={"client": external, "subject": "x"}
    )
    path = f"/v1/disputes/{opened.json()['id']}/requests"
    body = {"asked": "Снимок экрана кассы", "contact_id": str(contact.id)}
    asked = house.call("manager", "POST", path, json=body)
    assert asked.status_code == 201, asked.text
    link = house.call("manager", "POST", f"{path}/{asked.json()['id']}/link", json={"days": 3})
    assert link.status_code == 201, link.text
    with office.box.up():
        office.work()
    (letter,) = office.box.to(DIRECTOR)
    (url,) = LINK.findall(part(letter, "plain"))
    assert url.endswith(f"/r/{link.json()['token']}")
    assert "касс" not in part(letter, "plain")
    with house.database.transaction() as session:
        (row,) = session.scalars(select(DocumentRequest)).all()
        assert row.token_digest == sha256(url.rsplit("/", 1)[1].encode()).digest()


def test_a_deadline_is_told_to_who_promised_it(office: Office) -> None:
    office.address("manager", "manager@example.com", "en")
    house = office.house
    with house.making() as make:
        external = make.client().external_id
    due = (house.clock.now() + timedelta(hours=2)).isoformat()
    body = {"client": external, "subject": "Сеть", "due_at": due}
    opened = house.call("manager", "POST", "/v1/disputes", json=body)
    assert opened.status_code == 201, opened.text
    for _ in range(2):
        handle_remind(house.tools)
    with office.box.up():
        office.work()
    (letter,) = office.box.to("manager@example.com")
    assert f"/disputes/{opened.json()['id']}" in part(letter, "plain")
    assert "21 November 2026, 17:00 (Moscow)" in part(letter, "plain")
    assert "Сеть" not in part(letter, "plain")


# --- who is written to ----------------------------------------------------------------------------


def test_nobody_is_written_to_who_was_shut_out_or_has_no_address(office: Office) -> None:
    office.address("admin", "admin@example.com")
    _alarm(office)
    house = office.house
    with house.database.transaction() as session:
        session.get_one(User, house.people["admin"].id).disabled_at = house.clock.now()
        about = ("release", new_id())
        letter = Letter(kind=Kind.APPROVAL, about=about)
        manager = house.people["manager"].id
        assert isinstance(manager, UUID)
        assert not service.to_person(session, manager, letter, at=house.clock.now())
        assert not service.to_contact(session, new_id(), letter, at=house.clock.now())
    with office.box.up():
        office.work()
    assert office.box.letters == []
    assert [row.state for row in office.mails()] == [MailState.WITHDRAWN]


def test_addresses_are_told_over_the_api_and_wrong_ones_refused(office: Office) -> None:
    house = office.house
    body = {"name": "olga", "role": "agent", "email": "olga@example.com"}
    made = house.call("admin", "POST", "/v1/users", json=body)
    assert (made.status_code, made.json()["email"]) == (201, "olga@example.com")
    wrong = {"role": "agent", "full_name": "Olga", "email": "olga@example.com\nBcc: x@example.com"}
    assert house.call("admin", "PUT", "/v1/users/olga", json=wrong).status_code == 422
    changed = house.call("admin", "PUT", "/v1/users/olga", json=wrong | {"email": None})
    assert changed.json()["email"] is None


@pytest.mark.parametrize(
    ("place", "language"), [("RU", "ru"), ("KZ", "ru"), ("DE", "en"), ("US-CA", "en"), (None, "ru")]
)
def test_a_client_is_written_to_in_the_language_of_its_place(
    place: str | None, language: str
) -> None:
    assert queries.language_of_place(place) == language


def test_the_moment_of_sending_is_kept(office: Office) -> None:
    office.address("admin", "admin@example.com")
    _alarm(office)
    with office.box.up():
        office.work()
    (row,) = office.mails()
    assert isinstance(row.sent_at, datetime)
    assert row.sent_at == office.house.clock.now()
