"""Asking the rules about a recording, and writing down what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

import structlog
from sqlalchemy import or_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.clients.models import Contract, ContractClause
from app.consent import proof, queries, rules, states
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
    Sound,
)
from app.consent.models import (
    Assertion,
    DecisionBasis,
    DecisionRow,
    PolicyPackRow,
    ProcessingContract,
    Screening,
)
from app.consent.packs import Pack, for_places, parse, shipped_packs
from app.consent.places import Located, locate
from app.consent.purposes import (
    ClauseScope,
    GroundCode,
    Kind,
    PlaceBy,
    Purpose,
    RecipientClass,
    ScreeningResult,
    Side,
    Status,
)
from app.consent.rules import Decision, Permit, fail_closed
from app.consent.spans import WHOLE, Segment
from app.core.errors import NotFound
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.recordings.models import Party, Recording

_log = structlog.get_logger()

Clauses = dict[tuple[str, str], Clause]


class RecipientUnknown(NotFound):
    """There is no such contact."""


class CaseMissing(NotFound):
    """There is no such recording."""


def question(  # noqa: PLR0913 - a question has these parts, all named.
    session: Session,
    *,
    purpose: Purpose,
    recipient_class: RecipientClass | None = None,
    contact_id: UUID | None = None,
    processor: str | None = None,
    segment: Segment | None = None,
    requested_by: UUID,
    approvals: Sequence[Approval] = (),
    recording_id: UUID | None = None,
) -> Question:
    """Return the question, with class and verification of the recipient from his contact.

    With `recording_id` a contact of another firm than its event's becomes `client_other_entity`.

    Raises:
        RecipientUnknown: there is no such contact, or neither contact nor class is given.
    """
    if contact_id is not None:
        recipient = _contact(session, purpose, contact_id, recording_id)
    elif recipient_class is not None:
        recipient = Recipient(recipient_class=recipient_class, processor=processor)
    else:
        raise RecipientUnknown
    return Question(
        purpose=purpose,
        recipient=recipient,
        segment=segment or WHOLE,
        requested_by=requested_by,
        approvals=tuple(approvals),
    )


def _contact(
    session: Session, purpose: Purpose, contact_id: UUID, recording_id: UUID | None
) -> Recipient:
    found = queries.contact(session, contact_id)
    if found is None:
        raise RecipientUnknown
    contact, verified = found
    kind = RecipientClass.CLIENT_SAME_ENTITY
    if purpose == Purpose.SUBJECT_ACCESS:
        kind = RecipientClass.DATA_SUBJECT
    elif recording_id is not None:
        case = queries.recording(session, recording_id)
        if case is not None and case[1] != contact.client_id:
            kind = RecipientClass.CLIENT_OTHER_ENTITY
    return Recipient(
        recipient_class=kind,
        contact_id=contact.id,
        client_id=contact.client_id,
        verified=verified,
        left=contact.left_at is not None,
    )


def decide(session: Session, recording_id: UUID, question: Question, *, at: datetime) -> Decision:
    """Return what the rules say now. Whatever breaks on the way is a denial, `E_INTERNAL`.

    The stamp is read before the case, so that a change in between makes the decision stale and
    never the other way round.
    """

    def ask() -> Decision:
        stamp = queries.stamp(session, recording_id, question.recipient.contact_id)
        case = case_file(session, recording_id, at=at)
        return replace(rules.decide(case, question, at=at), stamp=stamp)

    return answered(session, recording_id, question, ask)


def answered(
    session: Session, object_id: UUID, question: Question, ask: Callable[[], Decision]
) -> Decision:
    """Return what `ask` decides; whatever breaks in it is a denial, `E_INTERNAL`."""
    try:
        with session.begin_nested():
            return ask()
    except Exception as exc:  # noqa: BLE001 - fail closed: no case, no pack or no answer means no.
        _log.error("consent.undecided", object_id=str(object_id), error=type(exc).__name__)
        return fail_closed(object_id, question)


def case_file(
    session: Session,
    recording_id: UUID,
    *,
    at: datetime,  # noqa: ARG001 - what was known then is asked for by the rules.
    packs: Mapping[str, Pack] | None = None,
) -> CaseFile:
    """Return everything that a decision on the recording depends on.

    Of the packs in force, or of `packs` in their stead, those of the office and of the places of
    the outside parties, and DEFAULT.

    Raises:
        CaseMissing: there is no such recording.
        ValueError: something recorded is not of its list, as with a pack that was altered.
    """
    session.flush()
    found = queries.recording(session, recording_id)
    if found is None:
        raise CaseMissing
    recording, client_id = found
    establishment = str(session.info.get("jurisdiction", "RU"))
    rows = queries.parties(session, recording_id)
    heard = [party for party, _, _ in rows]
    clients = {party.client_id for party in heard if party.client_id is not None}
    addresses = queries.addresses(session, clients, recording.started_at)
    parties = tuple(
        _heard(p, card, addresses.get(p.client_id), user, establishment) for p, card, user in rows
    )
    packs = in_force(session) if packs is None else packs
    return CaseFile(
        recording_id=recording_id,
        started_at=recording.started_at,
        establishment=establishment,
        packs=for_places(packs, places_of(establishment, parties)),
        parties=parties,
        assertions=assertions_about(session, recording_id, heard, at=recording.started_at),
        screenings=tuple(_screened(s) for s in queries.screenings(session, recording_id)),
        sounds=tuple(
            Sound(leg=leg, sha256=sha256.hex(), received_at=received_at)
            for leg, sha256, received_at in queries.sounds(session, recording_id)
        ),
        processors=tuple(_processor(row) for row in queries.processors(session)),
        client_id=client_id,
        duration_ms=recording.duration_ms,
        erased=recording.erased_at is not None,
        integrity_failed=recording.integrity_failed_at is not None,
        restricted=recording.restricted_at is not None,
        held_only=recording.kept_only_by_hold,
    )


def assertions_about(
    session: Session, object_id: UUID, heard: Sequence[Party], *, at: datetime
) -> tuple[Asserted, ...]:
    """Return what is asserted of a recording or screenshot, or of anybody in it, `at` its time."""
    clients = {party.client_id for party in heard if party.client_id is not None}
    clauses = {
        key: _clause(contract, clause)
        for key, (contract, clause) in queries.clauses(session, clients).items()
    }
    found = queries.about(session, object_id, heard)
    return tuple(_asserted(one, clauses, at) for one in found)


def _processor(row: ProcessingContract) -> ProcessorContract:
    ends = [end for end in (row.valid_to, row.terminated_at) if end is not None]
    return ProcessorContract(
        id=row.id,
        processor=row.processor,
        valid_from=row.valid_from,
        valid_to=min(ends, default=None),
        purposes=frozenset(row.purposes),
    )


def in_force(session: Session) -> dict[str, Pack]:
    """Return the packs in force: of each jurisdiction the last activated, else the shipped one.

    Raises:
        ValueError: one was altered.
    """
    found = dict(shipped_packs())
    for row in queries.active_packs(session):
        found[row.jurisdiction] = unaltered(row)
    return found


def unaltered(row: PolicyPackRow) -> Pack:
    """Return the pack that a row holds.

    Raises:
        ValueError: it was altered.
    """
    pack = parse(row.body)
    told = (pack.sha256, pack.jurisdiction, pack.version)
    if told != (row.sha256.hex(), row.jurisdiction, row.version):
        raise ValueError(f"The pack {row.jurisdiction} {row.version} was altered.")
    return pack


def places_of(establishment: str, parties: Sequence[Heard]) -> set[str]:
    """Return the places whose packs matter: the office's and those of the outside parties."""
    outside = [p for p in parties if p.side != Side.OWN]
    places = {establishment, *(p.place for p in outside), *(p.hint for p in outside)}
    return {place for place in places if place}


