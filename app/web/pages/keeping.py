"""Keeping: rules and what they will erase, holds, restrictions, and erasures with their acts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.clients.models import Client
from app.core.deps import ClockDep, SessionDep
from app.core.errors import Invalid, NotFound
from app.identity.actor import Actor
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.recordings.models import Flag
from app.retention import erasures, holds, keeping, preview, queries
from app.retention.erasures import Asked
from app.retention.models import Ground
from app.retention.rules import DEFAULTS, Action, Kind, Period, Rule, Trigger
from app.retention.subjects import Subject
from app.web import edge, lookups
from app.web import keeping_rows as rows
from app.web.edge import Fields, Form
from app.web.pages.packs import ReasonNeeded
from app.web.sections import Place, Section
from app.web.words import N_, Words

router = edge.page_router()

CanRead = Annotated[Actor, Depends(Requires(Permission.RETENTION_READ))]
CanRule = Annotated[Actor, Depends(Requires(Permission.RETENTION_WRITE))]
CanHold = Annotated[Actor, Depends(Requires(Permission.HOLD_WRITE))]
CanRestrict = Annotated[Actor, Depends(Requires(Permission.RESTRICTION_WRITE))]
CanRequest = Annotated[Actor, Depends(Requires(Permission.ERASURE_REQUEST))]
CanApprove = Annotated[Actor, Depends(Requires(Permission.ERASURE_APPROVE))]
_LOOKED_AT: Final = 200
_MOST_REASON: Final = 2000
_MOST_DAYS: Final = 3660
_MOST_NUMBER: Final = 36_500
Days = Annotated[int, Query(ge=0, le=_MOST_DAYS)]


class KeptUnknown(NotFound):
    """There is nothing of this id that is kept."""


class PeriodWrong(Invalid):
    """A period is a whole number of years, months and days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepingPage:
    """Everything about keeping."""

    title: str
    next: str
    in_force: tuple[rows.RuleRow, ...]
    proposed: tuple[rows.RuleRow, ...]
    offered: tuple[rows.RuleRow, ...]
    due: tuple[rows.DueRow, ...]
    holds: tuple[rows.HoldRow, ...]
    over: tuple[rows.HoldRow, ...]
    erasures: tuple[rows.ErasureRow, ...]
    triggers: tuple[tuple[str, str], ...]
    actions: tuple[tuple[str, str], ...]
    kinds: tuple[tuple[str, str], ...]
    may_rule: bool
    may_hold: bool
    may_approve: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRow:
    """What has its time over by then."""

    keep: str
    id: UUID
    what: str
    outcome: str
    rules: str
    ends_at: datetime | None
    due_at: datetime | None
    held: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewPage:
    """What would be erased by a day, part by part."""

    title: str
    days: int
    by: datetime
    rows: tuple[SeenRow, ...]
    after: UUID | None
    is_first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OnePage:
    """Why one thing is kept, until when, and what may be done about it."""

    title: str
    here: str
    path: str
    kind: Kind
    made_at: datetime
    said: str
    until: datetime | None
    rules: tuple[str, ...]
    held: tuple[str, ...]
    due_at: datetime | None
    restricted_at: datetime | None
    restricted_by: str
    restriction: str
    is_own_restriction: bool
    erased_at: datetime | None
    erasure_path: str
    grounds: tuple[tuple[str, str], ...]
    may_restrict: bool
    may_request: bool
    may_hold: bool


def _waiting(session: Session, actor: Actor, at: datetime) -> int:
    """Count what waits for this person: erasures, holds and rules of others."""
    asked_for = queries.erasures(session, limit=rows.SHOWN)
    count = 0
    if Permission.ERASURE_APPROVE in actor.permissions:
        open_ones = [r for r in asked_for if r.denied_at is None and r.executed_at is None]
        count += sum(r.requested_by not in {None, actor.id} for r in open_ones)
    if Permission.HOLD_WRITE in actor.permissions:
        for hold in queries.holds(session, with_released=False, limit=rows.SHOWN):
            needs_yes = hold.approved_at is None and hold.placed_by != actor.id
            count += needs_yes or hold.review_at <= at
    if Permission.RETENTION_WRITE in actor.permissions:
        count += sum(row.proposed_by != actor.id for row in rows.proposed(session))
    return count


SECTION = Section(
    place=Place.KEEPING,
    path="/keeping",
    label=N_("Keeping"),
    permission=Permission.RETENTION_READ,
    waiting=_waiting,
)


