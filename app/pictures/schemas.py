"""What crosses the wire of pictures."""

from __future__ import annotations

from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.pictures.models import LookState, TextState


class FoundRead(BaseModel):
    """What was found in a picture. `text` is read by a machine, and may be wrong.

    `personal` holds what the metadata tell of people and places; null where it is not shown.
    """

    state: LookState
    text_state: TextState
    text: str | None
    reader: str | None
    looked_at: AwareDatetime
    metadata: dict[str, str]
    personal: dict[str, str] | None


class ScreenshotRead(BaseModel):
    """A screenshot; `found` is null until it was looked at."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    captured_at: AwareDatetime
    agent: str | None
    note: str | None
    event_id: UUID
    media_type: str
    width: int
    height: int
    received_at: AwareDatetime
    found: FoundRead | None = None


class ScreenshotRow(BaseModel):
    """A screenshot in a list; `has_small` says whether there is a small copy."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    captured_at: AwareDatetime
    agent: str | None
    note: str | None
    event_id: UUID
    width: int
    height: int
    has_small: bool = Field(default=False)


class ScreenshotPage(BaseModel):
    items: list[ScreenshotRow]
    next_cursor: str | None
