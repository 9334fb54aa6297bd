"""What crosses the wire about documents."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from app.core.text import KEPT, ExternalId, Text
from app.documents.models import Document, DocumentKind, DocumentRole

UploadId = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=KEPT)]


class DocumentTold(BaseModel):
    """The metadata of a document: what it is for, and of whom or what it is.

    `upload_id` is the sender's own name for this upload; the same again is the same document.
    """

    model_config = ConfigDict(extra="forbid")

    upload_id: UploadId
    role: DocumentRole
    title: Text
    client: ExternalId | None = None
    contract_id: UUID | None = None
    contact_id: UUID | None = None
    agent: Text | None = None
    recording_id: UUID | None = None


class DocumentRead(BaseModel):
    """A document: what it is, what was looked at, what was odd; never its content."""

    id: UUID
    upload_id: str
    role: DocumentRole
    title: str
    kind: DocumentKind
    media_type: str
    sha256: str
    size_bytes: int
    width: int | None
    height: int | None
    file_name: str | None
    examined: list[str]
    oddities: list[str]
    client_id: UUID | None
    contract_id: UUID | None
    contact_id: UUID | None
    agent: str | None
    recording_id: UUID | None
    uploaded_by: UUID | None
    uploaded_at: AwareDatetime
    restricted_at: AwareDatetime | None
    kept_only_by_hold: bool
    erased_at: AwareDatetime | None

    @classmethod
    def of(cls, row: Document, size_bytes: int) -> DocumentRead:
        names = cls.model_fields.keys() - {"sha256", "size_bytes"}
        fields = {name: getattr(row, name) for name in names}
        told = {"sha256": row.sha256.hex(), "size_bytes": size_bytes}
        return cls.model_validate(fields | told)


class DocumentList(BaseModel):
    items: list[DocumentRead]
