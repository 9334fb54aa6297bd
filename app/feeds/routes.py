"""Routes of calls that took place, of days compared with their recordings, and of gaps."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from app.core.deps import ClockDep, SessionDep
from app.core.downloads import told_as
from app.core.moments import FIRST_DAY, Day
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Cursor, CursorInvalid
from app.core.problems import problems
from app.feeds import calls, queries, service
from app.feeds.calls import House
from app.feeds.days import Office
from app.feeds.models import (
    ExceptionKind,
    GapKind,
    RecordingException,
    Statement,
)
from app.feeds.queries import GapSeen, WantedGaps
from app.feeds.reasons import ALARMS, BY_PERSON, BY_SENDER, REASONS, GapReason
from app.feeds.reconciling import office_of
from app.feeds.schemas import (
    CallsTaken,
    CallsTold,
    CounterTaken,
    CounterTold,
    DayList,
    DayRead,
    ExceptionEnd,
    ExceptionList,
    ExceptionRead,
    ExceptionWrite,
    GapExplain,
    GapPage,
    GapRead,
    ReasonRead,
    StatementRead,
    VersionRead,
)
from app.feeds.service import (
    ExceptionNotFound,
    ExceptionOver,
    GapClosed,
    GapNotFound,
    GapOfErased,
    SourceNotFound,
    StatementNotFound,
)
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.recordings.models import Direction

router = APIRouter(prefix="/v1", tags=["reconciliation"])

CanSend = Annotated[Actor, Depends(Requires(Permission.RECORDING_SEND))]
CanRead = Annotated[Actor, Depends(Requires(Permission.RECONCILIATION_READ))]
CanExplain = Annotated[Actor, Depends(Requires(Permission.RECONCILIATION_EXPLAIN))]
CanRule = Annotated[Actor, Depends(Requires(Permission.RECONCILIATION_RULE))]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)
_SHOWN = timedelta(days=31)
_MOST_ROWS = 50_000
_RISKY = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS = (
    "day",
    "kind",
    "at",
    "source",
    "call_id",
    "recording",
    "counted",
    "direction",
    "number",
    "line",
    "agent",
    "talk_ms",
    "reason",
    "found_reason",
    "words",
    "closed_at",
)


def _office(request: Request) -> Office:
    return office_of(request.app.state.settings)


def _house(request: Request) -> House:
    settings = request.app.state.settings
    return House(office=office_of(settings), region=settings.region)


OfficeDep = Annotated[Office, Depends(_office)]
HouseDep = Annotated[House, Depends(_house)]


@router.post("/calls", responses=problems(*GUARDED))
def post_calls(
    body: CallsTold, actor: CanSend, session: SessionDep, clock: ClockDep, house: HouseDep
) -> CallsTaken:
    """Keep what a source tells of its calls, up to a thousand at once.

    The answer says that all of it is durable; sent again it changes nothing, told otherwise it is
    a further version.
    """
    return calls.receive(session, actor, body.calls, house, at=clock.now())


@router.post("/calls/counter", responses=problems(*GUARDED))
def post_counter(
    body: CounterTold, actor: CanSend, session: SessionDep, clock: ClockDep, house: HouseDep
) -> CounterTaken:
    """Keep how many calls a device counted on a day, and why it did not record some of them."""
    return calls.count(session, actor, body, house, at=clock.now())


@router.get("/reconciliation", responses=problems(*GUARDED))
def list_days(
    _: CanRead,
    session: SessionDep,
    clock: ClockDep,
    office: OfficeDep,
    since: Annotated[Day | None, Query(alias="from")] = None,
    until: Annotated[Day | None, Query(alias="to")] = None,
) -> DayList:
    """List the newest statement of each day; of the last month, unless asked otherwise."""
    last = until or office.day_of(clock.now())
    first = since or max(last - _SHOWN, FIRST_DAY)
    return DayList(
        items=[_day(row) for row in queries.statements_between(session, first, last)],
        pending=queries.pending_days(session, office.last_over(clock.now()), limit=MAX_LIMIT),
    )


def _day(row: Statement) -> DayRead:
    said = json.loads(row.body)
    counts = said["counts"]
    return DayRead(
        day=row.day,
        version=row.version,
        made_at=row.made_at,
        calls=counts["calls"],
        answered=counts["answered"],
        recordings=counts["recordings"],
        matched=counts["matched"],
        not_answered=counts["not_answered"],
        gaps=said["gaps"],
        alarms=counts["alarms"],
        sha256=row.sha256.hex(),
    )


@router.get("/reconciliation/reasons", responses=problems(*GUARDED))
def list_reasons(_: CanRead, lang: Literal["ru", "en"] = "ru") -> list[ReasonRead]:
    """List every reason with its words, and who may give it."""
    return [_reason(code, is_russian=lang == "ru") for code in GapReason]


def _reason(code: GapReason, *, is_russian: bool) -> ReasonRead:
    words = REASONS[code]
    by: list[Literal["sender", "person", "rule"]] = []
    if code in BY_SENDER:
        by.append("sender")
    if code in BY_PERSON:
        by.append("person")
    return ReasonRead(
        code=code,
        title=words.title_ru if is_russian else words.title_en,
        help=words.help_ru if is_russian else words.help_en,
        by=by or ["rule"],
        is_alarm=code in ALARMS,
    )


Since = Annotated[Day | None, Query(alias="from")]
Until = Annotated[Day | None, Query(alias="to")]


@router.get("/reconciliation/gaps", responses=problems(*GUARDED, CursorInvalid))
def list_gaps(
    actor: CanRead,
    session: SessionDep,
    since: Since = None,
    until: Until = None,
    kind: GapKind | None = None,
    reason: GapReason | None = None,
    state: Literal["open", "closed", "all"] = "open",
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
) -> GapPage:
    """List what is missing, the newest calls first."""
    wanted = WantedGaps(since=since, until=until, kind=kind, reason=reason, is_open=_is_open(state))
    after = Cursor.decode(cursor) if cursor else None
    found = queries.gaps(session, actor, wanted, after=after, limit=limit)
    last = found[-1].gap if len(found) == limit else None
    return GapPage(
        items=[_gap(one) for one in found],
        next=Cursor(at=last.at, id=last.id).encode() if last else None,
    )


def _is_open(state: str) -> bool | None:
    return {"open": True, "closed": False}.get(state)


def _gap(seen: GapSeen) -> GapRead:
    gap, call, recording = seen.gap, seen.call, seen.recording
    about = call or recording
    return GapRead(
        id=gap.id,
        kind=GapKind(gap.kind),
        day=gap.day,
        at=gap.at,
        source=seen.source,
        call_id=call.call_id if call else recording.source_call_id if recording else None,
        recording=gap.recording_id,
        counted=gap.counted,
        direction=Direction(about.direction) if about else None,
        number=about.outside_number if about else None,
        line=about.line if about else None,
        agent=about.agent if about else None,
        talk_ms=call.talk_ms if call else recording.duration_ms if recording else None,
        reason=GapReason(gap.reason),
        found_reason=GapReason(gap.found_reason),
        words=gap.words,
        explained_by=gap.explained_by,
        explained_at=gap.explained_at,
        found_at=gap.found_at,
        closed_at=gap.closed_at,
    )


@router.get(
    "/reconciliation/gaps.csv",
    response_class=Response,
    responses=problems(*GUARDED) | told_as("text/csv"),
)
def export_gaps(
    actor: CanRead,
    session: SessionDep,
    since: Since = None,
    until: Until = None,
    state: Literal["open", "closed", "all"] = "open",
) -> Response:
    """Give what is missing as a table, at most 50,000 rows."""
    wanted = WantedGaps(since=since, until=until, is_open=_is_open(state))
    found = queries.gaps(session, actor, wanted, after=None, limit=_MOST_ROWS)
    return Response(
        _table([_gap(one) for one in found]),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="gaps.csv"'},
    )


def _table(gaps: Sequence[GapRead]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for gap in gaps:
        told = gap.model_dump(mode="json")
        writer.writerow([_tame(told[column]) for column in _COLUMNS])
    return out.getvalue()


def _tame(cell: object) -> object:
    """Return a cell that no spreadsheet takes for a formula; numbers stay numbers."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_RISKY) else cell


