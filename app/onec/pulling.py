"""Asking 1C for what is new: a page, what is in it, and how far it is, in one transaction each.

Rows are asked for by `$skip`, and while they are read others come and go. So each page begins with
a row that was seen before; where it does not, rows have moved up, and reading goes back until it
does. What was seen already is known by its content and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.clients.table_import import Ways
from app.core.clock import Clock
from app.core.db import Database
from app.core.errors import Conflict
from app.core.outbound import AddressRefused
from app.identity.actor import Actor
from app.onec import mapping, odata, service, taking
from app.onec.asking import WHOLE, Infoline, OnecFailed
from app.onec.mapping import Entity, Infobase
from app.onec.models import Fault, OnecCursor, OnecSource, OnecThing, ThingState
from app.onec.taking import Item, Outcome, Taking
from app.settings import Settings

PAUSES: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 30, 60))
"""After which pause an infobase that failed is asked again; then always after the last."""

LEASE: Final = timedelta(minutes=5)
"""How long somebody who pulls is taken to be at it after each page; then he has died."""

LASTS: Final = timedelta(minutes=5)
"""How long a worker reads one source at a time: others wait for it too."""

OVERLAP: Final = timedelta(minutes=10)
"""How far behind the last change seen the next reading begins: what was written then, and was not
committed yet, is seen then."""

_MOST_BACK: Final = 50
_MOST_PAGES: Final = 1000
_RETRIED: Final = 200
ACTOR: Final = Actor.system("1C")
_log = structlog.get_logger()


class OnecBusy(Conflict):
    """Another process reads this source of 1C."""


class PullingTools(Protocol):
    """What pulling needs."""

    @property
    def settings(self) -> Settings: ...
    @property
    def database(self) -> Database: ...
    @property
    def clock(self) -> Clock: ...


@dataclass(slots=True, kw_only=True)
class EntityDone:
    """What a pull came to in one entity; `refused` has the first of what was refused."""

    entity: str
    kind: str
    rows: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    refused: list[taking.Said] = field(default_factory=list)
    fault: Fault | None = None
    detail: str = ""
    is_over: bool = False


@dataclass(slots=True, kw_only=True)
class Pulled:
    """What a pull of one source came to."""

    source: str
    entities: list[EntityDone] = field(default_factory=list)
    fault: Fault | None = None
    detail: str = ""
    is_dry: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    tools: PullingTools
    source_id: UUID
    line: Infoline
    infobase: Infobase
    zone: ZoneInfo
    is_dry: bool
    until: datetime | None
    collected: list[tuple[EntityDone, list[Item]]] = field(default_factory=list)

    def ways(self) -> Ways:
        return Ways(
            actor=ACTOR,
            at=self.tools.clock.now(),
            region=self.tools.settings.region,
            zone=self.zone,
        )


class _TakenBack(Exception):
    """What a try has done is not to stay."""


def _take_back() -> None:
    raise _TakenBack


def zone_of(infobase: Infobase, settings: Settings) -> ZoneInfo:
    """Return the zone of an infobase's moments, which have none themselves."""
    return ZoneInfo(infobase.zone) if infobase.zone else settings.zone


def handle_pull(tools: PullingTools) -> int:
    """Read the sources that are due; return how many those were."""
    with tools.database.transaction() as session:
        at = tools.clock.now()
        due = session.scalars(
            select(OnecSource.name)
            .where(
                OnecSource.removed_at.is_(None),
                OnecSource.next_at <= at,
                or_(OnecSource.held_until.is_(None), OnecSource.held_until <= at),
            )
            .order_by(OnecSource.next_at)
        ).all()
    for name in due:
        try:
            pull(tools, name, lasts=LASTS)
        except OnecBusy:
            continue  # Another worker was quicker.
    return len(due)


