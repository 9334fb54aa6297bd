"""Who a key or a name belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app.identity import sessions
from app.identity.actor import Actor, Browser
from app.identity.models import (
    MAIN_OFFICE,
    ApiKey,
    Device,
    DeviceKey,
    Office,
    User,
    UserOffice,
    WebSession,
)
from app.identity.permissions import Role


def device_by_key(session: Session, key: bytes, now: datetime) -> Actor | None:
    """Return the enabled device that the digest `key` belongs to."""
    device = session.scalar(
        select(Device)
        .join(DeviceKey, DeviceKey.device_id == Device.id)
        .where(
            DeviceKey.digest == key,
            DeviceKey.revoked_at.is_(None),
            or_(DeviceKey.expires_at.is_(None), DeviceKey.expires_at > now),
            Device.disabled_at.is_(None),
        )
    )
    return Actor.device(device.id, device.name) if device else None


def user_by_key(session: Session, key: bytes, now: datetime) -> Actor | None:
    """Return the enabled person that the API key's digest `key` belongs to."""
    user = session.scalar(
        select(User)
        .join(ApiKey, ApiKey.user_id == User.id)
        .where(
            ApiKey.digest == key,
            ApiKey.revoked_at.is_(None),
            or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now),
            User.disabled_at.is_(None),
        )
    )
    return as_actor(session, user) if user else None


def user_by_session(
    session: Session, key: bytes, now: datetime, *, asked_of: frozenset[Role] = frozenset()
) -> Actor | None:
    """Return the enabled person whose running session has the digest `key`.

    A person of a role of `asked_of` can do nothing but set up the second factor before it counts.
    """
    found = session.execute(
        select(User, WebSession)
        .join(WebSession, WebSession.user_id == User.id)
        .where(WebSession.digest == key, sessions.running(now), User.disabled_at.is_(None))
    ).one_or_none()
    if found is None:
        return None
    user, begun = found
    browser = Browser(
        session_id=begun.id,
        proved_at=begun.proved_at,
        is_enrolling=Role(user.role) in asked_of and user.totp_since is None,
    )
    return as_actor(session, user, browser=browser)


def user_by_name(session: Session, name: str) -> User | None:
    """Return the person of this log-in name, in whatever case it was written."""
    return session.scalar(select(User).where(func.lower(User.name) == name.lower()))


def as_actor(session: Session, user: User, *, browser: Browser | None = None) -> Actor:
    """Return the actor that `user` is."""
    return Actor.user(
        user.id,
        Role(user.role),
        user.name,
        user.agent_ref,
        offices=_offices_seen(session, user),
        browser=browser,
    )


def _offices_seen(session: Session, user: User) -> frozenset[UUID] | None:
    """Return the offices whose clients `user` sees; None is all, so that nothing need be asked."""
    if user.role != Role.MANAGER:
        return None
    own = frozenset(offices_of(session, user.id))
    every = set(session.scalars(select(Office.id)))
    return None if own >= every else own


def offices_of(session: Session, user_id: UUID) -> Sequence[UUID]:
    """Return the offices of a person: the main one, where nobody named any."""
    found = session.scalars(select(UserOffice.office_id).where(UserOffice.user_id == user_id)).all()
    return found or [MAIN_OFFICE]


def offices(session: Session) -> Sequence[Office]:
    """Return every office, by name."""
    return session.scalars(select(Office).order_by(func.lower(Office.name))).all()


def users(session: Session) -> Sequence[User]:
    """Return everybody, by name."""
    return session.scalars(select(User).order_by(func.lower(User.name))).all()


def keys_of_users(session: Session, now: datetime) -> dict[UUID, int]:
    """Return how many keys open something, by person."""
    rows = session.execute(
        select(ApiKey.user_id, func.count())
        .where(
            ApiKey.revoked_at.is_(None), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now)
        )
        .group_by(ApiKey.user_id)
    )
    return {user_id: count for user_id, count in rows}  # noqa: C416 - rows are no tuples.


def has_admin(session: Session) -> bool:
    """Say whether there is an administrator who may come in."""
    found = session.scalar(
        select(User.id).where(User.role == Role.ADMIN, User.disabled_at.is_(None)).limit(1)
    )
    return found is not None


def devices(session: Session) -> Sequence[Device]:
    """Return every device, by name."""
    return session.scalars(select(Device).order_by(func.lower(Device.name))).all()
