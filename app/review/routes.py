"""The JSON routes of review."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from app.consent import queries as evidence
from app.consent.flips import Place
from app.consent.policy import PackAltered, PackNotFound
from app.consent.policy_routes import Jurisdiction, Version
from app.consent.review import (
    AssertionNotFound,
    PersonNeeded,
    ProposerDecides,
    ReasonMissing,
    VerdictRepeated,
)
from app.core.deps import ClockDep, SessionDep
from app.core.downloads import told_as
from app.core.moments import Moment
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Cursor, CursorInvalid
from app.core.problems import problems
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.review import batches, changes, reports, sampling, service
from app.review.batches import (
    BatchNotDecided,
    BatchNotFound,
    BatchNotOpened,
    BatchSettled,
    BatchUnfit,
    Wanted,
)
from app.review.models import BatchVerdict
from app.review.reports import ReportName, Window
from app.review.rules import Queue
from app.review.sampling import Draw, NotDrawn, PeriodInvalid, PeriodRefused
from app.review.schemas import (
    BatchCreate,
    BatchDecide,
    BatchDone,
    BatchRead,
    CheckRead,
    CheckWrite,
    ClaimRead,
    FlipList,
    FlipRead,
    ItemList,
    ItemRead,
    NoteWrite,
    PackFlips,
    PeriodCreate,
    PeriodList,
    PeriodRead,
    QueueList,
    QueueRead,
    ReasonWrite,
    ReportRead,
    UndoRead,
)
from app.review.service import ClaimTaken, ItemNotWaiting, NothingToUndo, QueueNotNoted

router = APIRouter(prefix="/v1/review", tags=["review"])

CanRead = Annotated[Actor, Depends(Requires(Permission.REVIEW_READ))]
CanDecide = Annotated[Actor, Depends(Requires(Permission.REVIEW_DECIDE))]
Lang = Literal["ru", "en"]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)
_YEAR = timedelta(days=365)


@router.get("", responses=problems(*GUARDED))
def list_queues(
    actor: CanRead, session: SessionDep, clock: ClockDep, lang: Lang = "en"
) -> QueueList:
    """List the queues: how many wait, since when the oldest, and how long they may."""
    at = clock.now()
    found = service.overview(session, actor, at=at)
    return QueueList(queues=[QueueRead.of(one, at=at, lang=lang) for one in found])


@router.post("/batches", status_code=201, responses=problems(*GUARDED, PersonNeeded, BatchUnfit))
def freeze_batch(
    body: BatchCreate, actor: CanDecide, session: SessionDep, clock: ClockDep
) -> BatchRead:
    """Freeze a list for one verdict; the answer says what of it must be opened first."""
    if body.query is None:
        wanted = Wanted(assertion_ids=tuple(body.assertion_ids or ()))
    else:
        wanted = Wanted(**body.query.model_dump())
    batch = batches.freeze(session, actor, wanted, at=clock.now())
    return BatchRead.of(batches.state(session, actor, batch.id))


@router.get("/batches/{batch_id}", responses=problems(*GUARDED, BatchNotFound))
def read_batch(batch_id: UUID, actor: CanRead, session: SessionDep) -> BatchRead:
    """Return a frozen list, and what of it you still have to open."""
    return BatchRead.of(batches.state(session, actor, batch_id))


@router.get("/batches/{batch_id}/flips", responses=problems(*GUARDED, BatchNotFound))
def preview_batch(
    batch_id: UUID,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    verdict: BatchVerdict = BatchVerdict.VERIFY,
) -> FlipList:
    """Say what a verdict would change, before it is given."""
    found = batches.state(session, actor, batch_id)
    flips = batches.flips(session, found, verdict, at=clock.now())
    return FlipList(verdict=verdict, count=len(flips), items=[FlipRead.of(f) for f in flips])


@router.post(
    "/batches/{batch_id}/decide",
    responses=problems(
        *GUARDED, PersonNeeded, BatchNotFound, BatchNotOpened, BatchSettled, ReasonMissing
    ),
)
def decide_batch(
    batch_id: UUID, body: BatchDecide, actor: CanDecide, session: SessionDep, clock: ClockDep
) -> BatchDone:
    """Give one verdict on all of a frozen list, once you have opened what was picked."""
    done = batches.decide(
        session, actor, batch_id, verdict=body.verdict, reason=body.reason, at=clock.now()
    )
    return BatchDone.of(done)


@router.post(
    "/batches/{batch_id}/undo",
    responses=problems(*GUARDED, PersonNeeded, BatchNotFound, BatchNotDecided, BatchSettled),
)
def undo_batch(
    batch_id: UUID, body: ReasonWrite, actor: CanDecide, session: SessionDep, clock: ClockDep
) -> BatchDone:
    """Take back, by new events, what a batch has settled."""
    return BatchDone.of(batches.undo(session, actor, batch_id, reason=body.reason, at=clock.now()))


@router.get("/samples", responses=problems(*GUARDED))
def list_periods(_: CanRead, session: SessionDep) -> PeriodList:
    """List the periods of samples with their published seeds, the newest first."""
    return PeriodList(items=[PeriodRead.of(row) for row in sampling.periods(session)])


@router.post(
    "/samples", status_code=201, responses=problems(*GUARDED, PeriodRefused, PeriodInvalid)
)
def publish_period(
    body: PeriodCreate, actor: CanDecide, session: SessionDep, clock: ClockDep
) -> PeriodRead:
    """Publish the seed of a period that has not begun; the archive chooses it."""
    row = sampling.publish(session, actor, Draw(**body.model_dump()), at=clock.now())
    return PeriodRead.of(row)


@router.post(
    "/sample/{assertion_id}/check",
    responses=problems(
        *GUARDED, PersonNeeded, NotDrawn, ReasonMissing, ProposerDecides, VerdictRepeated
    ),
)
def check_sample(
    assertion_id: UUID, body: CheckWrite, actor: CanDecide, session: SessionDep, clock: ClockDep
) -> CheckRead:
    """Say whether a notice that was verified automatically is right."""
    row = sampling.check(
        session, actor, assertion_id, verdict=body.verdict, reason=body.reason, at=clock.now()
    )
    off_at = evidence.auto_verify_off_at(session, row.text_id, row.version)
    return CheckRead.of(row, off_at=off_at)


@router.post(
    "/assertions/{assertion_id}/undo",
    responses=problems(
        *GUARDED,
        PersonNeeded,
        AssertionNotFound,
        NothingToUndo,
        ProposerDecides,
        VerdictRepeated,
    ),
)
def undo_verdict(
    assertion_id: UUID, body: ReasonWrite, actor: CanDecide, session: SessionDep, clock: ClockDep
) -> UndoRead:
    """Take a settled verdict back by a new event; another person then decides."""
    row = service.undo(session, actor, assertion_id, reason=body.reason, at=clock.now())
    return UndoRead(assertion_id=row.id, status=row.status, is_new=row.id != assertion_id)


@router.get(
    "/reports/{name}",
    response_model=None,
    responses=problems(*GUARDED)
    | {200: {"model": ReportRead, "content": told_as("text/csv")[200]["content"]}},
)
def read_report(
    name: ReportName,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    form: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
) -> ReportRead | Response:
    """Return a report, as JSON or as CSV; of the past year if no time is named."""
    at = clock.now()
    window = Window(since=(since or at - _YEAR).astimezone(UTC), until=_end(until, at))
    report = reports.make(session, actor, name, window, at=at)
    if form == "json":
        return ReportRead(name=name, since=window.since, until=window.until, rows=report.as_json())
    return Response(
        reports.as_csv(report),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="review-{name}.csv"'},
    )


@router.get(
    "/packs/{jurisdiction}/{version}/flips",
    responses=problems(*GUARDED, PackNotFound, PackAltered, CursorInvalid),
)
def list_flips(
    jurisdiction: Jurisdiction,
    version: Version,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    *,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 100,
    last: Annotated[int, Query(ge=0, le=5000)] = 500,
) -> PackFlips:
    """List the decisions that a pack flips, both ways: as it would be, or as it was."""
    found = changes.flipped(
        session,
        actor,
        jurisdiction,
        version,
        start=Place.decode(cursor) if cursor else Place(),
        limit=limit,
        last=last,
        at=clock.now(),
    )
    return PackFlips.of(found)


def _end(until: datetime | None, at: datetime) -> datetime:
    return (until or at + timedelta(seconds=1)).astimezone(UTC)


@router.get("/{queue}", responses=problems(*GUARDED, CursorInvalid))
def list_items(
    queue: Queue,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    *,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    lang: Lang = "en",
) -> ItemList:
    """List the items of a queue, the oldest first."""
    at = clock.now()
    after = Cursor.decode(cursor) if cursor else None
    found = service.page(session, actor, queue, after=after, limit=limit, at=at)
    return ItemList(
        items=[ItemRead.of(item, at=at, lang=lang) for item in found.items],
        next_cursor=found.next_cursor,
    )


@router.get("/{queue}/{item_id}", responses=problems(*GUARDED, ItemNotWaiting))
def read_item(
    queue: Queue,
    item_id: UUID,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    lang: Lang = "en",
) -> ItemRead:
    """Return an item as it stands now."""
    at = clock.now()
    return ItemRead.of(service.item(session, actor, queue, item_id, at=at), at=at, lang=lang)


@router.post(
    "/{queue}/{item_id}/claim",
    responses=problems(*GUARDED, PersonNeeded, ItemNotWaiting, ClaimTaken),
)
def claim_item(
    queue: Queue, item_id: UUID, actor: CanDecide, session: SessionDep, clock: ClockDep
) -> ClaimRead:
    """Take an item for half an hour, so that others leave it to you."""
    row = service.claim(session, actor, queue, item_id, at=clock.now())
    return ClaimRead(queue=queue, id=item_id, until=row.expires_at)


@router.delete("/{queue}/{item_id}/claim", status_code=204, responses=problems(*GUARDED))
def release_item(
    queue: Queue, item_id: UUID, actor: CanDecide, session: SessionDep, clock: ClockDep
) -> Response:
    """Give an item back."""
    service.let_go(session, actor, queue, item_id, at=clock.now())
    return Response(status_code=204)


@router.post(
    "/{queue}/{item_id}/note",
    status_code=204,
    responses=problems(*GUARDED, PersonNeeded, ItemNotWaiting, QueueNotNoted),
)
def note_item(
    queue: Queue,
    item_id: UUID,
    body: NoteWrite,
    actor: CanDecide,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Note what came of a decision that flipped or a search that differs; the item leaves."""
    service.take_note(session, actor, queue, item_id=item_id, note=body.note, at=clock.now())
    return Response(status_code=204)
