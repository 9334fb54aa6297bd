"""The tables of people, devices and their keys."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, one_of
from app.identity.agents import AgentRef
from app.identity.permissions import Role


class User(Base):
    """A person who works here. `agent_ref` is how softphones and 1C name the same person."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint(one_of("role", Role), name="role"),
        Index("uq_users_name", text("lower(name)"), unique=True),
        Index("uq_users_agent_ref", text("lower(agent_ref)"), unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    full_name: Mapped[str]
    role: Mapped[str]
    agent_ref: Mapped[str | None] = mapped_column(AgentRef)
    password_hash: Mapped[str | None]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class ApiKey(Base):
    """A person's key for programs, kept as a digest."""

    __tablename__ = "api_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class WebSession(Base):
    """A person's log-in from a browser, kept as a digest."""

    __tablename__ = "web_sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class LoginAttempt(Base):
    """A failed log-in, by a digest of the name given, so that guessing can be slowed."""

    __tablename__ = "login_attempts"
    __table_args__ = (Index("ix_login_attempts_name_digest_at", "name_digest", "at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name_digest: Mapped[bytes]
    at: Mapped[datetime]


class Device(Base):
    """A softphone, telephone exchange or import that sends; it can do nothing else.

    What `is_exchange` tells of a call counts as evidence; what other devices tell is a claim.
    """

    __tablename__ = "devices"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    is_exchange: Mapped[bool] = mapped_column(server_default=text("false"))


class DeviceKey(Base):
    """A device's key, kept as a digest; an old one stays valid for a while after a rotation."""

    __tablename__ = "device_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"), index=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
