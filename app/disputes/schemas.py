"""What crosses the wire about disputes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, model_validator

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Milliseconds = Annotated[int, Field(ge=0, le=2**31 - 1)]


class DisputeCreate(BaseModel):
    client: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    subject: Text


class ExhibitCreate(BaseModel):
    recording_id: UUID
    from_ms: Milliseconds = 0
    to_ms: Milliseconds | None = None
    note: Text | None = None

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
