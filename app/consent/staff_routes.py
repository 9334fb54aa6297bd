"""Routes of the employees' side: the rule on recording, and who has acknowledged it."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict

from app.consent import staff
from app.consent.schemas import AssertionRead
from app.consent.staff import (
    AcknowledgedAlready,
    ActTold,
    LocalActKnown,
    LocalActNotFound,
    LocalActNotInForce,
    LocalActUnfit,
    NotHeardHere,
)
from app.core.deps import ClockDep, DatabaseDep, SessionDep
from app.core.downloads import told_as
from app.core.moments import Moment
from app.core.problems import problems
from app.core.text import Text
from app.documents import door
from app.documents.door import DocumentAway, DocumentErased
from app.documents.routes import sent
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.identity.service import NoLongerHere

router = APIRouter(prefix="/v1", tags=["people"])

CanWriteAct = Annotated[Actor, Depends(Requires(Permission.LOCAL_ACT_WRITE))]
Employee = Annotated[Actor, Depends(Requires(Permission.SESSION_SELF))]
CanReadStanding = Annotated[Actor, Depends(Requires(Permission.ACKNOWLEDGEMENT_READ))]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing, NoLongerHere)
_RISKY = ("=", "+", "-", "@", "\t", "\r")


class LocalActCreate(BaseModel):
    """A version of the house's rule on recording; its document was uploaded before."""

    model_config = ConfigDict(extra="forbid")

    number: Text
    version: Text
    title: Text
    document_id: UUID
    valid_from: Moment


class LocalActRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    number: str
    version: str
    title: str
    document_id: UUID
    valid_from: AwareDatetime
    created_by: UUID


class LocalActList(BaseModel):
    """Every version of every act; `in_force` is the one that is acknowledged now."""

    items: list[LocalActRead]
    in_force: UUID | None


class AcknowledgementCreate(BaseModel):
    """Which version of which act the caller acknowledges."""

    model_config = ConfigDict(extra="forbid")

    act_number: Text
    act_version: Text


class StandingRead(BaseModel):
    """How an employee stands to the act in force."""

    model_config = ConfigDict(from_attributes=True)

    user_id: UUID
    agent: str
    act_number: str | None
    act_version: str | None
    status: Literal["verified", "proposed", "earlier", "none"]
    since: AwareDatetime | None


class StandingList(BaseModel):
    """Everybody who can be heard; `missing` counts those who have acknowledged nothing verified."""

    items: list[StandingRead]
    missing: int


@router.post(
    "/local-acts", status_code=201, responses=problems(*GUARDED, LocalActUnfit, LocalActKnown)
)
def add_local_act(
    body: LocalActCreate, actor: CanWriteAct, session: SessionDep, clock: ClockDep
) -> LocalActRead:
    """Keep a version of the house's rule on recording."""
    told = ActTold(
        number=body.number,
        version=body.version,
        title=body.title,
        document_id=body.document_id,
        valid_from=body.valid_from,
    )
    return LocalActRead.model_validate(staff.add_act(session, actor, told, at=clock.now()))


@router.get("/local-acts", responses=problems(*GUARDED))
def list_local_acts(_: Employee, session: SessionDep, clock: ClockDep) -> LocalActList:
    """List the acts that employees acknowledge, the latest first."""
    now = staff.in_force(session, at=clock.now())
    return LocalActList(
        items=[LocalActRead.model_validate(row) for row in staff.acts(session)],
        in_force=now.id if now else None,
    )


@router.get(
    "/local-acts/{act_id}/file",
    response_class=Response,
    responses=problems(*GUARDED, LocalActNotFound, DocumentErased, DocumentAway),
)
def open_local_act(
    act_id: UUID, actor: Employee, request: Request, database: DatabaseDep, clock: ClockDep
) -> Response:
    """Give the text of an act to whoever is to acknowledge it."""
    with database.transaction() as session:
        document_id = staff.document_of(session, act_id)
        document, ref = door.open_document(session, actor, document_id, at=clock.now())
        headers, media_type = door.headers_of(document, ref), document.media_type
    return sent(request, ref, headers, media_type)


@router.post(
    "/me/acknowledgements",
    status_code=201,
    responses=problems(
        *GUARDED, LocalActNotFound, LocalActNotInForce, NotHeardHere, AcknowledgedAlready
    ),
)
def acknowledge(
    body: AcknowledgementCreate, actor: Employee, session: SessionDep, clock: ClockDep
) -> AssertionRead:
    """Acknowledge the rule on recording, for oneself; a reviewer verifies it."""
    row = staff.acknowledge(session, actor, body.act_number, body.act_version, at=clock.now())
    return AssertionRead.of(row, [])


@router.get("/people/acknowledgements", responses=problems(*GUARDED))
def list_acknowledgements(
    _: CanReadStanding, session: SessionDep, clock: ClockDep, *, missing: bool = False
) -> StandingList:
    """List how everybody who can be heard stands to the act in force; or who is missing."""
    found = staff.standings(session, at=clock.now())
    lacking = [one for one in found if one.status != "verified"]
    return StandingList(
        items=[StandingRead.model_validate(one) for one in (lacking if missing else found)],
        missing=len(lacking),
    )


@router.get(
    "/people/acknowledgements.csv",
    response_class=Response,
    responses=problems(*GUARDED) | told_as("text/csv"),
)
def export_acknowledgements(_: CanReadStanding, session: SessionDep, clock: ClockDep) -> Response:
    """Give the same list as a table."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["agent", "act_number", "act_version", "status", "since"])
    for one in staff.standings(session, at=clock.now()):
        since = one.since.isoformat() if one.since else ""
        row = [one.agent, one.act_number or "", one.act_version or "", one.status, since]
        writer.writerow([_tame(word) for word in row])
    return Response(
        out.getvalue(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="acknowledgements.csv"'},
    )


def _tame(word: str) -> str:
    """Return a word that no spreadsheet takes for a formula."""
    return f"'{word}" if word.startswith(_RISKY) else word
