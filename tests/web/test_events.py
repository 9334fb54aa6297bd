"""Events and triage: what waits is tied by one click, each suggestion says why."""

from __future__ import annotations

import re

from sqlalchemy import select

from app.clients.models import Contact, Event
from app.identity.permissions import Role
from app.recordings.models import LinkChange, LinkedBy, Recording
from app.web.edge import form_token
from tests.factories import DAY
from tests.web.conftest import Site
from tests.web.table.events import untied


def token(site: Site, role: Role = Role.MANAGER) -> str:
    return form_token(site.cookies[role])


def card(page: str, recording_id: str) -> str:
    return page.partition(f'id="r-{recording_id}"')[2].partition("</section>")[0]


def test_events_are_narrowed_by_kind_client_state_and_day(site: Site) -> None:
    found = site.get("/events?lang=en&agent=101&state=open", Role.MANAGER).text
    assert "Выезд на узел связи" in found
    for query in ("kind=visit", "state=closed", "client=nobody", "to=2020-01-01", "agent=xx"):
        page = site.get(f"/events?lang=en&{query}", Role.MANAGER).text
        assert "Выезд на узел связи" not in page, query
    assert site.get("/events?kind=nonsense", Role.MANAGER).status_code == 422


def test_an_event_has_its_recordings_and_how_they_came(site: Site) -> None:
    page = site.get(f"/events/{site.parameters['event_id']}?lang=en", Role.AUDITOR).text
    assert "the sender named the event" in page
    assert "+7 495 000-77-00" in page
    assert 'href="/recordings/' in page
    assert "Tie to another event" not in page
    nobody = "00000000-0000-7000-8000-000000000000"
    assert site.get(f"/events/{nobody}", Role.MANAGER).status_code == 404


def test_a_recording_is_tied_to_another_event_with_a_reason(site: Site) -> None:
    with site.house.making() as make:
        client = make.client(name="ООО «Узел»")
        recording = make.recording(client=client, started_at=site.house.clock.now() - 9 * DAY)
        other = make.event(client, external_id="RELINK-1")
        ids = (recording.id, recording.event_id, other.id)
    path = f"/events/{ids[1]}/relink?lang=en"
    form = {"token": token(site), "recording": str(ids[0]), "event": "NOBODY", "reason": ""}
    wrong = site.post(path, Role.MANAGER, form)
    assert wrong.status_code == 422
    assert "There is no event of this number." in wrong.text
    assert "Say in some words why." in wrong.text
    form |= {"event": "RELINK-1", "reason": "Другая заявка"}
    done = site.post(path, Role.MANAGER, form)
    assert (done.status_code, done.headers["location"]) == (303, f"/events/{ids[2]}")
    page = site.get(f"/events/{ids[2]}?lang=en", Role.MANAGER).text
    assert "by hand" in page
    assert "Другая заявка" in page


def test_what_waits_is_counted_for_whoever_may_tie_it(site: Site) -> None:
    for role, is_counted in ((Role.MANAGER, True), (Role.AUDITOR, False)):
        page = site.get("/events/triage?lang=en", role).text
        shown = page.partition('class="sections"')[2].partition("</nav>")[0]
        entry = shown.partition('href="/events"')[2].partition("</a>")[0]
        assert ("waiting" in entry) == is_counted
        assert ('type="submit">Tie' in page) == is_counted


def test_a_suggestion_says_why_and_ties_by_one_click(site: Site) -> None:
    at = site.house.clock.now() - 6 * DAY
    with site.house.making() as make:
        waits = str(untied(make, at=at, number="+74950007702").id)
    page = site.get("/events/triage?lang=en", Role.MANAGER).text
    shown = card(page, waits)
    assert "Выезд на узел связи" in shown
    assert "the same employee, near in time" in shown
    assert "Не работает сеть" not in shown  # Time alone says nothing.
    form = {
        "token": token(site),
        "event": "VISIT-7",
        "reason": "the same employee",
        "show": "unknown",
    }
    path = f"/events/triage/{waits}/link?lang=en"
    wrong = site.post(path, Role.MANAGER, form | {"event": "NOBODY"})
    assert wrong.status_code == 422
    assert "There is no event of this number." in card(wrong.text, waits)
    done = site.post(path, Role.MANAGER, form)
    assert done.headers["location"] == f"/events/triage?show=unknown&done={waits}"
    with site.house.making() as make:
        row = make.session.get_one(Recording, waits)
        event = make.session.get_one(Event, row.event_id)
        assert (event.external_id, row.linked_by) == ("VISIT-7", LinkedBy.MANUAL)
        links = select(LinkChange).where(LinkChange.recording_id == row.id)
        assert make.session.scalars(links.order_by(LinkChange.at.desc())).first() is not None
        again = untied(make, at=at, number="+74950007702")
        later = str(again.id)
    page = site.get("/events/triage?lang=en", Role.MANAGER).text
    assert "an earlier call of this number was tied to this client" in card(page, later)


def test_a_client_is_made_of_an_unknown_number_and_takes_its_calls(site: Site) -> None:
    at = site.house.clock.now() - 7 * DAY
    number = "+74950007703"
    with site.house.making() as make:
        waits = str(untied(make, at=at, number=number).id)
        also = str(untied(make, at=at - DAY, number=number).id)
        silent = str(untied(make, at=at, number=None).id)
    path = f"/events/triage/{waits}/client"
    form = {"token": token(site), "firm": "", "contact": "Анна"}
    wrong = site.post(f"{path}?lang=en", Role.MANAGER, form)
    assert wrong.status_code == 422
    assert "Name the firm and the person." in wrong.text
    form["firm"] = "ООО «Новый»"
    done = site.post(path, Role.MANAGER, form)
    found = re.fullmatch(r"/clients/([0-9a-f-]+)", done.headers["location"])
    assert found is not None
    with site.house.making() as make:
        for recording in (waits, also):
            row = make.session.get_one(Recording, recording)
            event = make.session.get_one(Event, row.event_id)
            assert str(event.client_id) == found[1]
        contact = make.session.scalars(select(Contact).where(Contact.client_id == found[1])).one()
        assert contact.name == "Анна"
    assert site.post(path, Role.MANAGER, form).status_code == 409
    none = site.post(f"/events/triage/{silent}/client", Role.MANAGER, form)
    assert none.status_code == 409
