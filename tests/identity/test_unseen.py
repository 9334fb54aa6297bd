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
from app.consent.models import Assertion
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
from app.documents.models import Document, LocalAct
from app.identity.actor import Actor
from app.identity.models import Office
from app.recordings import parties, service
from app.recordings.call_schemas import PartyAdd
from app.recordings.parties import EntityUnknown
from app.web import sight
from app.web.pages.ledger import KINDS
from tests.factories import DAY, Make
from tests.feeds.house import DAY as CALL_DAY
from tests.feeds.house import FeedHouse, call
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
        event = str(make.event(client).external_id)

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
    papers = {
        "ours": make.document(b"paper 0", by=make.reviewer, client=ours),
        "of our call": make.document(
            b"paper 1", by=make.reviewer, recording=make.recording(client=ours)
        ),
        "theirs": make.document(b"paper 2", by=make.reviewer, client=theirs),
        "of their call": make.document(b"paper 3", recording=make.recording(client=theirs)),
    }
    _seen_as(make, manager, papers, {"ours", "of our call"})


def test_a_document_of_nobody_is_seen_by_its_uploader_and_with_what_it_proves(
    make: Make, manager: Actor, ours: Client, theirs: Client
) -> None:
    named = ("ours", "our contact", "theirs", "nothing", "act", "own")
    papers = {
        name: make.document(
            f"paper {name}".encode(),
            by=manager if name == "own" else make.reviewer,
            role="local_act" if name == "act" else "other",
        )
        for name in named
    }
    make.session.add(
        LocalAct(
            id=new_id(),
            number="1",
            version="1",
            title="Положение",
            document_id=papers["act"].id,
            valid_from=make.clock.now(),
            created_by=make.legal.id,
            created_at=make.clock.now(),
        )
    )
    about: dict[str, dict[str, UUID]] = {
        "ours": {"client_id": ours.id},
        "our contact": {"contact_id": make.contact(ours).id},
        "theirs": {"client_id": theirs.id},
    }
    for name, whose in about.items():
        make.session.add(_evidence(make, papers[name], whose))
    make.session.flush()
    _seen_as(make, manager, papers, {"ours", "our contact", "act", "own"})
    # Whoever belongs to every office is a manager all the same.
    everywhere = dataclasses.replace(manager, offices=None)
    _seen_as(make, everywhere, papers, {"ours", "our contact", "theirs", "act", "own"})
    for person in (make.legal, make.approver, make.reviewer, make.auditor):
        _seen_as(make, person, papers, set(papers))


def _evidence(make: Make, paper: Document, about: dict[str, UUID]) -> Assertion:
    told = {"document_id": str(paper.id), "document_sha256": paper.sha256.hex()}
    return Assertion(
        id=new_id(),
        kind="written_consent",
        strength="WRITTEN",
        status="proposed",
        evidence=told,
        evidence_sha256=paper.sha256,
        purposes=[],
        recipients=[],
        from_ms=0,
        proposed_by=make.reviewer.id,
        proposed_at=make.clock.now(),
        **about,
    )


def _seen_as(make: Make, actor: Actor, papers: dict[str, Document], seen: set[str]) -> None:
    rows = documents.listed(make.session, actor, client_id=None, recording_id=None)
    listed = {row.id for row, _ in rows}
    assert {name for name, one in papers.items() if one.id in listed} == seen, actor.role
    for name, paper in papers.items():

        def opened(paper_id: UUID = paper.id) -> object:
            return door.open_document(make.session, actor, paper_id, at=make.clock.now())

        assert _refusal(opened) is (None if name in seen else DocumentNotFound), name


def test_the_ledger_of_an_object_is_read_by_who_sees_the_object(
    make: Make, manager: Actor, ours: Client, theirs: Client
) -> None:
    for whose, is_seen in ((ours, True), (theirs, False)):
        recording, shot = (
            make.recording(client=whose),
            make.screenshot(f"p {whose.id}".encode(), client=whose, media_type="x", size=(9, 9)),
        )
        dispute = _opened(make, make.manager, whose)
        contact, paper = make.contact(whose), make.document(b"l", by=make.legal, client=whose)
        evidence = _evidence(make, paper, {"contact_id": contact.id})
        make.session.add(evidence)
        make.session.flush()
        objects = {
            "assertion": evidence.id,
            "client": whose.id,
            "contact": contact.id,
            "contract": make.contract(whose).id,
            "dispute": dispute.id,
            "document": paper.id,
            "event": recording.event_id,
            "recording": recording.id,
            "screenshot": shot.id,
        }
        for kind, object_id in objects.items():
            assert sight.is_seen(make.session, manager, kind, object_id) is is_seen, kind
            assert sight.is_seen(make.session, make.legal, kind, object_id), kind
            assert not sight.is_seen(make.session, manager, kind, new_id()), kind
    for kind in sight.OF_ANY_OFFICE:
        assert not sight.is_seen(make.session, manager, kind, new_id()), kind
    assert not sight.is_seen(make.session, manager, "of_tomorrow", new_id())


def test_every_kind_that_the_ledger_has_words_for_is_looked_at() -> None:
    known = (set(sight.LOOKS), sight.OF_THE_HOUSE, sight.OF_ANY_OFFICE)
    assert set().union(*known) == set(KINDS)
    assert sum(map(len, known)) == len(KINDS)


def test_gaps_of_another_offices_calls_are_not_told(live: Live) -> None:
    live.key("manager")
    live.call("POST", "/v1/offices", who="admin", json={"name": "south"})
    numbers = {"N": "+74950000001", "S": "+74950000002"}
    for client, place in (("N", {}), ("S", {"office": "south"})):
        contact = {"name": "Директор", "phones": [numbers[client]]}
        body = {"name": client, "contacts": [contact]} | place
        told = live.call("PUT", f"/v1/clients/{client}", who="admin", json=body)
        assert told.status_code == 201, told.text
    house = FeedHouse(live)
    nobody = "+74950000003"
    house.tell(
        *(
            call(number[-1], 60 * place, **{"from": number})
            for place, number in enumerate((*numbers.values(), nobody))
        )
    )
    house.work()
    live.call("PUT", "/v1/users/manager/offices", who="admin", json={"offices": ["south"]})
    live.forget()
    for who, seen in (("legal", [*numbers.values(), nobody]), ("manager", [numbers["S"], nobody])):
        found = live.call("GET", "/v1/reconciliation/gaps", who=who).json()["items"]
        assert sorted(one["number"] for one in found) == seen, who
        table = live.call("GET", "/v1/reconciliation/gaps.csv", who=who).text
        assert [one for one in (*numbers.values(), nobody) if one in table] == seen, who
        day = live.call("GET", f"/v1/reconciliation/{CALL_DAY}", who=who).json()
        assert sorted(one["number"] for one in day["gaps"]) == seen, who
    all_gaps = live.call("GET", "/v1/reconciliation/gaps", who="legal").json()["items"]
    said = {"reason": "lost", "words": "Сломался телефон."}
    for one in all_gaps:
        path = f"/v1/reconciliation/gaps/{one['id']}/reason"
        status = live.call("POST", path, who="manager", json=said).status_code
        assert status == (404 if one["number"] == numbers["N"] else 200), one["number"]


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
