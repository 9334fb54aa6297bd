"""The door for providers: a message is proved, kept as it came, and only then acknowledged."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.clock import Clock
from app.core.db import Database
from app.core.errors import Refusal
from app.core.ids import new_id
from app.core.jobs import Job, enqueue
from app.providers import bitrix, service
from app.providers.kinds import SERVICES
from app.providers.models import Kind, ProviderAccount
from app.providers.service import ProviderNotFound
from app.providers.told import Came, SignatureWrong

TAKE = "providers.take"
HOOKS = "/hooks/"
_LABEL = "notice"
_NOTICES = Counter(
    "audiatur_provider_notices_total",
    "Messages of providers, and what became of them at the door.",
    ["kind", "outcome"],
)
_KEEP = text(
    """
    INSERT INTO provider_notices AS n (id, account_id, received_at, sha256, sealed, state)
    VALUES (:id, :account_id, :at, :sha256, :sealed, 'waiting')
    ON CONFLICT (account_id, sha256) DO UPDATE SET repeats = n.repeats + 1
    RETURNING id, (xmax = 0)
    """
)


class DoorTools(Protocol):
    """What the door needs."""

    @property
    def clock(self) -> Clock: ...
    @property
    def database(self) -> Database: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Knock:
    """A request at an account's address, before anything is known of who sent it."""

    account_id: str
    method: str
    target: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


def take(tools: DoorTools, knock: Knock) -> Mapping[str, Any] | None:
    """Keep a message and return what is answered; it is durable then, and a job reads it.

    The same message again changes nothing: whether the provider repeats it because our answer was
    lost or somebody else sends a copy, nothing is told that was not told before.

    Raises:
        ProviderNotFound: there is no such account, or it was removed.
        SignatureWrong, NoticeStale: it is not proved to be the provider's, or not to be new.
        DatabaseAway: nothing was kept; the provider sends it again.
    """
    at = tools.clock.now()
    kind = "unknown"
    try:
        with tools.database.transaction() as session:
            account = _account(session, knock.account_id)
            kind = account.kind
            came = _came(account, knock, at=at)
            _verify(session, account, came, at=at)
            notice_id, is_new = _keep(session, account, came, at=at)
            answer = SERVICES[Kind(kind)].answer(came, notice_id)
    except Refusal as refusal:
        _NOTICES.labels(kind, refusal.slug).inc()
        raise
    _NOTICES.labels(kind, "kept" if is_new else "repeated").inc()
    return answer


def may_be_long(tools: DoorTools, path: str) -> bool:
    """Say whether a message at this address may hold a recording, before it is read.

    So it is where the address itself proves who calls.
    """
    account_id, _, rest = path.removeprefix(HOOKS).partition("/")
    shown = bitrix.shown(rest)
    if not shown:
        return False
    try:
        with tools.database.transaction() as session:
            account = _account(session, account_id)
            known = service.secrets_of(session, account, at=tools.clock.now())
    except ProviderNotFound:
        return False
    tokens = [one.get("token", "").encode() for one in known]
    is_shown = any(hmac.compare_digest(one, shown.encode()) for one in tokens)
    return account.kind == Kind.BITRIX and is_shown


def must_be_echoed(session: Session, account_id: str) -> None:
    """Refuse to answer the check of an address that is no account of the kind that makes it.

    Raises:
        ProviderNotFound: there is none.
    """
    if _account(session, account_id).kind != Kind.ZADARMA:
        raise ProviderNotFound


def _account(session: Session, account_id: str) -> ProviderAccount:
    try:
        account = service.found(session, UUID(account_id))
    except ValueError as exc:
        raise ProviderNotFound from exc
    if account.removed_at is not None:
        raise ProviderNotFound
    return account


def _came(account: ProviderAccount, knock: Knock, *, at: datetime) -> Came:
    return Came(
        method=knock.method,
        url=account.public_url + knock.target,
        path=knock.path,
        query=knock.query,
        headers=knock.headers,
        body=knock.body,
        received_at=at,
        notice_id=new_id(),
    )


def _verify(session: Session, account: ProviderAccount, came: Came, *, at: datetime) -> None:
    verify = SERVICES[Kind(account.kind)].verify
    for secrets in service.secrets_of(session, account, at=at):
        try:
            verify(came, secrets, now=at)
        except SignatureWrong:
            continue
        return
    raise SignatureWrong


def _keep(
    session: Session, account: ProviderAccount, came: Came, *, at: datetime
) -> tuple[UUID, bool]:
    """Keep a message under its digest; return its id, and whether it is new."""
    notice_id = came.notice_id
    kind = SERVICES[Kind(account.kind)]
    kept = kind.kept_headers
    whole = {
        "method": came.method,
        "url": came.url,
        "path": came.path,
        "query": came.query,
        "headers": {name: came.headers[name] for name in kept if name in came.headers},
        "body": base64.b64encode(came.body).decode(),
        "received_at": at.isoformat(),
    }
    # Not of the query: where that is not signed, a copy could be made to look like another.
    only = b"" if kind.is_repeatable(came) else notice_id.bytes
    digest = hashlib.sha256(came.path.encode() + b"\0" + came.body + only).digest()
    found, is_new = session.execute(
        _KEEP,
        {
            "id": notice_id,
            "account_id": account.id,
            "at": at,
            "sha256": digest,
            "sealed": service.cipher(session).seal(notice_id, _LABEL, json.dumps(whole).encode()),
        },
    ).one()
    if is_new:
        enqueue(session, Job(task=TAKE, args={"notice_id": str(notice_id)}))
    return found, is_new


def opened(session: Session, notice_id: UUID, sealed: bytes) -> Came:
    """Return a message as it came."""
    whole = json.loads(service.cipher(session).open(notice_id, _LABEL, sealed))
    return Came(
        **(
            whole
            | {
                "body": base64.b64decode(whole["body"]),
                "received_at": datetime.fromisoformat(whole["received_at"]),
                "notice_id": notice_id,
            }
        )
    )
