"""What keeps something, what ends its time, and which of the two is stronger. Pure."""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

ANNOUNCED_AHEAD = timedelta(days=14)
ACTS_KEPT_YEARS = 3
HOLD_REVIEW_MONTHS = 6
_MONTHS_IN_YEAR = 12


class Kind(StrEnum):
    """Of what holds, rules, restrictions and erasures speak."""

    RECORDING = "recording"
    SCREENSHOT = "screenshot"
    DOCUMENT = "document"
    UPLOAD = "upload"  # Words, or a refused file, that a client sent by the link of a request.
    ANSWER = "answer"  # What a recipient wrote on the page of his link.


class Trigger(StrEnum):
    """What a period begins with.

    A screenshot has the clock of its event and of its disputes, a paper that of its call and of the
    disputes that asked for it; what is of no call begins when it came in.
    """

    CALL_END = "call_end"
    CONTRACT_END = "contract_end"
    DISPUTE_CLOSED = "dispute_closed"
    LAST_SHARE = "last_share"
    REVIEWED = "reviewed"  # Inspected, then looked at by a person who found no ground.


class Action(StrEnum):
    """What is done when the longest time is over."""

    ERASE = "erase"
    REVIEW = "review"


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A length of time in the calendar."""

    years: int = 0
    months: int = 0
    days: int = 0

    def as_dict(self) -> dict[str, int]:
        return {"years": self.years, "months": self.months, "days": self.days}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How long the recordings of these flags (all, if none is named) are kept, or other kinds.

    Nothing but a recording has a flag, so that a rule of flags speaks of recordings alone.
    `min_is_law`: the shortest time is fixed by a law, so no request is stronger.
    """

    id: UUID | None
    name: str
    trigger: Trigger
    minimum: Period | None
    maximum: Period | None
    basis: str
    min_is_law: bool = False
    action: Action = Action.ERASE
    kinds: tuple[str, ...] = (Kind.RECORDING,)
    flags: tuple[str, ...] = ()
    client_id: UUID | None = None

    def fits(self, *, kind: str, flag: str | None, client_id: UUID | None) -> bool:
        """Say whether the rule speaks of what is of this kind, flag and client."""
        is_client = self.client_id is None or self.client_id == client_id
        return kind in self.kinds and is_client and (not self.flags or flag in self.flags)


DEFAULTS = (
    Rule(
        id=None,
        name="dispute-relevant",
        trigger=Trigger.CONTRACT_END,
        minimum=Period(years=3),
        maximum=Period(years=3),
        basis="ГК РФ, ст. 196: общий срок исковой давности, три года",
        action=Action.REVIEW,
        flags=("consented", "basis", "notified", "expired"),
    ),
    Rule(
        id=None,
        name="no-ground",
        trigger=Trigger.REVIEWED,
        minimum=Period(days=30),
        maximum=Period(days=30),
        basis="152-ФЗ, ст. 21: обработка без основания прекращается",
        flags=("unknown", "refused"),
    ),
    Rule(
        id=None,
        name="screenshots",
        trigger=Trigger.CONTRACT_END,
        minimum=Period(years=3),
        maximum=Period(years=3),
        basis="ГК РФ, ст. 196: общий срок исковой давности, три года",
        action=Action.REVIEW,
        kinds=(Kind.SCREENSHOT,),
    ),
    Rule(
        id=None,
        name="papers",
        trigger=Trigger.CONTRACT_END,
        minimum=Period(years=3),
        maximum=Period(years=3),
        basis="ГК РФ, ст. 196: общий срок исковой давности, три года",
        action=Action.REVIEW,
        kinds=(Kind.DOCUMENT, Kind.UPLOAD, Kind.ANSWER),
    ),
)
"""Offered, not in force: each takes effect when two people of the house agree to it."""


def end_of(moment: datetime, period: Period, zone: ZoneInfo) -> datetime:
    """Return the first moment after the last day of `period`, which began at `moment`.

    The days are those of the calendar at `zone`. Where a month has no such day, its last one
    counts: a year after 29 February is 28 February.
    """
    day = _later(moment.astimezone(zone).date(), period)
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)


