"""Finding recordings by what people remember of them, within what the asker may see."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    Uuid,
    column,
    func,
    literal_column,
    or_,
    select,
    table,
    text,
)
from sqlalchemy.orm import Session

from app.clients.models import WORDS, Client, Event
from app.core.paging import Cursor
from app.identity.actor import Actor
from app.recordings.models import STEM, Leg, Recording
from app.recordings.queries import visible_to

_WORD = re.compile(r"\w+")
_MOST_WORDS = 8
# The room of marks stands to the left; of its table nothing but the names is used.
_MARKS = table("marks", column("recording_id", Uuid()), column("note"), column("removed_at"))
_SIMPLE: ColumnElement[str] = literal_column("'simple'::regconfig")


class EventState(StrEnum):
    """How far the event of a recording has come."""

    OPEN = "open"
    CLOSED = "closed"
    WAITING = "waiting"  # Nobody knows yet which client it is of.


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What a list is narrowed to; None is no condition.

    `words` are looked for at the beginnings of words in the event's subject, the client's name,
    what was marked in the recording, and the names of its files, each of them in any. `number` is
    in the form that is kept.
    """

    client_id: UUID | None = None
    agent: str | None = None
    direction: str | None = None
    flag: str | None = None
    line: str | None = None
    event_state: EventState | None = None
    since: datetime | None = None
    until: datetime | None = None
    shortest_ms: int | None = None
    longest_ms: int | None = None
    words: str | None = None
    number: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A recording with its event and client."""

    recording: Recording
    event: Event
    client: Client | None


def count(session: Session, actor: Actor, sought: Sought, *, most: int) -> int:
    """Return how many recordings there are, at most `most`."""
    some = _query(actor, sought, Recording.id).limit(most).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0


def ids(session: Session, actor: Actor, sought: Sought, *, most: int) -> Sequence[UUID]:
    """Return the ids of recordings, newest first, at most `most`."""
    query = _query(actor, sought, Recording.id)
    return session.scalars(
        query.order_by(Recording.started_at.desc(), Recording.id.desc()).limit(most)
    ).all()


def of_ids(session: Session, actor: Actor, wanted: Collection[UUID]) -> Sequence[Found]:
    """Return those of some recordings that `actor` may see, newest first; the erased ones too."""
    rows = session.execute(
        select(Recording, Event, Client)
        .join(Event, Event.id == Recording.event_id)
        .outerjoin(Client, Client.id == Event.client_id)
        .where(visible_to(actor), Recording.id.in_(wanted))
        .order_by(Recording.started_at.desc(), Recording.id.desc())
    )
    return [Found(recording=found, event=event, client=client) for found, event, client in rows]


def page(
    session: Session, actor: Actor, sought: Sought, *, after: Cursor | None, limit: int
) -> Sequence[Found]:
    """Return recordings, newest first."""
    query = _query(actor, sought, Recording, Event, Client)
    if after is not None:
        query = query.where(
            text("(recordings.started_at, recordings.id) < (:at, :id)").bindparams(
                at=after.at, id=after.id
            )
        )
    rows = session.execute(
        query.order_by(Recording.started_at.desc(), Recording.id.desc()).limit(limit)
    )
    return [Found(recording=found, event=event, client=client) for found, event, client in rows]


def _query(actor: Actor, sought: Sought, *columns: Any) -> Select[Any]:  # noqa: ANN401 - columns and tables.
    return (
        select(*columns)
        .join_from(Recording, Event, Event.id == Recording.event_id)
        .outerjoin(Client, Client.id == Event.client_id)
        .where(visible_to(actor), Recording.erased_at.is_(None), *_conditions(sought))
    )


def _conditions(sought: Sought) -> list[ColumnElement[bool]]:
    plain: list[tuple[object, Callable[[Any], ColumnElement[bool]]]] = [
        (sought.client_id, lambda value: Event.client_id == value),
        (sought.agent, lambda value: Recording.agent == value),
        (sought.direction, lambda value: Recording.direction == value),
        (sought.flag, lambda value: Recording.flag == value),
        (sought.line, lambda value: Recording.line == value),
        (sought.since, lambda value: Recording.started_at >= value),
        (sought.until, lambda value: Recording.started_at < value),
        (sought.shortest_ms, lambda value: Recording.duration_ms >= value),
        (sought.longest_ms, lambda value: Recording.duration_ms <= value),
    ]
    found = [condition(value) for value, condition in plain if value is not None]
    if sought.event_state is not None:
        found.append(_event_is(sought.event_state))
    if sought.number is not None:
        found.append(Recording.outside_number == sought.number)
    elif sought.words:
        found += [_says(word) for word in _WORD.findall(sought.words)[:_MOST_WORDS]]
    return found


def _event_is(state: EventState) -> ColumnElement[bool]:
    if state is EventState.WAITING:
        return Event.client_id.is_(None)
    if state is EventState.CLOSED:
        return Event.closed_at.is_not(None)
    return Event.client_id.is_not(None) & Event.closed_at.is_(None)


def _says(word: str) -> ColumnElement[bool]:
    """Return the condition that something told of it has a word that begins so.

    Subject, client, marks and names of files have an index each.
    """
    begins = func.to_tsquery(_SIMPLE, f"'{word.lower()}':*")
    subjects = select(Event.id).where(_words("events.subject").op("@@")(begins))
    clients = select(Client.id).where(_words("clients.name").op("@@")(begins))
    files = select(Leg.recording_id).where(_words(f"({STEM})").op("@@")(begins))
    marked = select(_MARKS.c.recording_id).where(
        _MARKS.c.removed_at.is_(None), _words("marks.note").op("@@")(begins)
    )
    return or_(
        Recording.event_id.in_(subjects.correlate(None)),
        Recording.event_id.in_(
            select(Event.id).where(Event.client_id.in_(clients.correlate(None))).correlate(None)
        ),
        Recording.id.in_(files.correlate(None)),
        Recording.id.in_(marked.correlate(None)),
    )


def _words(column: str) -> ColumnElement[str]:
    return literal_column(WORDS.format(column))
