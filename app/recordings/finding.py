"""Finding recordings by what people remember of them, within what the asker may see."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    Select,
    Uuid,
    and_,
    column,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
    text,
    true,
    union,
    union_all,
)
from sqlalchemy.dialects.postgresql import array
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
_NEWEST = (Recording.started_at.desc(), Recording.id.desc())
_FIRST_WINDOW: Final = 1_000
_MOST_READ: Final = 12_000
"""How many of the newest calls are read one by one for a page before the indexes are asked."""
_PAGE: Final = 50
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
    in the form that is kept. `client` and `event` are what others call them.
    """

    client_id: UUID | None = None
    client: str | None = None
    event: str | None = None
    agent: str | None = None
    direction: str | None = None
    flag: str | None = None
    proof: str | None = None
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
    if _words_of(sought):
        return len(_keys(session, actor, sought, after=None, limit=most))
    some = select(Recording.id).where(*_conditions(actor, sought)).limit(most).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0


def ids(session: Session, actor: Actor, sought: Sought, *, most: int) -> Sequence[UUID]:
    """Return the ids of recordings, newest first, at most `most`."""
    return [key.id for key in _keys(session, actor, sought, after=None, limit=most)]


def of_ids(session: Session, actor: Actor, wanted: Collection[UUID]) -> Sequence[Found]:
    """Return those of some recordings that `actor` may see, newest first; the erased ones too."""
    return _found(session, [visible_to(actor), Recording.id.in_(wanted)], limit=None)


def page(
    session: Session, actor: Actor, sought: Sought, *, after: Cursor | None, limit: int
) -> Sequence[Found]:
    """Return recordings, newest first."""
    if _words_of(sought):
        keys = _keys(session, actor, sought, after=after, limit=limit)
        return _found(session, [Recording.id.in_([key.id for key in keys])], limit=None)
    return _found(session, [*_conditions(actor, sought), *_below(after)], limit=limit)


def _found(
    session: Session, conditions: Sequence[ColumnElement[bool]], *, limit: int | None
) -> Sequence[Found]:
    rows = session.execute(
        select(Recording, Event, Client)
        .join(Event, Event.id == Recording.event_id)
        .outerjoin(Client, Client.id == Event.client_id)
        .where(*conditions)
        .order_by(*_NEWEST)
        .limit(limit)
    )
    return [Found(recording=found, event=event, client=client) for found, event, client in rows]


def _conditions(actor: Actor, sought: Sought) -> list[ColumnElement[bool]]:
    """Return what is asked for but for words; every condition is one on the recording."""
    plain: list[tuple[object, Callable[[Any], ColumnElement[bool]]]] = [
        (sought.client_id, lambda value: Recording.client_id == value),
        (sought.client, lambda value: Recording.client_id == _client_called(value)),
        (sought.event, lambda value: Recording.event_id == _event_called(value)),
        (sought.agent, lambda value: Recording.agent == value),
        (sought.direction, lambda value: Recording.direction == value),
        (sought.flag, lambda value: Recording.flag == value),
        (sought.proof, lambda value: Recording.proof == value),
        (sought.line, lambda value: Recording.line == value),
        (sought.since, lambda value: Recording.started_at >= value),
        (sought.until, lambda value: Recording.started_at < value),
        (sought.shortest_ms, lambda value: Recording.duration_ms >= value),
        (sought.longest_ms, lambda value: Recording.duration_ms <= value),
        (sought.event_state, _event_is),
        (sought.number, lambda value: Recording.outside_number == value),
    ]
    found = [condition(value) for value, condition in plain if value is not None]
    return [visible_to(actor), Recording.erased_at.is_(None), *found]


def _client_called(external_id: str) -> ColumnElement[UUID]:
    return select(Client.id).where(Client.external_id == external_id).scalar_subquery()


def _event_called(external_id: str) -> ColumnElement[UUID]:
    return select(Event.id).where(Event.external_id == external_id).scalar_subquery()


