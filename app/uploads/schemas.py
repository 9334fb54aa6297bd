"""Uploads as they cross the wire beside the fields of tus."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from app.core.db import JsonObject
from app.uploads.models import Upload, UploadKind, UploadState


class UploadRead(BaseModel):
    """Where an upload stands.

    `answer` is null until it is over: what `POST /v1/recordings` or `/v1/screenshots` would have
    answered, receipt included, or the problem.
    """

    id: UUID
    kind: UploadKind
    state: UploadState
    received_bytes: int
    length_bytes: int
    expires_at: datetime
    answer: JsonObject | None

    @classmethod
    def of(cls, upload: Upload) -> UploadRead:
        return cls(
            id=upload.id,
            kind=UploadKind(upload.kind),
            state=UploadState(upload.state),
            received_bytes=upload.received_bytes,
            length_bytes=upload.length_bytes,
            expires_at=upload.expires_at,
            answer=upload.answer,
        )
