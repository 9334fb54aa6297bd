"""The gates of the decision, in their order. Pure.

Object, never, recipient, special purposes, parties, ground, screening, approvals, obligations.
Source: the consent model, 6.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.consent import grounds
from app.consent.casefile import Asserted, CaseFile, Heard, Question, Screened
from app.consent.packs import DEFAULT, Demands, Training, strictest
from app.consent.purposes import (
    Ground,
    Outcome,
    Purpose,
    RecipientClass,
    ScreeningResult,
    Side,
    State,
    Strength,
)
from app.consent.spans import Segment, covered, cut
from app.consent.states import Standing, counted, spans_of, standing

_R = RecipientClass
_P = Purpose
_INSIDE = frozenset({_R.OWN_STAFF_MANAGER, _R.OWN_COMPLIANCE})
OWN = _INSIDE | {_R.OWN_COUNSEL}
_FORBIDDEN = frozenset({_P.PUBLISH, _P.AI_TRAINING})
_ONLY_LOOKING = frozenset({_P.CONSENT_REVIEW, _P.INTEGRITY_FORENSICS})
_SPECIAL = _ONLY_LOOKING | {_P.LEGAL_DEMAND, _P.SUBJECT_ACCESS}
_DESPITE_RESTRICTION = frozenset(
    {_P.LEGAL_DEMAND, _P.CLAIM_DEFENCE, _P.SUBJECT_ACCESS, _P.CONSENT_REVIEW}
)
_DESPITE_INTEGRITY = frozenset({_P.LEGAL_DEMAND, _P.INTEGRITY_FORENSICS})
_KNOWN_OTHERWISE = _INSIDE | {_R.OWN_COUNSEL, _R.PROCESSOR}
"""Own people are known by their log-in, a processor by his contract; all others are verified."""

_TO_WHOM: dict[Purpose, frozenset[RecipientClass]] = {
    _P.INTERNAL_QUALITY: _INSIDE,
    _P.INTERNAL_TRAINING: _INSIDE,
    _P.DISPUTE_CLIENT: _INSIDE | {_R.CLIENT_SAME_ENTITY, _R.CLIENT_OTHER_ENTITY, _R.THIRD_PARTY},
    _P.CLAIM_DEFENCE: frozenset({_R.OWN_COUNSEL, _R.AUTHORITY}),
    _P.LEGAL_DEMAND: frozenset({_R.AUTHORITY}),
    _P.SUBJECT_ACCESS: frozenset({_R.DATA_SUBJECT}),
    _P.CONSENT_REVIEW: frozenset({_R.OWN_COMPLIANCE}),
    _P.INTEGRITY_FORENSICS: frozenset({_R.OWN_COMPLIANCE}),
    _P.TRANSCRIPTION: frozenset({_R.OWN_COMPLIANCE, _R.PROCESSOR}),
}

_SEVERITY: dict[str, Outcome] = {
    "J_DEFAULT_STRICT": Outcome.ALLOW,
    "J_ALWAYS_REVIEW": Outcome.REVIEW,
    "C_PENDING": Outcome.REVIEW,
    "S_SCREEN_REQUIRED": Outcome.REVIEW,
    "A_COMPLIANCE_1": Outcome.NEEDS_APPROVAL,
    "A_COMPLIANCE_2": Outcome.NEEDS_APPROVAL,
    "A_COUNSEL": Outcome.NEEDS_APPROVAL,
    "A_LEGAL": Outcome.NEEDS_APPROVAL,
    "A_STALE": Outcome.NEEDS_APPROVAL,
    "A_SAME_PERSON": Outcome.NEEDS_APPROVAL,
    "A_INVOLVED": Outcome.NEEDS_APPROVAL,
}
"""What is not listed denies."""

CODES = frozenset(_SEVERITY) | {
    "R_ERASED",
    "R_INTEGRITY",
    "R_RESTRICTED",
    "R_HELD_ONLY",
    "P_FORBIDDEN",
    "P_RECIPIENT",
    "RCPT_UNVERIFIED",
    "RCPT_LEFT",
    "RCPT_WRONG_ENTITY",
    "RCPT_NOT_HEARD",
    "L_DEMAND_MISSING",
    "C_NOBODY_KNOWN",
    "C_UNKNOWN",
    "C_EXPIRED",
    "C_EXPIRED_AT_CALL",
    "C_RETROACTIVE_ONLY",
    "C_INVALIDATED",
    "C_REFUSAL_PROPOSED",
    "C_REFUSED",
    "C_WITHDRAWAL_PROPOSED",
    "C_WITHDRAWN",
    "C_SEGMENT_UNCOVERED",
    "C_TOO_WEAK",
    "C_PROOF_TOO_WEAK",
    "C_PURPOSE_NOT_ANNOUNCED",
    "C_STAFF_UNACKNOWLEDGED",
    "G_NONE",
    "S_PRIVATE",
    "S_THIRD_PARTY_SECRET",
    "E_INTERNAL",
}
"""Every reason there is; a test compares them with their texts."""

_HOPELESS = ("R_", "P_", "RCPT_", "L_", "E_", "C_NOBODY_KNOWN")
_GROUND_IS_MOOT = frozenset(f"C_{s.name}" for s in State if s.rank > State.PENDING.rank) | {
    "C_SEGMENT_UNCOVERED",
    "C_STAFF_UNACKNOWLEDGED",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """A stable code and, where it is about somebody, his label."""

    code: str
    subject: str | None = None

    @property
    def text(self) -> str:
        return self.code if self.subject is None else f"{self.code}:{self.subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the gates have found so far. `notes` are reasons that only inform."""

    hindering: frozenset[Reason] = frozenset()
    notes: frozenset[Reason] = frozenset()
    grounds: frozenset[str] = frozenset()
    pack_grounds: frozenset[Ground] = frozenset()
    people: int = 0
    people_code: str = "A_COMPLIANCE_1"
    ends: frozenset[datetime] = field(default=frozenset())

    @property
    def reasons(self) -> tuple[Reason, ...]:
        return tuple(sorted(self.hindering | self.notes, key=lambda r: r.text))

    @property
    def outcome(self) -> Outcome:
        found = [_SEVERITY.get(reason.code, Outcome.DENY) for reason in self.hindering]
        return max(found, key=lambda one: one.rank, default=Outcome.ALLOW)

    @property
    def is_hopeless(self) -> bool:
        return any(reason.code.startswith(_HOPELESS) for reason in self.hindering)

    @property
    def valid_until(self) -> datetime | None:
        return min(self.ends, default=None)

    def adding(self, reasons: Iterable[Reason]) -> Findings:
        """Return the findings with `reasons`; those that only inform go to the notes."""
        several = frozenset(reasons)
        notes = {r for r in several if _SEVERITY.get(r.code) == Outcome.ALLOW}
        return replace(self, hindering=self.hindering | (several - notes), notes=self.notes | notes)


