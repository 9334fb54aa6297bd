"""The JSON routes of disputes."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from app.consent.purposes import ScreeningResult
from app.core.deps import ClockDep, SessionDep
from app.core.ids import DisputeId, RecordingId
from app.core.moments import Moment
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Cursor, CursorInvalid
from app.core.problems import problems
from app.core.text import Searched
from app.disputes import queries, reading, service, statements
from app.disputes.models import Exhibit, ExhibitKind
from app.disputes.queries import Wanted
from app.disputes.reading import Whole
from app.disputes.refusals import (
    DisputeContactUnknown,
    DisputeEventUnknown,
    DisputePersonUnknown,
    PeriodInvalid,
    StatementReplaced,
    StatementUnknown,
)
from app.disputes.rules import State
from app.disputes.schemas import (
    AreaWire,
    Board,
    DisputeBrief,
    DisputeCreate,
    DisputePage,
    DisputeRead,
    ExhibitCreate,
    ExhibitRead,
    ExhibitRemove,
    ExhibitRevise,
    ExhibitScreened,
    ExhibitScreening,
    RedactionWire,
)
from app.disputes.service import (
    AreaOutside,
    ChannelMissing,
    Clip,
    DisputeClientUnknown,
    DisputeClosed,
    DisputeNotFound,
    ExhibitBeyondEnd,
    ExhibitNotFound,
    ExhibitOtherKind,
    ExhibitRecordingUnknown,
    ExhibitRemoved,
    ExhibitReplaced,
    ExhibitScreenshotUnknown,
    PersonNeeded,
    RedactionOutside,
    RemovalReasonMissing,
    Shot,
)
from app.disputes.work_schemas import (
    StatementRead,
    StepRead,
    conduct_read,
    cost_read,
    move_read,
    request_read,
)
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.identity.service import NoLongerHere

router = APIRouter(prefix="/v1", tags=["disputes"])

CanWrite = Annotated[Actor, Depends(Requires(Permission.DISPUTE_WRITE))]
CanScreen = Annotated[Actor, Depends(Requires(Permission.SCREENING_RECORD))]
CanRead = Annotated[Actor, Depends(Requires(Permission.DISPUTE_READ))]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)
ADDING = (
    *GUARDED,
    PersonNeeded,
    DisputeClosed,
    ExhibitRecordingUnknown,
    ExhibitScreenshotUnknown,
    ExhibitBeyondEnd,
    RedactionOutside,
    ChannelMissing,
    AreaOutside,
)
PLANNING = (DisputePersonUnknown, DisputeEventUnknown, PeriodInvalid)
NAMING = (
    DisputeContactUnknown,
    ExhibitRecordingUnknown,
    StatementUnknown,
    StatementReplaced,
)


def _narrowed(
    clock: ClockDep,
    client: Searched | None = None,
    owner: UUID | None = None,
    overdue: bool = False,  # noqa: FBT001, FBT002 - a word of the address.
    since: Moment | None = None,
    until: Moment | None = None,
    q: Searched | None = None,
) -> Wanted:
    return Wanted(
        client=client,
        owner_id=owner,
        overdue=clock.now() if overdue else None,
        since=since,
        until=until,
        q=q or None,
    )


NarrowedDep = Annotated[Wanted, Depends(_narrowed)]


@router.get("/disputes", responses=problems(*GUARDED, CursorInvalid))
def list_disputes(
    actor: CanRead,
    session: SessionDep,
    narrowed: NarrowedDep,
    state: State | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
) -> DisputePage:
    """List disputes, the newest first."""
    after = Cursor.decode(cursor) if cursor else None
    found = queries.page(session, actor, replace(narrowed, state=state), after=after, limit=limit)
    last = found[-1][0] if len(found) == limit else None
    return DisputePage(
        items=[
            DisputeBrief(
                id=one.id,
                client=client,
                client_name=client_name,
                subject=one.subject,
                state=State(one.state),
                owner_id=one.owner_id,
                owner=owner,
                due_at=one.due_at,
                opened_at=one.opened_at,
                closed_at=one.closed_at,
            )
            for one, client, client_name, owner in found
        ],
        next=Cursor(at=last.opened_at, id=last.id).encode() if last else None,
    )


@router.get("/disputes/board", responses=problems(*GUARDED))
def count_disputes(actor: CanRead, session: SessionDep, narrowed: NarrowedDep) -> Board:
    """Count disputes by state."""
    counts = queries.counts(session, actor, narrowed)
    return Board(counts=counts, total=sum(counts.values()))


@router.post(
    "/disputes",
    status_code=201,
    responses=problems(*GUARDED, PersonNeeded, DisputeClientUnknown, *PLANNING, *NAMING),
)
def open_dispute(
    body: DisputeCreate, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> DisputeRead:
    """Open a dispute with a client, with its checklist and, where it is told, the complaint."""
    at = clock.now()
    dispute = service.open_dispute(
        session, actor, client=body.client, subject=body.subject, plan=body.plan(), at=at
    )
    if body.complaint is not None:
        statements.state(session, actor, dispute.id, body.complaint.told(), at=at)
    return read(reading.whole(session, actor, DisputeId(dispute.id)))


@router.get("/disputes/{dispute_id}", responses=problems(*GUARDED, DisputeNotFound))
def get_dispute(dispute_id: UUID, actor: CanRead, session: SessionDep) -> DisputeRead:
    """Tell what a dispute is about, how it stands and what was gathered."""
    return read(reading.whole(session, actor, DisputeId(dispute_id)))


@router.post(
    "/disputes/{dispute_id}/exhibits",
    status_code=201,
    responses=problems(*ADDING, DisputeNotFound),
)
def add_exhibit(
    dispute_id: UUID, body: ExhibitCreate, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> ExhibitRead:
    """Add a part of a recording, or a screenshot, to a dispute."""
    shown = _shown(body, body.recording_id, body.screenshot_id)
    return _exhibit(
        service.add_exhibit(session, actor, DisputeId(dispute_id), shown, at=clock.now())
    )


@router.post(
    "/exhibits/{exhibit_id}/revise",
    status_code=201,
    responses=problems(*ADDING, ExhibitNotFound, ExhibitReplaced, ExhibitOtherKind),
)
def revise_exhibit(
    exhibit_id: UUID, body: ExhibitRevise, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> ExhibitRead:
    """Put another part, other redactions or areas in the place of an exhibit; both are kept."""
    old = service.exhibit(session, exhibit_id)
    try:
        body.must_suit(ExhibitKind(old.kind))
    except ValueError as exc:
        raise ExhibitOtherKind from exc
    shown = _shown(body, old.recording_id, old.screenshot_id)
    return _exhibit(service.revise(session, actor, exhibit_id, shown, at=clock.now()))


@router.post(
    "/exhibits/{exhibit_id}/remove",
    status_code=204,
    responses=problems(
        *GUARDED,
        PersonNeeded,
        ExhibitNotFound,
        ExhibitReplaced,
        ExhibitRemoved,
        RemovalReasonMissing,
        DisputeClosed,
    ),
)
def remove_exhibit(
    exhibit_id: UUID, body: ExhibitRemove, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> None:
    """Take an exhibit out of its dispute, with a reason; that it was shown stays known."""
    service.remove_exhibit(session, actor, exhibit_id, reason=body.reason, at=clock.now())


@router.post(
    "/exhibits/{exhibit_id}/screenings",
    status_code=201,
    responses=problems(
        *GUARDED,
        PersonNeeded,
        NoLongerHere,
        ExhibitNotFound,
        ExhibitReplaced,
        ExhibitOtherKind,
        ExhibitScreenshotUnknown,
    ),
)
def screen_exhibit(
    exhibit_id: UUID,
    body: ExhibitScreening,
    actor: CanScreen,
    session: SessionDep,
    clock: ClockDep,
) -> ExhibitScreened:
    """Write down what a person saw who looked at a screenshot as its exhibit shows it."""
    row = service.screen(session, actor, exhibit_id, body.result, note=body.note, at=clock.now())
    return ExhibitScreened(
        id=row.id,
        result=ScreeningResult(row.result),
        areas=[AreaWire.model_validate(one) for one in row.areas],
        screened_by=row.screened_by,
        at=row.at,
    )


def _shown(
    body: ExhibitRevise, recording_id: UUID | None, screenshot_id: UUID | None
) -> Clip | Shot:
    if recording_id is not None:
        return Clip(
            recording_id=RecordingId(recording_id),
            from_ms=body.from_ms,
            to_ms=body.to_ms,
            note=body.note,
            redactions=tuple(one.redaction() for one in body.redactions),
        )
    if screenshot_id is None:
        raise TypeError("An exhibit shows a recording or a screenshot.")
    return Shot(
        screenshot_id=screenshot_id,
        note=body.note,
        areas=tuple(one.area() for one in body.areas),
    )


def read(whole: Whole) -> DisputeRead:
    """Return a dispute as it crosses the wire."""
    one = whole.dispute
    return DisputeRead(
        id=one.id,
        client=whole.client.external_id,
        client_name=whole.client.name,
        subject=one.subject,
        state=State(one.state),
        allowed=list(whole.allowed),
        event_id=one.event_id,
        period_from=one.period_from,
        period_to=one.period_to,
        owner_id=one.owner_id,
        due_at=one.due_at,
        opened_by=one.opened_by,
        opened_at=one.opened_at,
        closed_at=one.closed_at,
        exhibits=[_exhibit(e) for e in whole.exhibits],
        statements=[StatementRead.of(s, withheld=s.id in whole.withheld) for s in whole.statements],
        steps=[StepRead.of(s) for s in whole.steps],
        requests=[
            request_read(
                r,
                whole.documents.get(r.id, ()),
                whole.uploads.get(r.id, ()),
                withheld=whole.withheld,
            )
            for r in whole.requests
        ],
        conducts=[conduct_read(c) for c in whole.conducts],
        moves=[move_read(m) for m in whole.moves],
        cost=cost_read(whole.hours),
        releases=list(whole.releases),
        people=dict(whole.people),
    )


def _exhibit(exhibit: Exhibit) -> ExhibitRead:
    return ExhibitRead(
        id=exhibit.id,
        kind=exhibit.kind,
        recording_id=exhibit.recording_id,
        screenshot_id=exhibit.screenshot_id,
        from_ms=exhibit.from_ms,
        to_ms=exhibit.to_ms,
        redactions=[RedactionWire.model_validate(one) for one in exhibit.redactions],
        areas=[AreaWire.model_validate(one) for one in exhibit.areas],
        replaces=exhibit.replaces,
        note=exhibit.note,
        added_by=exhibit.added_by,
        at=exhibit.at,
    )
