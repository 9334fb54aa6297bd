"""Who was on the line from when to when, as far as the events of a call tell. Pure.

Events are put in order by their own times, so that it does not matter in which order, how late or
how often they came. Where the word of the sender or his clock is not enough, what comes out is
the longer presence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from app.core.moments import MAX_INTEGER
from app.recordings.models import CallEventKind, Direction

SNAP_MS = 3_000
"""The two ends of a call are on the line from its beginning; their joining is told a bit later."""

EXACT_SKEW_MS = 2_000
"""A clock that is off by more than this does not tell a place in a recording."""

BEFORE = timedelta(hours=1)
AFTER = timedelta(hours=24)
"""How far from the beginning of a recording its call's events may lie."""


class Trust(StrEnum):
    """Whose word an event is."""

    EXCHANGE = "exchange"
    OWN_DEVICE = "own_device"  # The softphone that sent the recording; its clock is the same.
    PERSON = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """Somebody's part of a call, as the exchange calls it, and what is told of him."""

    name: str
    number: str | None = None
    side: str | None = None
    agent: str | None = None
    channel: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event of a call."""

    id: UUID
    kind: CallEventKind
    at: datetime
    trust: Trust
    skew_ms: int = 0
    sequence: int = 0
    leg: Leg | None = None
    target: Leg | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """When a leg was on the line; null: not told, so as long as is possible.

    `is_proved` says that the exchange told it by a clock that is good enough to shorten what is
    known otherwise.
    """

    leg: Leg
    from_ms: int | None
    to_ms: int | None
    is_proved: bool


@dataclass(slots=True)
class _Moves:
    leg: Leg
    moves: list[tuple[datetime, int, bool, str, Told]] = field(default_factory=list)


def is_near(at: datetime, started_at: datetime) -> bool:
    """Say whether an event may belong to a recording that began at `started_at`."""
    return started_at - BEFORE <= at <= started_at + AFTER


def anchor(events: Iterable[Told]) -> datetime | None:
    """Return when the recording began by the clock of the exchange, if it told so."""
    begun = [
        e.at
        for e in events
        if e.kind == CallEventKind.RECORDING_STARTED and e.trust == Trust.EXCHANGE
    ]
    return min(begun, default=None)


def place_ms(at: datetime, zero: datetime) -> int:
    """Return the place in the recording, in milliseconds from its first sample; may be before."""
    milliseconds = (at - zero) // timedelta(milliseconds=1)
    return max(-MAX_INTEGER, min(MAX_INTEGER, milliseconds))


def presences(events: Iterable[Told], *, started_at: datetime) -> list[Presence]:
    """Return the presence of each leg that came or went, in the order of their coming.

    Who left and came back is taken to have been there in between: he is the same person, and
    what he missed is not known.
    """
    known = sorted(events, key=lambda e: (e.at, e.sequence, str(e.id)))
    begun = anchor(known)
    zero = begun or started_at
    found = [
        _presence(one, zero=zero, is_anchored=begun is not None) for one in _legs(known).values()
    ]
    return [one for one in found if one is not None]


def _legs(events: Iterable[Told]) -> dict[str, _Moves]:
    legs: dict[str, _Moves] = {}

    def move(leg: Leg, event: Told, *, is_join: bool) -> None:
        moves = legs.setdefault(leg.name, _Moves(leg=leg))
        moves.leg = _more(moves.leg, leg)
        moves.moves.append((event.at, event.sequence, is_join, str(event.id), event))

    for event in events:
        if event.leg is None:
            continue
        if event.kind == CallEventKind.JOIN:
            move(event.leg, event, is_join=True)
        elif event.kind == CallEventKind.LEAVE:
            move(event.leg, event, is_join=False)
        elif event.kind == CallEventKind.TRANSFER and event.target is not None:
            move(event.leg, event, is_join=False)
            move(event.target, event, is_join=True)
    return legs


def _more(known: Leg, told: Leg) -> Leg:
    return Leg(
        name=known.name,
        number=known.number or told.number,
        side=known.side or told.side,
        agent=known.agent or told.agent,
        channel=told.channel if known.channel is None else known.channel,
    )


def _is_exact(event: Told, *, is_anchored: bool) -> bool:
    if event.trust == Trust.EXCHANGE:
        return is_anchored or abs(event.skew_ms) <= EXACT_SKEW_MS
    return True


def _presence(one: _Moves, *, zero: datetime, is_anchored: bool) -> Presence | None:
    first, last = one.moves[0], one.moves[-1]
    from_ms: int | None = None
    if first[2]:
        exact = _is_exact(first[4], is_anchored=is_anchored)
        from_ms = max(0, place_ms(first[0], zero)) if exact else 0
    to_ms: int | None = None
    proved = all(
        m[4].trust == Trust.EXCHANGE and _is_exact(m[4], is_anchored=is_anchored) for m in one.moves
    )
    if not last[2] and proved:
        left_ms = place_ms(last[0], zero)
        if left_ms <= 0:
            return None  # He was gone before the recording began.
        to_ms = max(left_ms, (from_ms or 0) + 1)
    return Presence(leg=one.leg, from_ms=from_ms, to_ms=to_ms, is_proved=proved)


def _later(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)


def placed(
    known: tuple[int, int | None], told: Presence, *, is_end: bool, by_person: bool
) -> tuple[int, int | None]:
    """Return the presence of a party that is known already, now that `told` is told of him.

    What a person has set is only ever made longer, and so is what is known otherwise where the
    events do not prove more. `is_end` is one of the two ends of the call.
    """
    from_ms = known[0] if told.from_ms is None else told.from_ms
    if is_end and from_ms <= SNAP_MS:
        from_ms = 0
    if by_person or not told.is_proved:
        from_ms = min(known[0], from_ms)
        to_ms = _later(known[1], told.to_ms)
    else:
        to_ms = told.to_ms
    if to_ms is not None and to_ms <= from_ms:
        to_ms = from_ms + 1
    return from_ms, to_ms


def label_of_end(leg: str, direction: Direction) -> str | None:
    """Return the label of the party whose leg is called by its place in the call."""
    if direction == Direction.INTERNAL:
        return {"caller": "own", "callee": "own-2"}.get(leg)
    ends = ("cli", "own") if direction == Direction.INBOUND else ("own", "cli")
    return dict(zip(("caller", "callee"), ends, strict=True)).get(leg)
