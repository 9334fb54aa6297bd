"""Evidence on its way: proposed by anybody, settled by others, never by one person alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.clients.models import Contact
from app.consent import evidence, papers, queries, service
from app.consent.models import (
    Assertion,
    AssertionVote,
    ContactVerification,
    NoticeText,
    Screening,
    Verdict,
)
from app.consent.purposes import (
    BLOCKS,
    STRENGTH,
    Kind,
    Purpose,
    ScreeningResult,
    Status,
)
from app.consent.spans import Segment
from app.core.errors import Conflict, Forbidden, Invalid, NotFound
from app.core.ids import new_id
from app.core.jobs import Job, enqueue
from app.custody import ledger
from app.custody.ledger import Act
from app.identity import service as identity
from app.identity.actor import Actor
from app.identity.permissions import Permission, Role
from app.recordings import service as recordings
from app.recordings.models import Party, Recording

REFRESH_FLAGS = "consent.refresh_flags"
_RECONSIDER = "releases.reconsider"
_FOLLOWS = {
    Verdict.VERIFY: Status.VERIFIED,
    Verdict.REJECT: Status.REJECTED,
    Verdict.INVALIDATE: Status.INVALIDATED,
}
_PROPOSED = {Kind.REFUSAL: Act.REFUSAL_PROPOSED, Kind.WITHDRAWAL: Act.WITHDRAWAL_PROPOSED}
_VERIFIED = {Kind.REFUSAL: Act.REFUSAL_CONFIRMED, Kind.WITHDRAWAL: Act.WITHDRAWAL_CONFIRMED}
_REJECTED = {Kind.REFUSAL: Act.REFUSAL_REJECTED, Kind.WITHDRAWAL: Act.WITHDRAWAL_REJECTED}
_MAY_SETTLE = {
    Kind.OTHER_GROUND: frozenset({Role.APPROVER, Role.LEGAL}),
    Kind.LEGAL_DEMAND: frozenset({Role.LEGAL}),
}


class AssertionNotFound(NotFound):
    """There is no such piece of evidence."""


class PartyUnknown(Invalid):
    """No such party is heard in this recording, or none that this can be said of."""


class NoticeTextUnknown(Invalid):
    """The evidence names a notice text that is not kept here."""


class NoticeNotApproved(Conflict):
    """The notice text was not approved, or was not valid when the call began."""


class ClauseUnknown(Invalid):
    """The evidence names a contract clause that is not kept here."""


class NamesTooMuch(Invalid):
    """More purposes or recipients are claimed than the notice or clause names."""


class ProposerDecides(Forbidden):
    """Who proposed a piece of evidence does not decide on it; another person must."""


class NotTheProposer(Forbidden):
    """A proposal is taken back by who made it; others reject it."""


class RoleCannotSettle(Forbidden):
    """Evidence of this kind is settled by other roles; `roles` names them."""


class TransitionRefused(Conflict):
    """The verdict is not possible on what was settled already; `allowed` lists what is."""


class ReasonMissing(Invalid):
    """Putting evidence aside needs a reason."""


class VerdictRepeated(Conflict):
    """You have given this verdict already; another person must give his."""


class ContactChanged(Conflict):
    """The contact was changed after you looked at him; look again."""


class PersonNeeded(Forbidden):
    """Only a person can do this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What somebody asserts. `wide`: of the party's contact or client everywhere, not here only."""

    kind: Kind
    evidence: dict[str, Any]
    party: str | None = None
    wide: bool = False
    from_ms: int | None = None
    to_ms: int | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    purposes: tuple[Purpose, ...] = ()
    recipients: tuple[str, ...] = ()
    supersedes: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    recording_id: UUID | None = None
    party_id: UUID | None = None
    client_id: UUID | None = None
    contact_id: UUID | None = None
    agent: str | None = None


@dataclass(slots=True)
class _Draft:
    """A proposal as it is completed from what it names."""

    evidence: dict[str, Any]
    purposes: list[str]
    recipients: list[str]
    about: _About = field(default_factory=_About)