@router.get("/keeping")
def show_keeping(call: Request, actor: CanRead, session: SessionDep, clock: ClockDep) -> Response:
    """Show rules, announcements, holds and erasures."""
    words, at = edge.words_of(call, actor, session), clock.now()
    known = queries.rules_in_force(session)
    waiting = rows.proposed(session)
    names = lookups.names(session, [row.proposed_by for row in [*known, *waiting]])
    taken = {row.name for row in [*known, *waiting]}
    every = [
        rows.hold_row(session, row, actor, words, at=at)
        for row in queries.holds(session, with_released=True, limit=rows.SHOWN)
    ]
    page = KeepingPage(
        title=words.gettext("Keeping"),
        next=_next(session, actor, words, at=at),
        in_force=tuple(rows.rule_row(session, row, actor, words, names) for row in known),
        proposed=tuple(rows.rule_row(session, row, actor, words, names) for row in waiting),
        offered=tuple(rows.offered_row(rule, words) for rule in DEFAULTS if rule.name not in taken),
        due=tuple(
            rows.due_row(notice.due_at, notice.announced_at, found, words)
            for notice, found in queries.due(session, limit=rows.SHOWN)
        ),
        holds=tuple(one for one in every if one.released_at is None),
        over=tuple(one for one in every if one.released_at is not None),
        erasures=rows.erasure_rows(session, actor, words),
        triggers=_options(rows.TRIGGERS, words),
        actions=_options(rows.ACTIONS, words),
        kinds=_options(rows.KINDS, words),
        may_rule=Permission.RETENTION_WRITE in actor.permissions,
        may_hold=Permission.HOLD_WRITE in actor.permissions,
        may_approve=Permission.ERASURE_APPROVE in actor.permissions,
    )
    return edge.render(call, actor, session, "keeping/keeping.html", page, words=words)


def _options(table: Mapping[Any, str], words: Words) -> tuple[tuple[str, str], ...]:
    return tuple((str(code), words.gettext(label)) for code, label in table.items())


def _next(session: Session, actor: Actor, words: Words, *, at: datetime) -> str:
    waiting = _waiting(session, actor, at)
    if not waiting:
        return ""
    return words.counted(
        "%(num)s matter below waits for you", "%(num)s matters below wait for you", waiting
    )


@router.get("/keeping/preview")
def show_preview(
    call: Request,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
    days: Days = 30,
    after: UUID | None = None,
) -> Response:
    """Show what would be erased within some days, and what keeps the rest; nothing is changed."""
    words = edge.words_of(call, actor, session)
    by = clock.now() + timedelta(days=days)
    found, further = preview.page(session, zone=words.zone, by=by, after=after, limit=_LOOKED_AT)
    page = PreviewPage(
        title=words.gettext("What would be erased"),
        days=days,
        by=by,
        rows=tuple(
            SeenRow(
                keep=rows.path_of(one.subject),
                id=one.subject.id,
                what=words.gettext(rows.WHAT[one.subject.kind]),
                outcome=words.gettext(rows.OUTCOMES[one.outcome]),
                rules=", ".join(one.rules),
                ends_at=one.ends_at,
                due_at=one.due_at,
                held=rows.held(one.holds, words),
            )
            for one in found
        ),
        after=further,
        is_first=after is None,
    )
    return edge.render(call, actor, session, "keeping/preview.html", page, words=words)


# --- rules ---------------------------------------------------------------------------------------


@router.post("/keeping/rules")
def propose_rule(form: Form, actor: CanRule, session: SessionDep, clock: ClockDep) -> Response:
    """Propose a rule, or one of those that are offered; nothing changes until another agrees."""
    offered = {rule.name: rule for rule in DEFAULTS}.get(form.get("offered"))
    keeping.propose(session, actor, offered or _told(form), at=clock.now())
    return edge.see("/keeping")


def _told(form: Fields) -> Rule:
    name, basis = form.get("name")[:500], form.get("basis")[:_MOST_REASON]
    if not name or not basis:
        raise ReasonNeeded
    try:
        return Rule(
            id=None,
            name=name,
            trigger=Trigger(form.get("trigger")),
            minimum=_period(form, "min"),
            maximum=_period(form, "max"),
            basis=basis,
            min_is_law=form.get("min_is_law") == "yes",
            action=Action(form.get("action")),
            kinds=tuple(str(Kind(one)) for one in form.all("kind")) or (str(Kind.RECORDING),),
            flags=tuple(str(Flag(one)) for one in form.all("flag")),
        )
    except ValueError as exc:
        raise PeriodWrong from exc


