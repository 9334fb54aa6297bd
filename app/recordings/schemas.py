"""What a sender tells of a recording or screenshot, and what is answered."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from app.core.moments import Milliseconds, Moment, Version
from app.core.text import ExternalId, LongText, Note
from app.identity.agents import normalised
from app.recordings.models import (
    Capture,
    Direction,
    Flag,
    InspectionState,
    LegKind,
    LinkedBy,
    PresenceBy,
    Proof,
)

_CONTROL_FREE = r"^[^\x00-\x1f\x7f]*$"
CallId = Annotated[
    str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Line = Annotated[str, StringConstraints(max_length=255, pattern=_CONTROL_FREE)]


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EventRef(_Told):
    external_id: ExternalId


class NoticeClaim(_Told):
    """What the sender says it played; a claim proves nothing by itself."""

    text_id: Line
    version: Version
    played_at_ms: Milliseconds


class PartyClaim(_Told):
    """Somebody the sender says was on the line."""

    name: Line | None = None
    number: Line | None = None
    side: Annotated[str, StringConstraints(pattern="^(own|client|other)$")] = "other"
    from_ms: Milliseconds = 0
    to_ms: Milliseconds | None = None

    @model_validator(mode="after")
    def _forwards(self) -> PartyClaim:
        if self.to_ms is not None and self.to_ms <= self.from_ms:
            raise ValueError("to_ms must lie after from_ms")
        return self


class RecordingTold(_Told):
    """The metadata of a recording, as its sender tells it."""

    source_call_id: CallId
    leg: LegKind = LegKind.MIXED
    started_at: Moment
    ended_at: Moment | None = None
    duration_ms: Milliseconds | None = None
    line: Line | None = None
    direction: Direction
    from_party: Annotated[Line | None, Field(alias="from")] = None
    to_party: Annotated[Line | None, Field(alias="to")] = None
    agent: Annotated[Line | None, AfterValidator(normalised)] = None
    event: EventRef | None = None
    capture: Capture = Capture.SOFTPHONE
    notice: NoticeClaim | None = None
    parties: Annotated[tuple[PartyClaim, ...], Field(max_length=20)] = ()

    @model_validator(mode="after")
    def _forwards(self) -> RecordingTold:
        if self.ended_at is not None and self.ended_at < self.started_at:
            raise ValueError("ended_at lies before started_at")
        return self


class ScreenshotTold(_Told):
    """The metadata of a screenshot, as its sender tells it."""

    captured_at: Moment
    agent: Annotated[Line | None, AfterValidator(normalised)] = None
    event: EventRef | None = None
    note: Note | None = None


class EventLinkRead(BaseModel):
    """The event something is tied to, and how it came there; `client` is its external id."""

    id: UUID
    external_id: str | None
    client: str | None
    linked_by: LinkedBy


class ProvedBy(BaseModel):
    """A piece of evidence behind a class: which, from where to where, of which text."""

    assertion: UUID
    kind: str
    proof_class: Annotated[Proof, Field(serialization_alias="class")]
    from_ms: int
    to_ms: int | None
    played_ms: list[int] | None = None
    notice: UUID | None = None
    notice_version: int | None = None
    call_event: UUID | None = None


class ProofRead(BaseModel):
    """How it is proved that somebody was told, and by what; the best of it stands first."""

    proof_class: Annotated[Proof, Field(serialization_alias="class")]
    log_only: bool
    evidence: list[ProvedBy]


class PartyRead(BaseModel):
    label: str
    side: str
    client: UUID | None
    contact: UUID | None
    number: str | None
    present_from_ms: int
    present_to_ms: int | None
    presence_by: PresenceBy
    channel: int | None
    jurisdiction: str | None
    how_identified: str
    proof: ProofRead | None


class ConsentRead(BaseModel):
    flag: Flag


class ConsentPartiesRead(ConsentRead):
    proof: Proof
    parties: list[PartyRead]


class RecordingCreated(BaseModel):
    """The answer to an upload. `receipt` is a signed note, for the sender to keep."""

    id: UUID
    sha256: str
    size_bytes: int
    event: EventLinkRead
    consent: ConsentRead
    receipt: str


class ScreenshotCreated(BaseModel):
    id: UUID
    sha256: str
    size_bytes: int
    event: EventLinkRead
    receipt: str


class LegRead(BaseModel):
    leg: LegKind
    sha256: str
    size_bytes: int
    media_type: str
    codec: str | None
    channels: int | None
    sample_rate_hz: int | None
    file_name: str | None
    received_at: AwareDatetime
    duration_ms: int | None
    damaged: bool | None


class InspectionRead(BaseModel):
    """What the audio tells. `notices` is filled by detection.

    `notices_not_searched` has the texts that were due and could not be looked for: nothing is
    known of them, which is less than that they were not played.
    """

    state: InspectionState
    reason: str | None
    duration_ms: int | None
    channels: int | None
    codec: str | None
    notices: list[NoticeFound]
    notices_not_searched: list[NoticeNotSearched]


class NoticeFound(BaseModel):
    text_id: str
    version: int
    start_ms: int
    end_ms: int
    share: float
    score: float
    complete: bool


class NoticeNotSearched(BaseModel):
    text_id: str
    version: int
    reason: str


class NoticesRead(BaseModel):
    """What was found of the notice texts, and which could not be searched for."""

    found: list[NoticeFound]
    not_searched: list[NoticeNotSearched]


class RecordingSummary(BaseModel):
    id: UUID
    source_call_id: str
    started_at: AwareDatetime
    direction: Direction
    capture: Capture
    outside_number: str | None
    agent: str | None
    duration_ms: int | None
    event: EventLinkRead
    flag: Flag
    proof: Proof | None
    inspection: InspectionState


class RecordingPage(BaseModel):
    """A page of recordings, newest first; `next` is the cursor of the next page, if any."""

    items: list[RecordingSummary]
    next: str | None


class LinkChangeRead(BaseModel):
    event: UUID
    linked_by: LinkedBy
    at: AwareDatetime
    user: UUID | None
    reason: str | None


class RecordingRead(BaseModel):
    id: UUID
    source_call_id: str
    started_at: AwareDatetime
    ended_at: AwareDatetime | None
    received_at: AwareDatetime
    line: str | None
    direction: Direction
    from_party: str | None
    to_party: str | None
    outside_number: str | None
    agent: str | None
    capture: Capture
    event: EventLinkRead
    links: list[LinkChangeRead]
    legs: list[LegRead]
    consent: ConsentPartiesRead
    inspection: InspectionRead


class RelinkWrite(_Told):
    """The event a person says it belongs to, and why."""

    event: EventRef
    reason: Annotated[LongText, StringConstraints(min_length=3, max_length=1000)]