def pull(
    tools: PullingTools, name: str, *, is_dry: bool = False, lasts: timedelta | None = None
) -> Pulled:
    """Read what is new in a source; what is not read after `lasts` is read the next time.

    A try does all that reading does, and takes it back in the end.

    Raises:
        OnecSourceNotFound: there is none.
        OnecNotAsked: it has no address.
        OnecBusy: another process is at it.
        AddressRefused: the address is none that may be spoken to.
    """
    with tools.database.transaction() as session:
        source = service.named(session, name, for_update=True)
        at = tools.clock.now()
        if source.held_until is not None and source.held_until > at:
            raise OnecBusy(f"Another process reads {name}.")
        done = Pulled(source=name, is_dry=is_dry)
        infobase = mapping.loaded(source.mapping)
        try:
            line = service.line_of(session, source, tools.settings)
        except AddressRefused as exc:
            done.fault, done.detail = Fault.ADDRESS, str(exc)
            _over(source, infobase, done, None, at=at)
            return done
        source.held_until = at + LEASE
        run = _Run(
            tools=tools,
            source_id=source.id,
            line=line,
            infobase=infobase,
            zone=zone_of(infobase, tools.settings),
            is_dry=is_dry,
            until=at + lasts if lasts is not None else None,
        )
    pause = None
    is_whole = False
    try:
        for entity in infobase.entities:
            one = EntityDone(entity=entity.entity, kind=str(entity.kind))
            done.entities.append(one)
            try:
                _read_entity(run, entity, one)
            except OnecFailed as exc:
                one.fault, one.detail = exc.fault, exc.detail
                _note_fault(run, entity, exc)
                if exc.fault in WHOLE:
                    done.fault, done.detail, pause = exc.fault, exc.detail, exc.pause
                    break
        if is_dry:
            _try_all(run)
        else:
            _retry(run)
        is_whole = True
    finally:
        with tools.database.transaction() as session:
            held = session.get_one(OnecSource, run.source_id, with_for_update=True)
            held.held_until = None
            if is_whole:
                _over(held, infobase, done, pause, at=tools.clock.now())
    _log.info(
        "onec.pulled",
        source=name,
        rows=sum(one.rows for one in done.entities),
        fault=str(done.fault) if done.fault else None,
    )
    return done


def _over(
    source: OnecSource,
    infobase: Infobase,
    done: Pulled,
    pause: timedelta | None,
    *,
    at: datetime,
) -> None:
    if done.is_dry or source.removed_at is not None:
        return
    source.fault, source.detail = done.fault, done.detail or None
    if done.fault is None:
        source.pulled_at, source.attempts = at, 0
        is_over = all(one.is_over or one.fault for one in done.entities)
        source.next_at = at + timedelta(minutes=infobase.every_minutes if is_over else 0)
        return
    source.attempts += 1
    usual = PAUSES[min(source.attempts, len(PAUSES)) - 1]
    source.next_at = at + max(usual, pause or usual)


def _read_entity(run: _Run, entity: Entity, done: EntityDone) -> None:
    """Read an entity to its end, or to where it fails.

    Raises:
        OnecFailed: 1C does not answer as it should.
    """
    plan = _begin(run, entity)
    seen: dict[UUID, str | None] = {} if plan.anchor is None else {plan.anchor: None}
    back = 0
    for _ in range(_MOST_PAGES):
        if run.until is not None and run.tools.clock.now() >= run.until:
            return
        page = _page(run, entity, plan)
        if plan.skip > 0 and not any(row.ref in seen for row in page.rows):
            # Rows have moved up past this place: those between are found by going back.
            back += 1
            if back > _MOST_BACK:
                raise OnecFailed(Fault.SHIFTING)
            plan.skip = max(0, plan.skip - run.infobase.page)
            continue
        fresh = [row for row in page.rows if row.ref not in seen or seen[row.ref] != row.version]
        seen.update({row.ref: row.version for row in page.rows})
        plan.newest = max([plan.newest or "", *(_moment_of(row, entity) for row in page.rows)])
        is_last = len(page.rows) < run.infobase.page
        if page.rows:
            # The next page begins with the last row of this one.
            plan.skip += len(page.rows) - 1
            plan.anchor = page.rows[-1].ref
        _keep(run, entity, plan, fresh, done, is_last=is_last)
        if is_last:
            done.is_over = True
            return
    # It goes on from here at the next time.


@dataclass(slots=True, kw_only=True)
class _Plan:
    """Which reading of an entity goes on, and where."""

    is_full: bool
    skip: int
    anchor: UUID | None
    changed_after: str | None
    newest: str | None
    began_at: datetime


def _begin(run: _Run, entity: Entity) -> _Plan:
    """Return where to read on: in what was broken off, or anew."""
    at = run.tools.clock.now()
    with run.tools.database.transaction() as session:
        cursor = _cursor(session, run, entity)
        if cursor is None:
            return _Plan(
                is_full=True, skip=0, anchor=None, changed_after=None, newest=None, began_at=at
            )
        if cursor.began_at is not None:
            return _Plan(
                is_full=cursor.is_full,
                skip=cursor.skip,
                anchor=cursor.anchor,
                changed_after=cursor.changed_after,
                newest=cursor.newest,
                began_at=cursor.began_at,
            )
        is_due = cursor.full_at is None or at - cursor.full_at >= timedelta(
            hours=run.infobase.full_hours
        )
        return _Plan(
            is_full=entity.changed is None or cursor.changed_after is None or is_due,
            skip=0,
            anchor=None,
            changed_after=cursor.changed_after,
            newest=None,
            began_at=at,
        )


