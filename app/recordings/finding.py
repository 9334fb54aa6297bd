"""Finding recordings by what people remember of them, within what the asker may see."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Select,
    Uuid,
    and_,
    case,
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
    # A plan for any word whatever would be one for a word that is in nearly everything, or nearly
    # nothing; and to translate one into a program takes longer than most of them run.
    session.execute(
        text(
            "SELECT set_config('plan_cache_mode', 'force_custom_plan', true),"
            " set_config('jit', 'off', true)"
        )
    )
    found: list[Cursor] = []
    apart: set[str] = set()
    # To read is dearer by the length of the window, to ask by what a window of that length hides.
    longer = math.sqrt(max(1, limit / _PAGE))
    read, size = 0, int(_FIRST_WINDOW * longer)
    while True:
        walked = _walked(
            session, [*conditions, *_below(after)], words, size=size, is_counted=not read
        )
        if not read:
            met = dict(zip(words, walked.met, strict=True))
            apart = {word for word, each in met.items() if each.apart}
            words = sorted(met, key=lambda word: (met[word].all_told, -len(word)))
        found += walked.found
        read += walked.number
        if len(found) >= limit or walked.last is None or walked.number < size:
            return found[:limit]
        after = walked.last
        # As often as it was met so far, so many would have to be read.
        enough = 1.25 * read * limit / max(len(found), 0.5)
        if enough > _MOST_READ * longer:
            break
        size = max(_FIRST_WINDOW, int(enough) - read)
    told = _told([*conditions, *_below(after)], words, apart, limit - len(found))
    return found + [Cursor(at=at, id=key) for at, key in session.execute(told)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Met:
    """In how many of a window a word was, and in how many it was apart from the event."""

    all_told: int
    apart: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walked:
    """What was met on the way through a window; `met` is of each word, if they were counted."""

    found: list[Cursor]
    met: list[_Met]
    number: int
    last: Cursor | None


def _walked(
    session: Session,
    conditions: Sequence[ColumnElement[bool]],
    words: Sequence[str],
    *,
    size: int,
    is_counted: bool,
) -> _Walked:
    """Read a window. Where words are counted each is asked for, otherwise until one is missing."""
    # Whatever is selected here the index of the newest has, so that no row is looked at for it.
    window = (
        select(Recording.started_at, Recording.id, Recording.event_id)
        .where(*conditions)
        .order_by(*_NEWEST)
        .limit(size)
        .cte("walked")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    asked = (
        [case((_of_event(word, window.c), 1), (_apart(word, window.c), 2)) for word in words]
        if is_counted
        else [case((and_(*(_says(word, window.c) for word in words)), 1))]
    )
    told = (
        select(
            window.c.started_at,
            window.c.id,
            *(one.label(f"word_{place}") for place, one in enumerate(asked)),
        )
        .cte("told")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    each = [told.c[f"word_{place}"] for place in range(len(asked))]
    counted = [
        count
        for one in each
        for count in (func.count(one), func.count().filter(one == 2))  # noqa: PLR2004 - apart.
    ]
    counts = select(array([func.count(), *counted])).select_from(told).scalar_subquery()
    last = (
        select(told.c.started_at, told.c.id, counts.label("counts"))
        .order_by(told.c.started_at, told.c.id)
        .limit(1)
        .subquery()
    )
    found = select(told.c.started_at, told.c.id, literal(None, ARRAY(BigInteger)).label("counts"))
    rows = session.execute(
        union_all(found.where(*(one.is_not(None) for one in each)), select(last)).order_by(
            text("started_at DESC, id DESC")
        )
    ).all()
    end = next((row for row in rows if row.counts is not None), None)
    number, *met = end.counts if end else [0] * (1 + 2 * len(asked))
    return _Walked(
        found=[Cursor(at=row.started_at, id=row.id) for row in rows if row.counts is None],
        met=[
            _Met(all_told=all_told, apart=apart)
            for all_told, apart in zip(met[::2], met[1::2], strict=True)
        ],
        number=number,
        last=Cursor(at=end.started_at, id=end.id) if end else None,
    )


def _says(word: str, key: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a table, or some of its columns.
    """Return the condition that something told of one recording has a word that begins so."""
    return or_(_of_event(word, key), _apart(word, key))


# Each of these questions is one of a row by its key, which no planner turns into one of the whole
# table.


def _of_event(word: str, key: Any) -> ColumnElement[bool]:  # noqa: ANN401 - as above.
    """Return the condition that a recording's event says the word, or the event's client."""
    client = select(_begins("clients.name", word)).where(Client.id == Event.client_id)
    says = or_(_begins("events.subject", word), client.correlate(Event).scalar_subquery())
    event = select(says).where(Event.id == key.event_id)
    return func.coalesce(event.scalar_subquery(), false())


def _apart(word: str, key: Any) -> ColumnElement[bool]:  # noqa: ANN401 - as above.
    """Return the condition that a recording's files say the word, or what was marked in it."""
    files = select(func.bool_or(_begins(STEM, word))).where(Leg.recording_id == key.id)
    marked = select(func.bool_or(_begins("marks.note", word))).where(
        _MARKS.c.recording_id == key.id, _MARKS.c.removed_at.is_(None)
    )
    return func.coalesce(or_(files.scalar_subquery(), marked.scalar_subquery()), false())