@router.post(
    "/reconciliation/gaps/{gap_id}/reason",
    responses=problems(*GUARDED, GapNotFound, GapClosed, GapOfErased),
)
def explain_gap(
    gap_id: UUID,
    body: GapExplain,
    actor: CanExplain,
    session: SessionDep,
    clock: ClockDep,
    office: OfficeDep,
) -> GapRead:
    """Say why something is missing; the day gets a statement that supersedes the one before."""
    return _gap(service.explain(session, actor, gap_id, body, office, at=clock.now()))


@router.post(
    "/reconciliation/exceptions", status_code=201, responses=problems(*GUARDED, SourceNotFound)
)
def add_exception(
    body: ExceptionWrite, actor: CanRule, session: SessionDep, clock: ClockDep, office: OfficeDep
) -> ExceptionRead:
    """Say that a device, line or direction is not recorded, or was down, for a while."""
    row = service.except_(session, actor, body, office, at=clock.now())
    return _exception(row, {one.id: one.name for one in queries.devices(session).values()})


@router.get("/reconciliation/exceptions", responses=problems(*GUARDED))
def list_exceptions(_: CanRead, session: SessionDep) -> ExceptionList:
    """List what is or was not recorded, the newest first."""
    names = {one.id: one.name for one in queries.devices(session).values()}
    return ExceptionList(items=[_exception(row, names) for row in queries.exceptions(session)])


@router.post(
    "/reconciliation/exceptions/{exception_id}/end",
    responses=problems(*GUARDED, ExceptionNotFound, ExceptionOver),
)
def end_exception(
    exception_id: UUID,
    body: ExceptionEnd,
    actor: CanRule,
    session: SessionDep,
    clock: ClockDep,
    office: OfficeDep,
) -> ExceptionRead:
    """Say since when it is recorded again."""
    row = service.end_exception(session, actor, exception_id, body, office, at=clock.now())
    return _exception(row, {one.id: one.name for one in queries.devices(session).values()})


def _exception(row: RecordingException, names: dict[UUID, str]) -> ExceptionRead:
    return ExceptionRead(
        id=row.id,
        kind=ExceptionKind(row.kind),
        device=names[row.device_id] if row.device_id else None,
        line=row.line,
        direction=Direction(row.direction) if row.direction else None,
        since=row.since,
        until=row.until,
        words=row.words,
        set_by=row.set_by,
        set_at=row.set_at,
    )


@router.get("/reconciliation/{day}", responses=problems(*GUARDED, StatementNotFound))
def get_day(day: Annotated[Day, Path()], actor: CanRead, session: SessionDep) -> StatementRead:
    """Give the statement of a day, the note that is signed, and what is missing now."""
    found = service.stated(session, actor, day)
    return StatementRead(
        statement=json.loads(found.statement.body),
        sha256=found.statement.sha256.hex(),
        note=found.statement.note,
        entry=found.statement.entry_id,
        versions=[
            VersionRead(
                version=row.version, made_at=row.made_at, sha256=row.sha256.hex(), note=row.note
            )
            for row in found.versions
        ],
        gaps=[_gap(one) for one in found.gaps],
    )
