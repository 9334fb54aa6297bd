"""What is written down of a dispute: complaint, findings, verdict, basis, answer, outcome, lessons.

None of them needs a culprit: that there was no problem is a verdict, and praise is an outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.clients.models import Contact
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.disputes import queries, service, settling
from app.disputes.models import Dispute, DisputeStatement, Exhibit
from app.disputes.refusals import (
    ClauseUnknown,
    DisputeContactUnknown,
    StatementReplaced,
    StatementUnknown,
)
from app.disputes.rules import AnswerKind, Channel, Outcome, Side, StatementKind
from app.disputes.service import ExhibitNotFound, ExhibitRecordingUnknown, person
from app.identity.actor import Actor
from app.recordings import queries as recordings


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A statement as somebody gives it; which parts a kind has is checked by the database too."""

    kind: StatementKind
    words: str
    value: Side | AnswerKind | Outcome | None = None
    said_by: str | None = None
    said_at: datetime | None = None
    channel: Channel | None = None
    contact_id: UUID | None = None
    person_id: UUID | None = None
    agent: str | None = None
    exhibit_id: UUID | None = None
    recording_id: UUID | None = None
    contract: str | None = None
    clause_ref: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    replaces: UUID | None = None


def state(
    session: Session, actor: Actor, dispute_id: UUID, told: Told, *, at: datetime
) -> DisputeStatement:
    """Write a statement down.

    Raises:
        DisputeNotFound, DisputeClosed: there is no such open dispute.
        DisputeContactUnknown, ExhibitNotFound, ExhibitRecordingUnknown, ClauseUnknown,
            DisputePersonUnknown: it names what is not there.
        StatementUnknown, StatementReplaced: it cannot take the place of that one.
        ConductInQuestion: a verdict or outcome of somebody whose conduct is in question.
    """
    dispute = service.locked(session, dispute_id)
    noted_by = person(actor)
    if told.kind in {StatementKind.VERDICT, StatementKind.OUTCOME}:
        settling.must_decide(session, dispute.id, noted_by, told.person_id)
    _must_be_of_it(session, actor, dispute, told)
    said_by = told.said_by
    if told.person_id is not None:
        said_by = service.must_work_here(session, told.person_id).full_name
    row = DisputeStatement(
        id=new_id(),
        dispute_id=dispute.id,
        kind=told.kind,
        words=told.words,
        value=told.value,
        said_by=said_by,
        said_at=told.said_at,
        channel=told.channel,
        contact_id=told.contact_id,
        person_id=told.person_id,
        agent=told.agent,
        exhibit_id=told.exhibit_id,
        recording_id=told.recording_id,
        amount_minor=told.amount_minor,
        currency=told.currency,
        replaces=told.replaces,
        noted_by=noted_by,
        at=at,
        **_clause(session, dispute, told),
    )
    session.add(row)
    session.flush()
    session.refresh(row)
    ledger.append(
        session,
        actor,
        Act.DISPUTE_STATED,
        ("dispute", dispute.id),
        at=at,
        facts={
            "statement_id": str(row.id),
            "kind": row.kind,
            "value": row.value,
            "replaces": str(row.replaces) if row.replaces else None,
        },
        detail=_detail(row),
    )
    return row


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSaid:
    """What a recipient answered on the page of a release's link."""

    answer_id: UUID
    release_id: UUID
    contact_id: UUID
    kind: AnswerKind
    words: str
    name: str
    said_at: datetime


def answer_by_link(session: Session, dispute_id: UUID, said: LinkSaid, *, at: datetime) -> None:
    """Write down, once, what a recipient answered; nobody of the house noted it.

    Raises:
        DisputeNotFound, DisputeClosed: there is no such open dispute.
    """
    dispute = service.locked(session, dispute_id)
    if queries.statement_of_answer(session, said.answer_id) is not None:
        return
    contact = session.get(Contact, said.contact_id)
    is_ours = contact is not None and contact.client_id == dispute.client_id
    row = DisputeStatement(
        id=new_id(),
        dispute_id=dispute.id,
        kind=StatementKind.ANSWER,
        words=said.words,
        value=said.kind,
        said_by=said.name,
        said_at=said.said_at,
        channel=Channel.PORTAL,
        contact_id=said.contact_id if is_ours else None,
        release_id=said.release_id,
        answer_id=said.answer_id,
        at=at,
    )
    session.add(row)
    session.flush()
    ledger.append(
        session,
        Actor.system(f"recipient of release {said.release_id}"),
        Act.DISPUTE_STATED,
        ("dispute", dispute.id),
        at=at,
        facts={
            "statement_id": str(row.id),
            "kind": row.kind,
            "value": row.value,
            "release_id": str(said.release_id),
            "answer_id": str(said.answer_id),
        },
        detail=_detail(row),
    )


def _must_be_of_it(session: Session, actor: Actor, dispute: Dispute, told: Told) -> None:
    if told.contact_id is not None:
        contact = session.get(Contact, told.contact_id)
        if contact is None or contact.client_id != dispute.client_id:
            raise DisputeContactUnknown
    if told.exhibit_id is not None:
        exhibit = session.get(Exhibit, told.exhibit_id)
        if exhibit is None or exhibit.dispute_id != dispute.id:
            raise ExhibitNotFound
    if told.recording_id is not None:
        found = recordings.recording(session, actor, told.recording_id)
        if found is None or found.erased_at is not None:
            raise ExhibitRecordingUnknown
    if told.replaces is not None:
        _must_be_replaceable(session, dispute, told.kind, told.replaces)


def _must_be_replaceable(
    session: Session, dispute: Dispute, kind: StatementKind, statement_id: UUID
) -> None:
    old = session.get(DisputeStatement, statement_id)
    if old is None or old.dispute_id != dispute.id or old.kind != kind:
        raise StatementUnknown
    by = queries.statement_replacing(session, statement_id)
    if by is not None:
        raise StatementReplaced(by=str(by))


def _clause(session: Session, dispute: Dispute, told: Told) -> dict[str, object]:
    """Return the clause in its present words, which may be others in a later contract."""
    if told.kind is not StatementKind.BASIS:
        return {}
    found = queries.clause(
        session, dispute.client_id, number=told.contract or "", clause_ref=told.clause_ref or ""
    )
    if found is None:
        raise ClauseUnknown(contract=told.contract, clause_ref=told.clause_ref)
    return {
        "contract_id": found.contract_id,
        "clause_ref": found.clause_ref,
        "quote": found.quote,
    }


def _detail(row: DisputeStatement) -> dict[str, object]:
    told = {
        "words": row.words,
        "said_by": row.said_by,
        "said_at": row.said_at.isoformat() if row.said_at else None,
        "channel": row.channel,
        "agent": row.agent,
        "clause_ref": row.clause_ref,
        "quote": row.quote,
        "amount_minor": row.amount_minor,
        "currency": row.currency,
    }
    return {name: value for name, value in told.items() if value is not None}
