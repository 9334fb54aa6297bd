"""The one decision: may this part of this recording go to this recipient for this purpose now.

Pure. Every gate is passed and every reason collected; the outcome is the worst of them. Source:
the decision function of the consent model, 6.1 to 6.4.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from app.consent import gates, horizon, remedies
from app.consent.casefile import (
    Approval,
    Asserted,
    CaseFile,
    Clause,
    Heard,
    ProcessorContract,
    Question,
    Recipient,
    Screened,
    inputs_jcs,
    policy_jcs,
)
from app.consent.gates import Findings, Reason
from app.consent.packs import DEFAULT
from app.consent.purposes import (
    Kind,
    Outcome,
    Purpose,
    RecipientClass,
    ScreeningResult,
    Side,
    Status,
)
from app.consent.spans import FOREVER_MS, Segment, between, cut
from app.core.errors import Forbidden

__all__ = [
    "Approval",
    "Asserted",
    "CaseFile",
    "Clause",
    "ConsentRefused",
    "Decision",
    "Heard",
    "Outcome",
    "Permit",
    "ProcessorContract",
    "Purpose",
    "Question",
    "Reason",
    "Recipient",
    "RecipientClass",
    "Screened",
    "Segment",
    "decide",
    "fail_closed",
    "grant",
]

CLOCK_TOLERANCE = timedelta(minutes=5)
SHORTEST_CLIP_MS = 1000


class ConsentRefused(Forbidden):
    """The consent rules do not allow this.

    `reasons` are stable codes, explained at `/v1/reasons`; `remedies` say what would make it
    possible; `outcome` tells whether approval or review is still missing or the answer is no.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An answer with its reasons, and the digest of the inputs that it was made from.

    `stamp` is that of the state in the database; empty for a decision that was made without one.
    `inputs` and `policy` are the canonical JSON that the two digests are of. At `turns_at` time
    alone may make the answer another; `valid_until` is what is known of an end of the grounds.
    """

    recording_id: UUID
    question: Question
    outcome: Outcome
    reasons: tuple[Reason, ...]
    remedies: tuple[str, ...]
    obligations: tuple[str, ...]
    allowed_segments: tuple[Segment, ...]
    inputs_digest: str
    policy_sha256: str
    valid_until: datetime | None
    grounds: tuple[str, ...]
    turns_at: datetime | None = None
    stamp: str = ""
    inputs: bytes = field(default=b"", repr=False)
    policy: bytes = field(default=b"", repr=False)

    @property
    def allowed(self) -> bool:
        return self.outcome == Outcome.ALLOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Proof that a decision allowed it: made by `grant` alone, and never stored.

    `stamp` is that of the state which it was decided under: no byte goes once it is another, nor
    from `turns_at` on, when time alone may have made the answer another.
    """

    recording_id: UUID
    purpose: Purpose
    recipient: Recipient
    segment: Segment
    inputs_digest: str
    valid_until: datetime | None
    turns_at: datetime | None
    stamp: str


def grant(decision: Decision) -> Permit:
    """Return the permit that `decision` amounts to.

    Raises:
        ConsentRefused: it allows nothing; `reasons`, `remedies` and `outcome` say why.
    """
    if not decision.allowed:
        codes = [reason.text for reason in decision.reasons]
        raise ConsentRefused(
            f"{decision.outcome}: {', '.join(codes)}.",
            reasons=codes,
            remedies=list(decision.remedies),
            outcome=str(decision.outcome),
        )
    return Permit(
        recording_id=decision.recording_id,
        purpose=decision.question.purpose,
        recipient=decision.question.recipient,
        segment=decision.question.segment,
        inputs_digest=decision.inputs_digest,
        valid_until=decision.valid_until,
        turns_at=decision.turns_at,
        stamp=decision.stamp,
    )


def fail_closed(recording_id: UUID, question: Question) -> Decision:
    """Return the denial that stands wherever something is missing, unknown or broken."""
    return Decision(
        recording_id=recording_id,
        question=question,
        outcome=Outcome.DENY,
        reasons=(Reason("E_INTERNAL"),),
        remedies=("CALL_ADMINISTRATOR",),
        obligations=(),
        allowed_segments=(),
        inputs_digest="",
        policy_sha256="",
        valid_until=None,
        grounds=(),
    )


_WORDS = {
    words: frozenset(words)
    for words in (Purpose, RecipientClass, Side, ScreeningResult, Kind, Status)
}


