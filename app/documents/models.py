"""The table of documents."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, one_of
from app.identity.agents import AgentRef


class DocumentKind(StrEnum):
    """What the bytes are."""

    PDF = "pdf"
    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"


class DocumentRole(StrEnum):
    """What the paper is for."""

    CONTRACT = "contract"
    PROCESSING_CONTRACT = "processing_contract"
    CONSENT_FORM = "consent_form"
    LOCAL_ACT = "local_act"
    ACKNOWLEDGEMENT = "acknowledgement"
    ASSESSMENT = "assessment"
    DEMAND = "demand"
    REFUSAL = "refusal"
    WITHDRAWAL = "withdrawal"
    OTHER = "other"


class Document(Base):
    """A paper as it was uploaded, and what it is of. Inserted only, and erased by an erasure.

    `examined` names what was looked for, `oddities` what of it was found. `uploaded_by` is nobody
    where a client sent it by a link.
    """

    __tablename__ = "documents"
    __table_args__ = (
        CheckConstraint(one_of("kind", DocumentKind), name="kind"),
        CheckConstraint(one_of("role", DocumentRole), name="role"),
        Index("uq_documents_upload", "uploaded_by", "upload_id", unique=True),
        Index(
            "uq_documents_of_nobody",
            "upload_id",
            unique=True,
            postgresql_where="uploaded_by IS NULL",
        ),
        Index("ix_documents_sha256", "sha256"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    upload_id: Mapped[str]
    role: Mapped[str]
    title: Mapped[str]
    kind: Mapped[str]
    media_type: Mapped[str]
    object_id: Mapped[UUID] = mapped_column(ForeignKey("sealed_objects.object_id"), unique=True)
    sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    width: Mapped[int | None]
    height: Mapped[int | None]
    file_name: Mapped[str | None]
    examined: Mapped[list[str]] = mapped_column(ARRAY(Text))
    oddities: Mapped[list[str]] = mapped_column(ARRAY(Text))
    client_id: Mapped[UUID | None] = mapped_column(ForeignKey("clients.id"), index=True)
    contract_id: Mapped[UUID | None] = mapped_column(ForeignKey("contracts.id"), index=True)
    contact_id: Mapped[UUID | None] = mapped_column(ForeignKey("contacts.id"), index=True)
    agent: Mapped[str | None] = mapped_column(AgentRef, index=True)
    recording_id: Mapped[UUID | None] = mapped_column(ForeignKey("recordings.id"), index=True)
    uploaded_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    uploaded_at: Mapped[datetime]
    restricted_at: Mapped[datetime | None]
    kept_only_by_hold: Mapped[bool] = mapped_column(server_default=text("false"))
    erased_at: Mapped[datetime | None]

    @property
    def is_withheld(self) -> bool:
        """Say whether it is only kept: opened by those who bind the house alone."""
        return self.restricted_at is not None or self.kept_only_by_hold


class LocalAct(Base):
    """A version of the house's own rule on recording, for employees. Inserted only."""

    __tablename__ = "local_acts"
    __table_args__ = (Index("uq_local_acts_version", "number", "version", unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[str]
    version: Mapped[str]
    title: Mapped[str]
    document_id: Mapped[UUID] = mapped_column(ForeignKey("documents.id"))
    valid_from: Mapped[datetime]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime]


class Acknowledgement(Base):
    """That an employee, logged in, has acknowledged a version of an act. Inserted only."""

    __tablename__ = "acknowledgements"
    __table_args__ = (Index("uq_acknowledgements_once", "act_id", "user_id", unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    act_id: Mapped[UUID] = mapped_column(ForeignKey("local_acts.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    agent: Mapped[str] = mapped_column(AgentRef)
    at: Mapped[datetime]
