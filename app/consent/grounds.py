"""Why something may leave the company, found for each outside party by himself. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.consent.casefile import Asserted, CaseFile, Question
from app.consent.packs import Demands
from app.consent.purposes import (
    CONSENTS,
    NOTICES,
    ClauseScope,
    Ground,
    GroundCode,
    Kind,
    RecipientClass,
    Status,
    Strength,
)
from app.consent.spans import Segment, covered
from app.consent.states import Standing, spans_of

ASSESSMENT_HOLDS = timedelta(days=365)

_CLIENT = frozenset({Ground.NOTICE_DISCLOSURE, Ground.CONTRACT_DISCLOSURE})
_REACH: dict[RecipientClass, frozenset[Ground]] = {
    RecipientClass.CLIENT_SAME_ENTITY: _CLIENT
    | {Ground.CONSENT_DISCLOSURE, Ground.CLAIMS_ASSESSED},
    RecipientClass.CLIENT_OTHER_ENTITY: frozenset({Ground.CONSENT_DISCLOSURE}),
    RecipientClass.THIRD_PARTY: frozenset({Ground.CONSENT_DISCLOSURE}),
    RecipientClass.PROCESSOR: frozenset({Ground.PROCESSOR_CONTRACT}),
}
"""Which grounds can carry to whom; a pack narrows them further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A ground that holds for a party, until when, and whether it needs two approvals."""

    ground: Ground
    ends_at: datetime | None = None
    needs_two: bool = False


def _latest(ends: Iterable[datetime | None]) -> datetime | None:
    known = list(ends)
    return None if None in known else max(end for end in known if end is not None)


def _by_assertions(
    ground: Ground, stand: Standing, question: Question, needed: Segment, demands: Demands
) -> list[Found]:
    """Find a ground in notices or consents that name the purpose and the recipient."""
    kinds = NOTICES if ground == Ground.NOTICE_DISCLOSURE else CONSENTS
    least = demands.disclosure_consent_min if kinds is CONSENTS else Strength.NONE
    names = {question.recipient.recipient_class.value}
    if ground == Ground.CONSENT_DISCLOSURE and question.recipient.contact_id is not None:
        names.add(f"contact:{question.recipient.contact_id}")
    naming = [
        a
        for a in stand.supports
        if a.kind in kinds
        and a.strength.rank >= least.rank
        and question.purpose in a.purposes
        and names & a.recipients
    ]
    if not covered(needed, spans_of(naming)):
        return []
    ends = [a.valid_to for a in naming if a.valid_to is not None]
    # Together they cover the need, so the first of them to end may uncover it.
    return [Found(ground=ground, ends_at=min(ends) if ends else None)]


def _by_clause(
    a: Asserted, case: CaseFile, stand: Standing, question: Question, at: datetime
) -> Found | None:
    clause, party = a.clause, stand.party
    receiver = question.recipient.client_id or case.client_id
    if (
        clause is None
        or a.kind != Kind.CONTRACT_CLAUSE
        or a.status != Status.VERIFIED
        or ClauseScope.DISCLOSE_TO_MANAGEMENT not in clause.scope
        or not clause.client_id == party.client_id == receiver
        or question.purpose not in clause.purposes & a.purposes
        or question.recipient.recipient_class not in clause.recipients & a.recipients
    ):
        return None
    ends = [end for end in (clause.ends_at, clause.survives_until) if end is not None]
    ends_at = max(ends) if clause.ends_at is not None else None
    if ends_at is not None and at >= ends_at:
        return None
    called_at = case.started_at
    if clause.signed_on > called_at.date():
        reached = clause.retroactive_from is not None and clause.retroactive_from <= called_at
        told = any(s.clause is None for s in stand.supports)
        needs_two = True
        holds = reached and told
    else:
        needs_two = False
        holds = clause.valid_from <= called_at and (
            clause.ends_at is None or called_at < clause.ends_at
        )
    return (
        Found(ground=Ground.CONTRACT_DISCLOSURE, ends_at=ends_at, needs_two=needs_two)
        if holds
        else None
    )


def _by_assessment(
    a: Asserted, stand: Standing, question: Question, needed: Segment, at: datetime
) -> Found | None:
    """Find an approved assessment of this matter that lists this part and is not too old."""
    about_it = a.is_about(stand.party) or (a.in_recording and a.party_id is None)
    if (
        a.kind != Kind.OTHER_GROUND
        or a.status != Status.VERIFIED
        or a.code != GroundCode.LEGAL_CLAIMS
        or not a.matter
        or not about_it
        or question.purpose not in a.purposes
        or not covered(needed, [a.segment])
    ):
        return None
    ends_at = a.since + ASSESSMENT_HOLDS
    if a.valid_to is not None:
        ends_at = min(ends_at, a.valid_to)
    if not a.since <= at < ends_at:
        return None
    return Found(ground=Ground.CLAIMS_ASSESSED, ends_at=ends_at, needs_two=True)


def _by_processing(case: CaseFile, question: Question, at: datetime) -> list[Found]:
    return [
        Found(ground=Ground.PROCESSOR_CONTRACT, ends_at=contract.valid_to)
        for contract in case.processors
        if question.recipient.processor == contract.processor
        and question.purpose in contract.purposes
        and contract.valid_from <= at
        and (contract.valid_to is None or at < contract.valid_to)
    ]


def found(
    case: CaseFile,
    question: Question,
    stand: Standing,
    *,
    needed: Segment,
    demands: Demands,
    at: datetime,
) -> list[Found]:
    """Return every ground that holds for this party in the part `needed` of the recording."""
    reach = _REACH.get(question.recipient.recipient_class, frozenset())
    allowed = reach & (demands.disclosure_grounds | {Ground.PROCESSOR_CONTRACT})
    candidates: list[Found | None] = []
    for ground in (Ground.NOTICE_DISCLOSURE, Ground.CONSENT_DISCLOSURE):
        candidates += _by_assertions(ground, stand, question, needed, demands)
    for a in case.assertions:
        if a.is_about(stand.party):
            candidates.append(_by_clause(a, case, stand, question, at))
        candidates.append(_by_assessment(a, stand, question, needed, at))
    candidates += _by_processing(case, question, at)
    return [one for one in candidates if one is not None and one.ground in allowed]


def best(grounds: list[Found]) -> Found:
    """Return the ground to stand on: one that needs fewer people, then the one that lasts."""
    simple = [one for one in grounds if not one.needs_two] or grounds
    ends_at = _latest(one.ends_at for one in simple)
    return next(one for one in simple if one.ends_at == ends_at)


def demand_holds(case: CaseFile, asked: Segment, at: datetime) -> bool:
    """Say whether a verified legal demand is for all of the segment `asked`."""
    return covered(
        asked,
        [
            a.segment
            for a in case.assertions
            if a.kind == Kind.LEGAL_DEMAND
            and a.status == Status.VERIFIED
            and a.in_recording
            and (a.valid_from is None or a.valid_from <= at)
            and (a.valid_to is None or at < a.valid_to)
        ],
    )