def _event_is(state: EventState) -> ColumnElement[bool]:
    if state is EventState.WAITING:
        return Recording.client_id.is_(None)
    is_closed = Event.closed_at.is_not(None)
    closed = select(Event.id).where(Event.id == Recording.event_id, is_closed).correlate(Recording)
    if state is EventState.CLOSED:
        return closed.exists()
    return Recording.client_id.is_not(None) & ~closed.exists()


def _below(after: Cursor | None) -> list[ColumnElement[bool]]:
    if after is None:
        return []
    below = text("(recordings.started_at, recordings.id) < (:at, :id)")
    return [below.bindparams(at=after.at, id=after.id)]  # type: ignore[list-item]  # A condition.


# --- by words ------------------------------------------------------------------------------------


def words_in(asked: str) -> list[str]:
    """Return the words of what somebody asks for, the first eight."""
    return _WORD.findall(asked.lower())[:_MOST_WORDS]


def _words_of(sought: Sought) -> list[str]:
    return words_in(sought.words or "")


def _keys(
    session: Session, actor: Actor, sought: Sought, *, after: Cursor | None, limit: int
) -> list[Cursor]:
    """Return the keys of the newest recordings that are sought, at most `limit`.

    A frequent word is met soon by who reads the newest calls one by one, in windows that grow; for
    a rare one the indexes of words are quick. Neither way is for both: the index of a frequent word
    names millions of calls, of which the newest are wanted.
    """
    conditions = _conditions(actor, sought)
    words = _words_of(sought)
    if not words:
        newest = select(Recording.started_at, Recording.id).where(*conditions, *_below(after))
        rows = session.execute(newest.order_by(*_NEWEST).limit(limit))
        return [Cursor(at=at, id=key) for at, key in rows]
    found: list[Cursor] = []
    counts = dict.fromkeys(words, 0)
    # To read is dearer by the length of the window, to ask by what a window of that length hides.
    longer = math.sqrt(max(1, limit / _PAGE))
    read, size = 0, int(_FIRST_WINDOW * longer)
    while True:
        walked = _walked(session, [*conditions, *_below(after)], words, size=size)
        found += walked.found
        read += walked.number
        for word, met in zip(words, walked.met, strict=True):
            counts[word] += met
        if len(found) >= limit or walked.last is None or walked.number < size:
            return found[:limit]
        after = walked.last
        # As often as it was met so far, so many would have to be read.
        enough = 1.25 * read * limit / max(len(found), 0.5)
        if enough > _MOST_READ * longer:
            break
        size = max(_FIRST_WINDOW, int(enough) - read)
    rarest = min(words, key=lambda word: (counts[word], -len(word)))
    others = [word for word in words if word != rarest]
    told = _told(conditions, rarest, others, _below(after), limit - len(found))
    return found + [Cursor(at=at, id=key) for at, key in session.execute(told)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walked:
    """What was met on the way through a window: `met` says in how many each word was."""

    found: list[Cursor]
    met: list[int]
    number: int
    last: Cursor | None


def _walked(
    session: Session,
    conditions: Sequence[ColumnElement[bool]],
    words: Sequence[str],
    *,
    size: int,
) -> _Walked:
    window = (
        select(Recording.started_at, Recording.id, Recording.event_id, Recording.client_id)
        .where(*conditions)
        .order_by(*_NEWEST)
        .limit(size)
        .cte("walked")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    says = [_says(word, window.c).label(f"word_{place}") for place, word in enumerate(words)]
    told = (
        select(window.c.started_at, window.c.id, *says)
        .cte("told")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    each = [told.c[f"word_{place}"] for place in range(len(words))]
    met = [select(func.count()).select_from(told).where(one).scalar_subquery() for one in each]
    all_of_it = select(func.count()).select_from(told).scalar_subquery()
    last = (
        select(told.c.started_at, told.c.id, array([all_of_it, *met]).label("counts"))
        .order_by(told.c.started_at, told.c.id)
        .limit(1)
        .subquery()
    )
    found = select(told.c.started_at, told.c.id, literal(None, ARRAY(BigInteger)).label("counts"))
    rows = session.execute(
        union_all(found.where(*each), select(last)).order_by(text("started_at DESC, id DESC"))
    ).all()
    end = next((row for row in rows if row.counts is not None), None)
    return _Walked(
        found=[Cursor(at=row.started_at, id=row.id) for row in rows if row.counts is None],
        met=end.counts[1:] if end else [0 for _ in words],
        number=end.counts[0] if end else 0,
        last=Cursor(at=end.started_at, id=end.id) if end else None,
    )


def _says(word: str, key: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a table, or some of its columns.
    """Return the condition that something told of one recording has a word that begins so.

    Each question is one of a row by its key, which no planner turns into one of the whole table.
    """
    subject = select(_begins("events.subject", word)).where(Event.id == key.event_id)
    client = select(_begins("clients.name", word)).where(Client.id == key.client_id)
    files = select(func.bool_or(_begins(STEM, word))).where(Leg.recording_id == key.id)
    marked = select(func.bool_or(_begins("marks.note", word))).where(
        _MARKS.c.recording_id == key.id, _MARKS.c.removed_at.is_(None)
    )
    of_one = (subject, client, files, marked)
    return func.coalesce(or_(*(one.scalar_subquery() for one in of_one)), false())


def _begins(what: str, word: str) -> ColumnElement[bool]:
    says = _words(what).op("@@", is_comparison=True)(_query_of(word))
    if not (word.isalpha() or word.isdecimal()):
        return says
    # A look for the letters costs a tenth of making words, and most rows have not even those.
    return and_(func.strpos(func.lower(literal_column(what)), word) > 0, says)


def _told(
    conditions: Sequence[ColumnElement[bool]],
    word: str,
    others: Sequence[str],
    below: Sequence[ColumnElement[bool]],
    limit: int,
) -> Select[Any]:
    """Return the keys of the newest that say `word`, by its indexes, and say the others too.

    What the indexes name is gathered first, so that nobody walks through all recordings for it.
    """

    def named(name: str, what: str, key: Any, *more: ColumnElement[bool]) -> CTE:  # noqa: ANN401 - a column.
        says = _words(what).op("@@", is_comparison=True)(_query_of(word))
        gathered = select(key.label("id")).where(says, *more).cte(name)
        return gathered.prefix_with("MATERIALIZED", dialect="postgresql")

    subjects = named("subjects", "events.subject", Event.id)
    clients = named("firms", "clients.name", Client.id)
    files = named("files", f"({STEM})", Leg.recording_id)
    marked = named("marked", "marks.note", _MARKS.c.recording_id, _MARKS.c.removed_at.is_(None))
    newest = (
        select(Recording.started_at, Recording.id)
        .where(*conditions, *below, *(_says(other, Recording) for other in others))
        .order_by(*_NEWEST)
        .limit(limit)
    )

    def way(gathered: CTE, key: Any) -> Select[Any]:  # noqa: ANN401 - a column.
        # For each that an index names the recordings by their own: no planner joins it otherwise.
        of_one = newest.where(key == gathered.c.id).correlate(gathered).lateral()
        return select(of_one.c.started_at, of_one.c.id).select_from(gathered.join(of_one, true()))

    ways = [
        way(subjects, Recording.event_id),
        way(clients, Recording.client_id),
        way(files, Recording.id),
        way(marked, Recording.id),
    ]
    return union(*ways).order_by(text("started_at DESC, id DESC")).limit(limit)  # type: ignore[return-value]  # Of selects.


def _query_of(word: str) -> ColumnElement[str]:
    return func.to_tsquery(_SIMPLE, f"'{word}':*")


def _words(what: str) -> ColumnElement[str]:
    return literal_column(WORDS.format(what))