def person(actor: Actor) -> UUID:
    """Return the id of the person who acts.

    Raises:
        PersonNeeded: a device or the system acts.
    """
    if actor.kind != "user" or actor.id is None:
        raise PersonNeeded
    return actor.id


def propose(
    session: Session, actor: Actor, recording_id: UUID, proposal: Proposal, *, at: datetime
) -> Assertion:
    """Write down a piece of evidence. A refusal or withdrawal blocks from the commit on.

    Raises:
        RecordingNotFound, PartyUnknown, NoticeTextUnknown, ClauseUnknown: it names what is not.
        EvidenceIncomplete: `missing` says what its kind must carry.
        EvidenceUnfit: it is too large or cannot be kept.
        NamesTooMuch: it claims more than the notice or clause says.
        DocumentNotKept, DocumentNotSeparate, AcknowledgementUnknown: it rests on what is not here.
        PermissionMissing: anything but a refusal or withdrawal needs `assertion:propose`.
    """
    is_service = actor.kind == "system"
    if proposal.kind not in BLOCKS and not is_service:
        actor.must(Permission.ASSERTION_PROPOSE)
    recording = recordings.find(session, actor, recording_id)
    segment = _segment(proposal)
    evidence.canonical(proposal.evidence)
    party = _party(recording, proposal)
    draft = _complete(session, recording, proposal, party, from_ms=segment.from_ms)
    agent = party.agent if party else None
    papers.must_be_kept(session, proposal.kind, draft.evidence, agent=agent)
    papers.must_be_nameable(proposal.kind, draft.purposes, draft.recipients)
    ends_at = _ends_at(proposal)
    papers.must_hold(proposal.kind, ends_at, proposed_at=at)
    row = Assertion(
        id=new_id(),
        kind=proposal.kind,
        strength=STRENGTH[proposal.kind],
        recording_id=draft.about.recording_id,
        party_id=draft.about.party_id,
        client_id=draft.about.client_id,
        contact_id=draft.about.contact_id,
        agent=draft.about.agent,
        from_ms=segment.from_ms,
        to_ms=segment.to_ms,
        valid_from=proposal.valid_from or _day(proposal, Kind.EMPLOYEE_ACK, "signed_on"),
        valid_to=ends_at,
        purposes=draft.purposes,
        recipients=draft.recipients,
        evidence=draft.evidence,
        evidence_sha256=evidence.digest(draft.evidence),
        proposed_by=None if is_service else person(actor),
        proposed_service=actor.name if is_service else None,
        proposed_at=at,
        status=Status.PROPOSED,
        supersedes=proposal.supersedes,
    )
    session.add(row)
    session.flush()
    act = _PROPOSED.get(proposal.kind, Act.ASSERTION_PROPOSED)
    _write(session, actor, act, row, recording_id=recording_id, at=at, facts={})
    _changed(session, row, at=at)
    return row


def verify_by_rule(session: Session, actor: Actor, row: Assertion, *, at: datetime) -> None:
    """Verify what the detector has heard completely, of a text that clears calls by itself.

    The database looks at the rule again: the hit is complete, the text approved and not stopped.
    """
    row.status = Status.VERIFIED
    row.decided_at = at
    session.flush()
    facts: dict[str, str | bool | int] = {"verdict": str(Verdict.VERIFY), "settled": True}
    _write(
        session,
        actor,
        Act.ASSERTION_VERIFIED,
        row,
        recording_id=row.recording_id,
        at=at,
        facts=facts,
    )
    _changed(session, row, at=at)


def _segment(proposal: Proposal) -> Segment:
    """Return what is covered: of a notice, from where the telling ended."""
    start = proposal.from_ms
    if start is None and proposal.kind == Kind.IVR_NOTICE:
        played = proposal.evidence.get("played_ms")
        start = played[1] if isinstance(played, list) and len(played) > 1 else None
    if start is None and proposal.kind == Kind.VERBAL_NOTICE:
        start = proposal.evidence.get("to_ms")
    return Segment(start if isinstance(start, int) else 0, proposal.to_ms)


