"""Tables of uploads on their way in. Rows live for days: until the upload is kept, or given up."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, JsonObject, one_of


class UploadKind(StrEnum):
    """What an upload becomes; a part becomes nothing by itself, uploads are put together of it."""

    RECORDING = "recording"
    SCREENSHOT = "screenshot"
    PART = "part"


class UploadState(StrEnum):
    """Where an upload stands. In both last states its pieces are gone."""

    RECEIVING = "receiving"
    KEPT = "kept"
    REFUSED = "refused"


class Upload(Base):
    """A file on its way in: `received_bytes` of `length_bytes` are durable.

    `told` is the field Upload-Metadata as it came, until the upload is over; `answer` is then what
    the sender is told of it: the body of the answer, or of the problem. `concat` is the field
    Upload-Concat of what is put together.
    """

    __tablename__ = "resumable_uploads"
    __table_args__ = (
        CheckConstraint(one_of("kind", UploadKind), name="kind"),
        CheckConstraint(one_of("state", UploadState), name="state"),
        CheckConstraint("received_bytes BETWEEN 0 AND length_bytes", name="received"),
        CheckConstraint("(state = 'receiving') = (answer IS NULL)", name="answered"),
        CheckConstraint("state = 'receiving' OR told IS NULL", name="forgotten"),
        Index("ix_resumable_uploads_device", "device_id", "state"),
        Index("ix_resumable_uploads_expires", "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id"))
    kind: Mapped[str]
    state: Mapped[str]
    told: Mapped[str | None]
    concat: Mapped[str | None]
    length_bytes: Mapped[int] = mapped_column(BigInteger)
    received_bytes: Mapped[int] = mapped_column(BigInteger)
    answer: Mapped[JsonObject | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class Piece(Base):
    """A part of an upload that is durable, from `starts_at` on."""

    __tablename__ = "resumable_pieces"
    __table_args__ = (CheckConstraint("size_bytes > 0", name="size"),)

    upload_id: Mapped[UUID] = mapped_column(
        ForeignKey("resumable_uploads.id", ondelete="CASCADE"), primary_key=True
    )
    starts_at: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    object_id: Mapped[UUID] = mapped_column(unique=True)
    wrapped_key: Mapped[bytes]
