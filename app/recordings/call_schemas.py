"""What is told of a call's course and of who is on the line, and what is answered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self
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

from app.clients.schemas import Place, Sha256Hex
from app.core.moments import Milliseconds, Moment, Version
from app.core.text import ExternalId, LongText, Note
from app.identity.agents import normalised
from app.recordings.models import CallEventKind, ChangeState
from app.recordings.schemas import CallId, Line, PartyRead

MAX_EVENTS = 200
MAX_MORE = 50
LegName = Annotated[
    str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")
]
SideName = Literal["own", "client", "other"]
Channel = Annotated[int, Field(ge=0, le=63)]
_K = CallEventKind


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TransferTarget(_Told):
    """Who takes the call over."""

    leg: LegName
    number: Line | None = None
    side: SideName | None = None
    agent: Annotated[Line | None, AfterValidator(normalised)] = None
    channel: Channel | None = None


class PromptNotice(_Told):
    """The version of a notice text that a prompt speaks."""

    text_id: UUID
    version: Version


_NEEDS: dict[CallEventKind, tuple[str, ...]] = {
    _K.JOIN: ("leg",),
    _K.LEAVE: ("leg",),
    _K.HOLD: ("leg",),
    _K.RESUME: ("leg",),
    _K.TRANSFER: ("leg", "mode", "target"),
    _K.PROMPT_PLAYED: ("leg", "prompt_id", "row_sha256"),
    _K.DTMF: ("leg", "prompt_id", "digit", "row_sha256"),
}


class CallEventTold(_Told):
    """Something that happened on the call. `event_id` is told again with the same event.

    `more` is what the sender knows beside it: kept as it stands, and read by nobody here.
    """

    event_id: CallId
    kind: CallEventKind
    at: Moment
    ended_at: Moment | None = None
    sequence: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    leg: LegName | None = None
    number: Line | None = None
    side: SideName | None = None
    agent: Annotated[Line | None, AfterValidator(normalised)] = None
    channel: Channel | None = None
    mode: Literal["blind", "attended"] | None = None
    target: TransferTarget | None = None
    prompt_id: Line | None = None
    notice: PromptNotice | None = None
    audio_sha256: Sha256Hex | None = None
    digit: Annotated[str, StringConstraints(pattern=r"^[0-9*#A-D]$")] | None = None
    answer: Literal["agreed", "refused"] | None = None
    row_sha256: Sha256Hex | None = None
    more: Annotated[dict[Line, Note], Field(max_length=MAX_MORE)] = {}

    @model_validator(mode="after")
    def _whole(self) -> Self:
        lacking = [name for name in _NEEDS.get(self.kind, ()) if getattr(self, name) is None]
        if lacking:
            raise ValueError(f"{self.kind} needs {', '.join(lacking)}")
        if self.ended_at is not None and self.ended_at < self.at:
            raise ValueError("ended_at lies before at")
        if self.target is not None and self.target.leg == self.leg:
            raise ValueError("nobody is transferred to himself")
        if self.kind not in {_K.PROMPT_PLAYED, _K.DTMF} and (self.notice or self.audio_sha256):
            raise ValueError(f"{self.kind} has no prompt")
        return self


class CallEventsOfRecording(_Told):
    """Events of a recording's call, told by a person."""

    events: Annotated[tuple[CallEventTold, ...], Field(min_length=1, max_length=MAX_EVENTS)]


class CallEventsTold(CallEventsOfRecording):
    """Events of one call. `sent_at` is what the sender's clock says as it sends."""

    call_id: CallId
    sent_at: Moment


class CallEventsKept(BaseModel):
    """How many events are new, and which recordings they speak of; more may follow."""

    kept: int
    repeated: int
    skew_ms: int
    recordings: list[UUID]


class CallEventRead(BaseModel):
    id: UUID
    event_id: str
    kind: CallEventKind
    at: AwareDatetime
    from_ms: int
    by: Literal["exchange", "own_device", "person"]
    skew_ms: int
    told: dict[str, Any]


class CallEventList(BaseModel):
    """The events of a recording's call, by their own times; `from_ms` may lie before it began."""

    items: list[CallEventRead]


class PartyWrite(_Told):
    """What a person says of a party. What is left out stays as it is."""

    reason: Annotated[LongText, StringConstraints(min_length=3, max_length=1000)]
    present_from_ms: Milliseconds | None = None
    present_to_ms: Milliseconds | None = None
    side: SideName | None = None
    client: ExternalId | None = None
    contact: UUID | None = None
    channel: Channel | None = None
    jurisdiction: Place | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        said = self.model_fields_set - {"reason"}
        if not said:
            raise ValueError("nothing is said of the party")
        for name in ("present_from_ms", "side"):
            if name in said and getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null")
        return self


class PartyAdd(PartyWrite):
    """Somebody who is heard and was not named yet."""

    label: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]


class ChangeVerdict(_Told):
    reason: Annotated[LongText, StringConstraints(min_length=3, max_length=1000)]


class PartyChangeRead(BaseModel):
    """A change of a party: by whom, from what to what, and how far it has come."""

    id: UUID
    party: str
    source: Literal["exchange", "person"]
    state: ChangeState
    before: dict[str, Any] | None
    after: dict[str, Any]
    reason: str | None
    proposed_by: UUID | None
    proposed_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None


class PartyChangeList(BaseModel):
    items: list[PartyChangeRead]


class PartyWritten(BaseModel):
    """The party as it is now; `change` is in force, or waits for another person."""

    party: PartyRead
    change: PartyChangeRead
