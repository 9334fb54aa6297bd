"""What other systems tell of clients and events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.clients.models import (
    ClausePurpose,
    ClauseRecipient,
    ClauseScope,
    EventKind,
    EventOrigin,
    SignatureKind,
)
from app.core.moments import Day, Moment
from app.core.text import KEPT, ExternalId, Text

Sha256Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

Email = Annotated[str, StringConstraints(max_length=320, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")]


Place = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}(-[A-Za-z]+){0,4}$")]
"""A place as the packs name it: `RU`, `DE`, `US-CA`."""


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _each_once(what: str, names: Iterable[str]) -> None:
    """Refuse what is told of twice: it could not be said which of the two is true."""
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ValueError(f"told of more than once, {what}: {', '.join(map(repr, twice))}")


class ContactWrite(_Told):
    """A person of the client; `external_id`, else the name, tells the same person again."""

    external_id: ExternalId | None = None
    name: Text
    position: Text | None = None
    email: Email | None = None
    phones: list[Annotated[str, StringConstraints(max_length=100, pattern=KEPT)]] = Field(
        default_factory=list, max_length=50
    )
    is_management: bool = False


class ClauseWrite(_Told):
    """A clause, in its exact words."""

    clause_ref: Text
    quote: Annotated[str, StringConstraints(min_length=1, max_length=10_000, pattern=KEPT)]
    scope: list[ClauseScope] = Field(max_length=50)
    purposes: list[ClausePurpose] = Field(default_factory=list, max_length=50)
    recipients: list[ClauseRecipient] = Field(default_factory=list, max_length=50)
    survives_until: Moment | None = None
    retroactive_from: Moment | None = None


class ContractWrite(_Told):
    """A contract; half-open: valid from `valid_from` until before `valid_to`.

    What a month costs is told in minor units of the currency, as kopecks.
    """

    number: Text
    signed_on: Day
    our_entity: Text
    document_sha256: Sha256Hex
    signature_kind: SignatureKind
    valid_from: Moment
    valid_to: Moment | None = None
    terminated_at: Moment | None = None
    jurisdiction: Place | None = None
    monthly_price_minor: Annotated[int, Field(ge=0, le=10**15)] | None = None
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = None
    clauses: list[ClauseWrite] = Field(default_factory=list, max_length=100)

    @model_validator(mode="after")
    def _once(self) -> Self:
        _each_once("clause", (clause.clause_ref for clause in self.clauses))
        if (self.monthly_price_minor is None) != (self.currency is None):
            raise ValueError("a price has a currency, by its three letters")
        return self


class ClientWrite(_Told):
    """A client as its owner system has it. What is left out of lists and office stays as it is."""

    name: Text
    tax_id: Text | None = None
    jurisdiction: Place | None = None
    office: Text | None = None
    contacts: list[ContactWrite] | None = Field(default=None, max_length=1000)
    contracts: list[ContractWrite] | None = Field(default=None, max_length=200)

    @model_validator(mode="after")
    def _once(self) -> Self:
        contacts = self.contacts or []
        _each_once("contact", (c.external_id for c in contacts if c.external_id))
        _each_once("contact without external_id", (c.name for c in contacts if not c.external_id))
        _each_once("contract", (contract.number for contract in self.contracts or []))
        return self


class ContactRead(BaseModel):
    """A person of the client; `looks` is the digest of all that is told of him here."""

    id: UUID
    external_id: str | None
    name: str
    position: str | None
    email: str | None
    phones: list[str]
    is_management: bool
    looks: str


class ClauseRead(BaseModel):
    id: UUID
    clause_ref: str
    quote: str
    scope: list[str]
    purposes: list[str]
    recipients: list[str]


class ContractRead(BaseModel):
    id: UUID
    number: str
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None
    terminated_at: AwareDatetime | None
    monthly_price_minor: int | None
    currency: str | None
    clauses: list[ClauseRead]


class ClientRead(BaseModel):
    id: UUID
    external_id: str
    name: str
    tax_id: str | None
    jurisdiction: str | None
    office: str
    contacts: list[ContactRead]
    contracts: list[ContractRead]


class EventWrite(_Told):
    """What happened, as its owner system has it; `client` is the client's external id."""

    kind: EventKind
    occurred_at: Moment
    subject: Text
    client: ExternalId
    agents: list[Text] = Field(default_factory=list, max_length=50)
    closed_at: Moment | None = None


class EventRead(BaseModel):
    id: UUID
    external_id: str | None
    kind: EventKind
    origin: EventOrigin
    occurred_at: AwareDatetime
    subject: str
    client: str | None
    agents: list[str]
    closed_at: AwareDatetime | None


class TriagePage(BaseModel):
    """A page of events without a client; `next` is the cursor of the next page, if any."""

    items: list[EventRead]
    next: str | None
