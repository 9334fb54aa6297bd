"""Handing over in three steps, the approver's page, and who has what."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from app.core.ids import DisputeId
from app.disputes import settling
from app.identity import offices
from app.releases import passphrases
from tests.review.conftest import house
from tests.review.house import House
from tests.web.handing import agreed, disputed, screen
from tests.web.test_account import Browser

__all__ = ["house"]


def logged_in(house: House, name: str) -> Browser:
    browser = Browser(house)
    browser.log_in(name)
    return browser


@pytest.fixture
def manager(house: House) -> Browser:
    return logged_in(house, "manager")


@pytest.fixture
def approver(house: House) -> Browser:
    return logged_in(house, "approver")


def chosen(manager: Browser, path: str) -> str:
    """Return the address of the second step, with everything chosen."""
    page = manager.get(f"{path}/hand-over").text
    exhibits = re.findall(r'name="exhibit" value="([0-9a-f-]{36})"', page)
    (contact,) = re.findall(r'name="contact_id" value="([0-9a-f-]{36})"', page)
    asked = "&".join(f"exhibit={one}" for one in exhibits)
    return f"{path}/hand-over?{asked}&contact_id={contact}&days=5"


def asked(manager: Browser, path: str) -> str:
    """Ask for everything of a dispute to be handed over; return the path of the release."""
    where = chosen(manager, path)
    page = manager.get(where).text
    fields = dict(
        re.findall(r'type="hidden" name="(exhibit|contact_id|days)" value="([^"]+)"', page)
    )
    answer = manager.post(f"{path}/hand-over", where, **fields)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_an_exhibit_goes_from_the_choice_to_the_link(
    house: House, manager: Browser, approver: Browser
) -> None:
    path = f"/disputes/{disputed(house, agreed(house))}"
    second = manager.get(chosen(manager, path)).text
    assert "known to be who he says" in second
    assert "needs approval" in second
    release = asked(manager, path)
    own = manager.get(release).text
    assert "Another person approves or refuses" in own
    assert f"{release}/approve" not in own
    waiting = approver.get("/").text
    assert '<a href="/releases">Releases</a>' in waiting
    page = approver.get(release).text
    preview = re.findall(r'<audio[^>]* src="([^"]+)"', page)[0]
    heard = approver.get(preview)
    assert (heard.status_code, heard.headers["content-type"]) == (200, "audio/wav")
    done = approver.post(f"{release}/approve", release, note="Прослушано")
    assert done.status_code == 200, done.text
    (url,) = re.findall(r'value="(http[^"]+/s/[\w-]{43})"', done.text)
    after = approver.get(release).text
    assert url not in after
    assert "Approved by approver" in after
    assert "being made" in after
    assert "link is open" in manager.get("/releases?kind=live").text
    assert release not in manager.get("/releases?kind=waiting").text
    ended = manager.post(f"{release}/end", release, note="Договорились")
    assert ended.status_code == 303
    closed = manager.get(release).text
    assert "Договорились" in closed
    assert "taken back" in closed
    assert release in manager.get("/releases?kind=ended&q=Ромашка").text
    assert release not in manager.get("/releases?q=никто").text


def test_who_logged_in_long_ago_proves_himself_before_approving(
    house: House, manager: Browser, approver: Browser
) -> None:
    release = asked(manager, f"/disputes/{disputed(house, agreed(house))}")
    house.clock.advance(timedelta(minutes=11))
    answer = approver.post(f"{release}/approve", release)
    assert (answer.status_code, answer.headers["location"].split("?")[0]) == (
        303,
        "/account/proof",
    )
    assert "waits for approval" in approver.get(release).text


def test_a_refusal_needs_a_reason_which_the_asker_reads(
    house: House, manager: Browser, approver: Browser
) -> None:
    release = asked(manager, f"/disputes/{disputed(house, agreed(house))}")
    empty = approver.post(f"{release}/refuse", release)
    assert (empty.status_code, "Say why, so that it can be put right." in empty.text) == (422, True)
    assert approver.post(f"{release}/refuse", release, note="Слышен чужой").status_code == 303
    page = manager.get(release).text
    assert "Слышен чужой" in page
    assert "refused by the approver" in page
    again = approver.post(f"{release}/refuse", release, note="Ещё раз")
    assert (again.status_code, "is not waiting for an approval" in again.text) == (409, True)
    assert "Its state: refused by the approver" in again.text
    with house.database.transaction() as session:
        kept = session.scalars(text("SELECT end_note FROM releases")).all()
    assert kept == ["Слышен чужой"]


def test_an_exhibit_is_heard_in_the_dispute_as_it_would_leave(
    house: House, manager: Browser, approver: Browser
) -> None:
    page = manager.get(f"/disputes/{disputed(house, agreed(house))}").text
    (preview,) = re.findall(r'<audio[^>]* src="(/v1/exhibits/[^"]+/preview)"', page)
    # A browser plays no address that forbids all media: one follows it to read why it is refused.
    assert re.findall(rf'hidden>([^<]+)<a href="{preview}">', page) == [
        "This sound was not given out. "
    ]
    heard = approver.get(preview)
    assert (heard.status_code, heard.headers["content-type"]) == (200, "audio/wav")


def test_what_lacks_a_check_cannot_be_approved_and_says_which(
    house: House, manager: Browser, approver: Browser
) -> None:
    found = agreed(house, is_screened=False)
    release = asked(manager, f"/disputes/{disputed(house, found)}")
    page = approver.get(release).text
    assert "Part 1 lacks a check" in page
    assert "What would make it possible" in page
    assert f'action="{release}/approve"' not in page
    assert f'action="{release}/refuse"' in page
    with house.database.transaction() as session:
        screen(house, session, found.recording_id)
    after = approver.get(release).text
    assert "lacks a check" not in after
    assert f'action="{release}/approve"' in after


def test_whose_conduct_is_in_question_is_told_that_another_decides(
    house: House, manager: Browser, approver: Browser
) -> None:
    dispute = disputed(house, agreed(house))
    release = asked(manager, f"/disputes/{dispute}")
    with house.database.transaction() as session:
        settling.question_conduct(
            session,
            house.people["legal"],
            DisputeId(UUID(dispute)),
            user_id=house.people["approver"].id,
            agent=None,
            at=house.clock.now(),
        )
    page = approver.get(release).text
    assert "This dispute is about your own conduct" in page
    assert f'action="{release}/approve"' not in page
    assert f'action="{release}/refuse"' not in page


def test_what_cannot_leave_says_why_and_leads_to_a_cut(house: House, manager: Browser) -> None:
    path = f"/disputes/{disputed(house, agreed(house, from_ms=3000), from_ms=0, to_ms=8000)}"
    where = chosen(manager, path)
    page = manager.get(where).text
    assert "Not everything chosen can leave" in page
    cuts = re.findall(r'<a href="([^"]+\?from_ms=[^"]+)">Cut here</a>', page)
    assert len(cuts) == 1, page
    form = manager.get(cuts[0].replace("&amp;", "&")).text
    assert "The part that could leave is filled in" in form
    fields = dict(
        re.findall(r'type="hidden" name="(exhibit|contact_id|days)" value="([^"]+)"', page)
    )
    assert fields == {}
    exhibit = re.findall(r'name="exhibit" value="([0-9a-f-]{36})"', page)[0]
    contact = re.findall(r'name="contact_id" value="([0-9a-f-]{36})"', page)[0]
    forced = {"exhibit": exhibit, "contact_id": contact, "days": "5"}
    answer = manager.post(f"{path}/hand-over", where, **forced)
    assert (answer.status_code, "The consent rules do not allow" in answer.text) == (409, True)


def test_what_cannot_leave_is_named_and_left_out_by_one_press(
    house: House, manager: Browser
) -> None:
    found = agreed(house, from_ms=3000)
    path = f"/disputes/{disputed(house, found, from_ms=0, to_ms=8000)}"
    told = {"show": f"recording:{found.recording_id}", "from": "0:04", "to": "0:06"}
    assert manager.post(f"{path}/exhibits", path, **told).status_code == 303
    page = manager.get(chosen(manager, path)).text
    assert "exhibit 1 cannot" in page
    (without,) = re.findall(r'href="([^"]+)">Go on without it</a>', page)
    after = manager.get(without.replace("&amp;", "&")).text
    assert "cannot" not in after
    assert after.count('type="hidden" name="exhibit"') == 1
    assert ">Ask for approval</button>" in after


def test_without_consent_the_client_is_asked_for_a_clause(house: House, manager: Browser) -> None:
    recording = house.recording()
    with house.making() as make:
        client = make.client()
        make.contact(client)
        make.contract(client)
        other = make.recording(client=client, duration_ms=8000)
        found = (client.external_id, other.id)
    del recording
    page = manager.get("/disputes/new").text
    assert found[0] in page
    answer = manager.post("/disputes", "/disputes/new", client=found[0], subject="Без согласия")
    path = answer.headers["location"]
    told = {"show": f"recording:{found[1]}", "from": "0:01", "to": "0:05"}
    assert manager.post(f"{path}/exhibits", path, **told).status_code == 303
    shown = manager.get(chosen(manager, path)).text
    assert "Not everything chosen can leave" in shown
    (way,) = set(re.findall(r'<a href="([^"]+)#form-request">Ask the client for it</a>', shown))
    form = manager.get(way.replace("&amp;", "&")).text
    assert re.search(r'<details class="confirm" id="form-request" open>', form)
    assert "consent" in form or "clause" in form


def test_nothing_to_hand_over_leads_back_to_the_exhibits(house: House, manager: Browser) -> None:
    with house.making() as make:
        client = make.client().external_id
    path = manager.post("/disputes", "/disputes/new", client=client, subject="x").headers[
        "location"
    ]
    assert "There is nothing to hand over yet" in manager.get(f"{path}/hand-over").text


def test_a_manager_of_another_office_finds_neither_dispute_nor_release(
    house: House, manager: Browser
) -> None:
    path = f"/disputes/{disputed(house, agreed(house))}"
    release = asked(manager, path)
    with house.database.transaction() as session:
        admin, at = house.people["admin"], house.clock.now()
        offices.put(session, admin, None, name="Казань", jurisdiction="RU", zone=None, at=at)
        offices.place(session, admin, "manager", ["Казань"], at=at)
    house.clock.advance(timedelta(minutes=1))
    for one in (path, f"{path}/history", f"{path}/hand-over", release):
        assert manager.get(one).status_code == 404, one
    assert release not in manager.get("/releases").text
    assert "Обещали перезвонить" not in manager.get("/disputes").text


def test_a_link_with_a_passphrase_shows_both_once(
    house: House, manager: Browser, approver: Browser
) -> None:
    release = asked(manager, f"/disputes/{disputed(house, agreed(house))}")
    done = approver.post(f"{release}/approve", release, note="", passphrase="yes")
    assert done.status_code == 200, done.text
    (passphrase,) = re.findall(
        r'id="passphrase"[^>]* value="([a-z0-9]{4}-[a-z0-9]{4}-[a-z0-9]{4})"', done.text
    )
    assert "by another way than the link" in done.text
    after = approver.get(release).text
    assert passphrase not in after
    assert "asked for by the link" in after
    with house.database.transaction() as session:
        (known,) = session.scalars(text("SELECT passphrase_hash FROM share_links"))
    assert passphrases.is_right(passphrase, known)
    assert passphrase not in known
