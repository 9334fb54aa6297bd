"""What is told of people, devices and log-ins."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from app.core.addresses import Address
from app.core.text import KEPT, Text
from app.identity.models import Device, Office, User, WebSession
from app.identity.passwords import LONGEST
from app.identity.permissions import Role

Name = Annotated[str, StringConstraints(max_length=64, pattern=KEPT)]
Password = Annotated[str, StringConstraints(max_length=LONGEST, pattern=KEPT)]
Code = Annotated[str, StringConstraints(max_length=64, pattern=KEPT)]


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LoginCreate(BaseModel):
    """`code` is the second factor, where there is one: from the telephone, or a recovery code."""

    name: Name
    password: Password
    code: Code | None = None


class ProofWrite(_Told):
    """Where there is a second factor its code is asked for, else the password."""

    password: Password | None = None
    code: Code | None = None


class PasswordWrite(_Told):
    old: Password
    new: Password


class CodeWrite(_Told):
    code: Code


class RecoveryWrite(_Told):
    """`token` is the last part of the link's address."""

    token: Annotated[str, StringConstraints(max_length=100, pattern=KEPT)]
    password: Password


class ActorRead(BaseModel):
    """Who is logged in. `is_enrolling`: there is nothing to be done before the second factor."""

    name: str
    role: str | None
    permissions: list[str]
    is_enrolling: bool


class SecretRead(BaseModel):
    """What a telephone takes over, as words, as an address and as a picture; shown once."""

    secret: str
    uri: str
    svg: str


class RecoveryCodesRead(BaseModel):
    """Codes that stand in for the telephone, each once; shown once."""

    recovery_codes: list[str]


class SessionRead(BaseModel):
    """A log-in from a browser."""

    id: UUID
    created_at: AwareDatetime
    seen_at: AwareDatetime
    expires_at: AwareDatetime
    how: str
    address: str | None
    browser: str | None
    is_this: bool

    @classmethod
    def of(cls, row: WebSession, this: UUID | None) -> SessionRead:
        return cls(
            id=row.id,
            created_at=row.created_at,
            seen_at=row.seen_at,
            expires_at=row.expires_at,
            how=row.how,
            address=row.address,
            browser=row.browser,
            is_this=row.id == this,
        )


class SessionsRead(BaseModel):
    items: list[SessionRead]


class UserCreate(_Told):
    """A person; without a password he sets one by a recovery link."""

    name: Name
    role: Role
    full_name: Text | None = None
    agent_ref: Text | None = None
    email: Address | None = None


class UserWrite(_Told):
    role: Role
    full_name: Text
    agent_ref: Text | None = None
    email: Address | None = None


class UserRead(BaseModel):
    """A person who works here."""

    id: UUID
    name: str
    full_name: str
    role: Role
    agent_ref: str | None
    email: str | None
    created_at: AwareDatetime
    disabled_at: AwareDatetime | None
    has_password: bool
    has_second_factor: bool
    api_keys: int

    @classmethod
    def of(cls, row: User, *, api_keys: int) -> UserRead:
        return cls(
            id=row.id,
            name=row.name,
            full_name=row.full_name,
            role=Role(row.role),
            agent_ref=row.agent_ref,
            email=row.email,
            created_at=row.created_at,
            disabled_at=row.disabled_at,
            has_password=row.password_hash is not None,
            has_second_factor=row.totp_since is not None,
            api_keys=api_keys,
        )


class UsersRead(BaseModel):
    items: list[UserRead]


class LinkRead(BaseModel):
    """A link that is good once, for a day; shown this once."""

    url: str


class KeyRead(BaseModel):
    """A key, shown this once."""

    key: str


class DeviceCreate(_Told):
    """What `is_exchange` tells of calls counts as evidence."""

    name: Name
    is_exchange: bool = False


class DeviceRead(BaseModel):
    """A device that sends."""

    id: UUID
    name: str
    is_exchange: bool
    created_at: AwareDatetime
    disabled_at: AwareDatetime | None

    @classmethod
    def of(cls, row: Device) -> DeviceRead:
        return cls(
            id=row.id,
            name=row.name,
            is_exchange=row.is_exchange,
            created_at=row.created_at,
            disabled_at=row.disabled_at,
        )


class DevicesRead(BaseModel):
    items: list[DeviceRead]


class OfficeWrite(_Told):
    """An office; without a place or zone of its own, those of the settings hold."""

    name: Text
    jurisdiction: (
        Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}(-[A-Za-z]+){0,4}$")] | None
    ) = None
    zone: Text | None = None


class OfficeRead(BaseModel):
    """An office."""

    id: UUID
    name: str
    jurisdiction: str | None
    zone: str | None

    @classmethod
    def of(cls, row: Office) -> OfficeRead:
        return cls(id=row.id, name=row.name, jurisdiction=row.jurisdiction, zone=row.zone)


class OfficesRead(BaseModel):
    items: list[OfficeRead]


class SubjectWrite(_Told):
    """What the log-in provider calls a person: `sub` of its tokens."""

    subject: Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=KEPT)]


class UserOfficesWrite(_Told):
    """Names of offices; none is the main one."""

    offices: list[Text] = Field(max_length=100)
