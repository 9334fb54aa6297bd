"""An archive with a connection to a service, and a stand-in for the service's media host.

The stand-in is the only part that is not real here: an HTTP server on loopback that answers what
a test has laid out, in place of a provider's. Nothing of ours is replaced.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode

import httpx
from prometheus_client import REGISTRY
from sqlalchemy import select, text, update

from app.feeds.models import KnownCall
from app.providers.models import ProviderMedia, ProviderNotice
from app.providers.pulling import handle_pull
from app.recordings.models import Recording
from tests.live import Live

PUBLIC = "https://calls.example.com"


@dataclass(slots=True)
class Laid:
    """What the stand-in answers once."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    before: Callable[[], object] = lambda: None


@dataclass(slots=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class MediaStandIn:
    """A stand-in for a provider's media host; a path's last answer is given again."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._laid: dict[str, list[Laid]] = {}
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("content-length", "0"))
                body = self.rfile.read(length)
                headers = {name.lower(): value for name, value in self.headers.items()}
                stand_in.asked.append(Asked(self.command, self.path, headers, body))
                laid = stand_in.next(self.path)
                laid.before()
                self.send_response(laid.status)
                self.send_header("Content-Length", str(len(laid.body)))
                for name, value in laid.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(laid.body[: laid.cut_at])
                self.close_connection = True

            do_POST = do_GET  # noqa: N815 - the server's own names.

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def lay(self, path: str, *answers: Laid) -> str:
        self._laid[path] = list(answers)
        return self.url + path

    def next(self, path: str) -> Laid:
        answers = self._laid.get(path)
        if not answers:
            return Laid(status=404)
        return answers.pop(0) if len(answers) > 1 else answers[0]


@contextmanager
def media_stand_in() -> Iterator[MediaStandIn]:
    """Run a stand-in for a provider's media host."""
    stand_in = MediaStandIn()
    thread = threading.Thread(target=stand_in.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        stand_in.server.shutdown()
        stand_in.server.server_close()
        thread.join(10)


class ProviderHouse:
    """An archive that providers send to."""

    def __init__(self, live: Live, media: MediaStandIn) -> None:
        self.live = live
        self.media = media
        self.addresses: dict[str, str] = {}

    def add(self, kind: str, secrets: dict[str, str], **more: Any) -> str:  # noqa: ANN401
        body = {
            "name": more.pop("name", kind),
            "kind": kind,
            "public_url": PUBLIC,
            "secrets": secrets,
            "media_hosts": ["127.0.0.1"],
        } | more
        answer = self.live.call("POST", "/v1/providers", who="admin", json=body)
        assert answer.status_code == 201, answer.text
        found = answer.json()
        self.addresses[kind] = found["address"].removeprefix(PUBLIC)
        return str(found["id"])

    def send(self, kind: str, body: bytes, *, path: str = "", **more: Any) -> httpx.Response:  # noqa: ANN401
        return self.live.call("POST", self.addresses[kind] + path, who=None, content=body, **more)

    def notices(self) -> list[ProviderNotice]:
        with self.live.tools.database.transaction() as session:
            return list(session.scalars(select(ProviderNotice).order_by(ProviderNotice.id)))

    def pulls(self) -> list[ProviderMedia]:
        with self.live.tools.database.transaction() as session:
            return list(session.scalars(select(ProviderMedia).order_by(ProviderMedia.id)))

    def work(self) -> None:
        """Do what is due, and what follows from it."""
        due = text(
            "SELECT count(*) FROM procrastinate_jobs "
            "WHERE status = 'todo' AND coalesce(scheduled_at, now()) <= now()"
        )
        self.live.work()
        while True:
            with self.live.tools.database.transaction() as session:
                if not session.scalar(due):
                    return
            self.live.work()

    def pull(self) -> None:
        """Fetch what waits now, as if its pause were over."""
        with self.live.tools.database.transaction() as session:
            session.execute(
                update(ProviderMedia).values(asked_at=ProviderMedia.asked_at - timedelta(days=3))
            )
        for one in self.pulls():
            handle_pull(self.live.tools, str(one.id))

    def recordings(self) -> list[Recording]:
        with self.live.tools.database.transaction() as session:
            return list(session.scalars(select(Recording).order_by(Recording.id)))

    def calls(self) -> dict[str, KnownCall]:
        with self.live.tools.database.transaction() as session:
            return {row.call_id: row for row in session.scalars(select(KnownCall))}


def counted(kind: str, outcome: str) -> float:
    """Return how many messages of a kind had this outcome, in this process."""
    labels = {"kind": kind, "outcome": outcome}
    return REGISTRY.get_sample_value("audiatur_provider_notices_total", labels) or 0.0


def form(values: dict[str, str]) -> bytes:
    return urlencode(values).encode()


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def twilio_signature(url: str, values: dict[str, str], token: str) -> str:
    """Return a signature made apart from the product, by the documented steps."""
    text = url
    for name in sorted(values):
        text += name + values[name]
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()