def _period(form: Fields, side: str) -> Period | None:
    parts = {unit: form.get(f"{side}_{unit}") for unit in ("years", "months", "days")}
    if not any(parts.values()):
        return None
    numbers = {unit: int(told or "0") for unit, told in parts.items()}
    if any(not 0 <= number <= _MOST_NUMBER for number in numbers.values()):
        raise PeriodWrong
    return Period(**numbers)


@router.post("/keeping/rules/{rule_id}/agree")
def agree_to_rule(
    rule_id: UUID, _form: Form, actor: CanRule, session: SessionDep, clock: ClockDep
) -> Response:
    """Put a version in force that another person has proposed."""
    keeping.approve(session, actor, rule_id, at=clock.now())
    return edge.see("/keeping")


# --- holds ---------------------------------------------------------------------------------------


@router.post("/keeping/holds")
def place_hold(
    call: Request, form: Form, actor: CanHold, session: SessionDep, clock: ClockDep
) -> Response:
    """Place a hold on one thing, or on everything of a client or an agent."""
    words = edge.words_of(call, actor, session)
    named: tuple[Subject, ...] = ()
    if form.get("kept_id"):
        named = (_subject(form.get("kept_kind"), form.id("kept_id")),)
    client_id = None
    if form.get("client"):
        known = select(Client.id).where(Client.external_id == form.get("client"))
        client_id = session.scalar(known)
        if client_id is None:
            raise holds.HoldEmpty("There is no such client.")
    matter = form.get("matter")[:500]
    if not matter:
        raise ReasonNeeded
    wanted = holds.Wanted(
        matter=matter,
        reason=_reason(form),
        named=named,
        client_id=client_id,
        agent=form.get("agent")[:500] or None,
        since=_day(form.get("since"), words),
        until=_day(form.get("until"), words),
        is_order=form.get("is_order") == "yes",
    )
    holds.place(session, actor, wanted, zone=words.zone, at=clock.now())
    return edge.see(rows.path_of(named[0]) if named else "/keeping#holds")


@router.post("/keeping/holds/{hold_id}/approve")
def approve_hold(
    hold_id: UUID, _form: Form, actor: CanHold, session: SessionDep, clock: ClockDep
) -> Response:
    """Agree to a hold that another person has placed."""
    holds.approve(session, actor, hold_id, at=clock.now())
    return edge.see("/keeping#holds")


@router.post("/keeping/holds/{hold_id}/review")
def review_hold(
    call: Request, hold_id: UUID, form: Form, actor: CanHold, session: SessionDep, clock: ClockDep
) -> Response:
    """Say that a hold is still needed."""
    zone = edge.words_of(call, actor, session).zone
    note = _reason(form)
    holds.review(session, actor, hold_id, note=note, next_at=None, zone=zone, at=clock.now())
    return edge.see("/keeping#holds")


@router.post("/keeping/holds/{hold_id}/release")
def release_hold(
    hold_id: UUID, form: Form, actor: CanHold, session: SessionDep, clock: ClockDep
) -> Response:
    """End a hold that another person has placed, and say why."""
    holds.release(session, actor, hold_id, reason=_reason(form), at=clock.now())
    return edge.see("/keeping#holds")


# --- erasures ------------------------------------------------------------------------------------