def _object(case: CaseFile, purpose: Purpose) -> list[Reason]:
    found = []
    if case.integrity_failed and purpose not in _DESPITE_INTEGRITY:
        found.append(Reason("R_INTEGRITY"))
    if case.restricted and purpose not in _DESPITE_RESTRICTION:
        found.append(Reason("R_RESTRICTED"))
    if case.held_only and purpose not in _DESPITE_RESTRICTION:
        found.append(Reason("R_HELD_ONLY"))
    return found


def _never(question: Question) -> list[Reason]:
    recipient = question.recipient.recipient_class
    if question.purpose in _FORBIDDEN or recipient == RecipientClass.PUBLIC:
        return [Reason("P_FORBIDDEN")]
    if recipient not in _TO_WHOM[question.purpose]:
        return [Reason("P_RECIPIENT")]
    return []


def _recipient(case: CaseFile, question: Question) -> list[Reason]:
    recipient = question.recipient
    kind = recipient.recipient_class
    found = []
    # A demand is verified by calling the authority back, which verifies the recipient.
    known = kind in _KNOWN_OTHERWISE or question.purpose == Purpose.LEGAL_DEMAND
    if not recipient.verified and not known:
        found.append(Reason("RCPT_UNVERIFIED"))
    if recipient.left:
        found.append(Reason("RCPT_LEFT"))
    named = recipient.verified or recipient.client_id is not None
    if (
        kind == RecipientClass.CLIENT_SAME_ENTITY
        and named
        and (recipient.client_id is None or recipient.client_id != case.client_id)
    ):
        found.append(Reason("RCPT_WRONG_ENTITY"))
    return found


