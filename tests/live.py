"""A real server over real parts, in this process: uvicorn, Postgres, a folder store."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
import uvicorn
from fastapi import FastAPI

from app.clients.models import EventKind
from app.core.clock import Clock, SystemClock
from app.core.db import APP_ROLE, Database
from app.core.server import WEB_CONNECTIONS, config_of
from app.custody.ledger import DetailCipher
from app.identity import service as identity
from app.identity.actor import Actor
from app.identity.permissions import Role
from app.inspection.references import Shelf
from app.inspection.sandbox import Sandbox
from app.main import create_app
from app.recordings.stages import Measured
from app.settings import Settings
from app.tools import Tools
from app.worker import loop
from storage.folder import FolderStore
from storage.keys import MasterKeys
from storage.ports import Store
from storage.sealed import SealedStore
from tests.logs import log_tools

_SYSTEM = Actor.system("tests")
PATIENCE_SECONDS = 20


def metadata(call: str, **told: object) -> dict[str, object]:
    """Return the metadata of an inbound call, with what `told` says otherwise."""
    return {
        "source_call_id": call,
        "started_at": "2026-11-20T10:00:00+03:00",
        "direction": "inbound",
        "from": "8 (495) 000-84-14",
        "to": "106",
        "agent": "106",
    } | told


@dataclass
class Live:
    """A running archive and the keys to it."""

    tools: Tools
    url: str
    database_url: str
    keys: dict[str, str] = field(default_factory=dict)
    app: FastAPI | None = None

    def key(self, name: str) -> str:
        """Return the key of a role's person or, for any other name, of a device, made at need."""
        if name not in self.keys:
            with self.tools.database.transaction() as session:
                at = self.tools.clock.now()
                if name in set(Role):
                    person = identity.add_user(session, _SYSTEM, name, role=Role(name), at=at)
                    self.keys[name] = identity.add_api_key(session, _SYSTEM, person, at=at)
                else:
                    self.keys[name] = identity.add_device(session, _SYSTEM, name, at=at)
        return self.keys[name]

    def forget(self) -> None:
        """Forget at once who the callers of the last seconds were, as seconds later."""
        assert self.app is not None
        self.app.state.authenticator._remembered.clear()

    def add_agent(self, agent_ref: str) -> None:
        """Make an agent known whom softphones call `agent_ref`; `who` is then that word."""
        with self.tools.database.transaction() as session:
            at = self.tools.clock.now()
            person = identity.add_user(
                session, _SYSTEM, f"agent-{agent_ref}", role=Role.AGENT, agent_ref=agent_ref, at=at
            )
            self.keys[agent_ref] = identity.add_api_key(session, _SYSTEM, person, at=at)

    def call(self, method: str, path: str, *, who: str | None, **more: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own arguments.
        """Send a request as `who`, None for nobody."""
        headers = dict(more.pop("headers", {}))
        if who is not None:
            headers["Authorization"] = f"Bearer {self.key(who)}"
        return httpx.request(method, self.url + path, headers=headers, timeout=60, **more)

    def send(
        self,
        told: Mapping[str, object] | str,
        body: bytes,
        *,
        who: str | None = "phone",
        name: str = "call.wav",
        path: str = "/v1/recordings",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Upload as `curl -F metadata=… -F file=@…` does."""
        text = told if isinstance(told, str) else json.dumps(told)
        return self.call(
            "POST",
            path,
            who=who,
            headers=dict(headers or {}),
            files=[
                ("metadata", (None, text, "application/json")),
                ("file", (name, body, "application/octet-stream")),
            ],
        )

    def put_client(self, external_id: str, *phones: str) -> None:
        answer = self.call(
            "PUT",
            f"/v1/clients/{external_id}",
            who="manager",
            json={
                "name": f"ООО {external_id}",
                "contacts": [{"name": "Директор", "phones": list(phones), "is_management": True}],
            },
        )
        assert answer.status_code in {200, 201}, answer.text

    def put_event(self, external_id: str, client: str, at: str) -> None:
        answer = self.call(
            "PUT",
            f"/v1/events/{external_id}",
            who="manager",
            json={
                "kind": EventKind.TICKET,
                "occurred_at": at,
                "subject": "Не печатает принтер",
                "client": client,
            },
        )
        assert answer.status_code in {200, 201}, answer.text

    def work(self) -> None:
        """Do the background jobs that are due."""
        loop.drain(self.tools, self.database_url)


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """Serve `app` on loopback and give its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(config_of(app, connections=WEB_CONNECTIONS))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)
        listener.close()


@contextmanager
def live_archive(
    folder: Path,
    database_url: str,
    sandbox: Sandbox,
    store: Store | None = None,
    *,
    clock: Any = None,  # noqa: ANN401 - a Clock; settings are handed over as whole mappings.
    **settings: Any,  # noqa: ANN401 - each setting has a type of its own.
) -> Iterator[Live]:
    """Run an archive over the database at `database_url` and stores in `folder`, or in `store`."""
    clock = cast(Clock, clock or SystemClock())
    archive_keys = MasterKeys.create(folder / "archive.key")
    release_keys = MasterKeys.create(folder / "release.key")
    cipher = DetailCipher(archive_keys.derive("ledger-detail"))
    database = Database(database_url, role=APP_ROLE, info={"detail_cipher": cipher})
    archive = SealedStore(store or FolderStore(folder / "archive"), archive_keys)
    tools = Tools(
        settings=Settings(data=folder, _env_file=None, **settings),
        clock=clock,
        database=database,
        cipher=cipher,
        log=log_tools(folder, database, clock),
        archive=archive,
        shelf=Shelf(archive=archive, sandbox=sandbox, spool=folder / "spool"),
        release=SealedStore(FolderStore(folder / "release"), release_keys),
        sandbox=sandbox,
    )
    try:
        app = create_app(tools, stages=Measured())
        with running(app) as url:
            yield Live(tools=tools, url=url, database_url=database_url, app=app)
    finally:
        database.close()