def _day(proposal: Proposal, kind: Kind, name: str) -> datetime | None:
    if proposal.kind != kind:
        return None
    try:
        day = date.fromisoformat(str(proposal.evidence[name]))
    except ValueError as exc:
        raise evidence.EvidenceIncomplete(f"{name} is no day.", missing=[name]) from exc
    return datetime.combine(day, time(), tzinfo=UTC)


def _ends_at(proposal: Proposal) -> datetime | None:
    """Return when it ends; an assessment never later than it says itself."""
    expires = _day(proposal, Kind.OTHER_GROUND, "expires_on")
    ends = [end for end in (proposal.valid_to, expires) if end is not None]
    return min(ends, default=None)


def _complete(
    session: Session,
    recording: Recording,
    proposal: Proposal,
    party: Party | None,
    *,
    from_ms: int,
) -> _Draft:
    purposes: list[str] = sorted(proposal.purposes)
    scope = {
        "party": proposal.party or "everybody",
        "wide": proposal.wide,
        "purposes": purposes or "all",
    }
    draft = _Draft(
        evidence=papers.filled(proposal.kind, proposal.evidence, party, scope=scope),
        purposes=purposes,
        recipients=sorted(proposal.recipients),
    )
    if proposal.kind == Kind.CONTRACT_CLAUSE:
        evidence.require_named(draft.evidence, "contract_id", "clause_ref")
        _from_clause(session, recording, draft)
        return draft
    evidence.require(proposal.kind, draft.evidence, from_ms=from_ms)
    if proposal.kind == Kind.IVR_NOTICE:
        _from_notice(session, draft)
    draft.about = _about(recording, party, proposal)
    return draft


def _party(recording: Recording, proposal: Proposal) -> Party | None:
    if proposal.party is None:
        alone = BLOCKS | {Kind.OTHER_GROUND, Kind.LEGAL_DEMAND, Kind.NONE, Kind.CONTRACT_CLAUSE}
        if proposal.kind not in alone:
            raise PartyUnknown("Say of whom this is true.")
        return None
    for party in recording.parties:
        if party.label == proposal.party:
            if proposal.kind == Kind.EMPLOYEE_ACK and party.side != "own":
                raise PartyUnknown("An acknowledgement is of an own employee.")
            return party
    raise PartyUnknown(labels=sorted(p.label for p in recording.parties))


def _about(recording: Recording, party: Party | None, proposal: Proposal) -> _About:
    if not proposal.wide:
        return _About(recording_id=recording.id, party_id=party.id if party else None)
    if party is not None and party.agent is not None and party.side == "own":
        return _About(agent=party.agent)
    if party is not None and party.contact_id is not None:
        return _About(contact_id=party.contact_id)
    if party is not None and party.client_id is not None and proposal.kind in BLOCKS:
        return _About(client_id=party.client_id)
    raise PartyUnknown("Nobody is known of whom this could be true elsewhere too.")


def _narrow(draft: _Draft, purposes: list[str], recipients: list[str]) -> None:
    """Take over what the notice or clause names; less may be claimed, never more."""
    if not (set(draft.purposes) <= set(purposes) and set(draft.recipients) <= set(recipients)):
        raise NamesTooMuch(purposes=purposes, recipients=recipients)
    draft.purposes = draft.purposes or sorted(purposes)
    draft.recipients = draft.recipients or sorted(recipients)


def _from_notice(session: Session, draft: _Draft) -> None:
    found = _notice(session, draft.evidence)
    _narrow(draft, found.purposes, found.recipients)
    draft.evidence["notice"] = {
        "id": str(found.id),
        "version": found.version,
        "audio_sha256": found.audio_sha256.hex(),
    }


