"""What crosses the wire about consent."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from app.consent.models import Assertion, NoticeText
from app.consent.purposes import (
    Kind,
    Outcome,
    Purpose,
    RecipientClass,
    ScreeningResult,
    Status,
    Strength,
)

_NO_ZERO = r"^[^\x00]*$"  # A zero character is nothing that Postgres can keep.
Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=300, pattern=_NO_ZERO),
]
Prose = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=4000, pattern=_NO_ZERO),
]
Milliseconds = Annotated[int, Field(ge=0, le=1 << 40)]


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NoticeTextTold(_Told):
    """The metadata of a notice text; `id` for a further version of one that is there."""

    id: UUID | None = None
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")]
    text: Prose
    purposes: Annotated[list[Purpose], Field(min_length=1)]
    recipients: list[RecipientClass] = []
    lines: list[Line] = []
    valid_from: AwareDatetime


class NoticeTextCreated(BaseModel):
    id: UUID
    version: int


class NoticeTextRead(BaseModel):
    id: UUID
    version: int
    language: str
    text: str
    purposes: list[Purpose]
    recipients: list[RecipientClass]
    lines: list[str]
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None
    media_type: str
    audio_sha256: str
    created_by: UUID
    created_at: AwareDatetime
    approved_by: UUID | None
    approved_at: AwareDatetime | None

    @classmethod
    def of(cls, row: NoticeText) -> NoticeTextRead:
        fields = {name: getattr(row, name) for name in cls.model_fields}
        return cls.model_validate(fields | {"audio_sha256": row.audio_sha256.hex()})


class NoticeTextApproval(_Told):
    """Which version is approved; the latest if none is named."""

    version: Annotated[int, Field(ge=1)] | None = None


class AssertionCreate(_Told):
    """A piece of evidence. `party` is a label of the recording; `wide`: true of him elsewhere."""

    kind: Kind
    evidence: dict[str, Any]
    party: Line | None = None
    wide: bool = False
    from_ms: Milliseconds | None = None
    to_ms: Milliseconds | None = None
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None
    purposes: list[Purpose] = []
    recipients: list[Line] = []
    supersedes: UUID | None = None


class AssertionRead(BaseModel):
    id: UUID
    kind: Kind
    strength: Strength
    status: Status
    recording_id: UUID | None
    party_id: UUID | None
    client_id: UUID | None
    contact_id: UUID | None
    agent: str | None
    from_ms: int
    to_ms: int | None
    valid_from: AwareDatetime | None
    valid_to: AwareDatetime | None
    purposes: list[Purpose]
    recipients: list[str]
    evidence: dict[str, Any]
    evidence_sha256: str
    proposed_by: UUID | None
    proposed_service: str | None
    proposed_at: AwareDatetime
    decided_by: UUID | None
    decided_at: AwareDatetime | None
    second_by: UUID | None
    second_at: AwareDatetime | None
    reason: str | None
    supersedes: UUID | None
    allowed: list[str]

    @classmethod
    def of(cls, row: Assertion, allowed: list[str]) -> AssertionRead:
        names = cls.model_fields.keys() - {"allowed", "evidence_sha256"}
        fields = {name: getattr(row, name) for name in names}
        digest = row.evidence_sha256.hex()
        return cls.model_validate(fields | {"evidence_sha256": digest, "allowed": allowed})


class AssertionList(BaseModel):
    items: list[AssertionRead]


class NoticeTextList(BaseModel):
    items: list[NoticeTextRead]


class VerdictWrite(_Told):
    """Why; needed for everything but a verification."""

    reason: Prose | None = None


class ScreeningCreate(_Told):
    from_ms: Milliseconds = 0
    to_ms: Milliseconds | None = None
    result: ScreeningResult
    note: Prose | None = None


class ScreeningRead(BaseModel):
    id: UUID
    from_ms: int
    to_ms: int | None
    result: ScreeningResult
    screened_by: UUID
    at: AwareDatetime


class ContactVerify(_Told):
    """How the person was known, and how it was known that he speaks for the firm."""

    identity_basis: Prose
    mandate_basis: Prose


class ContactVerified(BaseModel):
    id: UUID
    contact_id: UUID
    verified_by: UUID
    at: AwareDatetime


class ReasonSaid(BaseModel):
    code: str
    subject: str | None
    title: str
    meaning: str


class RemedySaid(BaseModel):
    code: str
    text: str


class SegmentRead(BaseModel):
    from_ms: int
    to_ms: int | None


class DecisionRead(BaseModel):
    """What the rules say now; `inputs_digest` is what an approval is bound to."""

    outcome: Outcome
    allowed: bool
    reasons: list[ReasonSaid]
    remedies: list[RemedySaid]
    obligations: list[str]
    allowed_segments: list[SegmentRead]
    grounds: list[str]
    inputs_digest: str
    policy_sha256: str
    valid_until: AwareDatetime | None


class ReasonRead(BaseModel):
    code: str
    title: str
    meaning: str
    remedies: list[RemedySaid]


class ReasonList(BaseModel):
    items: list[ReasonRead]
