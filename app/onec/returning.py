"""The way back: the addresses of an event's recordings, written into the event's document in 1C.

What is to stand there follows from the present state: a recording that is tied, moved to another
event or erased makes its documents be written anew. The sequence of the ledger says which, read by
a cursor as webhooks do. A document is claimed, written and noted, each on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

import structlog
from sqlalchemy import case, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core.clock import Clock
from app.core.db import Database
from app.core.outbound import AddressRefused
from app.custody.ledger import Act, Outcome
from app.onec import mapping, odata, service
from app.onec.asking import SECONDS, Infoline, OnecFailed
from app.onec.mapping import Return
from app.onec.models import (
    Fault,
    Kind,
    OnecProgress,
    OnecReturn,
    OnecSource,
    OnecThing,
    ReturnState,
)
from app.recordings.models import Recording
from app.settings import Settings
from app.webhooks import outbox
from app.webhooks.sending import pause_after

MOST_LINKS: Final = 50
_MOST_AT_ONCE: Final = 100
_TRIES: Final = 3
_CLAIM: Final = timedelta(seconds=2 * _TRIES * SECONDS + 120)
_FOLLOWED: Final = frozenset({Act.RECORDING_INGESTED, Act.LINK_CHANGED, Act.ERASURE_EXECUTED})
_log = structlog.get_logger()


class ReturningTools(Protocol):
    """What the way back needs."""

    @property
    def settings(self) -> Settings: ...
    @property
    def database(self) -> Database: ...
    @property
    def clock(self) -> Clock: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claimed:
    """A document whose writing was begun, and what is to stand in it."""

    thing_id: UUID
    ref: UUID
    entity: str
    asked: int
    attempts: int
    back: Return
    links: tuple[str, ...]
    line: Infoline = field(repr=False)


def handle_return(tools: ReturningTools) -> None:
    """Read on in the ledger, and write what is due."""
    follow(tools.database, at=tools.clock.now())
    for _ in range(_MOST_AT_ONCE):
        if not write_one(tools):
            return


def follow(database: Database, *, at: datetime) -> int:
    """Read on in the ledger's sequence to its end; return how many entries were read."""
    read = 0
    while count := _follow(database, at=at):
        read += count
        if count < outbox.BATCH:
            break
    return read


def _follow(database: Database, *, at: datetime) -> int:
    with database.transaction() as session:
        place = session.scalar(select(OnecProgress.seq).with_for_update(skip_locked=True))
        if place is None:
            return 0
        rows = outbox.entries_from(session, place)
        if not rows:
            return 0
        recordings: set[UUID] = set()
        events: set[UUID] = set()
        for row in rows:
            if row.act not in _FOLLOWED or row.object_kind != "recording":
                continue
            if row.outcome != Outcome.SUCCESS:
                continue
            recordings.add(row.object_id)
            if row.act == Act.LINK_CHANGED:
                events |= {UUID(row.facts["from"]), UUID(row.facts["to"])}
        if recordings:
            found = select(Recording.event_id).where(Recording.id.in_(recordings))
            events |= set(session.scalars(found))
        _ask(session, events, at=at)
        session.execute(update(OnecProgress).values(seq=rows[-1].seq + 1))
        return len(rows)


def ask_for_event(session: Session, event_id: UUID | None, *, at: datetime) -> None:
    """Let the document of an event be written, if a recording is tied to it already."""
    has_some = select(Recording.id).where(Recording.event_id == event_id).limit(1)
    if event_id is not None and session.scalar(has_some) is not None:
        _ask(session, {event_id}, at=at)


def _ask(session: Session, events: set[UUID], *, at: datetime) -> None:
    if not events:
        return
    found = session.execute(
        select(OnecThing.id, OnecThing.source_id)
        .join(OnecSource, OnecSource.id == OnecThing.source_id)
        .where(
            OnecThing.event_id.in_(events),
            OnecThing.kind == Kind.EVENT,
            OnecSource.removed_at.is_(None),
            OnecSource.base_url.is_not(None),
            OnecSource.mapping.has_key("back"),
        )
    ).all()
    if not found:
        return
    fresh = insert(OnecReturn).values(
        [
            {
                "thing_id": thing_id,
                "source_id": source_id,
                "state": ReturnState.WAITING,
                "next_at": at,
                "changed_at": at,
            }
            for thing_id, source_id in sorted(found)
        ]
    )
    session.execute(
        fresh.on_conflict_do_update(
            index_elements=["thing_id"],
            set_={
                "state": ReturnState.WAITING,
                "asked": OnecReturn.asked + 1,
                "attempts": 0,
                # One that is being written stays claimed; it is looked at again afterwards.
                "next_at": case(
                    (OnecReturn.state == ReturnState.WAITING, OnecReturn.next_at), else_=at
                ),
                "changed_at": at,
            },
        )
    )


def write_one(tools: ReturningTools) -> bool:
    """Write the document that is due first; say whether there was one."""
    with tools.database.transaction() as session:
        claimed = _claim(session, tools)
    if claimed is None:
        return False
    failed = None
    try:
        _write(claimed)
    except OnecFailed as exc:
        failed = exc
    with tools.database.transaction() as session:
        _note(session, claimed, failed, at=tools.clock.now())
    _log.info(
        "onec.returned",
        thing_id=str(claimed.thing_id),
        fault=str(failed.fault) if failed is not None else None,
    )
    return True