def _special(case: CaseFile, question: Question, asked: Segment, at: datetime) -> Findings:
    """Judge the purposes for which consent is not asked."""
    if question.purpose == Purpose.LEGAL_DEMAND:
        found = Findings(people=1, people_code="A_LEGAL")
        if grounds.demand_holds(case, asked, at):
            return replace(found, grounds=frozenset({Ground.LEGAL_DEMAND.value}))
        return found.adding([Reason("L_DEMAND_MISSING")])
    if question.purpose == Purpose.SUBJECT_ACCESS:
        contact = question.recipient.contact_id
        heard = contact is not None and any(p.contact_id == contact for p in case.parties)
        return Findings(people=1).adding([] if heard else [Reason("RCPT_NOT_HEARD")])
    return Findings()


def _places(case: CaseFile, outside: list[Heard]) -> tuple[Demands, bool]:
    """Return the strictest demands of the office and of all places, and if one is unknown."""
    known = [p.place for p in outside if p.place is not None and p.place in case.packs]
    unknown = len(known) < len(outside)
    # A weak hint is heard beside the strictest rules, never in their stead.
    hints = [p.hint for p in outside if p.hint is not None and p.hint in case.packs]
    codes = {case.establishment, *known, *hints} | ({DEFAULT} if unknown else set())
    return strictest(case.packs[code].demands for code in sorted(codes)), unknown


def _own_reasons(stand: Standing, needed: Segment, office: Demands) -> list[Reason]:
    label = stand.party.label
    if stand.state in {State.UNKNOWN, State.BASIS}:
        return [Reason("C_STAFF_UNACKNOWLEDGED", label)]
    if not stand.supports or stand.is_blocked:
        return [Reason(f"C_{stand.state.name}", label)]
    enough = [
        a
        for a in stand.supports
        if counted(a, stand.party, office).rank >= office.record_own_min.rank
    ]
    return [] if covered(needed, spans_of(enough)) else [Reason("C_TOO_WEAK", label)]


def _needs_express(question: Question, demands: Demands) -> bool:
    return (
        question.purpose == Purpose.INTERNAL_TRAINING
        and demands.training_listening == Training.EXPRESS
    )


def _is_announced(stand: Standing, question: Question, needed: Segment, demands: Demands) -> bool:
    """Say whether the purpose was named to the party, or need not be."""
    if not demands.notice_must_name_purposes:
        return True
    if (
        question.purpose == Purpose.INTERNAL_TRAINING
        and demands.training_listening == Training.FREE
    ):
        return True
    naming = [a for a in (*stand.supports, *stand.bases) if question.purpose in a.purposes]
    return covered(needed, spans_of(naming))


def _proving(enough: list[Asserted], question: Question, demands: Demands) -> list[Asserted]:
    """Return what of the evidence is proved well enough for this purpose in all places."""
    accepted = demands.proof_for(question.purpose)
    return [a for a in enough if a.proof in accepted]


def _outside_reasons(
    stand: Standing,
    question: Question,
    *,
    needed: Segment,
    demands: Demands,
    has_ground: bool,
) -> list[Reason]:
    label = stand.party.label
    inside = question.recipient.recipient_class in OWN
    # Another ground may carry listening inside the company, never anything that leaves it.
    bases = [a for a in stand.bases if inside and question.purpose in a.purposes]
    if stand.is_blocked or not (stand.supports or stand.bases):
        return [Reason(f"C_{stand.state.name}", label)]
    if not stand.supports and not bases:
        return [Reason("C_TOO_WEAK", label)]
    if not covered(needed, spans_of((*stand.supports, *bases))):
        return [Reason("C_SEGMENT_UNCOVERED", label)]
    minimum = Strength.EXPRESS if _needs_express(question, demands) else demands.record_outside_min
    enough = [
        a for a in stand.supports if counted(a, stand.party, demands).rank >= minimum.rank
    ] + bases
    found = []
    if not covered(needed, spans_of(enough)):
        found.append(Reason("C_TOO_WEAK", label))
    elif not covered(needed, spans_of(_proving(enough, question, demands))):
        found.append(Reason("C_PROOF_TOO_WEAK", label))
    if not has_ground and not _is_announced(stand, question, needed, demands):
        found.append(Reason("C_PURPOSE_NOT_ANNOUNCED", label))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """An outside party, his reasons, and the grounds that hold for him."""

    stand: Standing
    reasons: tuple[Reason, ...]
    grounds: tuple[grounds.Found, ...]


