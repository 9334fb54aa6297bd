"""Sending what is due: a claim, a request, a note, each on its own.

No transaction is open while somebody is spoken to. A sender that is killed after its claim leaves
a delivery that is due again once the claim is over: it is sent once more, under the same id.
Source: Standard Webhooks, specification; https://www.standardwebhooks.com.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

import httpx
import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload
from standardwebhooks import Webhook

from app.core import outbound
from app.core.clock import Clock
from app.core.db import Database
from app.core.ids import new_id
from app.core.outbound import AddressRefused, AnswerTooSlow, HostUnknown, Policy, networks_of
from app.settings import Settings
from app.webhooks import outbox, queries, service
from app.webhooks.models import (
    Attempt,
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointState,
    Fault,
    Happening,
)

PAUSES: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=18),
    timedelta(hours=23),
)
"""How long is waited after each attempt in vain, but the last: together three days."""

SECONDS: Final = 15.0
ANSWER_BYTES: Final = 512
"""How much of an answer is kept for whoever looks why it failed."""

_CLAIM: Final = timedelta(seconds=SECONDS + outbound.LOOKUP_SECONDS + 40)
_MOST_IN_A_ROW: Final = 100
_MOST_RETRY_AFTER: Final = timedelta(days=1)
_DELIVERED_KEPT: Final = timedelta(days=30)
_DEAD_KEPT: Final = timedelta(days=90)
_GONE: Final = 410
_log = structlog.get_logger()


class Tools(Protocol):
    """What sending needs of the worker's tools."""

    @property
    def settings(self) -> Settings: ...
    @property
    def database(self) -> Database: ...
    @property
    def clock(self) -> Clock: ...


def policy_of(settings: Settings) -> Policy:
    """Return where webhooks may go."""
    return Policy(
        allows_http=settings.outbound_http, networks=networks_of(settings.outbound_networks)
    )


def handle_forget(tools: Tools) -> None:
    """Forget what was delivered a month ago or given up three, and secrets that are over."""
    at = tools.clock.now()
    with tools.database.transaction() as session:
        service.forget_secrets(session, at=at)
        outbox.forget(session, delivered_before=at - _DELIVERED_KEPT, dead_before=at - _DEAD_KEPT)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claimed:
    """A delivery whose attempt was begun, and what is sent."""

    delivery_id: UUID
    attempts: int
    url: str
    message_id: str
    body: str
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """How an attempt went."""

    at: datetime
    ms: int
    fault: Fault | None
    status: int | None = None
    answer: bytes = b""
    retry_after: timedelta | None = None


