"""A real receiver on loopback, and what tells it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload
from standardwebhooks import Webhook

from app.core.clock import SetClock
from app.core.db import Database
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act, Outcome
from app.custody.sequencer import Sequencer
from app.identity.actor import Actor
from app.settings import Settings
from app.webhooks import outbox, sending, service
from app.webhooks.models import Delivery, DeliveryState, Endpoint, Kind
from app.webhooks.sending import Sender
from app.webhooks.service import Asked

ACTOR = Actor.system("tests")


@dataclass
class Receiver:
    """What was received: head and body of each request; `answers` are given first, then 204."""

    url: str = ""
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        return [head["webhook-id"] for head, _ in self.taken]

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.taken]

    def verified(self, secret: str, which: int = -1) -> dict[str, Any]:
        """Return a message that the library of the receiver holds to be genuine and of now."""
        head, body = self.taken[which]
        found: dict[str, Any] = Webhook(secret).verify(body, head)
        return found


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.taken.append(
                ({name.lower(): value for name, value in self.headers.items()}, body)
            )
            status, headers, said = receiver.answers.pop(0) if receiver.answers else (204, {}, b"")
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *args: object) -> None:
            del args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/in"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True, kw_only=True)
class Part:
    """The tools that sending needs."""

    settings: Settings
    database: Database
    clock: SetClock


@dataclass(kw_only=True)
class Office:
    """A ledger that is followed, and a sender."""

    tools: Part
    receiver: Receiver
    secret: str = ""
    endpoint: UUID = field(default_factory=new_id)

    @property
    def database(self) -> Database:
        return self.tools.database

    @property
    def clock(self) -> SetClock:
        return self.tools.clock

    def add(self, name: str = "crm", *kinds: Kind, url: str = "") -> str:
        """Add an endpoint of the receiver."""
        with self.database.transaction() as session:
            row, self.secret = service.add(
                session,
                ACTOR,
                Asked(name=name, url=url or self.receiver.url, kinds=kinds or list(Kind)),
                policy=sending.policy_of(self.tools.settings),
                at=self.clock.now(),
            )
            self.endpoint = row.id
        return self.secret

    def happen(
        self,
        act: Act = Act.RECORDING_INGESTED,
        kind: str = "recording",
        *,
        actor: Actor = ACTOR,
        outcome: Outcome = Outcome.SUCCESS,
        facts: Mapping[str, str | int | bool | None] | None = None,
        detail: Mapping[str, object] | None = None,
    ) -> UUID:
        """Write an entry, give it its number, and read it."""
        about = new_id()
        with self.database.transaction() as session:
            ledger.append(
                session,
                actor,
                act,
                (kind, about),
                at=self.clock.now(),
                outcome=outcome,
                facts=facts,
                detail=detail,
            )
        self.follow()
        return about

    def follow(self) -> int:
        Sequencer(self.database, "rec.example/log1").catch_up()
        return outbox.follow(self.database, at=self.clock.now())

    def send(self) -> int:
        return sum(self.sender().send_all(one) for one in self.sender().due())

    def sender(self) -> Sender:
        return Sender(self.tools)

    def deliveries(self) -> list[Delivery]:
        with self.database.transaction() as session:
            return list(
                session.scalars(
                    select(Delivery)
                    .options(joinedload(Delivery.happening), selectinload(Delivery.tries))
                    .order_by(Delivery.id)
                )
            )

    def states(self) -> list[DeliveryState]:
        return [DeliveryState(row.state) for row in self.deliveries()]

    def row(self) -> Endpoint:
        with self.database.transaction() as session:
            return session.get_one(Endpoint, self.endpoint)


def settings_of(folder: Path) -> Settings:
    return Settings(
        data=folder, outbound_http=True, outbound_networks="127.0.0.1/32", _env_file=None
    )


def clock_of_now() -> SetClock:
    """Return a clock that stands at the present second, for receivers look at the real one."""
    return SetClock(datetime.now(UTC).replace(microsecond=0))
