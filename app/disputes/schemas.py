"""What crosses the wire about disputes."""

from __future__ import annotations

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, model_validator

from app.core.moments import Milliseconds
from app.core.text import ExternalId, LongText


class DisputeCreate(BaseModel):
    client: ExternalId
    subject: LongText


class ExhibitCreate(BaseModel):
    recording_id: UUID
    from_ms: Milliseconds = 0
    to_ms: Milliseconds | None = None
    note: LongText | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.to_ms is not None and self.to_ms <= self.from_ms:
            raise ValueError("to_ms must be greater than from_ms")
        return self


class ExhibitRead(BaseModel):
    id: UUID
    recording_id: UUID
    from_ms: int
    to_ms: int | None
    note: str | None
    added_by: UUID
    at: datetime


class DisputeRead(BaseModel):
    id: UUID
    client: str
    subject: str
    opened_by: UUID
    opened_at: datetime
    closed_at: datetime | None
    exhibits: list[ExhibitRead]