def body_of(happening: Happening) -> str:
    """Return what is sent of a happening, the same at each attempt."""
    told = {
        "type": happening.kind,
        "timestamp": happening.at.isoformat().replace("+00:00", "Z"),
        "data": happening.data,
    }
    return json.dumps(told, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


class Sender:
    """Sends what is due, one lane per endpoint, so that a slow one holds up nobody else.

    `context` is trusted instead of the machine's certificates, `between` is called between an
    answer and its note.
    """

    def __init__(
        self,
        tools: Tools,
        *,
        context: ssl.SSLContext | None = None,
        between: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = tools.database
        self._clock = tools.clock
        self._policy = policy_of(tools.settings)
        self._context = context
        self._between = between

    def due(self) -> list[UUID]:
        """Return the endpoints that have something due."""
        with self._database.transaction() as session:
            return list(queries.due(session, at=self._clock.now()))

    def send_all(self, endpoint_id: UUID, *, is_over: Callable[[], bool] = lambda: False) -> int:
        """Send what is due at an endpoint in its order, until one is in vain; return how many."""
        for done in range(_MOST_IN_A_ROW):
            if is_over() or not self.send_one(endpoint_id):
                return done
        return _MOST_IN_A_ROW

    def send_one(self, endpoint_id: UUID) -> bool:
        """Send the delivery of an endpoint that is due first; say whether it was taken."""
        with self._database.transaction() as session:
            claimed = self._claim(session, endpoint_id)
        if claimed is None:
            return False
        result = self._attempt(claimed)
        self._between()
        with self._database.transaction() as session:
            self._note(session, claimed, result)
        _log.info(
            "webhook.tried",
            delivery_id=str(claimed.delivery_id),
            status=result.status,
            fault=result.fault,
            ms=result.ms,
        )
        return result.fault is None

    def _claim(self, session: Session, endpoint_id: UUID) -> _Claimed | None:
        at = self._clock.now()
        row = session.scalar(
            select(Delivery)
            .where(
                Delivery.endpoint_id == endpoint_id,
                Delivery.state == DeliveryState.WAITING,
                Delivery.next_at <= at,
            )
            .options(joinedload(Delivery.happening))
            .order_by(Delivery.next_at, Delivery.id)
            .limit(1)
            .with_for_update(skip_locked=True, of=Delivery)
        )
        endpoint = session.get(Endpoint, endpoint_id)
        if row is None or endpoint is None or endpoint.state != EndpointState.ON:
            return None
        row.attempts += 1
        row.next_at = at + _CLAIM
        return _Claimed(
            delivery_id=row.id,
            attempts=row.attempts,
            url=endpoint.url,
            message_id=f"evt_{row.happening_id.hex}",
            body=body_of(row.happening),
            secrets=tuple(service.secrets_of(session, endpoint, at=at)),
        )

    def _attempt(self, claimed: _Claimed) -> _Result:
        at = self._clock.now()
        began = time.monotonic()
        answer, fault = None, None
        try:
            target = outbound.resolve(claimed.url, self._policy)
            answer = outbound.send(
                target,
                "POST",
                headers=_headers(claimed, at=at),
                body=claimed.body.encode(),
                seconds=SECONDS,
                first_bytes=ANSWER_BYTES,
                context=self._context,
            )
            fault = _fault_of(answer.status)
        except AddressRefused:
            fault = Fault.ADDRESS
        except HostUnknown:
            fault = Fault.UNRESOLVED
        except AnswerTooSlow:
            fault = Fault.SLOW
        except httpx.TransportError:
            fault = Fault.UNREACHABLE
        ms = round((time.monotonic() - began) * 1000)
        if answer is None:
            return _Result(at=at, ms=ms, fault=fault)
        return _Result(
            at=at,
            ms=ms,
            fault=fault,
            status=answer.status,
            answer=answer.body,
            retry_after=_retry_after(answer.headers.get("retry-after", "")),
        )

    def _note(self, session: Session, claimed: _Claimed, result: _Result) -> None:
        row = session.get(Delivery, claimed.delivery_id, with_for_update=True)
        if row is None:
            return
        session.add(
            Attempt(
                id=new_id(),
                delivery_id=row.id,
                at=result.at,
                status=result.status,
                ms=result.ms,
                fault=result.fault,
                answer=result.answer,
            )
        )
        if row.state != DeliveryState.WAITING:
            return  # Its endpoint was removed meanwhile, or a slower sender was told before.
        if result.fault is None:
            row.state, row.next_at, row.ended_at = DeliveryState.DELIVERED, None, result.at
            return
        if result.fault is Fault.GONE:
            endpoint = session.get_one(Endpoint, row.endpoint_id, with_for_update=True)
            if endpoint.state == EndpointState.ON:
                endpoint.state = EndpointState.OFF
        pause = pause_after(claimed.attempts, result.retry_after)
        if pause is None or result.fault is Fault.GONE:
            row.state, row.next_at, row.ended_at = DeliveryState.DEAD, None, result.at
        else:
            row.next_at = result.at + pause


def pause_after(attempts: int, asked: timedelta | None) -> timedelta | None:
    """Return how long is waited after so many attempts in vain; None where it was the last.

    A longer pause that the other side asked for is kept, up to a day.
    """
    if attempts > len(PAUSES):
        return None
    pause = PAUSES[attempts - 1]
    return pause if asked is None else max(pause, min(asked, _MOST_RETRY_AFTER))


def _headers(claimed: _Claimed, *, at: datetime) -> dict[str, str]:
    signed = [
        Webhook(secret).sign(msg_id=claimed.message_id, timestamp=at, data=claimed.body)
        for secret in claimed.secrets
    ]
    return {
        "Content-Type": "application/json",
        "User-Agent": "Audiatur",
        "webhook-id": claimed.message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signed),
    }


def _fault_of(status: int) -> Fault | None:
    if httpx.codes.is_success(status):
        return None
    if status == _GONE:
        return Fault.GONE
    return Fault.REDIRECT if httpx.codes.is_redirect(status) else Fault.STATUS


def _retry_after(text: str) -> timedelta | None:
    """Return the pause that an answer asks for in seconds. Source: RFC 9110, 10.2.3."""
    return timedelta(seconds=int(text)) if text.isdecimal() and len(text) < 7 else None  # noqa: PLR2004