def _judge(
    case: CaseFile,
    question: Question,
    *,
    party: Heard,
    needed: Segment,
    demands: Demands,
    at: datetime,
) -> _Judged:
    stand = standing(case, party, question.purpose, at=at)
    found = grounds.found(case, question, stand, needed=needed, demands=demands, at=at)
    if case.object_kind == "screenshot":  # Nobody was recorded; only a no counts.
        reasons = [Reason(f"C_{stand.state.name}", party.label)] if stand.is_blocked else []
    else:
        names_it = any(one.ground != Ground.PROCESSOR_CONTRACT for one in found)
        reasons = _outside_reasons(
            stand, question, needed=needed, demands=demands, has_ground=names_it
        )
    return _Judged(stand=stand, reasons=tuple(reasons), grounds=tuple(found))


def _parties(
    case: CaseFile, question: Question, asked: Segment, at: datetime
) -> tuple[list[Reason], list[_Judged], Demands]:
    """Judge everybody whose presence overlaps the part asked for."""
    here = [(p, part) for p in case.parties if (part := p.present.overlap(asked))]
    outside = [(p, part) for p, part in here if p.side != Side.OWN]
    demands, place_unknown = _places(case, [p for p, _ in outside])
    reasons = [Reason("J_DEFAULT_STRICT")] if place_unknown else []
    if all(p.side == Side.OWN for p in case.parties):
        reasons.append(Reason("C_NOBODY_KNOWN"))
    office = case.packs[case.establishment].demands
    if case.object_kind == "recording":
        for party, part in here:
            if party.side == Side.OWN:
                stand = standing(case, party, question.purpose, at=at)
                reasons += _own_reasons(stand, part, office)
    judged = [
        _judge(case, question, party=p, needed=part, demands=demands, at=at) for p, part in outside
    ]
    reasons += [reason for one in judged for reason in one.reasons]
    return reasons, judged, demands


def _claim_defence(found: Findings, reasons: list[Reason], demands: Demands) -> Findings:
    """Turn what is wrong with consent into information, for the price of counsel's approval."""
    told = all(r.code in {"J_DEFAULT_STRICT", "C_PURPOSE_NOT_ANNOUNCED"} for r in reasons)
    found = replace(found, notes=found.notes | frozenset(reasons))
    if told and not demands.unlawful_counsel:
        return replace(found, people=1)
    return replace(found, people=max(1, demands.counsel_people), people_code="A_COUNSEL")


def _ground(found: Findings, judged: list[_Judged]) -> Findings:
    """Ask for a ground for each outside party in a valid state, unless somebody's no is final."""
    found = replace(found, people=1)
    if any(r.code in _GROUND_IS_MOOT for r in found.hindering):
        return found
    for one in judged:
        if any(r.code == "C_PENDING" for r in one.reasons):
            continue
        if not one.grounds:
            found = found.adding([Reason("G_NONE")])
            continue
        chosen = grounds.best(list(one.grounds))
        found = replace(
            found,
            grounds=found.grounds | {f"{chosen.ground}:{one.stand.party.label}"},
            ends=found.ends | ({chosen.ends_at} if chosen.ends_at else set()),
            people=max(found.people, 2 if chosen.needs_two else 1),
        )
    return replace(found, people_code=f"A_COMPLIANCE_{found.people}")


def _still_bad(s: Screened, over: list[Screened]) -> bool:
    """Say whether nobody else has found this part clear since."""
    return s.result != ScreeningResult.CLEAR and not any(
        c.result == ScreeningResult.CLEAR and c.at > s.at and c.by != s.by for c in over
    )


