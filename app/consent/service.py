"""Asking the rules about a recording, and writing down what they say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
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
from app.webhooks import outbox
from app.webhooks.models import Kind as Told

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

    def within() -> Decision:
        with session.begin_nested():
            return ask()

    return _or_denied(object_id, question, within)


def _or_denied(object_id: UUID, question: Question, ask: Callable[[], Decision]) -> Decision:
    try:
        return ask()
    except Exception as exc:  # noqa: BLE001 - fail closed: no case, no pack or no answer means no.
        _log.error("consent.undecided", object_id=str(object_id), error=type(exc).__name__)
        return fail_closed(object_id, question)


def decide_each(
    session: Session, recording_ids: Sequence[UUID], question: Question, *, at: datetime
) -> dict[UUID, Decision]:
    """Return what `decide` says of each of several recordings, in as many statements as for one."""
    try:
        with session.begin_nested():
            stamps = queries.stamps(session, recording_ids, question.recipient.contact_id)
            cases = Cases(session, recording_ids)
    except Exception as exc:  # noqa: BLE001 - fail closed, as in `answered`.
        _log.error("consent.undecided", objects=len(recording_ids), error=type(exc).__name__)
        return {one: fail_closed(one, question) for one in recording_ids}

    def ask(recording_id: UUID) -> Decision:
        decision = rules.decide(cases.of(recording_id), question, at=at)
        return replace(decision, stamp=stamps.get(recording_id, ""))

    return {one: _or_denied(one, question, partial(ask, one)) for one in recording_ids}


def case_file(
    session: Session,
    recording_id: UUID,
    *,
    at: datetime,  # noqa: ARG001 - what was known then is asked for by the rules.
    packs: Mapping[str, Pack] | None = None,
) -> CaseFile:
    """Return everything that a decision on the recording depends on; see `Cases`.

    Raises:
        CaseMissing: there is no such recording.
        ValueError: something recorded is not of its list, as with a pack that was altered.
    """
    return Cases(session, [recording_id], packs=packs).of(recording_id)


class Cases:
    """Everything that decisions on some recordings depend on, each question asked once for all.

    Of the packs in force, or of `packs` in their stead, those of the office and of the places of
    the outside parties, and DEFAULT.
    """

    def __init__(
        self,
        session: Session,
        recording_ids: Collection[UUID],
        *,
        packs: Mapping[str, Pack] | None = None,
    ) -> None:
        session.flush()
        self._establishment = str(session.info.get("jurisdiction", "RU"))
        self._recordings = queries.recordings(session, recording_ids)
        self._parties = queries.parties(session, recording_ids)
        heard = [party for rows in self._parties.values() for party, _, _ in rows]
        self._known = _Known(session, recording_ids, heard)
        self._screenings = queries.screenings(session, recording_ids)
        self._sounds = queries.sounds(session, recording_ids)
        self._processors = tuple(_processor(row) for row in queries.processors(session))
        self._packs = in_force(session) if packs is None else packs

    def of(self, recording_id: UUID) -> CaseFile:
        """Return the case of one of them.

        Raises:
            CaseMissing: there is no such recording.
            ValueError: something recorded is not of its list.
        """
        if recording_id not in self._recordings:
            raise CaseMissing
        recording, client_id = self._recordings[recording_id]
        rows = self._parties.get(recording_id, [])
        heard = [party for party, _, _ in rows]
        addresses = self._known.addresses(heard, at=recording.started_at)
        office = self._establishment
        parties = tuple(
            _heard(p, card, addresses.get(p.client_id), u, office) for p, card, u in rows
        )
        return CaseFile(
            recording_id=recording_id,
            started_at=recording.started_at,
            establishment=office,
            packs=for_places(self._packs, places_of(office, parties)),
            parties=parties,
            assertions=self._known.about(recording_id, heard, at=recording.started_at),
            screenings=tuple(_screened(s) for s in self._screenings.get(recording_id, [])),
            sounds=tuple(
                Sound(leg=leg, sha256=sha256.hex(), received_at=received_at)
                for leg, sha256, received_at in self._sounds.get(recording_id, [])
            ),
            processors=self._processors,
            client_id=client_id,
            duration_ms=recording.duration_ms,
            erased=recording.erased_at is not None,
            integrity_failed=recording.integrity_failed_at is not None,
            restricted=recording.restricted_at is not None,
            held_only=recording.kept_only_by_hold,
        )


def _clients(heard: Iterable[Party]) -> set[UUID]:
    return {party.client_id for party in heard if party.client_id is not None}


class _Known:
    """What contracts and evidence say of some recordings or screenshots, and of who is in them."""

    def __init__(self, session: Session, ids: Collection[UUID], heard: Sequence[Party]) -> None:
        clients = _clients(heard)
        self._addresses = queries.addresses(session, clients)
        self._clauses = list(queries.clauses(session, clients).items())
        self._assertions = queries.about(session, ids, heard)

    def addresses(self, heard: Iterable[Party], *, at: datetime) -> dict[UUID | None, str]:
        """Return the places in the contracts that ran at the call, by client, where they agree.

        Two that name different places tell nothing.
        """
        clients = _clients(heard)
        named: defaultdict[UUID, set[str]] = defaultdict(set)
        for one in self._addresses:
            if one.client_id in clients and one.ran(at):
                named[one.client_id].add(one.place)
        return {client: next(iter(said)) for client, said in named.items() if len(said) == 1}

    def about(
        self, object_id: UUID, heard: Sequence[Party], *, at: datetime
    ) -> tuple[Asserted, ...]:
        """Return what is asserted of one of them, or of anybody in it, `at` its time."""
        clients = _clients(heard)
        contacts = {party.contact_id for party in heard if party.contact_id is not None}
        agents = {party.agent for party in heard if party.agent}
        clauses = {
            key: _clause(contract, clause)
            for key, (contract, clause) in self._clauses
            if contract.client_id in clients
        }
        return tuple(
            _asserted(one, clauses, at)
            for one in self._assertions
            if one.recording_id == object_id
            or one.client_id in clients
            or one.contact_id in contacts
            or one.agent in agents
        )


def assertions_about(
    session: Session, object_id: UUID, heard: Sequence[Party], *, at: datetime
) -> tuple[Asserted, ...]:
    """Return what is asserted of a recording or screenshot, or of anybody in it, `at` its time."""
    return _Known(session, [object_id], heard).about(object_id, heard, at=at)


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
    kept = [
        {"sha256": bytes.fromhex(digest), "body": body}
        for digest, body in (
            (decision.inputs_digest, decision.inputs),
            (decision.policy_sha256, decision.policy),
        )
        if body
    ]
    if kept:
        session.execute(insert(DecisionBasis).on_conflict_do_nothing(), kept)


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
    changed = session.scalar(
        update(Recording)
        .where(
            Recording.id == recording_id,
            or_(Recording.flag != flag, Recording.proof.is_distinct_from(proved.value)),
        )
        .values(flag=flag, proof=proved.value)
        .returning(Recording.id)
        .execution_options(synchronize_session="fetch")
    )
    if changed is not None:
        data = {"recording_id": recording_id, "flag": str(flag), "proof": proved.value}
        outbox.tell(session, Told.RECORDING_FLAGGED, [data], at=at)
    return flag
