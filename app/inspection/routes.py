"""Routes of searching old recordings again: begin, watch, cancel."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from app.consent.notices import NoticeTextNotFound
from app.core.deps import ClockDep, SessionDep
from app.core.problems import problems
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.inspection import searches
from app.inspection.schemas import SearchRunCreate, SearchRunDetail, SearchRunList, SearchRunRead
from app.inspection.searches import Scope, SearchRunEnded, SearchRunNotFound

router = APIRouter(prefix="/v1/notices/searches", tags=["consent"])

CanRead = Annotated[Actor, Depends(Requires(Permission.NOTICE_READ))]
CanWrite = Annotated[Actor, Depends(Requires(Permission.NOTICE_WRITE))]
_GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)


@router.post("", status_code=201, responses=problems(*_GUARDED, NoticeTextNotFound))
def begin_search(
    actor: CanWrite, session: SessionDep, clock: ClockDep, body: SearchRunCreate | None = None
) -> SearchRunRead:
    """Search old recordings for what was not searched for in them yet."""
    told = body or SearchRunCreate()
    scope = Scope(
        text_id=told.text_id, text_version=told.version, since=told.since, is_whole=told.whole
    )
    run = searches.begin_asked(session, actor, scope, at=clock.now())
    return SearchRunRead.of(run, at=clock.now())


@router.get("", responses=problems(*_GUARDED))
def list_searches(_: CanRead, session: SessionDep, clock: ClockDep) -> SearchRunList:
    """List the newest runs over the old recordings."""
    at = clock.now()
    return SearchRunList(items=[SearchRunRead.of(run, at=at) for run in searches.runs(session)])


@router.get("/{run_id}", responses=problems(*_GUARDED, SearchRunNotFound))
def read_search(run_id: UUID, _: CanRead, session: SessionDep, clock: ClockDep) -> SearchRunDetail:
    """Say how far a run is, what it has found and what it could not search."""
    run = searches.find(session, run_id)
    return SearchRunDetail.of(run, list(searches.failures(session, run_id)), at=clock.now())


@router.post("/{run_id}/cancel", responses=problems(*_GUARDED, SearchRunNotFound, SearchRunEnded))
def cancel_search(
    run_id: UUID, actor: CanWrite, session: SessionDep, clock: ClockDep
) -> SearchRunRead:
    """End a run where it stands; what it has found stays."""
    run = searches.cancel(session, actor, run_id, at=clock.now())
    return SearchRunRead.of(run, at=clock.now())