def _screening(case: CaseFile, asked: Segment, *, must_be_clear: bool) -> list[Reason]:
    """Return what people who listened have found; clear is only what was heard with all legs."""
    whole_since = max((sound.received_at for sound in case.sounds), default=None)
    edges = {ms for s in case.screenings for ms in (s.segment.from_ms, s.segment.end_ms)}
    found = set()
    for part in cut(asked, edges):
        over = [s for s in case.screenings if s.segment.overlap(part)]
        bad = {s.result for s in over if _still_bad(s, over)}
        if ScreeningResult.PRIVATE in bad:
            found.add(Reason("S_PRIVATE"))
        if ScreeningResult.THIRD_PARTY_SECRET in bad:
            found.add(Reason("S_THIRD_PARTY_SECRET"))
        heard = [s for s in over if whole_since is None or s.at >= whole_since]
        if not heard and must_be_clear:
            found.add(Reason("S_SCREEN_REQUIRED"))
    return sorted(found, key=lambda r: r.code)


def passed(case: CaseFile, question: Question, asked: Segment, *, at: datetime) -> Findings:
    """Return what all gates but the approvals find about the part `asked`."""
    if case.erased:
        return Findings().adding([Reason("R_ERASED")])
    purpose = question.purpose
    before = [*_object(case, purpose), *_never(question), *_recipient(case, question)]
    if Reason("P_FORBIDDEN") in before:
        return Findings().adding(before)
    if purpose in _SPECIAL:
        return _special(case, question, asked, at).adding(before)
    reasons, judged, demands = _parties(case, question, asked, at)
    ends = frozenset(
        a.valid_to for one in judged for a in one.stand.supports if a.valid_to is not None
    )
    found = Findings(pack_grounds=demands.disclosure_grounds, ends=ends).adding(before)
    found = found.adding([Reason("J_ALWAYS_REVIEW")] if demands.always_review else [])
    leaves = question.recipient.recipient_class not in OWN
    if purpose == Purpose.CLAIM_DEFENCE:
        found = _claim_defence(found, reasons, demands)
        return found.adding(_screening(case, asked, must_be_clear=True) if leaves else [])
    found = found.adding(reasons)
    if leaves:
        found = _ground(found, judged)
    return found.adding(_screening(case, asked, must_be_clear=leaves))


def approvals(case: CaseFile, question: Question, found: Findings, digest: str) -> Findings:
    """Add what is missing of the approvals.

    One counts if it is bound to exactly these inputs and comes from somebody who neither asked
    nor is heard in the recording; a legal demand needs one by the role legal.
    """
    given = question.approvals
    heard = {p.user_id for p in case.parties if p.user_id is not None}
    fresh = [a for a in given if a.inputs_digest == digest]
    proper = [a for a in fresh if a.by != question.requested_by and a.by not in heard]
    if found.people_code == "A_LEGAL":
        proper = [a for a in proper if a.role == "legal"]
    if len({a.by for a in proper}) >= found.people:
        return found
    why = set()
    if len(fresh) < len(given):
        why.add("A_STALE")
    if any(a.by == question.requested_by for a in fresh):
        why.add("A_SAME_PERSON")
    if any(a.by in heard and a.by != question.requested_by for a in fresh):
        why.add("A_INVOLVED")
    return found.adding(Reason(code) for code in why or {found.people_code})


def obligations(case: CaseFile, question: Question, found: Findings) -> tuple[str, ...]:
    """Return what must be done with it if it may go."""
    if found.outcome in {Outcome.DENY, Outcome.REVIEW}:
        return ()
    duties = {"LOG_ACCESS"}
    if question.recipient.recipient_class not in _INSIDE:
        duties |= {"WATERMARK", "EXPIRE", "RECIPIENT_TERMS", "MINIMISE"}
    if question.purpose == Purpose.LEGAL_DEMAND:
        duties.add("SCOPE_ONLY")
    if question.purpose == Purpose.SUBJECT_ACCESS:
        duties |= {"REDACT_OTHERS", "KEEP_DEADLINE"}
    if case.integrity_failed:
        duties.add("DISCLOSE_INTEGRITY_FAILURE")
    if found.people_code == "A_COUNSEL":
        duties.add("WARN_UNLAWFUL_RECORDING")
    return tuple(sorted(duties))
