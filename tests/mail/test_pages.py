"""Mail on the pages: one's address, a person's, a link for him alone, and what was not taken."""

from __future__ import annotations

from datetime import timedelta

from app.fixity import service as fixity
from app.identity.models import User
from app.mail.models import MailState
from tests.mail.conftest import Office, Open, part
from tests.web.test_account import Browser


def _as(office: Office, name: str) -> Browser:
    browser = Browser(office.house)
    browser.log_in(name)
    return browser


def _kept(office: Office, name: str) -> str | None:
    with office.house.database.transaction() as session:
        return session.get_one(User, office.house.people[name].id).email


def test_a_person_gives_his_own_address_after_a_fresh_proof(office: Office) -> None:
    person = _as(office, "manager")
    wrong = person.post("/account/address", email="me@x\nBcc: you@x")
    assert wrong.status_code == 422
    assert "It is no address of mail" in wrong.text
    assert person.post("/account/address", email="me@example.com").status_code == 303
    assert _kept(office, "manager") == "me@example.com"
    assert 'value="me@example.com"' in person.get("/account").text
    office.house.clock.advance(timedelta(minutes=11))
    late = person.post("/account/address", email="other@example.com")
    assert late.headers["location"].startswith("/account/proof")
    assert _kept(office, "manager") == "me@example.com"


def test_an_administrator_keeps_addresses_and_mails_a_link_that_he_does_not_see(
    office: Office,
) -> None:
    boss = _as(office, "admin")
    page = "/people/manager"
    assert "Mail a link" not in boss.get(page).text
    wrong = boss.post(page, page, full_name="M", role="manager", email="nobody")
    assert (wrong.status_code, "It is no address of mail" in wrong.text) == (422, True)
    assert boss.post(f"{page}/recovery-mail", page).status_code == 409
    saved = boss.post(page, page, full_name="M", role="manager", email="m@example.com")
    assert saved.status_code == 303
    assert "Mail a link" in boss.get(page).text
    sent = boss.post(f"{page}/recovery-mail", page)
    assert (sent.status_code, sent.headers["location"]) == (303, page)
    with office.box.up():
        office.work()
    (letter,) = office.box.to("m@example.com")
    assert "/recovery/audt_" in part(letter, "plain")
    added = boss.post("/people", "/people", name="olga", role="agent", email="olga@example.com")
    assert added.status_code == 303
    assert "olga@example.com" in boss.get("/people/olga").text


def test_without_a_server_no_link_is_offered_by_mail(open_office: Open) -> None:
    office = open_office(smtp_host=None, smtp_from=None)
    office.address("manager", "m@example.com", "en")
    boss = _as(office, "admin")
    assert "Mail a link" not in boss.get("/people/manager").text
    assert boss.post("/people/manager/recovery-mail", "/people/manager").status_code == 409
    assert "no mail server is configured" in boss.get("/system").text


def test_the_page_of_the_system_shows_what_was_not_taken_and_sends_it_again(
    office: Office,
) -> None:
    office.address("admin", "admin@example.com", "en")
    office.box.refused["admin@example.com"] = "550 no such mailbox"
    with office.house.database.transaction() as session:
        fixity.alarm(session, at=office.house.clock.now())
    boss = _as(office, "admin")
    assert "Every letter that was asked for was taken" in boss.get("/system").text
    with office.box.up():
        office.work()
        shown = boss.get("/system").text
        assert "recipient 550" in shown
        assert "an alarm" in shown
        (row,) = office.mails()
        path = f"/system/mails/{row.id}/again"
        assert f'action="{path}"' in shown
        office.box.refused.clear()
        assert boss.post(path, "/system").status_code == 303
        office.work()
    assert len(office.box.letters) == 1
    assert boss.post(path, "/system").status_code == 409
    assert [one.state for one in office.mails()] == [MailState.SENT]