def _later(day: date, period: Period) -> date:
    months = day.month - 1 + period.months + _MONTHS_IN_YEAR * period.years
    year, month = day.year + months // _MONTHS_IN_YEAR, months % _MONTHS_IN_YEAR + 1
    last = calendar.monthrange(year, month)[1]
    return date(year, month, min(day.day, last)) + timedelta(days=period.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Until when rules keep a recording, and from when on it must go.

    `is_open`: something that a minimum begins with has not happened, as of a running contract.
    """

    law_until: datetime | None = None
    policy_until: datetime | None = None
    latest: datetime | None = None
    is_open: bool = False
    is_law_open: bool = False
    action: Action = Action.ERASE
    deciding: tuple[UUID, ...] = ()

    @property
    def earliest(self) -> datetime | None:
        """Return the greatest of all minima."""
        known = [one for one in (self.law_until, self.policy_until) if one is not None]
        return max(known, default=None)

    @property
    def contradict(self) -> bool:
        """Say whether it must be kept longer than it may be."""
        if self.latest is None:
            return False
        earliest = self.earliest
        return self.is_open or self.is_law_open or (earliest is not None and earliest > self.latest)


def bounds(
    rules: Sequence[Rule], moments: Mapping[Trigger, datetime | None], zone: ZoneInfo
) -> Bounds:
    """Return what the rules that fit come to: the greatest minimum, the least maximum."""
    law: list[datetime] = []
    policy: list[datetime] = []
    ends: list[tuple[datetime, Rule]] = []
    open_law = open_policy = False
    for rule in rules:
        began = moments.get(rule.trigger)
        if rule.minimum is not None:
            if began is not None:
                (law if rule.min_is_law else policy).append(end_of(began, rule.minimum, zone))
            elif rule.trigger is not Trigger.REVIEWED:
                open_law |= rule.min_is_law
                open_policy |= not rule.min_is_law
        if rule.maximum is not None and began is not None:
            ends.append((end_of(began, rule.maximum, zone), rule))
    latest = min((end for end, _ in ends), default=None)
    deciding = [rule for end, rule in ends if end == latest]
    is_review = any(rule.action is Action.REVIEW for rule in deciding)
    return Bounds(
        law_until=max(law, default=None),
        policy_until=max(policy, default=None),
        latest=latest,
        is_open=open_policy,
        is_law_open=open_law,
        action=Action.REVIEW if is_review else Action.ERASE,
        deciding=tuple(sorted(rule.id for rule in deciding if rule.id is not None)),
    )


class Outcome(StrEnum):
    """What is to be done with a recording."""

    KEEP = "keep"
    ERASE = "erase"
    REVIEW = "review"
    CONFLICT = "conflict"  # Queue Q11: it stays, restricted, until a person decides.


class Because(StrEnum):
    """What decided, from the strongest to the weakest."""

    ORDER = "order"
    HOLD = "hold"
    LAW = "law"
    REQUEST = "request"
    CONFLICT = "conflict"
    MAXIMUM = "maximum"
    POLICY = "policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Everything that speaks for keeping a recording, and for erasing it."""

    ordered: bool = False
    held: bool = False
    asked: bool = False
    bounds: Bounds = Bounds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is to be done, what decided, and until when it stays so (None: nobody knows).

    `held_past_retention`: it would have been erased but for a hold. `approvals` is how many people
    must agree to an erasure that was asked for. `contradict` puts it before people in any case.
    """

    outcome: Outcome
    because: Because
    until: datetime | None = None
    held_past_retention: bool = False
    approvals: int = 1
    contradict: bool = False


def verdict(standing: Standing, *, at: datetime) -> Verdict:
    """Decide: order or hold, then a law's minimum, then a request, then the maximum, then policy.

    Source: docs/custody.md, precedence.
    """
    free = _without_holds(standing, at=at)
    if not (standing.ordered or standing.held):
        return free
    return Verdict(
        outcome=Outcome.KEEP,
        because=Because.ORDER if standing.ordered else Because.HOLD,
        held_past_retention=free.outcome is Outcome.ERASE,
        contradict=free.contradict,
    )


def _without_holds(standing: Standing, *, at: datetime) -> Verdict:
    found = standing.bounds
    law, policy = found.law_until, found.policy_until
    is_early = found.is_open or (policy is not None and at < policy)
    contradict = found.contradict
    if found.is_law_open or (law is not None and at < law):
        until = None if found.is_law_open else law
        return Verdict(
            outcome=Outcome.KEEP, because=Because.LAW, until=until, contradict=contradict
        )
    if standing.asked:
        return Verdict(
            outcome=Outcome.ERASE, because=Because.REQUEST, approvals=2 if is_early else 1
        )
    if contradict:
        return Verdict(outcome=Outcome.CONFLICT, because=Because.CONFLICT, contradict=True)
    if found.latest is not None and at >= found.latest:
        is_erased = found.action is Action.ERASE
        return Verdict(
            outcome=Outcome.ERASE if is_erased else Outcome.REVIEW, because=Because.MAXIMUM
        )
    return Verdict(outcome=Outcome.KEEP, because=Because.POLICY, until=found.latest)
