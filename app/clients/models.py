"""The tables of clients, contacts, contracts and events."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Text,
    desc,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.db import Base, one_of
from app.identity.models import MAIN_OFFICE


class EventKind(StrEnum):
    """What can happen with a client."""

    CALL = "call"
    VISIT = "visit"
    UPDATE = "update"
    COMPLAINT = "complaint"
    ACT = "act"
    TICKET = "ticket"


class EventOrigin(StrEnum):
    """Who made the event."""

    SENT = "sent"  # Another system told of it.
    AWAITED = "awaited"  # A recording named it before anyone told of it.
    MADE = "made"  # The archive made it for a recording of a known client.
    TRIAGE = "triage"  # The archive made it for a recording of an unknown number.


class SignatureKind(StrEnum):
    """How a contract was signed."""

    UKEP = "ukep"
    WET_SCAN = "wet_scan"
    OFFER_ACCEPTED = "offer_accepted"


# What a clause can name. The room of consent, which this one does not know, has the same words.
ClauseScope = Literal["notice", "disclose_to_management", "employee_notice_duty"]
ClausePurpose = Literal[
    "internal_quality",
    "internal_training",
    "dispute_client",
    "claim_defence",
    "legal_demand",
    "subject_access",
    "consent_review",
    "integrity_forensics",
    "transcription",
    "publish",
    "ai_training",
]
ClauseRecipient = Literal[
    "own_staff_manager",
    "own_compliance",
    "own_counsel",
    "client_same_entity",
    "client_other_entity",
    "third_party",
    "processor",
    "authority",
    "data_subject",
    "public",
]


WORDS = r"to_tsvector('simple'::regconfig, regexp_replace(lower({}), '\W+', ' ', 'g'))"
"""The words of a column, as both indexes and the search by words have them."""


class Client(Base):
    """A firm we serve, by one of our offices.

    `jurisdiction` is the declared place, as a pack's code (`RU`, `DE`). `is_demo`, said when it is
    made and never after: it is made up. Once such a client is `removed_at`, nobody sees it or what
    happened with it.
    """

    __tablename__ = "clients"
    __table_args__ = (
        CheckConstraint("removed_at IS NULL OR is_demo", name="removed"),
        Index("ix_clients_removed", "id", postgresql_where=text("removed_at IS NOT NULL")),
        Index(
            "ix_clients_words",
            text(WORDS.format("name")),
            postgresql_using="gin",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    tax_id: Mapped[str | None]
    jurisdiction: Mapped[str | None]
    office_id: Mapped[UUID] = mapped_column(
        ForeignKey("offices.id"), server_default=text(f"'{MAIN_OFFICE}'"), index=True
    )
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    is_demo: Mapped[bool] = mapped_column(server_default=text("false"))
    removed_at: Mapped[datetime | None]


class Contact(Base):
    """A person of a client."""

    __tablename__ = "contacts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.id"), index=True)
    external_id: Mapped[str | None]
    name: Mapped[str]
    position: Mapped[str | None]
    email: Mapped[str | None]
    is_management: Mapped[bool]
    left_at: Mapped[datetime | None]

    __table_args__ = (Index("uq_contacts_external_id", "client_id", "external_id", unique=True),)

    phones: Mapped[list[ContactPhone]] = relationship(
        lazy="raise", cascade="all, delete-orphan", order_by="ContactPhone.number"
    )


class ContactPhone(Base):
    """A number of a contact, in E.164. Several contacts may share one."""

    __tablename__ = "contact_phones"

    contact_id: Mapped[UUID] = mapped_column(ForeignKey("contacts.id"), primary_key=True)
    number: Mapped[str] = mapped_column(primary_key=True, index=True)


class Contract(Base):
    """A contract with a client. All dates are half-open: valid until before `valid_to`.

    `jurisdiction` is the place of the client's address in it, as a pack's code. The price of a
    month is in minor units of its currency, null where nobody told.
    """

    __tablename__ = "contracts"
    __table_args__ = (
        CheckConstraint(one_of("signature_kind", SignatureKind), name="signature_kind"),
        CheckConstraint(
            "num_nonnulls(monthly_price_minor, currency) IN (0, 2) "
            "AND monthly_price_minor >= 0 AND currency ~ '^[A-Z]{3}$'",
            name="price",
        ),
        Index("uq_contracts_number", "client_id", "number", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.id"), index=True)
    number: Mapped[str]
    signed_on: Mapped[date]
    our_entity: Mapped[str]
    document_sha256: Mapped[bytes]
    signature_kind: Mapped[str]
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None]
    terminated_at: Mapped[datetime | None]
    jurisdiction: Mapped[str | None]
    monthly_price_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None]

    clauses: Mapped[list[ContractClause]] = relationship(
        lazy="raise", cascade="all, delete-orphan", order_by="ContractClause.clause_ref"
    )


class ContractClause(Base):
    """What a clause says of recording and handing over, in its exact words."""

    __tablename__ = "contract_clauses"
    __table_args__ = (
        Index("uq_contract_clauses_ref", "contract_id", "clause_ref", unique=True),
        CheckConstraint(
            "scope <@ ARRAY['notice', 'disclose_to_management', 'employee_notice_duty']",
            name="scope",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    contract_id: Mapped[UUID] = mapped_column(ForeignKey("contracts.id"), index=True)
    clause_ref: Mapped[str]
    quote: Mapped[str]
    scope: Mapped[list[str]] = mapped_column(ARRAY(Text))
    purposes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    recipients: Mapped[list[str]] = mapped_column(ARRAY(Text))
    survives_until: Mapped[datetime | None]
    retroactive_from: Mapped[datetime | None]


class Event(Base):
    """What happened with a client. Without a client it waits in the triage queue."""

    __tablename__ = "events"
    __table_args__ = (
        CheckConstraint(one_of("kind", EventKind), name="kind"),
        CheckConstraint(one_of("origin", EventOrigin), name="origin"),
        Index("ix_events_client_time", "client_id", "occurred_at"),
        Index("ix_events_time", desc("occurred_at"), desc("id")),
        Index("ix_events_kind", "kind", desc("occurred_at"), desc("id")),
        Index(
            "ix_events_open",
            "client_id",
            "occurred_at",
            postgresql_where="closed_at IS NULL AND client_id IS NOT NULL",
        ),
        Index(
            "ix_events_words",
            text(WORDS.format("subject")),
            postgresql_using="gin",
        ),
        Index("ix_events_triage", "occurred_at", postgresql_where="client_id IS NULL"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    external_id: Mapped[str | None] = mapped_column(unique=True)
    kind: Mapped[str]
    origin: Mapped[str]
    occurred_at: Mapped[datetime]
    subject: Mapped[str]
    client_id: Mapped[UUID | None] = mapped_column(ForeignKey("clients.id"))
    agents: Mapped[list[str]] = mapped_column(ARRAY(Text))
    closed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