def _begins(what: str, word: str) -> ColumnElement[bool]:
    """Return the condition that a text of a row at hand has the word; no index is asked for it."""
    says = _says_in(what, word)
    if not (word.isalpha() or word.isdecimal()):
        return func.coalesce(says, false())
    # A look for the letters costs a tenth of making words, and most rows have not even those.
    has_letters = func.strpos(func.lower(literal_column(what)), word) > 0
    return case((has_letters, says), else_=false())


def _told(
    conditions: Sequence[ColumnElement[bool]],
    words: Sequence[str],
    apart: Collection[str],
    limit: int,
) -> Select[Any]:
    """Return the keys of the newest that say all `words`, the rarest of which is the first.

    What the indexes name is gathered first, so that nobody walks through all recordings for it. Of
    several words the two rarest are looked for together, each wherever it may be: what the index
    of one table names for both is little, however much it names for each. `apart` are those that
    files or marks are known to say often, which nobody gathers.
    """
    word, *others = words
    second = others[0] if others else None
    of_word = _Told(word, "first")
    if second is None:
        ways = [
            _newest_of(of_word.events, Recording.event_id, conditions, limit),
            _newest_of(of_word.clients, Recording.client_id, conditions, limit),
            _newest_of(of_word.apart, Recording.id, conditions, limit),
        ]
        return _newest(ways, limit)
    of_second = _Told(second, "second")
    more = others[1:]
    # The index of words is asked for the rarer one alone: of a beginning it gathers all that it
    # names, and of a frequent one that is more than to look at what the rarer one has named.
    clients = select(of_word.clients.c.id).scalar_subquery()
    events = union(
        select(Event.id).where(
            _says_in("events.subject", word),
            or_(
                _begins("events.subject", second),
                Event.client_id.in_(select(of_second.clients.c.id)),
            ),
        ),
        select(Event.id).where(
            Event.client_id == func.any(func.array(clients)), _begins("events.subject", second)
        ),
    )
    both = _gathered("events_of_both", events)
    firms = _gathered(
        "clients_of_both",
        select(Client.id).where(_says_in("clients.name", word), _begins("clients.name", second)),
    )

    def checked(told: CTE, key: Any, *check: Callable[[Any], ColumnElement[bool]]) -> Select[Any]:  # noqa: ANN401 - a column.
        return _newest_that(
            told, key, conditions, limit, [*check, *(partial(_says, one) for one in more)]
        )

    ways = [
        checked(both, Recording.event_id),
        checked(firms, Recording.client_id),
        checked(of_word.apart, Recording.id, partial(_says, second)),
    ]
    if second in apart:
        ways += [
            checked(of_word.events, Recording.event_id, partial(_apart, second)),
            checked(of_word.clients, Recording.client_id, partial(_apart, second)),
        ]
    else:
        ways.append(checked(of_second.apart, Recording.id, partial(_of_event, word)))
    return _newest(ways, limit)


