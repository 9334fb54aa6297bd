"""Log-ins from a browser: begun, seen, proved once more, listed and ended.

Source: OWASP ASVS 5.0, V7. A log-in ends an hour after its last use and twelve hours after it was
begun; its token is another after each proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from app.core.errors import NotFound
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.identity.models import User, WebSession
from app.identity.secrets import SESSION_TOKEN, digest, new_secret

SESSION_LIFETIME = timedelta(hours=12)
IDLE_LIFETIME = timedelta(hours=1)
SEEN_EVERY = timedelta(minutes=1)
_LONGEST_BROWSER = 200


class SessionNotFound(NotFound):
    """There is no such log-in of yours, or it has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """From where somebody logs in: the address, and what the browser calls itself."""

    address: str | None = None
    browser: str | None = None


NOWHERE = Source()


def running(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a log-in neither ended nor was left alone for too long."""
    return (
        WebSession.ended_at.is_(None)
        & (WebSession.expires_at > now)
        & (WebSession.seen_at > now - IDLE_LIFETIME)
    )


def begin(
    session: Session, user: User, actor: Actor, *, how: str, source: Source, at: datetime
) -> str:
    """Return the token of a new log-in of `user`."""
    secret = new_secret(SESSION_TOKEN)
    session.add(
        WebSession(
            id=new_id(),
            user_id=user.id,
            digest=digest(secret),
            created_at=at,
            expires_at=at + SESSION_LIFETIME,
            seen_at=at,
            proved_at=at,
            how=how,
            address=source.address,
            browser=(source.browser or "")[:_LONGEST_BROWSER] or None,
        )
    )
    about = ("user", user.id)
    ledger.append(session, actor, Act.LOGIN_SUCCEEDED, about, at=at, facts={"how": how})
    return secret


def see(session: Session, key: bytes, *, at: datetime) -> None:
    """Note that the log-in with the digest `key` is used, once a minute."""
    session.execute(
        update(WebSession)
        .where(WebSession.digest == key, WebSession.seen_at <= at - SEEN_EVERY)
        .values(seen_at=at)
    )


def renew(session: Session, actor: Actor, *, how: str, at: datetime, proves: bool = True) -> str:
    """Return another token of the actor's own log-in, which counts as proved now if this `proves`.

    Raises:
        SessionNotFound: he does not act from a browser, or the log-in has ended.
    """
    secret = new_secret(SESSION_TOKEN)
    told = {"proved_at": at} if proves else {}
    own = actor.browser.session_id if actor.browser else None
    renewed = session.scalar(
        update(WebSession)
        .where(WebSession.id == own, running(at))
        .values(digest=digest(secret), seen_at=at, **told)
        .returning(WebSession.id)
    )
    if renewed is None or actor.id is None:
        raise SessionNotFound
    if proves:
        about = ("user", actor.id)
        ledger.append(session, actor, Act.LOGIN_PROVED, about, at=at, facts={"how": how})
    return secret


def own(session: Session, user_id: UUID, *, at: datetime) -> Sequence[WebSession]:
    """Return the running log-ins of a person, the newest first."""
    return session.scalars(
        select(WebSession)
        .where(WebSession.user_id == user_id, running(at))
        .order_by(WebSession.created_at.desc(), WebSession.id.desc())
    ).all()


def end(session: Session, actor: Actor, session_id: UUID, *, at: datetime) -> None:
    """End one of the actor's own log-ins.

    Raises:
        SessionNotFound: it is not his, or has ended.
    """
    ended = _end(session, WebSession.id == session_id, WebSession.user_id == actor.id, at=at)
    if not ended:
        raise SessionNotFound
    _tell(session, actor, actor.id, ended, at=at)


def end_all(
    session: Session, actor: Actor, user_id: UUID, *, at: datetime, but: UUID | None = None
) -> int:
    """End every log-in of a person, all but one if that is named; return how many there were."""
    conditions = [WebSession.user_id == user_id]
    if but is not None:
        conditions.append(WebSession.id != but)
    if ended := _end(session, *conditions, at=at):
        _tell(session, actor, user_id, ended, at=at)
    return ended


def _end(session: Session, *conditions: ColumnElement[bool], at: datetime) -> int:
    return len(
        session.scalars(
            update(WebSession)
            .where(WebSession.ended_at.is_(None), *conditions)
            .values(ended_at=at)
            .returning(WebSession.id)
        ).all()
    )


def _tell(
    session: Session, actor: Actor, user_id: UUID | None, count: int, *, at: datetime
) -> None:
    if user_id is not None:
        about = ("user", user_id)
        ledger.append(session, actor, Act.LOGIN_ENDED, about, at=at, facts={"count": count})