def _is_sound(case: CaseFile, question: Question, at: datetime) -> bool:
    """Say whether the inputs can be judged: known words, packs at hand, a clock that agrees."""
    known = (
        question.purpose in _WORDS[Purpose]
        and question.recipient.recipient_class in _WORDS[RecipientClass]
        and all(party.side in _WORDS[Side] for party in case.parties)
        and all(s.result in _WORDS[ScreeningResult] for s in case.screenings)
        and all(a.kind in _WORDS[Kind] and a.status in _WORDS[Status] for a in case.assertions)
        and case.object_kind in {"recording", "screenshot"}
    )
    told = [case.started_at, *(a.proposed_at for a in case.assertions)]
    told += [s.at for s in case.screenings]
    told += [a.at for a in question.approvals]
    packs_there = DEFAULT in case.packs and case.establishment in case.packs
    return known and packs_there and max(told) <= at + CLOCK_TOLERANCE


def _asked(case: CaseFile, segment: Segment) -> Segment:
    """Return `segment` with the end of the recording in place of "until the end"."""
    end_ms = FOREVER_MS if case.duration_ms is None else case.duration_ms
    return between(segment.from_ms, min(segment.end_ms, end_ms)) or segment


def _possible(case: CaseFile, question: Question, asked: Segment, at: datetime) -> bool:
    outcome = gates.passed(case, replace(question, segment=asked), asked, at=at).outcome
    return outcome in {Outcome.ALLOW, Outcome.NEEDS_APPROVAL}


def _allowed_parts(
    case: CaseFile, question: Question, asked: Segment, at: datetime
) -> tuple[Segment, ...]:
    """Return the parts of `asked` that could go if they were asked for alone.

    It is cut wherever somebody comes or goes or a piece of evidence begins or ends; what could
    go is joined again as far as it could go together.
    """
    spans = [party.present for party in case.parties]
    spans += [a.segment for a in case.assertions] + [s.segment for s in case.screenings]
    edges = {ms for span in spans for ms in (span.from_ms, span.end_ms)}
    joined: list[Segment] = []
    for part in cut(asked, edges):
        if not _possible(case, question, part, at):
            continue
        if joined and joined[-1].end_ms == part.from_ms:
            both = Segment(joined[-1].from_ms, part.to_ms)
            if _possible(case, question, both, at):
                joined[-1] = both
                continue
        joined.append(part)
    return tuple(s for s in joined if s.end_ms - s.from_ms >= SHORTEST_CLIP_MS)


def _parts(
    case: CaseFile, question: Question, asked: Segment, found: Findings, at: datetime
) -> tuple[Segment, ...]:
    if found.outcome in {Outcome.ALLOW, Outcome.NEEDS_APPROVAL}:
        return (asked,)
    if found.is_hopeless:
        return ()
    return _allowed_parts(case, question, asked, at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a decision would be. Nothing can rest on it: it has no digest, and no permit is made."""

    recording_id: UUID
    question: Question
    outcome: Outcome
    reasons: tuple[Reason, ...]
    allowed_segments: tuple[Segment, ...]


def try_out(case: CaseFile, question: Question, *, at: datetime) -> Tried:
    """Return what `decide` would say to a question without approvals, for half of what it costs.

    Approvals are bound to the digest of the inputs, which is not made here; any are left out.
    """
    question = replace(question, approvals=())
    if not _is_sound(case, question, at):
        no = fail_closed(case.recording_id, question)
        outcome, reasons, parts = no.outcome, no.reasons, no.allowed_segments
    else:
        asked = _asked(case, question.segment)
        found = gates.passed(case, question, asked, at=at)
        parts = _parts(case, question, asked, found, at)
        found = gates.approvals(case, question, found, "")
        outcome, reasons = found.outcome, found.reasons
    return Tried(
        recording_id=case.recording_id,
        question=question,
        outcome=outcome,
        reasons=reasons,
        allowed_segments=parts,
    )


def decide(case: CaseFile, question: Question, *, at: datetime) -> Decision:
    """Return what the rules say to `question` about `case` at the moment `at`.

    Adding a jurisdiction or a party or taking a ground away never makes the outcome more
    permissive; asking for less of the recording never makes it less so. Approvals count only if
    bound to the digest of exactly these inputs.
    """
    if not _is_sound(case, question, at):
        return fail_closed(case.recording_id, question)
    asked = _asked(case, question.segment)
    inputs, policy = inputs_jcs(case, question), policy_jcs(case)
    digest = hashlib.sha256(inputs).hexdigest()
    found = gates.passed(case, question, asked, at=at)
    parts = _parts(case, question, asked, found, at)
    found = gates.approvals(case, question, found, digest)
    return Decision(
        recording_id=case.recording_id,
        question=question,
        outcome=found.outcome,
        reasons=found.reasons,
        remedies=remedies.for_reasons(found, question, asked, parts),
        obligations=gates.obligations(case, question, found),
        allowed_segments=parts,
        inputs_digest=digest,
        policy_sha256=hashlib.sha256(policy).hexdigest(),
        valid_until=found.valid_until,
        grounds=tuple(sorted(found.grounds)),
        turns_at=horizon.next_turn(case, at=at),
        inputs=inputs,
        policy=policy,
    )
