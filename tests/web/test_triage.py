"""Triage beside tying: of no client, a number that becomes a client's, undo, keyboard alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from app.clients.models import Contact, ContactPhone, Event
from app.identity.permissions import Role
from app.recordings.models import LinkChange, LinkedBy, Recording, TriageAside
from app.web.edge import form_token
from tests.factories import DAY
from tests.web.conftest import Site
from tests.web.looking import LOOKS, Look, violations
from tests.web.table.events import untied

TRIAGE = "/events/triage"


def _waits(site: Site, number: str, *, days: int = 30) -> str:
    at = site.house.clock.now() - days * DAY
    with site.house.making() as make:
        return str(untied(make, at=at, number=number).id)


def _send(
    site: Site, recording: str, what: str, role: Role = Role.MANAGER, /, **fields: str
) -> tuple[int, str]:
    form = {"token": form_token(site.cookies[role]), "show": "unknown"} | fields
    answer = site.post(f"{TRIAGE}/{recording}/{what}?lang=en", role, form)
    return answer.status_code, answer.headers.get("location", answer.text)


def _page(site: Site, query: str = "") -> str:
    return site.get(f"{TRIAGE}?lang=en&{query}", Role.MANAGER).text


def _count(site: Site) -> int:
    found = re.search(r"Unknown client \((\d+)\)", _page(site))
    assert found is not None
    return int(found[1])


def test_what_is_of_no_client_leaves_the_queue_and_comes_back(site: Site) -> None:
    waits = _waits(site, "+74950008801")
    before = _count(site)
    for fields in ({}, {"reason": "nonsense"}, {"reason": "other", "note": ""}):
        status, page = _send(site, waits, "aside", **fields)
        assert status == 422
        assert "Say why it is of no client." in page
    status, where = _send(site, waits, "aside", reason="other", note="Сосед снизу")
    assert (status, where) == (303, f"{TRIAGE}?show=unknown&done={waits}")
    after = _page(site, f"done={waits}")
    assert "Said to be of no client." in after
    assert f"{TRIAGE}/{waits}/back" in after
    assert f'id="r-{waits}"' not in after
    assert _count(site) == before - 1
    listed = _page(site, "show=aside").partition(f'id="r-{waits}"')[2].partition("</section>")[0]
    assert "another reason, in words: Сосед снизу" in listed
    assert "manager" in listed
    assert _send(site, waits, "aside", reason="test")[0] == 409
    assert _send(site, waits, "back")[0] == 303
    assert _count(site) == before
    assert _send(site, waits, "back")[0] == 409
    told = [act for act in site.house.acts(waits) if act.startswith("triage.")]
    assert told == ["triage.set_aside", "triage.put_back"]
    with site.house.database.transaction() as session:
        kept = select(func.count()).where(TriageAside.recording_id == waits)
        assert session.scalar(kept) == 1


def test_what_has_a_client_is_not_said_to_have_none(site: Site) -> None:
    with site.house.making() as make:
        known = str(make.recording().id)
    assert _send(site, known, "aside", reason="test")[0] == 409
    nobody = "00000000-0000-7000-8000-000000000000"
    for what in ("aside", "back", "undo"):
        assert _send(site, nobody, what, reason="test")[0] == 404


def test_a_tie_is_taken_back_by_who_made_it_and_waits_again(site: Site) -> None:
    waits = _waits(site, "+74950008802")
    with site.house.making() as make:
        first = make.session.get_one(Recording, waits).event_id
        make.session.add(
            LinkChange(
                id=make.event(make.client()).id,
                recording_id=make.session.get_one(Recording, waits).id,
                event_id=first,
                linked_by=LinkedBy.TRIAGE,
                at=site.house.clock.now(),
            )
        )
        event = make.event(make.client(name="ООО «Лось»")).external_id
    assert _send(site, waits, "undo")[0] == 409
    assert _send(site, waits, "link", event=str(event))[0] == 303
    after = _page(site, f"done={waits}")
    assert "Tied to: ООО «Лось»" in after
    assert f"{TRIAGE}/{waits}/undo" in after
    assert "/undo" not in site.get(f"{TRIAGE}?done={waits}", Role.AUDITOR).text
    assert _send(site, waits, "undo")[0] == 303
    assert f'id="r-{waits}"' in _page(site)
    with site.house.database.transaction() as session:
        row = session.get_one(Recording, waits)
        assert (row.event_id, row.linked_by) == (first, LinkedBy.TRIAGE)
        history = session.scalars(
            select(LinkChange.linked_by)
            .where(LinkChange.recording_id == waits)
            .order_by(LinkChange.at, LinkChange.id)
        ).all()
    assert [str(one) for one in history][-2:] == ["manual", "triage"]
    assert _send(site, waits, "undo")[0] == 409


def test_a_number_becomes_a_known_clients_and_brings_all_its_calls(site: Site) -> None:
    number = "+74950008803"
    waits, also = _waits(site, number), _waits(site, number, days=31)
    with site.house.making() as make:
        known = make.client(name="ООО «Барсук»")
        make.client(name="ООО «Двойник»")
        make.client(name="ООО «Двойник»")
        client_id, code = known.id, known.external_id
    fields = {"client": "ООО «Барсук»", "contact": "Ольга"}
    for wrong, why in (
        ({"client": "ООО «Никто»"}, "There is no such client."),
        ({"client": "ООО «Двойник»"}, "write the code of one"),
        ({"contact": ""}, "Name the person."),
    ):
        status, page = _send(site, waits, "number", **(fields | wrong))
        assert status == 422
        assert why in page
    assert _send(site, waits, "number", **fields)[0] == 303
    with site.house.database.transaction() as session:
        for one in (waits, also):
            event = session.get_one(Event, session.get_one(Recording, one).event_id)
            assert event.client_id == client_id
        contact = session.scalars(select(Contact).where(Contact.client_id == client_id)).one()
        assert contact.name == "Ольга"
        phones = session.scalars(
            select(ContactPhone.number).where(ContactPhone.contact_id == contact.id)
        ).all()
        assert phones == [number]
    assert "client.changed" in site.house.acts(client_id)
    later = _waits(site, number)
    assert _send(site, later, "number", client=code, contact="Ольга")[0] == 409


def test_the_queue_is_gone_through_by_keyboard(
    site: Site, open_page: Callable[[Role, Look], Page], axe: str
) -> None:
    at = site.house.clock.now()
    with site.house.making() as make:
        calls = [
            str(untied(make, at=at - timedelta(minutes=n), number=f"+7495000881{n}").id)
            for n in (1, 2)
        ]
    page = open_page(Role.MANAGER, LOOKS[0])
    page.goto(TRIAGE)
    page.keyboard.press("j")
    expect(page.locator(f"#r-{calls[0]}")).to_be_focused()
    page.keyboard.press("j")
    expect(page.locator(f"#r-{calls[1]}")).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("x")
    expect(page.locator(f"#r-{calls[0]} select")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("form.done")).to_be_visible()
    expect(page.locator(f"#r-{calls[0]}")).to_have_count(0)
    expect(page.locator(f"#r-{calls[1]}")).to_be_focused()
    assert violations(page, axe) == []
    page.keyboard.press("u")
    expect(page.locator(f"#r-{calls[0]}")).to_have_count(1)
    page.locator("summary", has_text="Клавиши").click()
    page.locator("#letters").uncheck()
    page.locator("h1").click()
    page.keyboard.press("j")
    expect(page.locator(f"#r-{calls[0]}")).not_to_be_focused()
