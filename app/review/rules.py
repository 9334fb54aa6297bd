"""When something is due, what must be opened, what is drawn into a sample. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from typing import Any
from uuid import UUID

import rfc8785

MOST_IN_A_BATCH = 500
LEAST_OPENED = 20
OPENED_PERCENT = 10
CLAIM_LIFETIME = timedelta(minutes=30)
MOBILE_AFTER = timedelta(days=14)
LEGAL_TIMER = timedelta(days=30)
FLIPS_LISTED_FOR = timedelta(days=30)
LEAD_IN_MS = 500
_MOST_MS = 1 << 40
DRAWN_BYTES = 7
"""So few that a hundred times the number still fits into eight bytes of the database."""


class Queue(StrEnum):
    """What a person is waited for."""

    UNKNOWN = "unknown"
    PROPOSED = "proposed"
    BLOCKS = "blocks"
    RELEASES = "releases"
    POLICY = "policy"
    SAMPLE = "sample"
    MOBILE = "mobile"
    DIFFERS = "differs"
    ASKED = "asked"

    @property
    def code(self) -> str:
        """Return the queue's number: the consent model's; Q13 and Q14 are not named there."""
        return _CODES[self]

    @property
    def allowance(self) -> timedelta:
        """Return how long an item may wait; blocks have clocks of their own beside it."""
        return _ALLOWANCES[self]


_CODES = {
    Queue.UNKNOWN: "Q1",
    Queue.PROPOSED: "Q2",
    Queue.BLOCKS: "Q3",
    Queue.RELEASES: "Q4",
    Queue.POLICY: "Q5",
    Queue.SAMPLE: "Q7",
    Queue.MOBILE: "Q10",
    Queue.DIFFERS: "Q13",
    Queue.ASKED: "Q14",
}
_ALLOWANCES = {
    Queue.UNKNOWN: timedelta(days=10),
    Queue.PROPOSED: timedelta(days=3),
    Queue.BLOCKS: LEGAL_TIMER,
    Queue.RELEASES: timedelta(days=1),
    Queue.POLICY: timedelta(days=1),
    Queue.SAMPLE: timedelta(days=14),
    Queue.MOBILE: timedelta(days=30),
    Queue.DIFFERS: timedelta(days=3),
    Queue.ASKED: timedelta(days=3),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A part of the sound, in milliseconds; without an end it is a moment."""

    from_ms: int
    to_ms: int | None

    @property
    def starts_at_ms(self) -> int:
        """Return where listening begins: a little before, so that the onset is heard."""
        return max(0, self.from_ms - LEAD_IN_MS)


def _number(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value < _MOST_MS else None


def _under(evidence: Mapping[str, Any], *path: str) -> int | None:
    value: object = evidence
    for step in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return _number(value)


def span_of(evidence: Mapping[str, Any], *, from_ms: int) -> Span:
    """Return the part of the sound that shows what `evidence` says; else where it begins.

    Evidence is written by people and other systems: whatever is not a number is passed over.
    """
    played = evidence.get("played_ms")
    if isinstance(played, Sequence) and not isinstance(played, str) and len(played) > 1:
        start, end = _number(played[0]), _number(played[1])
        if start is not None and end is not None and start < end:
            return Span(from_ms=start, to_ms=end)
    for begin, finish in (
        (("from_ms",), ("to_ms",)),
        (("question", "from_ms"), ("answer", "to_ms")),
    ):
        start, end = _under(evidence, *begin), _under(evidence, *finish)
        if start is not None:
            return Span(from_ms=start, to_ms=end if end is not None and end > start else None)
    for path in (("offset_ms",), ("first_offset_ms",)):
        if (start := _under(evidence, *path)) is not None:
            return Span(from_ms=start, to_ms=None)
    return Span(from_ms=from_ms, to_ms=None)


def block_due(*, since: datetime, withdrawal_days: int | None, is_withdrawal: bool) -> datetime:
    """Return by when a refusal or withdrawal must be dealt with.

    A withdrawal has the clock of the pack, zero days meaning at once; never more than 30 days.
    """
    if not is_withdrawal or withdrawal_days is None:
        return since + LEGAL_TIMER
    return since + min(LEGAL_TIMER, timedelta(days=withdrawal_days))


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """One piece of evidence in a frozen list."""

    assertion_id: UUID
    evidence_sha256: bytes


def list_digest(kind: str, query: str, items: Iterable[Frozen]) -> bytes:
    """Return the digest of a frozen list: what was asked, of which kind, and each item's evidence.

    Source: RFC 8785 for the canonical JSON.
    """
    listed = sorted([str(i.assertion_id), i.evidence_sha256.hex()] for i in items)
    body: dict[str, Any] = {"kind": kind, "query": query, "items": listed}
    return hashlib.sha256(rfc8785.dumps(body)).digest()


def how_many_to_open(total: int) -> int:
    """Return how many of a batch its decider must open: the greater of 20 and a tenth."""
    return min(total, max(LEAST_OPENED, ceil(total * OPENED_PERCENT / 100)))


def _rank(seed: bytes, item_id: UUID) -> bytes:
    return hashlib.sha256(seed + item_id.bytes).digest()


def picked(item_ids: Iterable[UUID], seed: bytes) -> frozenset[UUID]:
    """Return those of a batch that must be opened, drawn by `seed`."""
    ordered = sorted(item_ids, key=lambda item_id: _rank(seed, item_id))
    return frozenset(ordered[: how_many_to_open(len(ordered))])


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a period's sample is drawn.

    `percent` of all, and everything whose score is at least `low` and below `high`.
    """

    seed: bytes
    percent: int
    low: float | None
    high: float | None

    def is_in_band(self, score: float | None) -> bool:
        """Say whether a score lies where the detector is least sure."""
        if score is None or self.low is None or self.high is None:
            return False
        return self.low <= score < self.high

    def is_by_lot(self, assertion_id: UUID) -> bool:
        """Say whether the seed draws this one; anybody with the seed can do it again."""
        drawn = int.from_bytes(_rank(self.seed, assertion_id)[:DRAWN_BYTES], "big")
        return drawn * 100 < self.percent << (8 * DRAWN_BYTES)

    def draws(self, assertion_id: UUID, score: float | None) -> bool:
        return self.is_in_band(score) or self.is_by_lot(assertion_id)


def score_of(evidence: Mapping[str, Any]) -> float | None:
    """Return the score that the detector gave, if it gave one."""
    match = evidence.get("match")
    score = match.get("score") if isinstance(match, Mapping) else None
    if isinstance(score, bool) or not isinstance(score, int | float):
        return None
    return float(score)


def is_failing(*, checked: int, wrong: int, error_percent: int, least_checked: int) -> bool:
    """Say whether a sample has failed: more wrong than allowed of all that were checked.

    Until `least_checked` are checked the rest counts as right, so that one early mistake in a
    sample of hundreds does not switch anything off, and enough of them do at once.
    """
    return wrong * 100 > error_percent * max(checked, least_checked)
