"""Routes of the papers about an erasure: the act, the page to print, the export of the log."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from app.core.deps import SessionDep
from app.core.problems import problems
from app.core.text import KEPT
from app.retention import act
from app.retention.act import NotErasedYet
from app.retention.erasures import ErasureNotFound
from app.retention.routes import GUARDED, CanRead, ZoneDep
from app.retention.schemas import OfOne, ids

router = APIRouter(prefix="/v1/erasures", tags=["erasures"])

Named = Annotated[str | None, Query(max_length=500, pattern=KEPT)]
_PAPER = problems(*GUARDED, ErasureNotFound, NotErasedYet)


class DestroyerRead(BaseModel):
    name: str
    post: str


class ActRead(OfOne):
    """The act of destruction; what is null was forgotten after three years, or never known."""

    erasure_id: UUID
    operator: str | None
    operator_address: str | None
    subject: str | None
    destroyers: list[DestroyerRead]
    categories: list[str]
    system: str
    method: str
    reason: str
    reason_text: str | None
    executed_at: str
    verified_at: str | None
    objects: int
    objects_kept: int


@router.get("/{erasure_id}/act", responses=_PAPER)
def get_act(
    erasure_id: UUID,
    _: CanRead,
    session: SessionDep,
    operator: Named = None,
    address: Named = None,
) -> ActRead:
    """Give the act of destruction."""
    found = act.of(session, erasure_id, operator=operator, address=address)
    own = ActRead.model_fields.keys() - OfOne.model_fields.keys()
    told = {name: getattr(found, name) for name in own} | ids(found.of)
    told["destroyers"] = [DestroyerRead(name=d.name, post=d.post) for d in found.destroyers]
    told["executed_at"] = found.executed_at.isoformat()
    told["verified_at"] = found.verified_at.isoformat() if found.verified_at else None
    return ActRead(**told)


@router.get("/{erasure_id}/act.html", responses=_PAPER)
def print_act(
    erasure_id: UUID,
    _: CanRead,
    session: SessionDep,
    zone: ZoneDep,
    operator: Named = None,
    address: Named = None,
) -> Response:
    """Give the act as a page to print and sign."""
    found = act.of(session, erasure_id, operator=operator, address=address)
    page = act.page(found, at_local=found.executed_at.astimezone(zone))
    policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return Response(page, media_type="text/html; charset=utf-8", headers=policy)


@router.get("/{erasure_id}/log.csv", responses=_PAPER)
def export_log(erasure_id: UUID, _: CanRead, session: SessionDep) -> Response:
    """Give the lines of the log that tell of the erasure, as a table."""
    return Response(act.log(session, erasure_id), media_type="text/csv; charset=utf-8")
