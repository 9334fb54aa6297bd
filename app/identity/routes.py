"""Logging in and out, who am I, and what is one's own: password, second factor, log-ins."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from app.core.deps import ClockDep, DatabaseDep, SessionDep
from app.core.problems import problems
from app.identity import account, login, second_factor, sessions
from app.identity.account import LinkNotGood
from app.identity.actor import Actor, ProofNeeded
from app.identity.authenticator import SESSION_COOKIE, KeyMissing, KeyUnknown
from app.identity.guard import SessionActor, SourceDep, authenticator
from app.identity.login import CodeAsked, CodeRefused, LoginRefused, LoginThrottled
from app.identity.models import User
from app.identity.passwords import PasswordCommon, PasswordNamesYou, PasswordTooShort
from app.identity.schemas import (
    ActorRead,
    CodeWrite,
    LoginCreate,
    PasswordWrite,
    ProofWrite,
    RecoveryCodesRead,
    RecoveryWrite,
    SecretRead,
    SessionRead,
    SessionsRead,
)
from app.identity.second_factor import (
    CodeWrong,
    SecondFactorAbsent,
    SecondFactorAsked,
    SecondFactorThere,
)
from app.identity.sessions import SessionNotFound

router = APIRouter(prefix="/v1", tags=["people"])

OWN = (KeyMissing, KeyUnknown, SessionNotFound)
PASSWORDS = (PasswordTooShort, PasswordCommon, PasswordNamesYou)


def set_cookie(response: Response, token: str) -> Response:
    """Let the browser keep a log-in, for this host and for https alone."""
    response.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=int(sessions.SESSION_LIFETIME.total_seconds()),
        secure=True,
        httponly=True,
        samesite="lax",
    )
    return response


def renewed(request: Request, response: Response, token: str) -> Response:
    """Give the browser the token that took the place of the one it sent."""
    forget(request)
    return set_cookie(response, token)


def forget(request: Request) -> None:
    """Ask the database again at the next use of the token that came with `request`."""
    if old := request.cookies.get(SESSION_COOKIE):
        authenticator(request).forget(old)


def own_row(session: Session, actor: Actor) -> User:
    """Return the row of who acts from a browser; a key for programs changes no log-in.

    Raises:
        SessionNotFound: he does not act from a browser.
    """
    if actor.browser is None:
        raise SessionNotFound("This is for a log-in from a browser.")
    return session.get_one(User, actor.id)


@router.post(
    "/session",
    status_code=204,
    responses=problems(LoginRefused, CodeAsked, CodeRefused, LoginThrottled),
)
def log_in(
    body: LoginCreate, database: DatabaseDep, source: SourceDep, clock: ClockDep
) -> Response:
    """Log in from a browser; the answer sets the session's cookie."""
    token = login.log_in(
        database, body.name, body.password, code=body.code, source=source, at=clock.now()
    )
    return set_cookie(Response(status_code=204), token)


@router.get("/session", responses=problems(KeyMissing, KeyUnknown))
def who_am_i(actor: SessionActor) -> ActorRead:
    """Tell who is logged in and what he may do."""
    return ActorRead(
        name=actor.name,
        role=actor.role,
        permissions=sorted(map(str, actor.permissions)),
        is_enrolling=actor.browser is not None and actor.browser.is_enrolling,
    )


@router.delete("/session", status_code=204, responses=problems(KeyMissing, KeyUnknown))
def log_out(
    request: Request, actor: SessionActor, session: SessionDep, clock: ClockDep
) -> Response:
    """End the session."""
    if actor.browser is not None:
        sessions.end(session, actor, actor.browser.session_id, at=clock.now())
        forget(request)
    response = Response(status_code=204)
    response.delete_cookie(SESSION_COOKIE, secure=True, httponly=True, samesite="lax")
    return response


@router.post(
    "/session/proof",
    status_code=204,
    responses=problems(*OWN, LoginRefused, CodeRefused, LoginThrottled),
)
def prove(
    body: ProofWrite,
    request: Request,
    actor: SessionActor,
    database: DatabaseDep,
    source: SourceDep,
    clock: ClockDep,
) -> Response:
    """Give password or code once more; for ten minutes, what binds others may be done."""
    token = login.prove(
        database, actor, password=body.password, code=body.code, source=source, at=clock.now()
    )
    return renewed(request, Response(status_code=204), token)