class _Told:
    """What the indexes name for a word: the keys of who says it, table by table."""

    def __init__(self, word: str, name: str) -> None:
        self.events = _gathered(
            f"events_of_{name}", select(Event.id).where(_says_in("events.subject", word))
        )
        self.clients = _gathered(
            f"clients_of_{name}", select(Client.id).where(_says_in("clients.name", word))
        )
        files = select(Leg.recording_id.label("id")).where(_says_in(f"({STEM})", word))
        marked = select(_MARKS.c.recording_id.label("id")).where(
            _says_in("marks.note", word), _MARKS.c.removed_at.is_(None)
        )
        self.apart = _gathered(f"apart_of_{name}", union(files, marked))


def _gathered(name: str, keys: Select[Any] | CompoundSelect[Any]) -> CTE:
    return keys.cte(name).prefix_with("MATERIALIZED", dialect="postgresql")


def _newest(ways: Sequence[Select[Any]], limit: int) -> Select[Any]:
    return union(*ways).order_by(text("started_at DESC, id DESC")).limit(limit)  # type: ignore[return-value]  # Of selects.


def _newest_of(
    told: CTE,
    key: Any,  # noqa: ANN401 - a column.
    conditions: Sequence[ColumnElement[bool]],
    limit: int,
) -> Select[Any]:
    """Return the newest recordings of each that an index names, by their own."""
    newest = (
        select(Recording.started_at, Recording.id)
        .where(*conditions, key == told.c.id)
        .order_by(*_NEWEST)
        .limit(limit)
    )
    # No planner joins it otherwise, since each has an end of its own.
    of_one = newest.correlate(told).lateral()
    return select(of_one.c.started_at, of_one.c.id).select_from(told.join(of_one, true()))


def _newest_that(
    told: CTE,
    key: Any,  # noqa: ANN401 - a column.
    conditions: Sequence[ColumnElement[bool]],
    limit: int,
    checks: Sequence[Callable[[Any], ColumnElement[bool]]],
) -> Select[Any]:
    """Return the same of those that pass `checks`, asked newest first until there are enough."""
    if not checks:
        return _newest_of(told, key, conditions, limit)
    # An offset of nothing keeps it apart: first all in their order, then the checks one by one.
    of_one = (
        select(Recording.started_at, Recording.id, Recording.event_id)
        .where(*conditions, key == told.c.id)
        .correlate(told)
        .offset(0)
        .lateral()
    )
    ordered = (
        select(of_one.c.started_at, of_one.c.id, of_one.c.event_id)
        .select_from(told.join(of_one, true()))
        .order_by(of_one.c.started_at.desc(), of_one.c.id.desc())
        .offset(0)
        .subquery()
    )
    passing = (
        select(ordered.c.started_at, ordered.c.id)
        .where(*(check(ordered.c) for check in checks))
        .order_by(ordered.c.started_at.desc(), ordered.c.id.desc())
        .limit(limit)
        .subquery()
    )
    return select(passing.c.started_at, passing.c.id)


def _says_in(what: str, word: str) -> ColumnElement[bool]:
    return _words(what).op("@@", is_comparison=True)(_query_of(word))


def _query_of(word: str) -> ColumnElement[str]:
    return func.to_tsquery(_SIMPLE, f"'{word}':*")


def _words(what: str) -> ColumnElement[str]:
    return literal_column(WORDS.format(what))
