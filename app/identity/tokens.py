"""Tokens that are good for one thing, once: 256 random bits, kept as a digest."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.core.db import JsonObject
from app.core.ids import new_id
from app.identity.models import OneTimeToken, TokenKind
from app.identity.secrets import digest, new_secret

LIFETIMES = {
    TokenKind.RECOVERY: timedelta(hours=24),
    TokenKind.FIRST_ADMIN: timedelta(hours=24),
    TokenKind.SECOND_FACTOR: timedelta(minutes=5),
    TokenKind.OIDC: timedelta(minutes=10),
}
PREFIX = "audt_"
_KEPT_FOR = timedelta(days=7)


def mint(
    session: Session,
    kind: TokenKind,
    *,
    at: datetime,
    user_id: UUID | None = None,
    facts: JsonObject | None = None,
) -> str:
    """Return a new token. What is long over is removed on this occasion."""
    session.execute(delete(OneTimeToken).where(OneTimeToken.expires_at < at - _KEPT_FOR))
    secret = new_secret(PREFIX)
    session.add(
        OneTimeToken(
            id=new_id(),
            kind=kind,
            user_id=user_id,
            digest=digest(secret),
            facts=facts or {},
            created_at=at,
            expires_at=at + LIFETIMES[kind],
        )
    )
    session.flush()
    return secret


def id_of(session: Session, secret: str) -> UUID:
    """Return the id of a token that was just minted."""
    return session.scalars(
        select(OneTimeToken.id).where(OneTimeToken.digest == digest(secret))
    ).one()


def look(session: Session, kind: TokenKind, secret: str, *, at: datetime) -> OneTimeToken | None:
    """Return the token if it is of this kind and still good, without using it up."""
    return session.scalar(
        select(OneTimeToken).where(
            OneTimeToken.kind == kind,
            OneTimeToken.digest == digest(secret),
            OneTimeToken.used_at.is_(None),
            OneTimeToken.expires_at > at,
        )
    )


def use(session: Session, kind: TokenKind, secret: str, *, at: datetime) -> OneTimeToken | None:
    """Use the token up and return it; None if it is not good, or somebody was quicker."""
    return session.scalar(
        update(OneTimeToken)
        .where(
            OneTimeToken.kind == kind,
            OneTimeToken.digest == digest(secret),
            OneTimeToken.used_at.is_(None),
            OneTimeToken.expires_at > at,
        )
        .values(used_at=at)
        .returning(OneTimeToken)
    )


def void(session: Session, kind: TokenKind, *, at: datetime, user_id: UUID | None = None) -> None:
    """Let no earlier token of this kind be good any more: of a person, or of nobody."""
    whose = OneTimeToken.user_id.is_(None) if user_id is None else OneTimeToken.user_id == user_id
    session.execute(
        update(OneTimeToken)
        .where(OneTimeToken.kind == kind, OneTimeToken.used_at.is_(None), whose)
        .values(used_at=at)
    )
