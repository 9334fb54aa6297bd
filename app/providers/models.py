"""The tables of providers: accounts, their messages, and what these tell."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from app.core.db import Base, JsonObject, one_of
from app.providers.told import MediaState
from app.recordings.models import Direction


class Kind(StrEnum):
    """Which service, by the form of its messages."""

    TWILIO = "twilio"  # SignalWire has the same form.
    TELNYX = "telnyx"
    MANGO = "mango"
    ZADARMA = "zadarma"  # Novofon too.
    STANDARD = "standard"  # Standard Webhooks, with a mapping.
    TEMPLATE = "template"  # UIS, and whatever lets a person write its messages; with a mapping.
    BITRIX = "bitrix"


class NoticeState(StrEnum):
    """What became of a message."""

    WAITING = "waiting"
    TAKEN = "taken"
    UNREADABLE = "unreadable"


class ProviderAccount(Base):
    """A connection to a service. Its recordings and calls are kept in the name of `device_id`.

    `public_url` is the address under which the service reaches the archive, whatever any header
    says. `secrets` are sealed; those before a rotation count until `previous_until`.
    """

    __tablename__ = "provider_accounts"
    __table_args__ = (
        CheckConstraint(one_of("kind", Kind), name="kind"),
        CheckConstraint(one_of("direction", Direction), name="direction"),
        CheckConstraint("(previous_secrets IS NULL) = (previous_until IS NULL)", name="previous"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"), unique=True)
    public_url: Mapped[str]
    media_hosts: Mapped[list[str]] = mapped_column(ARRAY(Text))
    direction: Mapped[str]
    mapping: Mapped[JsonObject | None]
    secrets: Mapped[bytes]
    previous_secrets: Mapped[bytes | None]
    previous_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]


class ProviderNotice(Base):
    """A message as it came, sealed; forgotten a while after it was taken. Its digest stays.

    The same message again is the same row.
    """

    __tablename__ = "provider_notices"
    __table_args__ = (
        CheckConstraint(one_of("state", NoticeState), name="state"),
        CheckConstraint("state <> 'waiting' OR sealed IS NOT NULL", name="kept"),
        CheckConstraint("(state = 'waiting') = (settled_at IS NULL)", name="settled"),
        UniqueConstraint("account_id", "sha256"),
        Index("ix_provider_notices_received", "account_id", "received_at"),
        Index(
            "ix_provider_notices_sealed", "settled_at", postgresql_where=text("sealed IS NOT NULL")
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("provider_accounts.id"))
    received_at: Mapped[datetime]
    sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    sealed: Mapped[bytes | None]
    state: Mapped[str]
    reason: Mapped[str | None]
    settled_at: Mapped[datetime | None]
    repeats: Mapped[int] = mapped_column(server_default=text("0"))


class ProviderCall(Base):
    """What the messages of an account tell of one call: each fact, and by which message's order."""

    __tablename__ = "provider_calls"
    __table_args__ = (
        UniqueConstraint("account_id", "call"),
        Index("ix_provider_calls_changed", "changed_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("provider_accounts.id"))
    call: Mapped[str]
    facts: Mapped[JsonObject]
    changed_at: Mapped[datetime]


class ProviderMedia(Base):
    """One recording that a service made. `link` is how it is asked for, sealed, until it is over.

    `source_call_id` is under which it is kept: the call's own id for the first of a call.
    """

    __tablename__ = "provider_media"
    __table_args__ = (
        CheckConstraint(one_of("state", MediaState), name="state"),
        CheckConstraint("(state = 'kept') = (recording_id IS NOT NULL)", name="kept"),
        CheckConstraint("(state IN ('waiting', 'asked')) = (link IS NOT NULL)", name="link"),
        UniqueConstraint("account_id", "media"),
        UniqueConstraint("account_id", "source_call_id"),
        Index("ix_provider_media_call", "call_id"),
        Index("ix_provider_media_recording", "recording_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("provider_accounts.id"))
    call_id: Mapped[UUID] = mapped_column(ForeignKey("provider_calls.id"))
    media: Mapped[str]
    source_call_id: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str | None]
    started_at: Mapped[datetime | None]
    duration_ms: Mapped[int | None]
    is_once: Mapped[bool]
    link: Mapped[bytes | None]
    told_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    asked_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    recording_id: Mapped[UUID | None] = mapped_column(ForeignKey("recordings.id"))
