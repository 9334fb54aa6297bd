"""What administrators say of providers, and what they are shown: never a secret again."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
)

from app.core.text import Text
from app.providers.models import Kind, NoticeState
from app.providers.told import MediaState
from app.recordings.models import Direction

_URL = r"^https?://[^\s/?#@]+(/[^\s?#]*)?$"
Host = Annotated[
    str,
    StringConstraints(
        to_lower=True, max_length=253, pattern=r"^(?i:\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*)$"
    ),
]
"""A name of a host; one that begins with a dot stands for all names below it."""

PublicUrl = Annotated[str, StringConstraints(max_length=1000, pattern=_URL)]
SecretValue = Annotated[SecretStr, Field(min_length=1, max_length=4000)]
Words = Annotated[dict[Text, SecretValue], Field(max_length=10)]


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProviderWrite(_Said):
    """A connection to a telephony service.

    `public_url` is how the service reaches this archive: it is signed by some of them, and no
    header of a request replaces it. Without `media_hosts` they are those that the kind has.
    """

    name: Text
    kind: Kind
    public_url: PublicUrl
    secrets: Words
    media_hosts: Annotated[tuple[Host, ...], Field(max_length=20)] = ()
    direction: Direction = Direction.INBOUND
    mapping: dict[str, Any] | None = None


class ProviderChange(_Said):
    """What may be another thing of a connection: where it is reached, and whence media comes."""

    public_url: PublicUrl
    media_hosts: Annotated[tuple[Host, ...], Field(max_length=20)] = ()
    direction: Direction = Direction.INBOUND


class SecretsWrite(_Said):
    secrets: Words


class ProviderRead(BaseModel):
    """A connection. `address` is what the service is told to call."""

    id: UUID
    name: str
    kind: Kind
    address: str
    media_hosts: list[str]
    direction: Direction
    mapping: dict[str, Any] | None
    created_at: AwareDatetime
    previous_until: AwareDatetime | None
    removed_at: AwareDatetime | None
    notices: dict[NoticeState, int]
    media: dict[MediaState, int]


class ProviderList(BaseModel):
    items: list[ProviderRead]


class MediaRead(BaseModel):
    """A recording that a service made, and how far it has come; `reason` is why not further."""

    id: UUID
    media: str
    call: str
    state: MediaState
    reason: str | None
    attempts: int
    told_at: AwareDatetime
    settled_at: AwareDatetime | None
    recording: UUID | None


class MediaPage(BaseModel):
    items: list[MediaRead]
