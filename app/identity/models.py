"""The tables of people, devices and their keys."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, JsonObject, one_of
from app.identity.agents import AgentRef
from app.identity.permissions import Role

MAIN_OFFICE = UUID("00000000-0000-7000-8000-000000000001")
"""The office that there always is."""


class TokenKind(StrEnum):
    """What a one-time token is for."""

    RECOVERY = "recovery"  # A link by which a person sets a new password.
    FIRST_ADMIN = "first_admin"  # The link by which the first administrator is made.
    SECOND_FACTOR = "second_factor"  # Password or provider said yes; the code is awaited.
    OIDC = "oidc"  # Somebody was sent to the provider and is awaited back.


class User(Base):
    """A person who works here. `agent_ref` is how softphones and 1C name the same person.

    `totp_secret` is sealed; it counts from `totp_since` on, when its first code was given.
    """

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
    has_long_password: Mapped[bool] = mapped_column(server_default=text("false"))
    totp_secret: Mapped[bytes | None]
    totp_since: Mapped[datetime | None]
    totp_last_step: Mapped[int | None]
    language: Mapped[str | None]
    email: Mapped[str | None]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class Office(Base):
    """A place where people work. Without a place or zone of its own, those of the settings hold."""

    __tablename__ = "offices"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    jurisdiction: Mapped[str | None]
    zone: Mapped[str | None]
    created_at: Mapped[datetime]


class UserOffice(Base):
    """A person belongs to an office; who has none belongs to the main one."""

    __tablename__ = "user_offices"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    office_id: Mapped[UUID] = mapped_column(ForeignKey("offices.id"), primary_key=True)


class SkippedStep(Base):
    """A step of setting up that somebody has left out for now."""

    __tablename__ = "skipped_steps"

    step: Mapped[str] = mapped_column(primary_key=True)
    skipped_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]


class RecoveryCode(Base):
    """A code that stands in for the telephone once, kept as a digest."""

    __tablename__ = "recovery_codes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class OneTimeToken(Base):
    """A token that is good for one thing, once, until `expires_at`; kept as a digest."""

    __tablename__ = "one_time_tokens"
    __table_args__ = (CheckConstraint(one_of("kind", TokenKind), name="kind"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), index=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    facts: Mapped[JsonObject] = mapped_column(server_default=text("'{}'"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class ProviderSubject(Base):
    """Who a person is at the log-in provider: its issuer and its name for him."""

    __tablename__ = "provider_subjects"

    issuer: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    bound_at: Mapped[datetime]


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
    """A person's log-in from a browser, kept as a digest.

    `how` it was begun, `proved_at` when password or code was last given, `seen_at` when it was last
    used, to the minute.
    """

    __tablename__ = "web_sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    seen_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    proved_at: Mapped[datetime | None]
    how: Mapped[str] = mapped_column(server_default=text("'password'"))
    address: Mapped[str | None]
    browser: Mapped[str | None]


class LoginAttempt(Base):
    """A failed log-in, by digests of the name given and of where from, so that guessing is slow."""

    __tablename__ = "login_attempts"
    __table_args__ = (
        Index("ix_login_attempts_name_digest_at", "name_digest", "at"),
        Index("ix_login_attempts_source_digest_at", "source_digest", "at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name_digest: Mapped[bytes]
    source_digest: Mapped[bytes | None]
    at: Mapped[datetime]


class Device(Base):
    """A softphone, telephone exchange or import that sends; it can do nothing else.

    What `is_exchange` tells of a call counts as evidence; what other devices tell is a claim.
    `is_demo`, said when it is made and never after, has no key: what it brings is demo data.
    """

    __tablename__ = "devices"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    is_exchange: Mapped[bool] = mapped_column(server_default=text("false"))
    is_demo: Mapped[bool] = mapped_column(server_default=text("false"))


class DeviceKey(Base):
    """A device's key, kept as a digest; an old one stays valid for a while after a rotation."""

    __tablename__ = "device_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"), index=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