def _notice(session: Session, told: dict[str, Any]) -> NoticeText:
    try:
        text_id, version = UUID(str(told["notice"]["id"])), int(told["notice"]["version"])
    except (ValueError, TypeError) as exc:
        raise NoticeTextUnknown from exc
    found = queries.notice_text(session, text_id, version)
    if found is None:
        raise NoticeTextUnknown
    return found


def _from_clause(session: Session, recording: Recording, draft: _Draft) -> None:
    """Bind the clause in its present words to its contract's client."""
    try:
        contract_id = UUID(str(draft.evidence["contract_id"]))
    except ValueError as exc:
        raise ClauseUnknown from exc
    found = queries.clause(session, contract_id, str(draft.evidence["clause_ref"]))
    if found is None:
        raise ClauseUnknown
    contract, clause = found
    if contract.client_id not in {party.client_id for party in recording.parties}:
        raise PartyUnknown("Nobody in this recording speaks for the contract's client.")
    _narrow(draft, clause.purposes, clause.recipients)
    draft.evidence |= {
        "contract_id": str(contract.id),
        "wording": service.wording(contract, clause),
        "scope": sorted(clause.scope),
    } | papers.of_contract(session, contract)
    draft.about = _About(client_id=contract.client_id)


def allowed_verdicts(row: Assertion) -> list[Verdict]:
    """Return the verdicts that are possible on a piece of evidence as it stands."""
    if row.status == Status.PROPOSED:
        return [Verdict.VERIFY, Verdict.REJECT]
    if row.status == Status.VERIFIED and row.kind not in BLOCKS:
        return [Verdict.INVALIDATE]
    return []


def decide(  # noqa: PLR0913 - a verdict has these parts, all but four named.
    session: Session,
    actor: Actor,
    assertion_id: UUID,
    verdict: Verdict,
    *,
    reason: str | None,
    at: datetime,
    in_batch: bool = False,
) -> Assertion:
    """Write down a person's verdict; the status follows once all whose it needs agree.

    Rejecting a refusal or withdrawal, invalidating, an assessed ground and the first use of a
    contract need two people. Of a batch (`in_batch`) the part that the archive picked was opened,
    so that not each piece must have been heard.

    Raises:
        AssertionNotFound: there is none.
        NoLongerHere, ProposerDecides, RoleCannotSettle: this person may not.
        TransitionRefused: `allowed` lists what is possible.
        NoticeNotApproved, EvidenceIncomplete, DocumentNotKept, AssessmentOver: it cannot be
            verified as it is.
        NotListened: on spoken words nobody decides who has not heard them.
        ReasonMissing, VerdictRepeated: as they say.
    """
    row = queries.assertion(session, assertion_id, lock=True)
    if row is None:
        raise AssertionNotFound
    voter = person(actor)
    identity.must_be_here(session, actor)
    _may_decide(session, actor, row, verdict, reason, at=at)
    if not in_batch:
        papers.must_have_listened(session, voter, row, verdict)
    voted = queries.votes(session, row.id, verdict)
    if any(vote.voter_id == voter for vote in voted):
        raise VerdictRepeated
    session.add(
        AssertionVote(
            id=new_id(),
            assertion_id=row.id,
            verdict=verdict,
            voter_id=voter,
            voter_role=str(actor.role),
            reason=reason,
            at=at,
        )
    )
    session.flush()
    settled = _settle(session, row, verdict, first=voted[0] if voted else None, voter=voter, at=at)
    if settled:
        row.reason = reason
    session.flush()
    _tell(session, actor, row, verdict, settled=settled, reason=reason, at=at)
    return row


def _may_decide(
    session: Session,
    actor: Actor,
    row: Assertion,
    verdict: Verdict,
    reason: str | None,
    *,
    at: datetime,
) -> None:
    if row.recording_id is not None:
        recordings.find(session, actor, row.recording_id)
    if person(actor) == row.proposed_by:
        raise ProposerDecides
    allowed = allowed_verdicts(row)
    if verdict not in allowed:
        raise TransitionRefused(
            f"It is {row.status}.", status=row.status, allowed=[str(one) for one in allowed]
        )
    roles = _MAY_SETTLE.get(Kind(row.kind)) if verdict == Verdict.VERIFY else None
    if roles is not None and actor.role not in roles:
        raise RoleCannotSettle(roles=sorted(roles))
    if verdict != Verdict.VERIFY:
        if not (reason or "").strip():
            raise ReasonMissing
        return
    papers.must_be_verifiable(session, row, reason=reason, at=at)
    if row.kind == Kind.IVR_NOTICE and row.recording_id is not None:
        _must_be_approved(session, row)