@router.put(
    "/session/password",
    status_code=204,
    responses=problems(*OWN, LoginRefused, LoginThrottled, *PASSWORDS),
)
def change_password(
    body: PasswordWrite,
    request: Request,
    actor: SessionActor,
    database: DatabaseDep,
    source: SourceDep,
    clock: ClockDep,
) -> Response:
    """Change one's password; every other log-in ends."""
    token = account.change_password(
        database, actor, old=body.old, new=body.new, source=source, at=clock.now()
    )
    return renewed(request, Response(status_code=204), token)


@router.post(
    "/session/totp", status_code=201, responses=problems(*OWN, ProofNeeded, SecondFactorThere)
)
def begin_totp(actor: SessionActor, session: SessionDep, clock: ClockDep) -> SecretRead:
    """Begin to set up the second factor; it counts once its first code was given."""
    user = own_row(session, actor)
    actor.proved(at=clock.now())
    secret = second_factor.begin(session, user)
    uri = second_factor.uri(user, secret)
    return SecretRead(secret=secret, uri=uri, svg=second_factor.picture(uri))


@router.post(
    "/session/totp/confirm",
    responses=problems(*OWN, SecondFactorThere, SecondFactorAbsent, CodeWrong),
)
def confirm_totp(
    body: CodeWrite,
    request: Request,
    response: Response,
    actor: SessionActor,
    session: SessionDep,
    clock: ClockDep,
) -> RecoveryCodesRead:
    """Let the second factor count from now on."""
    user, at = own_row(session, actor), clock.now()
    codes = second_factor.confirm(session, actor, user, body.code, at=at)
    renewed(request, response, sessions.renew(session, actor, how="totp", at=at))
    return RecoveryCodesRead(recovery_codes=codes)


@router.delete(
    "/session/totp", status_code=204, responses=problems(*OWN, ProofNeeded, SecondFactorAsked)
)
def remove_totp(
    request: Request, actor: SessionActor, session: SessionDep, clock: ClockDep
) -> Response:
    """Do without the second factor, where the role does not ask for it."""
    user = own_row(session, actor)
    actor.proved(at=clock.now())
    second_factor.remove(session, actor, user, asked_of=request.app.state.asked_of, at=clock.now())
    return Response(status_code=204)


@router.post(
    "/session/recovery-codes",
    status_code=201,
    responses=problems(*OWN, ProofNeeded, SecondFactorAbsent),
)
def renew_codes(actor: SessionActor, session: SessionDep, clock: ClockDep) -> RecoveryCodesRead:
    """Get new recovery codes; the older ones are good for nothing any more."""
    user = own_row(session, actor)
    actor.proved(at=clock.now())
    codes = second_factor.renew_recovery_codes(session, actor, user, at=clock.now())
    return RecoveryCodesRead(recovery_codes=codes)


@router.get("/sessions", responses=problems(KeyMissing, KeyUnknown))
def list_sessions(actor: SessionActor, session: SessionDep, clock: ClockDep) -> SessionsRead:
    """List one's own running log-ins from browsers."""
    this = actor.browser.session_id if actor.browser else None
    found = sessions.own(session, actor.id, at=clock.now()) if actor.id else ()
    return SessionsRead(items=[SessionRead.of(row, this) for row in found])


@router.delete("/sessions", status_code=204, responses=problems(KeyMissing, KeyUnknown))
def end_others(actor: SessionActor, session: SessionDep, clock: ClockDep) -> Response:
    """End one's own log-ins from browsers, all but the one that asks."""
    if actor.id is not None:
        but = actor.browser.session_id if actor.browser else None
        sessions.end_all(session, actor, actor.id, at=clock.now(), but=but)
    return Response(status_code=204)


@router.delete("/sessions/{session_id}", status_code=204, responses=problems(*OWN))
def end_session(
    session_id: UUID, actor: SessionActor, session: SessionDep, clock: ClockDep
) -> Response:
    """End one of one's own log-ins."""
    sessions.end(session, actor, session_id, at=clock.now())
    return Response(status_code=204)


@router.post("/recoveries", status_code=204, responses=problems(LinkNotGood, *PASSWORDS))
def recover(body: RecoveryWrite, database: DatabaseDep, clock: ClockDep) -> Response:
    """Set a new password by a link that an administrator has made; every log-in ends."""
    account.recover(database, body.token, body.password, at=clock.now())
    return Response(status_code=204)