def _page(run: _Run, entity: Entity, plan: _Plan) -> odata.Page:
    conditions = [f"({entity.filter})"] if entity.filter else []
    order = ["Ref_Key"]
    if entity.changed is not None and not plan.is_full and plan.changed_after is not None:
        since = datetime.fromisoformat(plan.changed_after) - OVERLAP
        conditions.append(f"{entity.changed} ge {odata.moment(since.isoformat())}")
        order = [entity.changed, "Ref_Key"]
    url = odata.page_address(
        run.line.base,
        entity.entity,
        select=entity.selected(),
        where=" and ".join(conditions) or None,
        order=order,
        top=run.infobase.page,
        skip=plan.skip,
    )
    try:
        return odata.read_page(run.line.get(url))
    except odata.AnswerUnreadable as exc:
        raise OnecFailed(Fault.UNREADABLE, str(exc)) from exc


def _moment_of(row: odata.Row, entity: Entity) -> str:
    """Return the moment of a row's change as 1C has it; words that are none count for nothing."""
    told = mapping.plain(row.fields.get(entity.changed)) if entity.changed else None
    try:
        return datetime.fromisoformat(str(told)).replace(tzinfo=None).isoformat() if told else ""
    except ValueError:
        return ""


def _keep(
    run: _Run,
    entity: Entity,
    plan: _Plan,
    rows: list[odata.Row],
    done: EntityDone,
    *,
    is_last: bool,
) -> None:
    """Take a page's rows in and write down how far it is, both or neither."""
    items = [
        Item(
            kind=entity.kind,
            ref=row.ref,
            version=row.version,
            is_marked=row.is_marked,
            fields=mapping.values_of(row.fields, entity),
            entity=entity.entity,
        )
        for row in rows
        if row.ref.int
    ]

    done.rows += len(rows)
    if run.is_dry:
        run.collected.append((done, items))
        return
    with run.tools.database.transaction() as session:
        source = session.get_one(OnecSource, run.source_id)
        _take(session, run, source, items, done)
        source.held_until = run.tools.clock.now() + LEASE
        _move(session, run, entity, plan, is_last=is_last)


def _take(
    session: Session, run: _Run, source: OnecSource, items: list[Item], done: EntityDone
) -> None:
    answers = taking.take(Taking(session=session, ways=run.ways(), source=source), items)
    for one in answers:
        done.counts[one.outcome] = done.counts.get(one.outcome, 0) + 1
    done.refused += [one for one in answers if one.outcome == Outcome.REFUSED]


def _try_all(run: _Run) -> None:
    """Take in all that was read, and take it back: so it shows what would be refused."""
    try:
        with run.tools.database.transaction() as session:
            source = session.get_one(OnecSource, run.source_id)
            for done, items in run.collected:
                _take(session, run, source, items, done)
            _take_back()
    except _TakenBack:
        return


def _move(session: Session, run: _Run, entity: Entity, plan: _Plan, *, is_last: bool) -> None:
    cursor = _cursor(session, run, entity)
    if cursor is None:
        cursor = OnecCursor(source_id=run.source_id, entity=entity.entity, kind=entity.kind)
        session.add(cursor)
    cursor.is_full = plan.is_full
    cursor.fault = cursor.detail = None
    if not is_last:
        cursor.began_at, cursor.newest = plan.began_at, plan.newest
        cursor.skip, cursor.anchor = plan.skip, plan.anchor
        cursor.changed_after = plan.changed_after
        return
    cursor.began_at = cursor.anchor = cursor.newest = None
    cursor.skip = 0
    cursor.changed_after = max(plan.newest or "", plan.changed_after or "") or None
    cursor.done_at = run.tools.clock.now()
    if plan.is_full:
        cursor.full_at = plan.began_at


def _cursor(session: Session, run: _Run, entity: Entity) -> OnecCursor | None:
    return session.get(OnecCursor, (run.source_id, entity.entity, str(entity.kind)))


def _note_fault(run: _Run, entity: Entity, exc: OnecFailed) -> None:
    """Write down why an entity was not read; where its reading stands, stays."""
    if run.is_dry:
        return
    with run.tools.database.transaction() as session:
        cursor = _cursor(session, run, entity)
        if cursor is None:
            cursor = OnecCursor(
                source_id=run.source_id,
                entity=entity.entity,
                kind=entity.kind,
                is_full=True,
                skip=0,
            )
            session.add(cursor)
        cursor.fault, cursor.detail = exc.fault, exc.detail or None


def _retry(run: _Run) -> None:
    """Try once more the oldest of what was refused or lacks its client: things change here too."""
    with run.tools.database.transaction() as session:
        source = session.get_one(OnecSource, run.source_id)
        things = session.scalars(
            select(OnecThing)
            .where(
                OnecThing.source_id == run.source_id,
                or_(OnecThing.state == ThingState.REFUSED, OnecThing.needs.is_not(None)),
            )
            .order_by(OnecThing.at, OnecThing.id)
            .limit(_RETRIED)
        ).all()
        taking.retry(Taking(session=session, ways=run.ways(), source=source), things)
