"""What crosses the wire about webhooks; a secret once, when it is made."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.webhooks.models import (
    Attempt,
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointState,
    Fault,
    Kind,
)
from app.webhooks.queries import Counts


class EndpointWrite(BaseModel):
    """An endpoint to be told; no `kinds` are all there are."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=64)]
    url: Annotated[str, Field(max_length=2048)]
    kinds: Annotated[list[Kind] | None, Field(min_length=1)] = None


class EndpointRead(BaseModel):
    """An endpoint, and how many deliveries to it stand how."""

    id: UUID
    name: str
    url: str
    kinds: list[Kind]
    state: EndpointState
    created_at: AwareDatetime
    two_secrets_until: AwareDatetime | None
    waiting: int
    failing: int
    delivered: int
    dead: int

    @classmethod
    def of(cls, row: Endpoint, counts: Counts) -> EndpointRead:
        return cls(
            id=row.id,
            name=row.name,
            url=row.url,
            kinds=[Kind(kind) for kind in row.kinds],
            state=EndpointState(row.state),
            created_at=row.created_at,
            two_secrets_until=row.previous_until,
            waiting=counts.waiting,
            failing=counts.failing,
            delivered=counts.delivered,
            dead=counts.dead,
        )


class EndpointMade(EndpointRead):
    """An endpoint that is new, with its secret."""

    secret: str


class EndpointList(BaseModel):
    """Every endpoint."""

    items: list[EndpointRead]


class SecretMade(BaseModel):
    """A secret that is new. The one before it signs too until `previous_until`."""

    secret: str
    previous_until: AwareDatetime


class AttemptRead(BaseModel):
    """One try: the status and the first bytes of the answer, or why there was none."""

    at: AwareDatetime
    status: int | None
    ms: int
    fault: Fault | None
    answer: str

    @classmethod
    def of(cls, row: Attempt) -> AttemptRead:
        return cls(
            at=row.at,
            status=row.status,
            ms=row.ms,
            fault=Fault(row.fault) if row.fault else None,
            answer=row.answer.decode(errors="replace"),
        )


class DeliveryRead(BaseModel):
    """A delivery, what it tells and what became of each attempt."""

    id: UUID
    message_id: str
    kind: Kind
    happened_at: AwareDatetime
    data: dict[str, str | int | bool | None]
    state: DeliveryState
    attempts: int
    next_at: AwareDatetime | None
    tries: list[AttemptRead]

    @classmethod
    def of(cls, row: Delivery) -> DeliveryRead:
        return cls(
            id=row.id,
            message_id=f"evt_{row.happening_id.hex}",
            kind=Kind(row.happening.kind),
            happened_at=row.happening.at,
            data=row.happening.data,
            state=DeliveryState(row.state),
            attempts=row.attempts,
            next_at=row.next_at,
            tries=[AttemptRead.of(attempt) for attempt in row.tries],
        )


class DeliveryList(BaseModel):
    """Deliveries, the newest first."""

    items: list[DeliveryRead]
    next_before: UUID | None


class Replayed(BaseModel):
    """How many deliveries are tried again."""

    deliveries: int
