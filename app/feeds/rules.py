"""Which recording is of which call, and why a call has none. Pure.

The order in which things came plays no part: the same calls and recordings give the same answer.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from app.feeds.reasons import GapReason

BY_CALL_ID = "call_id"
BY_LINKED_ID = "linked_id"
BY_NUMBER = "number"
OTHERS_ID_NEAR = timedelta(hours=12)
"""How near another device's recording lies that has the call's id: small numbers come again."""

_LINE_DIGITS = 7
_COMPARED_DIGITS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call as its source tells it. `ends` are the two parties as they are written."""

    id: UUID
    source: UUID
    call_id: str
    linked_id: str | None
    started_at: datetime
    duration_ms: int
    talk_ms: int
    is_answered: bool
    number: str | None
    ends: frozenset[str]
    line: str | None
    direction: str

    @property
    def order(self) -> tuple[bool, datetime, str, UUID]:
        """Return the place among others: who was answered first, first."""
        return (not self.is_answered, self.started_at, self.call_id, self.id)

    @property
    def group(self) -> str:
        """Return what all rows of one call have in common."""
        return self.linked_id or self.call_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """A recording, as far as it is compared."""

    id: UUID
    device: UUID
    call_id: str
    started_at: datetime
    duration_ms: int | None
    number: str | None
    ends: frozenset[str]
    line: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The recording of a call, and how it was found."""

    sound: UUID
    by: str


@dataclass(slots=True)
class Matching:
    """What belongs together. `part_of` names the first row of a call that has several."""

    matches: dict[UUID, Match] = field(default_factory=dict)
    part_of: dict[UUID, UUID] = field(default_factory=dict)
    ambiguous_calls: set[UUID] = field(default_factory=set)
    ambiguous_sounds: set[UUID] = field(default_factory=set)


def match(
    calls: Collection[Call],
    sounds: Collection[Sound],
    *,
    tolerance: timedelta,
    fixed: Mapping[UUID, Match] | None = None,
) -> Matching:
    """Tell which recordings belong to the calls of one source, one to one.

    First by the call's own id, then by the id of all its rows, then by number, line and time where
    a call and a recording fit each other and nothing else. `fixed` is known from before.
    """
    found = Matching(matches=dict(fixed or {}))
    taken = {one.sound for one in found.matches.values()}
    ordered = sorted(calls, key=lambda call: call.order)
    named: dict[str, list[Sound]] = defaultdict(list)
    for sound in sounds:
        named[sound.call_id].append(sound)
    for by, id_of in ((BY_CALL_ID, _own_id), (BY_LINKED_ID, _linked_id)):
        for call in ordered:
            wanted = id_of(call)
            if call.id in found.matches or wanted is None:
                continue
            one = _only(call, [s for s in named.get(wanted, ()) if s.id not in taken])
            if one is not None:
                found.matches[call.id] = Match(sound=one.id, by=by)
                taken.add(one.id)
    heads = _heads(ordered, found)
    free = [sound for sound in sounds if sound.id not in taken]
    for is_strict in (True, False):
        waiting = [call for call in heads if call.id not in found.matches]
        pairs = _pairs(waiting, free, tolerance=tolerance, is_strict=is_strict)
        for call_id, sound_id in _mutual(pairs):
            found.matches[call_id] = Match(sound=sound_id, by=BY_NUMBER)
            taken.add(sound_id)
        free = [sound for sound in free if sound.id not in taken]
    waiting = [call for call in heads if call.id not in found.matches]
    for call_id, sound_id in _pairs(waiting, free, tolerance=tolerance, is_strict=False):
        found.ambiguous_calls.add(call_id)
        found.ambiguous_sounds.add(sound_id)
    return found


def _own_id(call: Call) -> str | None:
    return call.call_id


def _linked_id(call: Call) -> str | None:
    return call.linked_id


def _only(call: Call, sounds: Sequence[Sound]) -> Sound | None:
    """Return the one recording with the call's id: its own source's, else a near one."""
    own = [sound for sound in sounds if sound.device == call.source]
    near = own or [s for s in sounds if abs(s.started_at - call.started_at) <= OTHERS_ID_NEAR]
    return near[0] if len(near) == 1 else None


def _heads(ordered: Sequence[Call], found: Matching) -> list[Call]:
    """Say which rows are part of another, and return the answered firsts that have no recording."""
    groups: dict[str, list[Call]] = defaultdict(list)
    for call in ordered:
        groups[call.group].append(call)
    heads = []
    for rows in groups.values():
        matched = [row for row in rows if row.id in found.matches]
        head = matched[0] if matched else rows[0]
        found.part_of |= {
            row.id: head.id for row in rows if row is not head and row.id not in found.matches
        }
        if not matched and head.is_answered:
            heads.append(head)
    return heads


def _pairs(
    calls: Iterable[Call], sounds: Iterable[Sound], *, tolerance: timedelta, is_strict: bool
) -> list[tuple[UUID, UUID]]:
    by_number: dict[str | frozenset[str], list[Sound]] = defaultdict(list)
    for sound in sounds:
        by_number[sound.number or sound.ends].append(sound)
    return [
        (call.id, sound.id)
        for call in calls
        for sound in by_number.get(call.number or call.ends, ())
        if (call.number or call.ends)
        and fits(call, sound, tolerance=tolerance)
        and (not is_strict or _lasts_alike(call, sound, tolerance))
    ]


def fits(call: Call, sound: Sound, *, tolerance: timedelta) -> bool:
    """Say whether a recording could be of a call: number, line and the beginning, within drift.

    A recording may begin with the ringing or with the talk.
    """
    if call.number != sound.number or (call.number is None and call.ends != sound.ends):
        return False
    if not _same_line(call.line, sound.line):
        return False
    answered_at = call.started_at + timedelta(milliseconds=max(0, call.duration_ms - call.talk_ms))
    return call.started_at - tolerance <= sound.started_at <= answered_at + tolerance


def _lasts_alike(call: Call, sound: Sound, tolerance: timedelta) -> bool:
    if sound.duration_ms is None:
        return True
    apart = tolerance / timedelta(milliseconds=1)
    longest = max(call.duration_ms, call.talk_ms)
    return call.talk_ms - apart <= sound.duration_ms <= longest + apart


def _same_line(one: str | None, other: str | None) -> bool:
    """Say whether two lines could be the same: a name and a number say nothing of each other."""
    if not one or not other:
        return True
    digits = [re.sub(r"\D", "", line) for line in (one, other)]
    are_numbers = [len(found) >= _LINE_DIGITS for found in digits]
    if all(are_numbers):
        return digits[0][-_COMPARED_DIGITS:] == digits[1][-_COMPARED_DIGITS:]
    return any(are_numbers) or one.strip().casefold() == other.strip().casefold()


def _mutual(pairs: Sequence[tuple[UUID, UUID]]) -> list[tuple[UUID, UUID]]:
    """Return the pairs of which neither side fits anything else."""
    calls: dict[UUID, int] = defaultdict(int)
    sounds: dict[UUID, int] = defaultdict(int)
    for call, sound in pairs:
        calls[call] += 1
        sounds[sound] += 1
    return [(call, sound) for call, sound in pairs if calls[call] == 1 and sounds[sound] == 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """Calls that are not recorded for a while; what is None narrows nothing."""

    is_outage: bool
    source: UUID | None
    line: str | None
    direction: str | None
    since: datetime
    until: datetime | None

    def covers(self, call: Call) -> bool:
        """Say whether it is about `call`."""
        return (
            self.source in {None, call.source}
            and self.direction in {None, call.direction}
            and (self.line is None or (bool(call.line) and _same_line(self.line, call.line)))
            and self.since <= call.started_at
            and (self.until is None or call.started_at < self.until)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is known around the calls of a day."""

    shortest_ms: int = 0
    declared: Mapping[UUID, GapReason] = field(default_factory=dict)
    exclusions: Sequence[Exclusion] = ()
    refused: AbstractSet[UUID] = frozenset()
    erased: AbstractSet[UUID] = frozenset()


def why(call: Call, found: Matching, around: Circumstances) -> GapReason | None:
    """Return why an answered call has no recording to be heard, None where nothing is missing.

    What was there and was erased comes first, then what somebody said of this call, then rules,
    then what went wrong; what is left is unexplained.
    """
    if call.id in around.erased:
        return GapReason.ERASED
    if call.id in found.matches or call.id in found.part_of or not call.is_answered:
        return None
    if call.id in around.declared:
        return around.declared[call.id]
    covering = [one for one in around.exclusions if one.covers(call)]
    tests: tuple[tuple[GapReason, Callable[[], bool]], ...] = (
        (GapReason.TOO_SHORT, lambda: call.talk_ms < around.shortest_ms),
        (GapReason.EXCLUDED, lambda: any(not one.is_outage for one in covering)),
        (GapReason.REFUSED, lambda: call.id in around.refused),
        (GapReason.DEVICE_DOWN, lambda: any(one.is_outage for one in covering)),
        (GapReason.AMBIGUOUS, lambda: call.id in found.ambiguous_calls),
    )
    return next((reason for reason, holds in tests if holds()), GapReason.UNEXPLAINED)