@router.post("/keeping/erasures/{erasure_id}/approve")
def approve_erasure(
    call: Request,
    erasure_id: UUID,
    _form: Form,
    actor: CanApprove,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Agree to an erasure that another person asked for; the last yes carries it out."""
    zone = edge.words_of(call, actor, session).zone
    erasures.approve(session, actor, erasure_id, zone=zone, at=clock.now())
    return edge.see("/keeping#erasures")


@router.post("/keeping/erasures/{erasure_id}/deny")
def deny_erasure(
    erasure_id: UUID, form: Form, actor: CanApprove, session: SessionDep, clock: ClockDep
) -> Response:
    """Turn an erasure down, with the reason that the person is told."""
    erasures.deny(session, actor, erasure_id, reason=_reason(form), at=clock.now())
    return edge.see("/keeping#erasures")


# --- one thing -----------------------------------------------------------------------------------


@router.get("/keeping/{kept_kind}/{kept_id}")
def show_one(
    call: Request,
    kept_kind: Kind,
    kept_id: UUID,
    actor: CanRead,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Show why something is kept and until when."""
    words, at = edge.words_of(call, actor, session), clock.now()
    subject = Subject(kept_kind, kept_id)
    said = keeping.explain(session, subject, zone=words.zone, at=at)
    found = said.kept
    restriction = queries.open_restriction(session, subject)
    erasure = queries.open_erasure(session, subject)
    names = lookups.names(session, [restriction.set_by] if restriction else [])
    outcome = words.gettext(rows.OUTCOMES[said.verdict.outcome])
    page = OnePage(
        title=words.gettext("Keeping: %(what)s") % {"what": words.gettext(rows.WHAT[kept_kind])},
        here=rows.path_of(subject),
        path=f"/recordings/{found.id}" if kept_kind is Kind.RECORDING else "",
        kind=kept_kind,
        made_at=queries.made_at(found),
        said=f"{outcome}: {words.gettext(rows.BECAUSE[said.verdict.because])}",
        until=said.verdict.until,
        rules=tuple(rule.name for rule in said.rules),
        held=rows.held(said.holds, words),
        due_at=said.notice.due_at if said.notice else None,
        restricted_at=found.restricted_at,
        restricted_by=names.get(restriction.set_by, "") if restriction else "",
        restriction=restriction.reason if restriction else "",
        is_own_restriction=restriction is not None and restriction.set_by == actor.id,
        erased_at=found.erased_at,
        erasure_path=f"/keeping#erasure-{erasure.id}" if erasure else "",
        grounds=tuple(
            (one, words.gettext(label))
            for one, label in rows.GROUNDS.items()
            if one is not Ground.RETENTION
        ),
        may_restrict=Permission.RESTRICTION_WRITE in actor.permissions,
        may_request=Permission.ERASURE_REQUEST in actor.permissions,
        may_hold=Permission.HOLD_WRITE in actor.permissions,
    )
    return edge.render(call, actor, session, "keeping/one.html", page, words=words)


@router.post("/keeping/{kept_kind}/{kept_id}/restrict")
def restrict(
    kept_kind: Kind,
    kept_id: UUID,
    form: Form,
    actor: CanRestrict,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Let something only be kept, at once."""
    subject = Subject(kept_kind, kept_id)
    holds.restrict(session, actor, subject, reason=_reason(form), at=clock.now())
    return edge.see(rows.path_of(subject))


@router.post("/keeping/{kept_kind}/{kept_id}/lift")
def lift(
    kept_kind: Kind,
    kept_id: UUID,
    form: Form,
    actor: CanRestrict,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Lift a restriction that another person has set."""
    subject = Subject(kept_kind, kept_id)
    holds.lift(session, actor, subject, reason=_reason(form), at=clock.now())
    return edge.see(rows.path_of(subject))


@router.post("/keeping/{kept_kind}/{kept_id}/erase")
def ask_for_erasure(  # noqa: PLR0913, PLR0917 - what the framework injects.
    call: Request,
    kept_kind: Kind,
    kept_id: UUID,
    form: Form,
    actor: CanRequest,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Ask for an erasure; what a hold or a law hinders is turned down at once, with the reason."""
    subject, words = Subject(kept_kind, kept_id), edge.words_of(call, actor, session)
    try:
        ground = Ground(form.get("ground"))
    except ValueError as exc:
        raise ReasonNeeded from exc
    if ground is Ground.RETENTION:
        raise ReasonNeeded
    asked = Asked(
        ground=ground,
        reason=_reason(form),
        subject=form.get("subject")[:500] or None,
        identity_basis=form.get("identity_basis")[:_MOST_REASON] or None,
    )
    row = erasures.request(session, actor, subject, asked, zone=words.zone, at=clock.now())
    return edge.see(f"/keeping#erasure-{row.id}")


# --- rows ----------------------------------------------------------------------------------------


def _reason(form: Fields) -> str:
    reason = form.get("reason")
    if not reason or len(reason) > _MOST_REASON:
        raise ReasonNeeded
    return reason


def _day(told: str, words: Words) -> datetime | None:
    if not told:
        return None
    try:
        return datetime.combine(date.fromisoformat(told), time(), tzinfo=words.zone)
    except ValueError as exc:
        raise PeriodWrong from exc


def _subject(kind: str, of: UUID) -> Subject:
    try:
        return Subject(Kind(kind), of)
    except ValueError as exc:
        raise KeptUnknown from exc