def _heard(
    party: Party, card: str | None, contract: str | None, user_id: UUID | None, establishment: str
) -> Heard:
    side = Side(party.side)
    if side == Side.OWN and party.jurisdiction is None:
        found = Located(place=establishment, by=PlaceBy.OFFICE)
    else:
        found = locate(said=party.jurisdiction, card=card, contract=contract, number=party.number)
    return Heard(
        id=party.id,
        label=party.label,
        side=side,
        present=Segment(party.present_from_ms, party.present_to_ms),
        client_id=party.client_id,
        contact_id=party.contact_id,
        agent=party.agent,
        user_id=user_id,
        place=found.place,
        place_by=found.by,
        hint=found.hint,
    )


def _clause(contract: Contract, clause: ContractClause) -> Clause:
    return Clause(
        contract_id=contract.id,
        client_id=contract.client_id,
        clause_ref=clause.clause_ref,
        signed_on=contract.signed_on,
        valid_from=contract.valid_from,
        valid_to=contract.valid_to,
        terminated_at=contract.terminated_at,
        scope=frozenset(map(ClauseScope, clause.scope)),
        purposes=frozenset(clause.purposes),
        recipients=frozenset(clause.recipients),
        survives_until=clause.survives_until,
        retroactive_from=clause.retroactive_from,
        wording=wording(contract, clause),
    )


def wording(contract: Contract, clause: ContractClause) -> str:
    """Return what of a clause people verify: the document, what it speaks of, and its words."""
    back = clause.retroactive_from.astimezone(UTC).isoformat() if clause.retroactive_from else "-"
    parts = (contract.document_sha256.hex(), ",".join(sorted(clause.scope)), back, clause.quote)
    return " ".join(parts)


