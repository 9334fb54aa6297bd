"""Contracts with those who work on recordings for us: proposed by one, approved by another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.consent.models import ProcessingContract
from app.consent.review import person
from app.core.errors import Conflict, Forbidden, Invalid, NotFound
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.documents.models import Document, DocumentRole
from app.identity import service as identity
from app.identity.actor import Actor


class ProcessingContractNotFound(NotFound):
    """There is no such contract with a processor."""


class ProcessingContractKnown(Conflict):
    """The contract is kept already; a change is another contract."""


class ProcessingContractUnfit(Invalid):
    """The contract has no document that was uploaded as one, or ends before it begins."""


class ProcessingContractSettled(Conflict):
    """The contract was approved, or ended, already."""


class WriterApprovesContract(Forbidden):
    """Who wrote a contract down does not approve it; another person must."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractTold:
    """A contract as it is given; `processor` is the tax number of who works for us."""

    processor: str
    name: str
    number: str
    signed_on: date
    document_id: UUID
    purposes: tuple[str, ...]
    valid_from: datetime
    valid_to: datetime | None


def propose(
    session: Session, actor: Actor, told: ContractTold, *, at: datetime
) -> ProcessingContract:
    """Write a contract down; it counts once another person has approved it.

    Raises:
        ProcessingContractUnfit, ProcessingContractKnown: as they say.
    """
    identity.must_be_here(session, actor)
    document = session.get(Document, told.document_id)
    wanted = DocumentRole.PROCESSING_CONTRACT
    if document is None or document.erased_at or document.role != wanted:
        raise ProcessingContractUnfit("The document was not uploaded as a processing contract.")
    if told.valid_to is not None and told.valid_to <= told.valid_from:
        raise ProcessingContractUnfit("The contract ends before it begins.")
    row = ProcessingContract(
        id=new_id(),
        processor=told.processor,
        name=told.name,
        number=told.number,
        signed_on=told.signed_on,
        document_id=told.document_id,
        purposes=sorted(told.purposes),
        valid_from=told.valid_from,
        valid_to=told.valid_to,
        created_by=person(actor),
        created_at=at,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as exc:
        raise ProcessingContractKnown from exc
    _tell(session, actor, Act.PROCESSOR_PROPOSED, row, at=at)
    return row


def approve(
    session: Session, actor: Actor, contract_id: UUID, *, at: datetime
) -> ProcessingContract:
    """Put a contract in force; every decision is asked anew from this commit on.

    Raises:
        ProcessingContractNotFound, ProcessingContractSettled, WriterApprovesContract: as they say.
    """
    row = _locked(session, actor, contract_id)
    if row.approved_at is not None or row.terminated_at is not None:
        raise ProcessingContractSettled
    if row.created_by == person(actor):
        raise WriterApprovesContract
    row.approved_by, row.approved_at = person(actor), at
    session.flush()
    _tell(session, actor, Act.PROCESSOR_APPROVED, row, at=at)
    return row


def terminate(
    session: Session, actor: Actor, contract_id: UUID, *, at: datetime
) -> ProcessingContract:
    """End a contract at once. One person is enough, since nothing becomes possible by it.

    Raises:
        ProcessingContractNotFound, ProcessingContractSettled: as they say.
    """
    row = _locked(session, actor, contract_id)
    if row.terminated_at is not None:
        raise ProcessingContractSettled
    row.terminated_at = at
    session.flush()
    _tell(session, actor, Act.PROCESSOR_TERMINATED, row, at=at)
    return row


def listed(session: Session) -> Sequence[ProcessingContract]:
    """Return every contract with a processor."""
    return session.scalars(
        select(ProcessingContract).order_by(
            ProcessingContract.processor, ProcessingContract.valid_from, ProcessingContract.id
        )
    ).all()


def _locked(session: Session, actor: Actor, contract_id: UUID) -> ProcessingContract:
    identity.must_be_here(session, actor)
    row = session.get(ProcessingContract, contract_id, with_for_update=True)
    if row is None:
        raise ProcessingContractNotFound
    return row


def _tell(
    session: Session, actor: Actor, act: Act, row: ProcessingContract, *, at: datetime
) -> None:
    ledger.append(
        session,
        actor,
        act,
        ("processing_contract", row.id),
        at=at,
        facts={"purposes": " ".join(row.purposes), "document_id": str(row.document_id)},
        detail={"processor": row.processor, "name": row.name, "number": row.number},
    )
