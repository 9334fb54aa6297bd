"""Calls and gaps: which calls took place, which are recorded, and why others are not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, Path, Query, Request, Response
from sqlalchemy.orm import Session

from app.core.deps import ClockDep, SessionDep
from app.core.moments import FIRST_DAY, Day
from app.core.paging import Cursor
from app.disputes import queries as people
from app.feeds import queries, service
from app.feeds.models import CallGap, GapKind, Statement
from app.feeds.queries import GapSeen, WantedGaps
from app.feeds.reasons import ALARMS, BY_PERSON, OPEN, REASONS, GapReason
from app.feeds.reconciling import office_of
from app.feeds.schemas import GapExplain
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.web import client_words as said
from app.web import edge
from app.web.asked import EMPTY, Listed
from app.web.edge import Form
from app.web.sections import Place, Section
from app.web.words import N_, Words

_SHOWN: Final = timedelta(days=31)
_LISTED: Final = 50
_FEWEST_WORDS: Final = 3
_MOST_WORDS: Final = 1000

CanRead = Annotated[Actor, Depends(Requires(Permission.RECONCILIATION_READ))]
CanExplain = Annotated[Actor, Depends(Requires(Permission.RECONCILIATION_EXPLAIN))]


def waiting(session: Session, actor: Actor, at: datetime) -> int:
    """Count the open gaps that nobody has explained, for whoever may."""
    if Permission.RECONCILIATION_EXPLAIN not in actor.permissions:
        return 0
    gaps = queries.open_gaps(session, actor)
    del at
    return sum(count for reason, count in gaps.items() if reason in OPEN)


SECTION = Section(
    place=Place.GAPS,
    path="/reconciliation",
    label=N_("Calls and gaps"),
    permission=Permission.RECONCILIATION_READ,
    waiting=waiting,
)
router = edge.page_router()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why calls have no recording, in words, and how many they are."""

    code: str
    title: str
    help: str
    count: int
    is_alarm: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRow:
    """A day as its newest statement has it."""

    day: date
    at: datetime
    version: int
    calls: int
    answered: int
    recordings: int
    matched: int
    alarms: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Something that is missing, and who said why."""

    gap: CallGap
    source: str
    kind: str
    at: datetime
    number: str | None
    direction: str
    agent: str
    talk_ms: int | None
    recording_id: UUID | None
    reason: Reason
    explained_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DaysPage:
    """Days, the newest first, and what is missing by reason."""

    title: str
    rows: tuple[DayRow, ...]
    reasons: tuple[Reason, ...]
    pending: int
    first: str
    last: str
    csv: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPage:
    """The statement of a day, what is signed, and what is missing now."""

    title: str
    day: date
    row: DayRow
    body: str
    sha256: str
    note: str
    versions: tuple[tuple[int, datetime, str], ...]
    gaps: tuple[Gap, ...]
    reasons: tuple[Reason, ...]
    may_explain: bool
    csv: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GapsPage:
    """What is missing, the newest calls first."""

    title: str
    gaps: tuple[Gap, ...]
    reasons: tuple[Reason, ...]
    all_reasons: tuple[Reason, ...]
    asked: GapsAsked
    is_narrowed: bool
    base: str
    next_cursor: str | None
    is_first: bool
    may_explain: bool
    csv: str
    wrong: Mapping[str, str] = field(default_factory=dict)
    wrong_gap: UUID | None = None
    told: Mapping[str, str] = field(default_factory=dict)


class GapsAsked(Listed):
    """What the list of gaps is narrowed to."""

    kind: Annotated[GapKind | None, EMPTY] = None
    reason: Annotated[GapReason | None, EMPTY] = None
    state: Annotated[Literal["open", "closed", "all"] | None, EMPTY] = None

    @property
    def is_open(self) -> bool | None:
        return {"closed": False, "all": None}.get(self.state or "open", True)


# --- pages ---------------------------------------------------------------------------------------


@router.get("/reconciliation")
def show_days(
    call: Request,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    *,
    asked: Annotated[Listed, Query()],
) -> Response:
    """Show days with calls known, recorded and missing; the last month, unless asked otherwise."""
    words = edge.words_of(call, actor, session)
    office = office_of(call.app.state.settings)
    last = asked.last or office.day_of(clock.now())
    first = asked.first or max(last - _SHOWN, FIRST_DAY)
    page = DaysPage(
        title=words.gettext("Calls and gaps"),
        rows=tuple(_day(row, words) for row in queries.statements_between(session, first, last)),
        reasons=_counted(queries.open_gaps(session, actor), words),
        pending=len(queries.pending_days(session, office.last_over(clock.now()), limit=200)),
        first=first.isoformat(),
        last=last.isoformat(),
        csv=_csv(first, last),
    )
    return edge.render(call, actor, session, "reconciliation/days.html", page, words=words)


@router.get("/reconciliation/gaps")
def list_gaps(
    call: Request, actor: CanRead, session: SessionDep, asked: Annotated[GapsAsked, Query()]
) -> Response:
    """List what is missing, the newest calls first."""
    return _gaps(call, actor, session, asked)


@router.get("/reconciliation/{day}")
def show_day(
    call: Request, day: Annotated[Day, Path()], actor: CanRead, session: SessionDep
) -> Response:
    """Show the statement of a day, the note that is signed, and what is missing now."""
    words = edge.words_of(call, actor, session)
    found = service.stated(session, actor, day)
    page = DayPage(
        title=words.day(_noon(day, words)),
        day=day,
        row=_day(found.statement, words),
        body=json.dumps(json.loads(found.statement.body), ensure_ascii=False, indent=1),
        sha256=found.statement.sha256.hex(),
        note=found.statement.note,
        versions=tuple((one.version, one.made_at, one.sha256.hex()) for one in found.versions),
        gaps=_seen(session, found.gaps, words),
        reasons=_givable(words),
        may_explain=Permission.RECONCILIATION_EXPLAIN in actor.permissions,
        csv=_csv(day, day),
    )
    return edge.render(call, actor, session, "reconciliation/day.html", page, words=words)


@router.post("/reconciliation/gaps/{gap_id}")
def explain(
    call: Request,
    gap_id: UUID,
    form: Form,
    actor: CanExplain,
    session: SessionDep,
    *,
    clock: ClockDep,
) -> Response:
    """Say why something is missing; the day gets a statement that supersedes the one before."""
    words = edge.words_of(call, actor, session)
    told = {name: form.get(name) for name in ("reason", "words")}
    wrong = {}
    if told["reason"] not in BY_PERSON:
        wrong["reason"] = words.gettext("Choose a reason.")
    if not _FEWEST_WORDS <= len(told["words"]) <= _MOST_WORDS:
        wrong["words"] = words.gettext("Say in some words why.")
    if wrong:
        return _gaps(call, actor, session, GapsAsked(), wrong=wrong, gap=gap_id, told=told)
    said_why = GapExplain(reason=GapReason(told["reason"]), words=told["words"])
    office = office_of(call.app.state.settings)
    found = service.explain(session, actor, gap_id, said_why, office, at=clock.now())
    return edge.see(f"/reconciliation/gaps#g-{found.gap.id}")


# --- how they are shown --------------------------------------------------------------------------


def _gaps(  # noqa: PLR0913 - what is wrong with the form stands beside its fields.
    call: Request,
    actor: Actor,
    session: Session,
    asked: GapsAsked,
    *,
    wrong: Mapping[str, str] | None = None,
    gap: UUID | None = None,
    told: Mapping[str, str] | None = None,
) -> Response:
    words = edge.words_of(call, actor, session)
    after = Cursor.decode(asked.cursor) if asked.cursor else None
    wanted = WantedGaps(
        since=asked.first,
        until=asked.last,
        kind=asked.kind,
        reason=asked.reason,
        is_open=asked.is_open,
    )
    found = queries.gaps(session, actor, wanted, after=after, limit=_LISTED + 1)
    last = found[_LISTED - 1].gap if len(found) > _LISTED else None
    narrowed = asked.model_dump(mode="json", by_alias=True, exclude={"cursor"}, exclude_none=True)
    page = GapsPage(
        title=words.gettext("Gaps"),
        gaps=_seen(session, found[:_LISTED], words),
        reasons=_givable(words),
        all_reasons=tuple(_reason(one, 0, words) for one in GapReason),
        asked=asked,
        is_narrowed=bool(narrowed),
        base=f"/reconciliation/gaps?{urlencode(narrowed)}&"
        if narrowed
        else "/reconciliation/gaps?",
        next_cursor=Cursor(at=last.at, id=last.id).encode() if last else None,
        is_first=after is None,
        may_explain=Permission.RECONCILIATION_EXPLAIN in actor.permissions,
        csv=_csv(asked.first, asked.last, state=asked.state or "open"),
        wrong=wrong or {},
        wrong_gap=gap,
        told=told or {},
    )
    status = 422 if wrong else 200
    return edge.render(
        call, actor, session, "reconciliation/gaps.html", page, words=words, status=status
    )


def _csv(first: date | None, last: date | None, *, state: str = "open") -> str:
    told = {"from": first, "to": last, "state": state}
    pairs = [(name, str(value)) for name, value in told.items() if value]
    return f"/v1/reconciliation/gaps.csv?{urlencode(pairs)}"


def _day(row: Statement, words: Words) -> DayRow:
    told: dict[str, Any] = json.loads(row.body)
    counts = told["counts"]
    return DayRow(
        day=row.day,
        at=_noon(row.day, words),
        version=row.version,
        calls=counts["calls"],
        answered=counts["answered"],
        recordings=counts["recordings"],
        matched=counts["matched"],
        alarms=counts["alarms"],
        reasons=_counted(told["gaps"], words),
    )


def _noon(day: date, words: Words) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=words.zone)


def _reason(code: GapReason, count: int, words: Words) -> Reason:
    told, is_russian = REASONS[code], words.language == "ru"
    return Reason(
        code=str(code),
        title=told.title_ru if is_russian else told.title_en,
        help=told.help_ru if is_russian else told.help_en,
        count=count,
        is_alarm=code in ALARMS,
    )


def _counted(gaps: Mapping[str, int], words: Words) -> tuple[Reason, ...]:
    return tuple(_reason(one, gaps[one], words) for one in GapReason if gaps.get(one))


def _givable(words: Words) -> tuple[Reason, ...]:
    return tuple(_reason(one, 0, words) for one in GapReason if one in BY_PERSON)


def _seen(session: Session, found: list[GapSeen], words: Words) -> tuple[Gap, ...]:
    named = people.names(session, (one.gap.explained_by for one in found))
    agents = people.agents(
        session, (about.agent for one in found if (about := one.call or one.recording))
    )
    shown = []
    for one in found:
        about = one.call or one.recording
        talk = one.call.talk_ms if one.call else None
        shown.append(
            Gap(
                gap=one.gap,
                source=one.source,
                kind=words.gettext(said.GAPS[one.gap.kind]),
                at=one.gap.at,
                number=about.outside_number if about else None,
                direction=words.gettext(said.DIRECTIONS[about.direction]) if about else "",
                agent=agents.get(about.agent or "", about.agent or "") if about else "",
                talk_ms=talk
                if talk is not None or not one.recording
                else one.recording.duration_ms,
                recording_id=one.gap.recording_id,
                reason=_reason(GapReason(one.gap.reason), 0, words),
                explained_by=named.get(one.gap.explained_by, "") if one.gap.explained_by else "",
            )
        )
    return tuple(shown)