def _must_be_approved(session: Session, row: Assertion) -> None:
    notice = _notice(session, row.evidence)
    found = queries.recording(session, row.recording_id) if row.recording_id else None
    called_at = found[0].started_at if found else row.proposed_at
    is_valid = notice.valid_from <= called_at and (
        notice.valid_to is None or called_at < notice.valid_to
    )
    if notice.approved_at is None or not is_valid:
        raise NoticeNotApproved(text_id=str(notice.id), version=notice.version)


def _settle(
    session: Session,
    row: Assertion,
    verdict: Verdict,
    *,
    first: AssertionVote | None,
    voter: UUID,
    at: datetime,
) -> bool:
    enough, needed = session.execute(
        text(
            "SELECT assertion_votes_enough(:id, :v), cardinality(assertion_votes_needed(:id, :v))"
        ),
        {"id": row.id, "v": str(verdict)},
    ).one()
    if not enough:
        return False
    two = needed > 1 and first is not None
    row.status = _FOLLOWS[verdict]
    row.decided_by = first.voter_id if two and first else voter
    row.decided_at = first.at if two and first else at
    row.second_by = voter if two else None
    row.second_at = at if two else None
    return True


def _tell(  # noqa: PLR0913 - what the ledger tells of a verdict.
    session: Session,
    actor: Actor,
    row: Assertion,
    verdict: Verdict,
    *,
    settled: bool,
    reason: str | None,
    at: datetime,
) -> None:
    act = _act(Kind(row.kind), verdict) if settled else Act.ASSERTION_VOTED
    facts: dict[str, str | bool | int] = {"verdict": str(verdict), "settled": settled}
    detail: dict[str, Any] = {"reason": reason} if reason else {}
    if verdict == Verdict.INVALIDATE:
        shares = papers.affected_shares(session, row.id)
        facts["affected_shares"] = len(shares)
        detail["affected_shares"] = sorted({str(share.release_id) for share in shares})
    _write(session, actor, act, row, recording_id=row.recording_id, at=at, facts=facts, more=detail)
    _changed(session, row, at=at)


def retract(
    session: Session, actor: Actor, assertion_id: UUID, *, reason: str, at: datetime
) -> Assertion:
    """Take back what the actor himself has proposed and nobody has settled.

    A refusal or withdrawal stays: what blocks is put aside by two others alone.

    Raises:
        AssertionNotFound: there is none.
        NotTheProposer: somebody else proposed it.
        TransitionRefused: it is settled already, or blocks.
    """
    row = queries.assertion(session, assertion_id, lock=True)
    if row is None:
        raise AssertionNotFound
    voter = person(actor)
    identity.must_be_here(session, actor)
    if row.recording_id is not None:
        recordings.find(session, actor, row.recording_id)
    if row.proposed_by != voter:
        raise NotTheProposer
    if row.status != Status.PROPOSED or row.kind in BLOCKS:
        raise TransitionRefused(f"It is {row.status}.", status=row.status, allowed=[])
    session.add(
        AssertionVote(
            id=new_id(),
            assertion_id=row.id,
            verdict=Verdict.RETRACT,
            voter_id=voter,
            voter_role=str(actor.role),
            reason=reason,
            at=at,
        )
    )
    session.flush()
    row.status, row.decided_at, row.reason = Status.RETRACTED, at, reason
    session.flush()
    _write(
        session,
        actor,
        Act.ASSERTION_RETRACTED,
        row,
        recording_id=row.recording_id,
        at=at,
        facts={},
        more={"reason": reason},
    )
    _changed(session, row, at=at)
    return row


