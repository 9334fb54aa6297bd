"""How each party stands to a recording: told, agreed, refused, or nobody knows. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from app.consent.casefile import Asserted, CaseFile, Heard
from app.consent.packs import Demands
from app.consent.purposes import (
    CONSENTS,
    NOTICES,
    ClauseScope,
    Kind,
    Purpose,
    Side,
    State,
    Status,
    Strength,
)
from app.consent.spans import Segment

_SUPPORTS = NOTICES | CONSENTS | {Kind.CONTRACT_CLAUSE, Kind.EMPLOYEE_ACK}
_EXPIRED = (State.EXPIRED, State.EXPIRED_AT_CALL, State.RETROACTIVE_ONLY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A party's state for one purpose, and the verified evidence that is valid for him."""

    party: Heard
    state: State
    supports: tuple[Asserted, ...]
    bases: tuple[Asserted, ...]

    @property
    def is_blocked(self) -> bool:
        return self.state.rank >= State.WITHDRAWAL_PROPOSED.rank


def _within(moment: datetime, since: datetime | None, until: datetime | None) -> bool:
    return (since is None or since <= moment) and (until is None or moment < until)


def _clause_state(a: Asserted, called_at: datetime) -> State | None:
    clause = a.clause
    if clause is None or ClauseScope.NOTICE not in clause.scope:
        return None
    if clause.signed_on > called_at.date():
        reaches_back = clause.retroactive_from is not None and clause.retroactive_from <= called_at
        return State.RETROACTIVE_ONLY if reaches_back else None
    if called_at < clause.valid_from:
        return None
    if clause.ends_at is not None and called_at >= clause.ends_at:
        return State.EXPIRED_AT_CALL
    return State.NOTIFIED


def _was_there(a: Asserted, party: Heard) -> bool:
    """Say whether `party` was on the line while he is said to have been told.

    What is covered begins where the telling ended. A recording that begins after the telling
    is covered from its first sample, for who was there at its first sample.
    """
    return party.present.from_ms < a.segment.from_ms or party.present.from_ms == 0


def support_state(a: Asserted, party: Heard, *, called_at: datetime, at: datetime) -> State | None:
    """Return what a verified assertion makes of `party`, or null where it says nothing of him.

    A notice and an acknowledgement must have been valid at the call; a consent must be valid
    now, and one that was given later permits from its date.
    """
    if a.kind == Kind.CONTRACT_CLAUSE:
        return _clause_state(a, called_at)
    if a.kind in NOTICES:
        return State.NOTIFIED if _was_there(a, party) else None
    if a.kind == Kind.EMPLOYEE_ACK:
        if party.side != Side.OWN or a.valid_from is None or called_at < a.valid_from:
            return None
        return State.NOTIFIED if _within(called_at, None, a.valid_to) else State.EXPIRED_AT_CALL
    if a.valid_from is not None and at < a.valid_from:
        return None
    return State.CONSENTED if _within(at, None, a.valid_to) else State.EXPIRED


def is_lifted(block: Asserted, about: Iterable[Asserted], purpose: Purpose, at: datetime) -> bool:
    """Say whether a later express or written consent that names the purpose undoes `block`.

    A notice never does, nor does anything while the refusal or withdrawal is only proposed.
    """
    return block.status == Status.VERIFIED and any(
        a.kind in CONSENTS
        and a.status == Status.VERIFIED
        and purpose in a.purposes
        and a.proposed_at > block.proposed_at
        and a.since >= block.since
        and _within(at, a.valid_from, a.valid_to)
        for a in about
    )


def _block_state(a: Asserted) -> State:
    confirmed = a.status == Status.VERIFIED
    if a.kind == Kind.REFUSAL:
        return State.REFUSED if confirmed else State.REFUSAL_PROPOSED
    return State.WITHDRAWN if confirmed else State.WITHDRAWAL_PROPOSED


def bases_of(about: Iterable[Asserted], at: datetime) -> tuple[Asserted, ...]:
    """Return the verified other grounds that are valid now."""
    return tuple(
        a
        for a in about
        if a.kind == Kind.OTHER_GROUND
        and a.status == Status.VERIFIED
        and _within(at, a.valid_from, a.valid_to)
    )


def _unsupported(about: list[Asserted], found: list[State]) -> State:
    if any(a.status == Status.INVALIDATED and a.kind in _SUPPORTS for a in about):
        return State.INVALIDATED
    hopeful = _SUPPORTS | {Kind.OTHER_GROUND}
    if any(a.status == Status.PROPOSED and a.kind in hopeful for a in about):
        return State.PENDING
    return next((state for state in _EXPIRED if state in found), State.UNKNOWN)


def standing(case: CaseFile, party: Heard, purpose: Purpose | None, *, at: datetime) -> Standing:
    """Return how `party` stands for `purpose`; with none, for the worst of all purposes.

    A refusal or withdrawal, proposed or confirmed, comes before everything else.
    """
    about = [a for a in case.assertions if a.is_about(party)]
    replaced = {a.supersedes for a in about if a.status == Status.VERIFIED}
    verified = [
        a
        for a in about
        if a.status == Status.VERIFIED and a.kind in _SUPPORTS and a.id not in replaced
    ]
    states = {a.id: support_state(a, party, called_at=case.started_at, at=at) for a in verified}
    supports = tuple(a for a in verified if states[a.id] in {State.NOTIFIED, State.CONSENTED})
    bases = bases_of(about, at)
    no = [a for a in about if a.says_no and (purpose is None or a.is_for(purpose))]
    if purpose is not None:
        no = [a for a in no if not is_lifted(a, about, purpose, at)]
    if no:
        state = max(map(_block_state, no), key=lambda s: s.rank)
    elif supports:
        agreed = any(states[a.id] == State.CONSENTED for a in supports)
        state = State.CONSENTED if agreed else State.NOTIFIED
    elif bases:
        state = State.BASIS
    else:
        state = _unsupported(about, [s for s in states.values() if s is not None])
    return Standing(party=party, state=state, supports=supports, bases=bases)


def counted(a: Asserted, party: Heard, demands: Demands) -> Strength:
    """Return how much `a` carries for `party` where `demands` hold."""
    if a.kind == Kind.BEEP:
        return demands.beep_counts_as
    if a.strength == Strength.NOTICE and party.side != Side.OWN:
        return demands.stay_counts_as
    return a.strength


def spans_of(assertions: Iterable[Asserted]) -> list[Segment]:
    """Return what `assertions` cover."""
    return [a.segment for a in assertions]


def flag_of(case: CaseFile, *, at: datetime) -> str:
    """Return the worst state of the outside parties, as the word that is shown."""
    outside = [party for party in case.parties if party.side != Side.OWN]
    if not outside:
        return State.UNKNOWN.flag
    worst = max((standing(case, p, None, at=at).state for p in outside), key=lambda s: s.rank)
    return worst.flag