def _asserted(row: Assertion, clauses: Clauses, called_at: datetime) -> Asserted:
    evidence = row.evidence
    clause = None
    if row.kind == Kind.CONTRACT_CLAUSE:
        clause = clauses.get((evidence.get("contract_id", ""), evidence.get("clause_ref", "")))
        if clause is not None and clause.wording != evidence.get("wording"):
            clause = None  # Other words than those that people have verified.
    ground = row.kind == Kind.OTHER_GROUND
    return Asserted(
        id=row.id,
        kind=Kind(row.kind),
        status=Status(row.status),
        proposed_at=row.proposed_at,
        in_recording=row.recording_id is not None,
        party_id=row.party_id,
        client_id=row.client_id,
        contact_id=row.contact_id,
        agent=row.agent,
        segment=Segment(row.from_ms, row.to_ms),
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        purposes=frozenset(row.purposes),
        recipients=frozenset(row.recipients),
        clause=clause,
        code=GroundCode(evidence["code"]) if ground else None,
        matter=str(evidence["matter"]) if ground else None,
        supersedes=row.supersedes,
        proved=proof.class_of(
            Kind(row.kind),
            evidence,
            in_recording=row.recording_id is not None,
            since=row.valid_from or row.proposed_at,
            called_at=called_at,
        ),
    )


def _screened(row: Screening) -> Screened:
    return Screened(
        id=row.id,
        segment=Segment(row.from_ms, row.to_ms),
        result=ScreeningResult(row.result),
        by=row.screened_by,
        at=row.at,
    )


def record(  # noqa: PLR0913 - what a decision was made from; the rest is named.
    session: Session,
    actor: Actor,
    object_id: UUID,
    question: Question,
    decision: Decision,
    *,
    at: datetime,
    release_id: UUID | None = None,
    kind: Literal["recording", "screenshot"] = "recording",
) -> DecisionRow:
    """Write the decision down, with the stamp of the state that it was made under."""
    row = DecisionRow(
        id=new_id(),
        recording_id=object_id if kind == "recording" else None,
        screenshot_id=object_id if kind == "screenshot" else None,
        release_id=release_id,
        contact_id=question.recipient.contact_id,
        recipient_class=question.recipient.recipient_class,
        purpose=question.purpose,
        from_ms=question.segment.from_ms,
        to_ms=question.segment.to_ms,
        outcome=decision.outcome,
        reasons=[reason.text for reason in decision.reasons],
        inputs_digest=bytes.fromhex(decision.inputs_digest),
        policy_sha256=bytes.fromhex(decision.policy_sha256),
        stamp=decision.stamp,
        valid_until=decision.valid_until,
        at=at,
        asked_by=actor.id if actor.kind == "user" else None,
    )
    session.add(row)
    _keep_basis(session, decision)
    session.flush()
    ledger.append(
        session,
        actor,
        Act.DECISION_MADE,
        (kind, object_id),
        at=at,
        outcome=ledger.Outcome.SUCCESS if decision.allowed else ledger.Outcome.DENIED,
        facts={
            "decision_id": str(row.id),
            "release_id": str(release_id) if release_id else None,
            "purpose": str(question.purpose),
            "recipient": str(question.recipient.recipient_class),
            "outcome": str(decision.outcome),
            "reasons": " ".join(reason.text for reason in decision.reasons),
            "inputs_digest": decision.inputs_digest,
            "policy_sha256": decision.policy_sha256,
        },
    )
    return row


def _keep_basis(session: Session, decision: Decision) -> None:
    """Keep the inputs and the policy by their digests, once however many decisions have them."""
    for digest, body in (
        (decision.inputs_digest, decision.inputs),
        (decision.policy_sha256, decision.policy),
    ):
        if body:
            session.execute(
                insert(DecisionBasis)
                .values(sha256=bytes.fromhex(digest), body=body)
                .on_conflict_do_nothing()
            )


def permit_for(
    session: Session, actor: Actor, recording_id: UUID, question: Question, *, at: datetime
) -> Permit:
    """Return the permit if the rules allow it now, and write the decision down.

    Raises:
        ConsentRefused: they do not. The refusal rolls back; the edge remembers the attempt.
    """
    decision = decide(session, recording_id, question, at=at)
    permit = rules.grant(decision)
    record(session, actor, recording_id, question, decision, at=at)
    return permit


def refresh_flag(session: Session, recording_id: UUID, *, at: datetime) -> str:
    """Compute the flag and the class of proof of a recording anew, keep them; return the flag."""
    case = case_file(session, recording_id, at=at)
    flag, proved = states.flag_of(case, at=at), proof.of_case(case, None, at=at)
    session.execute(
        update(Recording)
        .where(
            Recording.id == recording_id,
            or_(Recording.flag != flag, Recording.proof.is_distinct_from(proved.value)),
        )
        .values(flag=flag, proof=proved.value)
        .execution_options(synchronize_session="fetch")
    )
    return flag
