"""Routes of the contracts with those who work on recordings for us."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.consent import processing
from app.consent.models import ProcessingContract
from app.consent.processing import (
    ContractTold,
    ProcessingContractKnown,
    ProcessingContractNotFound,
    ProcessingContractSettled,
    ProcessingContractUnfit,
    WriterApprovesContract,
)
from app.consent.purposes import Purpose
from app.core.deps import ClockDep, SessionDep
from app.core.moments import Day, Moment
from app.core.problems import problems
from app.core.text import Text
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.identity.service import NoLongerHere

router = APIRouter(prefix="/v1/processing-contracts", tags=["consent"])

CanRead = Annotated[Actor, Depends(Requires(Permission.PROCESSOR_READ))]
CanPropose = Annotated[Actor, Depends(Requires(Permission.PROCESSOR_PROPOSE))]
CanApprove = Annotated[Actor, Depends(Requires(Permission.PROCESSOR_APPROVE))]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing, NoLongerHere)


class ProcessingContractCreate(BaseModel):
    """A contract; `processor` is the tax number by which a question names him."""

    model_config = ConfigDict(extra="forbid")

    processor: Text
    name: Text
    number: Text
    signed_on: Day
    document_id: UUID
    purposes: Annotated[list[Purpose], Field(min_length=1)]
    valid_from: Moment
    valid_to: Moment | None = None


class ProcessingContractRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    processor: str
    name: str
    number: str
    signed_on: Day
    document_id: UUID
    purposes: list[Purpose]
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None
    terminated_at: AwareDatetime | None
    created_by: UUID
    approved_by: UUID | None
    approved_at: AwareDatetime | None


class ProcessingContractList(BaseModel):
    items: list[ProcessingContractRead]


def _read(row: ProcessingContract) -> ProcessingContractRead:
    return ProcessingContractRead.model_validate(row)


@router.post(
    "",
    status_code=201,
    responses=problems(*GUARDED, ProcessingContractUnfit, ProcessingContractKnown),
)
def propose_processing_contract(
    body: ProcessingContractCreate, actor: CanPropose, session: SessionDep, clock: ClockDep
) -> ProcessingContractRead:
    """Write a contract with a processor down; an approver puts it in force."""
    told = ContractTold(
        processor=body.processor,
        name=body.name,
        number=body.number,
        signed_on=body.signed_on,
        document_id=body.document_id,
        purposes=tuple(body.purposes),
        valid_from=body.valid_from,
        valid_to=body.valid_to,
    )
    return _read(processing.propose(session, actor, told, at=clock.now()))


@router.get("", responses=problems(*GUARDED))
def list_processing_contracts(_: CanRead, session: SessionDep) -> ProcessingContractList:
    """List the contracts with processors, in force or not."""
    return ProcessingContractList(items=[_read(row) for row in processing.listed(session)])


@router.post(
    "/{contract_id}/approve",
    responses=problems(
        *GUARDED, ProcessingContractNotFound, ProcessingContractSettled, WriterApprovesContract
    ),
)
def approve_processing_contract(
    contract_id: UUID, actor: CanApprove, session: SessionDep, clock: ClockDep
) -> ProcessingContractRead:
    """Put a contract in force; who wrote it down cannot."""
    return _read(processing.approve(session, actor, contract_id, at=clock.now()))


@router.post(
    "/{contract_id}/terminate",
    responses=problems(*GUARDED, ProcessingContractNotFound, ProcessingContractSettled),
)
def terminate_processing_contract(
    contract_id: UUID, actor: CanPropose, session: SessionDep, clock: ClockDep
) -> ProcessingContractRead:
    """End a contract at once."""
    return _read(processing.terminate(session, actor, contract_id, at=clock.now()))