def _claim(session: Session, tools: ReturningTools) -> _Claimed | None:
    at = tools.clock.now()
    row = session.scalar(
        select(OnecReturn)
        .join(OnecSource, OnecSource.id == OnecReturn.source_id)
        .where(
            OnecReturn.state == ReturnState.WAITING,
            OnecReturn.next_at <= at,
            OnecSource.removed_at.is_(None),
        )
        .order_by(OnecReturn.next_at, OnecReturn.thing_id)
        .limit(1)
        .with_for_update(skip_locked=True, of=OnecReturn)
    )
    if row is None:
        return None
    row.attempts += 1
    row.next_at = at + _CLAIM
    source = session.get_one(OnecSource, row.source_id)
    thing = session.get_one(OnecThing, row.thing_id)
    infobase = mapping.loaded(source.mapping)
    try:
        line = service.line_of(session, source, tools.settings)
    except AddressRefused as exc:
        _fail(row, row.attempts, Fault.ADDRESS, str(exc), None, at=at)
        return None
    if infobase.back is None:
        row.state, row.next_at = ReturnState.DEAD, None
        return None
    return _Claimed(
        thing_id=thing.id,
        ref=thing.ref,
        entity=thing.entity or "",
        asked=row.asked,
        attempts=row.attempts,
        back=infobase.back,
        links=_links(session, thing.event_id, tools.settings),
        line=line,
    )


def _links(session: Session, event_id: UUID | None, settings: Settings) -> tuple[str, ...]:
    """Return the addresses of our pages of an event's recordings, in the order of the calls."""
    found: Sequence[UUID] = session.scalars(
        select(Recording.id)
        .where(Recording.event_id == event_id, Recording.erased_at.is_(None))
        .order_by(Recording.started_at, Recording.id)
        .limit(MOST_LINKS)
    ).all()
    return tuple(f"{settings.base_url}/recordings/{one}" for one in found)


def _write(claimed: _Claimed) -> None:
    """Bring the document to what is to stand in it.

    Raises:
        OnecFailed: 1C did not take it.
    """
    if claimed.back.service is not None:
        url = odata.address(claimed.line.base, "hs", *claimed.back.service.strip("/").split("/"))
        told = {"ref": str(claimed.ref), "entity": claimed.entity, "links": list(claimed.links)}
        claimed.line.write("POST", url, told)
        return
    if not claimed.entity:
        raise OnecFailed(Fault.NOT_SWITCHED_ON, "The name of the document's entity was not told.")
    name = str(claimed.back.field)
    text = "\n".join(claimed.links)
    for attempt in range(1, _TRIES + 1):
        row = _row(claimed, name)
        if str(row.fields.get(name) or "") == text:
            return
        try:
            claimed.line.write(
                "PATCH",
                odata.row_address(claimed.line.base, claimed.entity, claimed.ref),
                {name: text},
                version=row.version,
            )
        except OnecFailed as exc:
            # Somebody wrote the document meanwhile: it is read again.
            if exc.fault is not Fault.CHANGED or attempt == _TRIES:
                raise
        else:
            return


def _row(claimed: _Claimed, name: str) -> odata.Row:
    url = odata.row_address(
        claimed.line.base, claimed.entity, claimed.ref, select=("Ref_Key", "DataVersion", name)
    )
    try:
        return odata.read_row(claimed.line.get(url))
    except odata.AnswerUnreadable as exc:
        raise OnecFailed(Fault.UNREADABLE, str(exc)) from exc


def _note(session: Session, claimed: _Claimed, failed: OnecFailed | None, *, at: datetime) -> None:
    row = session.get_one(OnecReturn, claimed.thing_id, with_for_update=True)
    if row.state != ReturnState.WAITING:
        return  # A slower worker was told before.
    if failed is not None:
        _fail(row, claimed.attempts, failed.fault, failed.detail, failed.pause, at=at)
        return
    row.fault = row.detail = None
    row.written_at = at
    if row.asked == claimed.asked:
        row.state, row.next_at = ReturnState.WRITTEN, None
    else:
        row.next_at = at


def _fail(
    row: OnecReturn,
    attempts: int,
    fault: Fault,
    detail: str,
    asked: timedelta | None,
    *,
    at: datetime,
) -> None:
    row.fault, row.detail = fault, detail or None
    pause = pause_after(attempts, asked)
    if pause is None:
        row.state, row.next_at = ReturnState.DEAD, None
    else:
        row.next_at = at + pause


def ask_again(session: Session, source_id: UUID, *, at: datetime) -> int:
    """Let what was given up be written once more; return how many those are."""
    done = session.execute(
        update(OnecReturn)
        .where(OnecReturn.source_id == source_id, OnecReturn.state == ReturnState.DEAD)
        .values(state=ReturnState.WAITING, attempts=0, next_at=at)
        .returning(OnecReturn.thing_id)
    )
    return len(done.all())


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What waits to be written into documents of a source, and what was given up.

    `failing` are those of them tried in vain; `since` is when the oldest was asked for.
    """

    waiting: int = 0
    failing: int = 0
    dead: int = 0
    since: datetime | None = None


NOTHING: Final = Queue()


def queues(session: Session) -> dict[UUID, Queue]:
    """Return how the documents of each source stand; of one that is not named nothing waits."""
    waits = OnecReturn.state == ReturnState.WAITING
    rows = session.execute(
        select(
            OnecReturn.source_id,
            func.count().filter(waits),
            func.count().filter(waits, OnecReturn.fault.is_not(None)),
            func.count().filter(OnecReturn.state == ReturnState.DEAD),
            func.min(OnecReturn.changed_at).filter(waits),
        ).group_by(OnecReturn.source_id)
    )
    return {
        source_id: Queue(waiting=waiting, failing=failing, dead=dead, since=since)
        for source_id, waiting, failing, dead, since in rows
    }
