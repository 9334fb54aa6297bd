"""Who a key or a name belongs to."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app.identity.actor import Actor
from app.identity.models import ApiKey, Device, DeviceKey, User, WebSession
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
    return as_actor(user) if user else None


def user_by_session(session: Session, key: bytes, now: datetime) -> Actor | None:
    """Return the enabled person whose running session has the digest `key`."""
    user = session.scalar(
        select(User)
        .join(WebSession, WebSession.user_id == User.id)
        .where(
            WebSession.digest == key,
            WebSession.ended_at.is_(None),
            WebSession.expires_at > now,
            User.disabled_at.is_(None),
        )
    )
    return as_actor(user) if user else None


def user_by_name(session: Session, name: str) -> User | None:
    """Return the person of this log-in name, in whatever case it was written."""
    return session.scalar(select(User).where(func.lower(User.name) == name.lower()))


def as_actor(user: User) -> Actor:
    """Return the actor that `user` is."""
    return Actor.user(user.id, Role(user.role), user.name, user.agent_ref)
