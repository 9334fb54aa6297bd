"""What crosses the wire about releases."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, model_validator

from app.consent.rules import Purpose
from app.core.moments import Milliseconds
from app.core.text import Note
from app.disputes.schemas import MAX_REDACTIONS, AreaWire, Redactions, RedactionWire
from app.releases.models import ReleaseBundle

LifetimeDays = Annotated[int, Field(ge=1, le=366)]


class ItemCreate(BaseModel):
    """A part of a recording, or a screenshot of which `areas` are blacked out.

    Without a segment as much of a recording is meant as may be given.
    """

    recording_id: UUID | None = None
    screenshot_id: UUID | None = None
    from_ms: Milliseconds | None = None
    to_ms: Milliseconds | None = None
    redactions: Redactions = []
    areas: Annotated[list[AreaWire], Field(max_length=MAX_REDACTIONS)] = []

    @model_validator(mode="after")
    def _one_object(self) -> Self:
        if (self.recording_id is None) == (self.screenshot_id is None):
            raise ValueError("an item is of one recording or of one screenshot")
        is_cut = self.from_ms is not None or self.to_ms is not None or bool(self.redactions)
        if self.screenshot_id is not None and is_cut:
            raise ValueError("a screenshot has areas, no part and no redactions")
        if self.recording_id is not None and self.areas:
            raise ValueError("a recording has redactions, no areas")
        return self

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.to_ms is not None and self.to_ms <= (self.from_ms or 0):
            raise ValueError("to_ms must be greater than from_ms")
        return self


class _Asked(BaseModel):
    contact_id: UUID
    purpose: Purpose = Purpose.DISPUTE_CLIENT
    lifetime_days: LifetimeDays | None = None


class DisputeReleaseCreate(_Asked):
    """`without_screenshots` says that the dispute's screenshots stay here."""

    without_screenshots: bool = False


class ReleaseCreate(_Asked):
    items: Annotated[list[ItemCreate], Field(min_length=1, max_length=50)]


class ApprovalCreate(BaseModel):
    """`passphrase`: the link that this opens asks for one, which the answer tells this once."""

    note: Annotated[Note, StringConstraints(strip_whitespace=True)] | None = None
    passphrase: bool = False


class ApprovalRead(BaseModel):
    approver_id: UUID
    note: str | None
    at: datetime


class ItemRead(BaseModel):
    """What is asked for; the copy's facts are null until it was made.

    `derivation` is the canonical JSON by which anybody with the originals makes the same bytes; a
    whole call leaves as its playable copy and has none.
    """

    recording_id: UUID | None
    screenshot_id: UUID | None
    from_ms: int
    to_ms: int | None
    redactions: list[RedactionWire]
    areas: list[AreaWire]
    decision_id: UUID
    approvals: list[ApprovalRead]
    sha256: str | None
    size_bytes: int | None
    media_type: str | None
    duration_ms: int | None
    derivation: str | None


class BundleRead(BaseModel):
    """How far the bundle has come: pending, ready, failed (`reason` says by what) or destroyed."""

    state: str
    reason: str | None
    size_bytes: int | None
    sha256: str | None
    key_fingerprint: str | None
    made_at: datetime | None


def bundle_read(bundle: ReleaseBundle) -> BundleRead:
    """Return what is told of a bundle."""
    return BundleRead(
        state=bundle.state,
        reason=bundle.reason,
        size_bytes=bundle.size_bytes,
        sha256=bundle.sha256.hex() if bundle.sha256 else None,
        key_fingerprint=bundle.key_fingerprint,
        made_at=bundle.made_at,
    )


class ReleaseRead(BaseModel):
    """`is_open` is what the recipient is told at this moment; `views` counts the openings.

    `bundle` is null until the release is granted.
    """

    id: UUID
    dispute_id: UUID | None
    contact_id: UUID
    client_id: UUID
    purpose: str
    recipient: str
    state: str
    requested_by: UUID
    requested_at: datetime
    granted_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    revoked_by: UUID | None
    end_reason: str | None
    is_open: bool
    views: int
    bundle: BundleRead | None
    items: list[ItemRead]


class LinkCreated(BaseModel):
    """Address and passphrase of the link are told this once; only digests of them are kept.

    Tell the passphrase by another way than the address; null where the link asks for none.
    """

    url: str
    token: str
    passphrase: str | None
    expires_at: datetime


class ReleaseApproved(BaseModel):
    """`link` is null while one more person must approve."""

    release: ReleaseRead
    link: LinkCreated | None


class ReleasePage(BaseModel):
    releases: list[ReleaseRead]
    next_cursor: str | None
