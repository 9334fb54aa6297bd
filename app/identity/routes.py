"""Logging in and out, and who am I."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, StringConstraints

from app.core.deps import ClockDep, DatabaseDep, SessionDep
from app.core.problems import problems
from app.core.text import KEPT
from app.identity import service
from app.identity.authenticator import SESSION_COOKIE, KeyMissing, KeyUnknown
from app.identity.guard import SessionActor, authenticator
from app.identity.service import LoginRefused, LoginThrottled

router = APIRouter(prefix="/v1/session", tags=["people"])


class LoginCreate(BaseModel):
    name: Annotated[str, StringConstraints(max_length=64, pattern=KEPT)]
    password: Annotated[str, StringConstraints(max_length=1024, pattern=KEPT)]


class ActorRead(BaseModel):
    name: str
    role: str | None
    permissions: list[str]


@router.post("", status_code=204, responses=problems(LoginRefused, LoginThrottled))
def log_in(body: LoginCreate, database: DatabaseDep, clock: ClockDep) -> Response:
    """Log in from a browser; the answer sets the session's cookie."""
    token = service.log_in(database, body.name, body.password, at=clock.now())
    response = Response(status_code=204)
    response.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=int(service.SESSION_LIFETIME.total_seconds()),
        secure=True,
        httponly=True,
        samesite="lax",
    )
    return response


@router.get("", responses=problems(KeyMissing, KeyUnknown))
def who_am_i(actor: SessionActor) -> ActorRead:
    """Tell who is logged in and what he may do."""
    return ActorRead(
        name=actor.name, role=actor.role, permissions=sorted(map(str, actor.permissions))
    )


@router.delete("", status_code=204, responses=problems(KeyMissing, KeyUnknown))
def log_out(
    request: Request, _actor: SessionActor, session: SessionDep, clock: ClockDep
) -> Response:
    """End the session."""
    if token := request.cookies.get(SESSION_COOKIE):
        service.log_out(session, token, at=clock.now())
        authenticator(request).forget(token)
    response = Response(status_code=204)
    response.delete_cookie(SESSION_COOKIE, secure=True, httponly=True, samesite="lax")
    return response