def _act(kind: Kind, verdict: Verdict) -> Act:
    if verdict == Verdict.VERIFY:
        return _VERIFIED.get(kind, Act.ASSERTION_VERIFIED)
    if verdict == Verdict.REJECT:
        return _REJECTED.get(kind, Act.ASSERTION_REJECTED)
    return Act.ASSERTION_INVALIDATED


def _write(  # noqa: PLR0913 - what the ledger tells of a piece of evidence.
    session: Session,
    actor: Actor,
    act: Act,
    row: Assertion,
    *,
    recording_id: UUID | None,
    at: datetime,
    facts: dict[str, str | bool | int],
    more: dict[str, Any] | None = None,
) -> None:
    about = ("recording", recording_id) if recording_id else ("assertion", row.id)
    ledger.append(
        session,
        actor,
        act,
        about,
        at=at,
        facts={"assertion_id": str(row.id), "kind": row.kind, "status": row.status, **facts},
        detail={"evidence_sha256": row.evidence_sha256.hex()} | (more or {}),
    )


def _changed(session: Session, row: Assertion, *, at: datetime) -> None:
    """Let the flag and what stands on the evidence follow it."""
    if row.recording_id is None:
        enqueue(session, Job(task=REFRESH_FLAGS, args={"assertion_id": str(row.id)}))
        return
    service.refresh_flag(session, row.recording_id, at=at)
    enqueue(session, Job(task=_RECONSIDER, args={"recording_id": str(row.recording_id)}))


def screen(  # noqa: PLR0913 - a screening has these parts.
    session: Session,
    actor: Actor,
    recording_id: UUID,
    segment: Segment,
    result: ScreeningResult,
    *,
    note: str | None,
    at: datetime,
) -> Screening:
    """Write down what a person heard in a part of a recording.

    Raises:
        RecordingNotFound: there is none that `actor` may see.
    """
    recordings.find(session, actor, recording_id)
    identity.must_be_here(session, actor)
    row = Screening(
        id=new_id(),
        recording_id=recording_id,
        from_ms=segment.from_ms,
        to_ms=segment.to_ms,
        result=result,
        note=note,
        screened_by=person(actor),
        at=at,
    )
    session.add(row)
    session.flush()
    ledger.append(
        session,
        actor,
        Act.SCREENING_RECORDED,
        ("recording", recording_id),
        at=at,
        facts={"segment": str(segment), "result": str(result)},
        detail={"note": note} if note else None,
    )
    enqueue(session, Job(task=_RECONSIDER, args={"recording_id": str(recording_id)}))
    return row


def verify_contact(  # noqa: PLR0913 - a verification has these parts, all but three named.
    session: Session,
    actor: Actor,
    contact_id: UUID,
    *,
    identity_basis: str,
    mandate_basis: str,
    at: datetime,
    looks: str | None = None,
) -> ContactVerification:
    """Write down how a person knew who a recipient is and that he speaks for his firm.

    It holds for the contact as he is now; `looks` says how he was when somebody looked.

    Raises:
        RecipientUnknown: there is no such contact.
        ContactChanged: he is another than was looked at.
    """
    contact = session.get(Contact, contact_id)
    if contact is None:
        raise service.RecipientUnknown
    identity.must_be_here(session, actor)
    row = ContactVerification(
        id=new_id(),
        contact_id=contact_id,
        client_id=contact.client_id,
        identity_basis=identity_basis,
        mandate_basis=mandate_basis,
        verified_by=person(actor),
        at=at,
    )
    session.add(row)
    session.flush()
    if looks is not None and (row.contact_sha256 or b"").hex() != looks:
        raise ContactChanged
    ledger.append(
        session,
        actor,
        Act.CONTACT_VERIFIED,
        ("contact", contact_id),
        at=at,
        facts={"verification_id": str(row.id)},
        detail={"identity_basis": identity_basis, "mandate_basis": mandate_basis},
    )
    return row
