"""Accounts of providers: made, given other secrets, removed; and the secrets themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_urlsafe
from typing import cast
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.errors import Conflict, Malformed, NotFound
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act, DetailCipher
from app.identity import service as identity
from app.identity.actor import Actor
from app.identity.models import Device
from app.providers.kinds import SERVICES
from app.providers.models import (
    Kind,
    NoticeState,
    ProviderAccount,
    ProviderMedia,
    ProviderNotice,
)
from app.providers.schemas import ProviderChange, ProviderWrite
from app.providers.told import MediaState, Secrets

OVERLAP = timedelta(hours=24)
"""How long secrets count after others took their place."""

MADE_HERE = frozenset({Kind.TEMPLATE, Kind.BITRIX})
"""The kinds whose secret the archive makes and the service is given."""

_TOKEN_BYTES = 24
_LABEL = "provider"


class ProviderNotFound(NotFound):
    """There is no such provider."""


class ProviderRemoved(Conflict):
    """The provider was removed; make another."""


class SecretsWrong(Malformed):
    """These are not the secrets that this kind of provider needs.

    `needed` and `optional` name them.
    """


class MappingWrong(Malformed):
    """The mapping cannot be used; `errors` says where and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An account and what became of its messages and recordings."""

    account: ProviderAccount
    notices: Mapping[str, int]
    media: Mapping[str, int]


def add(session: Session, actor: Actor, said: ProviderWrite, *, at: datetime) -> ProviderAccount:
    """Make an account and the device in whose name its calls and recordings are kept.

    Raises:
        SecretsWrong, MappingWrong: they do not fit the kind.
        NameTaken, NameInvalid: the name is not free, or none.
    """
    service = SERVICES[said.kind]
    secrets = plain(said.secrets)
    _must_fit(said.kind, secrets)
    if wrong := service.check(said.mapping):
        raise MappingWrong("; ".join(wrong), errors=list(wrong))
    # Its key is known to nobody: only what the provider signs comes in.
    identity.add_device(session, actor, said.name, at=at)
    device_id = session.scalars(select(Device.id).where(Device.name == said.name)).one()
    account_id = new_id()
    account = ProviderAccount(
        id=account_id,
        name=said.name,
        kind=said.kind,
        device_id=device_id,
        public_url=said.public_url.rstrip("/"),
        media_hosts=list(said.media_hosts) or list(service.hosts),
        direction=said.direction,
        mapping=said.mapping,
        secrets=_sealed(session, account_id, secrets),
        created_at=at,
    )
    session.add(account)
    session.flush()
    _tell(session, actor, account, "provider.added", at=at)
    return account


def plain(secrets: Mapping[str, SecretStr]) -> dict[str, str]:
    """Return secrets as words, for where they are sealed."""
    return {name: value.get_secret_value() for name, value in secrets.items()}


def rotate(
    session: Session, actor: Actor, account_id: UUID, secrets: Secrets, *, at: datetime
) -> ProviderAccount:
    """Give an account other secrets; the old ones count for another day.

    Raises:
        ProviderNotFound, ProviderRemoved, SecretsWrong: nothing was changed.
    """
    account = _present(session, account_id)
    _must_fit(Kind(account.kind), secrets)
    account.previous_secrets, account.previous_until = account.secrets, at + OVERLAP
    account.secrets = _sealed(session, account.id, secrets)
    _tell(session, actor, account, "provider.secrets_rotated", at=at)
    return account


def change(
    session: Session, actor: Actor, account_id: UUID, said: ProviderChange, *, at: datetime
) -> ProviderAccount:
    """Let an account be reached elsewhere, and its media come from other hosts.

    Raises:
        ProviderNotFound, ProviderRemoved: nothing was changed.
    """
    account = _present(session, account_id)
    account.public_url = said.public_url.rstrip("/")
    account.media_hosts = list(said.media_hosts) or list(SERVICES[Kind(account.kind)].hosts)
    account.direction = said.direction
    _tell(session, actor, account, "provider.changed", at=at)
    return account


def made_secrets(kind: Kind) -> dict[str, str]:
    """Return new secrets where they are ours to make: a token that is pasted at the service."""
    return {"token": token_urlsafe(_TOKEN_BYTES)} if kind in MADE_HERE else {}


def remove(session: Session, actor: Actor, account_id: UUID, *, at: datetime) -> None:
    """Take nothing more from an account; what it told stays, what it waits for is still fetched.

    Raises:
        ProviderNotFound, ProviderRemoved: nothing was changed.
    """
    account = _present(session, account_id)
    account.removed_at = at
    account.previous_secrets = account.previous_until = None
    name = session.scalars(select(Device.name).where(Device.id == account.device_id)).one()
    identity.disable_device(session, actor, name, at=at)
    _tell(session, actor, account, "provider.removed", at=at)


def found(session: Session, account_id: UUID) -> ProviderAccount:
    """Return an account.

    Raises:
        ProviderNotFound: there is none.
    """
    account = session.get(ProviderAccount, account_id)
    if account is None:
        raise ProviderNotFound
    return account


def named(session: Session, name: str) -> ProviderAccount:
    """Return the account of this name.

    Raises:
        ProviderNotFound: there is none.
    """
    account = session.scalar(select(ProviderAccount).where(ProviderAccount.name == name))
    if account is None:
        raise ProviderNotFound(f"No provider is called {name}.", name=name)
    return account


def seen(session: Session) -> list[Seen]:
    """Return every account with what became of its messages and recordings."""
    accounts = session.scalars(select(ProviderAccount).order_by(ProviderAccount.name)).all()
    notices = _counted(session, ProviderNotice)
    media = _counted(session, ProviderMedia)
    return [
        Seen(
            account=one,
            notices={state: notices.get((one.id, state), 0) for state in NoticeState},
            media={state: media.get((one.id, state), 0) for state in MediaState},
        )
        for one in accounts
    ]


def _counted(
    session: Session, of: type[ProviderNotice | ProviderMedia]
) -> dict[tuple[UUID, str], int]:
    rows = session.execute(
        select(of.account_id, of.state, func.count()).group_by(of.account_id, of.state)
    )
    return {(row[0], row[1]): row[2] for row in rows}


def secrets_of(session: Session, account: ProviderAccount, *, at: datetime) -> list[Secrets]:
    """Return the secrets that count at `at`, the newest first."""
    sealed = [account.secrets]
    if account.previous_secrets and account.previous_until and at < account.previous_until:
        sealed.append(account.previous_secrets)
    return [json.loads(cipher(session).open(account.id, _LABEL, one)) for one in sealed]


def cipher(session: Session) -> DetailCipher:
    """Return what seals here."""
    return cast("DetailCipher", session.info["detail_cipher"])


def _sealed(session: Session, account_id: UUID, secrets: Secrets) -> bytes:
    return cipher(session).seal(account_id, _LABEL, json.dumps(dict(secrets)).encode())


def _must_fit(kind: Kind, secrets: Secrets) -> None:
    service = SERVICES[kind]
    names = {name for name, value in secrets.items() if value}
    if not service.secrets <= names or not names <= service.secrets | service.optional:
        raise SecretsWrong(
            f"The kind {kind} needs {', '.join(sorted(service.secrets))}.",
            needed=sorted(service.secrets),
            optional=sorted(service.optional),
        )


def _present(session: Session, account_id: UUID) -> ProviderAccount:
    account = session.get(ProviderAccount, account_id, with_for_update=True)
    if account is None:
        raise ProviderNotFound
    if account.removed_at is not None:
        raise ProviderRemoved
    return account


def _tell(
    session: Session, actor: Actor, account: ProviderAccount, change: str, *, at: datetime
) -> None:
    ledger.append(
        session,
        actor,
        Act.CONFIG_CHANGED,
        ("provider", account.id),
        at=at,
        facts={"change": change, "kind": account.kind},
    )
