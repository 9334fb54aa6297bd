"""What belongs to another office's client is not reached by naming it from somewhere else.

Each thing is asked for by who sees it and by a manager of another office; the latter is answered
as if there were none. Source: OWASP ASVS 5.0, V8.2.2.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from app.clients.models import Client, EventKind
from app.clients.service import EventNotFound
from app.core.errors import Refusal
from app.core.ids import DisputeId, RecordingId, new_id
from app.disputes import comparing, figures
from app.disputes import queries as deadlines
from app.disputes import service as disputes
from app.disputes.models import Dispute
from app.disputes.queries import Deadline
from app.disputes.rules import Urgency
from app.disputes.service import (
    Clip,
    DisputeClientUnknown,
    DisputeNotFound,
    ExhibitRecordingUnknown,
    ExhibitScreenshotUnknown,
    Shot,
)
from app.documents import door
from app.documents import queries as documents
from app.documents.door import DocumentNotFound
from app.identity.actor import Actor
from app.identity.models import Office
from app.recordings import parties, service
from app.recordings.call_schemas import PartyAdd
from app.recordings.parties import EntityUnknown
from tests.factories import DAY, Make
from tests.live import Live
from tests.papers import pdf, upload


@pytest.fixture
def far(make: Make) -> Office:
    """Give an office beside the main one."""
    office = Office(id=new_id(), name="far", created_at=make.clock.now())
    make.session.add(office)
    make.session.flush()
    return office


@pytest.fixture
def theirs(make: Make, far: Office) -> Client:
    """Give a client of the far office."""
    client = make.client()
    client.office_id = far.id
    make.session.flush()
    return client


@pytest.fixture
def ours(make: Make) -> Client:
    return make.client()


@pytest.fixture
def manager(make: Make, ours: Client) -> Actor:
    """Give a manager of the main office alone."""
    return dataclasses.replace(make.manager, offices=frozenset({ours.office_id}))


def _opened(make: Make, actor: Actor, client: Client) -> Dispute:
    at = make.clock.now()
    return disputes.open_dispute(
        make.session, actor, client=client.external_id, subject="Не работает", at=at
    )


def _clip(recording_id: UUID) -> Clip:
    return Clip(recording_id=RecordingId(recording_id), from_ms=0, to_ms=None, note=None)


def test_no_dispute_is_opened_with_a_client_that_is_not_seen(
    make: Make, manager: Actor, ours: Client, theirs: Client
) -> None:
    assert _opened(make, manager, ours).client_id == ours.id
    assert _opened(make, make.manager, theirs).client_id == theirs.id
    with pytest.raises(DisputeClientUnknown):
        _opened(make, manager, theirs)


def test_nothing_unseen_is_made_an_exhibit(
    make: Make, manager: Actor, ours: Client, theirs: Client
) -> None:
    own, foreign = _opened(make, manager, ours).id, _opened(make, make.manager, theirs).id
    heard, unheard = make.recording(client=ours).id, make.recording(client=theirs).id
    seen, unseen = (
        make.screenshot(f"picture {one.id}".encode(), client=one, media_type="x", size=(9, 9)).id
        for one in (ours, theirs)
    )
    for dispute, shown, refusal in (
        (own, _clip(heard), None),
        (own, Shot(screenshot_id=seen, note=None), None),
        (foreign, _clip(heard), DisputeNotFound),
        (own, _clip(unheard), ExhibitRecordingUnknown),
        (own, Shot(screenshot_id=unseen, note=None), ExhibitScreenshotUnknown),
    ):

        def add(dispute: UUID = dispute, shown: Clip | Shot = shown) -> object:
            at = make.clock.now()
            return disputes.add_exhibit(make.session, manager, DisputeId(dispute), shown, at=at)

        assert _refusal(add) is refusal


def test_no_call_is_tied_to_an_event_of_a_client_that_is_not_seen(
    make: Make, manager: Actor, ours: Client, theirs: Client
) -> None:
    call = make.recording(client=ours)
    for client, refusal in ((ours, None), (theirs, EventNotFound)):
        event = make.event(client).external_id

        def tie(event: str = event) -> object:
            at = make.clock.now()
            return service.relink(
                make.session, manager, call.id, event=event, reason="wrong one", at=at
            )

        assert _refusal(tie) is refusal


def test_nobody_speaks_for_a_client_that_is_not_seen(
    make: Make, manager: Actor, ours: Client, theirs: Client
) -> None:
    call = make.recording(client=ours)
    for place, (client, refusal) in enumerate(((ours, None), (theirs, EntityUnknown))):
        told = PartyAdd(label=f"p-{place}", reason="Назвался.", client=client.external_id)

        def add(told: PartyAdd = told) -> object:
            return parties.add(make.session, manager, call.id, told, at=make.clock.now())

        assert _refusal(add) is refusal


def test_only_reminders_of_disputes_that_are_seen_are_listed(
    make: Make, manager: Actor, ours: Client, theirs: Client
) -> None:
    found = [_opened(make, make.manager, client) for client in (ours, theirs)]
    for one in found:
        due = Deadline(
            dispute_id=one.id,
            subject_kind="dispute",
            subject_id=one.id,
            due_at=make.clock.now(),
            person_id=one.opened_by,
        )
        assert deadlines.add_reminder(make.session, due, Urgency.OVERDUE, at=make.clock.now())

    def listed(actor: Actor) -> set[UUID]:
        rows = deadlines.reminders(make.session, actor, person_id=None, limit=9)
        return {row.dispute_id for row in rows}

    assert listed(make.manager) == {one.id for one in found}
    assert listed(manager) == {found[0].id}


def test_a_document_is_seen_with_its_client_and_its_call(
    make: Make, manager: Actor, ours: Client, theirs: Client
) -> None:
    papers = [
        make.document(f"paper {place}".encode(), client=client)
        for place, client in enumerate((ours, theirs, None))
    ]
    papers.append(make.document(b"paper 3", recording=make.recording(client=theirs)))

    def listed(actor: Actor) -> set[UUID]:
        rows = documents.listed(make.session, actor, client_id=None, recording_id=None)
        return {row.id for row, _ in rows}

    assert listed(make.manager) >= {one.id for one in papers}
    assert listed(manager) & {one.id for one in papers} == {papers[0].id, papers[2].id}
    for paper, refusal in zip(
        papers, (None, DocumentNotFound, None, DocumentNotFound), strict=True
    ):

        def opened(paper_id: UUID = paper.id) -> object:
            return door.open_document(make.session, manager, paper_id, at=make.clock.now())

        assert _refusal(opened) is refusal


def test_another_offices_document_is_as_if_there_were_none(live: Live) -> None:
    live.key("manager")
    office = live.call("POST", "/v1/offices", who="admin", json={"name": "south"})
    assert office.status_code == 201
    for client, place in (("N", {}), ("S", {"office": "south"})):
        body = {"name": client, "contacts": []} | place
        told = live.call("PUT", f"/v1/clients/{client}", who="admin", json=body)
        assert told.status_code == 201, told.text
    foreign = upload(live, pdf(text="N"), upload_id="n", client="N").json()["id"]
    own = upload(live, pdf(text="S"), upload_id="s", client="S").json()["id"]
    live.call("PUT", "/v1/users/manager/offices", who="admin", json={"offices": ["south"]})
    live.forget()
    listed = live.call("GET", "/v1/documents", who="manager").json()["items"]
    assert [one["id"] for one in listed] == [own]
    for path in ("/v1/documents/{}", "/v1/documents?client={}"):
        right, wrong, unknown = (
            ("S", "N", "nobody") if "client" in path else (own, foreign, str(new_id()))
        )
        assert live.call("GET", path.format(right), who="manager").status_code == 200
        refused = [live.call("GET", path.format(one), who="manager") for one in (wrong, unknown)]
        assert [one.status_code for one in refused] == [404, 404]
        assert len({str(one.json() | {"instance": ""}) for one in refused}) == 1
    sent = [
        upload(live, pdf(text="x"), who="manager", upload_id=f"x-{one}", client=one)
        for one in ("S", "N", "nobody")
    ]
    assert sent[0].status_code == 201, sent[0].text
    assert sent[1].status_code == sent[2].status_code != 201
    assert sent[1].json() | {"instance": ""} == sent[2].json() | {"instance": ""}


def _refusal(act: Callable[[], object]) -> type[Refusal] | None:
    try:
        act()
    except Refusal as exc:
        return type(exc)
    return None


def test_figures_count_only_what_is_seen(
    make: Make, manager: Actor, ours: Client, theirs: Client
) -> None:
    at, zone = make.clock.now(), ZoneInfo("Europe/Moscow")
    for client in (ours, theirs):
        make.contract(client)
        make.event(client, at=at - DAY).kind = EventKind.COMPLAINT
        make.recording(client=client)
    make.session.flush()

    def seen_by(actor: Actor) -> tuple[int, int, set[UUID]]:
        quarter = figures.trend(make.session, actor, quarters=1, zone=zone, at=at)[-1]
        lines = comparing.lines(make.session, actor, since=at - 2 * DAY, until=at + DAY, zone=zone)
        counted = quarter.complaints.behind[0].count, quarter.clients.behind[0].count
        return *counted, {one.id for one in lines} & {ours.id, theirs.id}

    assert seen_by(manager) == (1, 1, {ours.id})
    assert seen_by(make.manager) == (2, 2, {ours.id, theirs.id})
