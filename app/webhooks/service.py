"""What an administrator does: endpoints, their secrets, and replays."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core import outbound
from app.core.errors import Conflict, Invalid, NotFound
from app.core.ids import new_id
from app.core.outbound import Policy
from app.custody import ledger
from app.custody.ledger import Act, DetailCipher
from app.identity.actor import Actor
from app.webhooks import outbox, queries
from app.webhooks.models import Delivery, DeliveryState, Endpoint, EndpointState, Kind

OVERLAP: Final = timedelta(hours=24)
"""How long the secret before the present one still signs."""

_SECRET_BYTES: Final = 32
_NAME: Final = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_NOW, _BEFORE = "webhook", "webhook before"


class EndpointNotFound(NotFound):
    """There is no such webhook endpoint."""


class DeliveryNotFound(NotFound):
    """There is no such delivery at this endpoint."""


class EndpointNameTaken(Conflict):
    """There is a webhook endpoint of this name already."""


class EndpointNameInvalid(Invalid):
    """The name of an endpoint is 1 to 64 letters, digits, dots, dashes, underscores or at-signs."""


class NoKinds(Invalid):
    """An endpoint has to be told of one kind at least."""


class DeliveryUnderWay(Conflict):
    """The delivery waits for its next attempt already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who asks to be told, where, and of what."""

    name: str
    url: str
    kinds: Collection[Kind]


def add(
    session: Session, actor: Actor, asked: Asked, *, policy: Policy, at: datetime
) -> tuple[Endpoint, str]:
    """Add an endpoint; return it and its secret, shown this once.

    Raises:
        ProofNeeded: asked for from a browser without a fresh proof.
        AddressRefused: the rules of outgoing requests forbid the address.
        EndpointNameInvalid, EndpointNameTaken: the name is no name, or another's.
        NoKinds: none was named.
    """
    by = actor.proved(at=at)
    if not _NAME.fullmatch(asked.name):
        raise EndpointNameInvalid
    if not asked.kinds:
        raise NoKinds
    outbound.place_of(asked.url, policy)
    endpoint_id = new_id()
    secret = _new_secret()
    row = Endpoint(
        id=endpoint_id,
        name=asked.name,
        url=asked.url,
        kinds=sorted(asked.kinds),
        state=EndpointState.ON,
        secret=_cipher(session).seal(endpoint_id, _NOW, secret.encode()),
        from_seq=outbox.next_seq(session),
        created_at=at,
    )
    session.add(row)
    try:
        session.flush()
    except IntegrityError as exc:
        taken = f"There is an endpoint {asked.name} already."
        raise EndpointNameTaken(taken, name=asked.name) from exc
    _note(session, actor, row, "webhook.added", by=by, at=at)
    return row, secret


def rotate(session: Session, actor: Actor, endpoint_id: UUID, *, at: datetime) -> str:
    """Give an endpoint another secret and return it; the present one signs too for a day.

    Raises:
        ProofNeeded: asked for from a browser without a fresh proof.
        EndpointNotFound: there is none.
    """
    by = actor.proved(at=at)
    row = _endpoint(session, endpoint_id)
    cipher = _cipher(session)
    before = cipher.open(row.id, _NOW, _sealed(row))
    secret = _new_secret()
    row.previous_secret = cipher.seal(row.id, _BEFORE, before)
    row.previous_until = at + OVERLAP
    row.secret = cipher.seal(row.id, _NOW, secret.encode())
    session.flush()
    _note(session, actor, row, "webhook.secret_rotated", by=by, at=at)
    return secret


def remove(session: Session, actor: Actor, endpoint_id: UUID, *, at: datetime) -> None:
    """Tell an endpoint nothing more, and destroy its secret; its log stays.

    Raises:
        ProofNeeded: asked for from a browser without a fresh proof.
        EndpointNotFound: there is none.
    """
    by = actor.proved(at=at)
    row = _endpoint(session, endpoint_id)
    row.state = EndpointState.REMOVED
    row.secret = row.previous_secret = row.previous_until = None
    session.execute(
        update(Delivery)
        .where(Delivery.endpoint_id == row.id, Delivery.state == DeliveryState.WAITING)
        .values(state=DeliveryState.DROPPED, next_at=None, ended_at=at)
        .execution_options(synchronize_session=False)
    )
    session.flush()
    _note(session, actor, row, "webhook.removed", by=by, at=at)


def resume(session: Session, actor: Actor, endpoint_id: UUID, *, at: datetime) -> None:
    """Tell an endpoint again that had said it was gone.

    Raises:
        ProofNeeded: asked for from a browser without a fresh proof.
        EndpointNotFound: there is none.
    """
    by = actor.proved(at=at)
    row = _endpoint(session, endpoint_id)
    row.state = EndpointState.ON
    session.flush()
    _note(session, actor, row, "webhook.resumed", by=by, at=at)


def replay(
    session: Session, actor: Actor, endpoint_id: UUID, delivery_id: UUID, *, at: datetime
) -> None:
    """Deliver once more, under the same id and with all attempts before it.

    Raises:
        EndpointNotFound, DeliveryNotFound: there is none.
        DeliveryUnderWay: it waits already.
    """
    row = _endpoint(session, endpoint_id)
    delivery = session.get(Delivery, delivery_id, with_for_update=True)
    if delivery is None or delivery.endpoint_id != endpoint_id:
        raise DeliveryNotFound
    if delivery.state == DeliveryState.WAITING:
        raise DeliveryUnderWay
    _again(session, row, [delivery_id], at=at)
    _note(session, actor, row, "webhook.replayed", at=at, deliveries=1)


def replay_dead(session: Session, actor: Actor, endpoint_id: UUID, *, at: datetime) -> int:
    """Deliver once more all that was given up; return how many those are.

    Raises:
        EndpointNotFound: there is none.
    """
    row = _endpoint(session, endpoint_id)
    dead = queries.dead(session, endpoint_id)
    if dead:
        _again(session, row, dead, at=at)
        _note(session, actor, row, "webhook.replayed", at=at, deliveries=len(dead))
    return len(dead)


def _again(session: Session, row: Endpoint, deliveries: Collection[UUID], *, at: datetime) -> None:
    session.execute(
        update(Delivery)
        .where(Delivery.id.in_(deliveries), Delivery.endpoint_id == row.id)
        .values(state=DeliveryState.WAITING, attempts=0, next_at=at, ended_at=None)
        .execution_options(synchronize_session="fetch")
    )


def secrets_of(session: Session, row: Endpoint, *, at: datetime) -> list[str]:
    """Return the secrets that sign at a moment, the present one first."""
    cipher = _cipher(session)
    found = [cipher.open(row.id, _NOW, _sealed(row)).decode()]
    if row.previous_secret and row.previous_until and at < row.previous_until:
        found.append(cipher.open(row.id, _BEFORE, row.previous_secret).decode())
    return found


def forget_secrets(session: Session, *, at: datetime) -> None:
    """Destroy the secrets that sign nothing any more."""
    session.execute(
        update(Endpoint)
        .where(Endpoint.previous_until <= at)
        .values(previous_secret=None, previous_until=None)
    )


def named(session: Session, name: str) -> Endpoint:
    """Return the endpoint of a name.

    Raises:
        EndpointNotFound: there is none.
    """
    found = queries.named(session, name)
    if found is None:
        raise EndpointNotFound(f"There is no endpoint {name}.", name=name)
    return found


def get(session: Session, endpoint_id: UUID) -> Endpoint:
    """Return an endpoint, also one that was removed.

    Raises:
        EndpointNotFound: there is none.
    """
    row = session.get(Endpoint, endpoint_id)
    if row is None:
        raise EndpointNotFound
    return row


def _endpoint(session: Session, endpoint_id: UUID) -> Endpoint:
    row = session.get(Endpoint, endpoint_id, with_for_update=True, populate_existing=True)
    if row is None or row.state == EndpointState.REMOVED:
        raise EndpointNotFound
    return row


def _note(
    session: Session, actor: Actor, row: Endpoint, change: str, *, at: datetime, **facts: str | int
) -> None:
    ledger.append(
        session,
        actor,
        Act.CONFIG_CHANGED,
        ("webhook", row.id),
        at=at,
        facts={"change": change, **facts},
        detail={"name": row.name, "url": row.url} if change == "webhook.added" else None,
    )


def _new_secret() -> str:
    """Return a secret in the form of Standard Webhooks."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _sealed(row: Endpoint) -> bytes:
    if row.secret is None:
        raise TypeError("An endpoint that is told has a secret.")
    return row.secret


def _cipher(session: Session) -> DetailCipher:
    return cast("DetailCipher", session.info["detail_cipher"])
