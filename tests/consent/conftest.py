"""A web application of the consent routes alone, over the test's transaction."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.consent.notices import SharedSound
from app.consent.routes import router
from app.consent.vcon_routes import router as vcon_router
from app.core import problems
from app.core.clock import SetClock
from app.core.db import Database
from app.core.working import Workers
from app.custody.ledger import DetailCipher
from app.custody.receipts import Receipts
from app.identity.actor import Actor
from app.identity.authenticator import Authenticator
from app.recordings.ingest import IngestTools
from app.recordings.media import MediaFacts
from app.recordings.routes import ReceivingTools
from app.recordings.stages import Measured
from app.settings import Settings
from storage.sealed import SealedStore
from tests.conftest import DETAIL_KEY
from tests.factories import Make
from tests.logs import log_tools


@pytest.fixture
def met(record_property: Callable[[str, object], None]) -> Iterator[Counter[str]]:
    """Count the outcomes that a property met; the figures stand at the end of a run."""
    counts: Counter[str] = Counter()
    yield counts
    record_property("figures: random decisions", dict(counts))


class Client:
    """Calls the application in this process, with one person's key."""

    def __init__(self, app: FastAPI, key: str) -> None:
        self._app = app
        self._headers = {"Authorization": f"Bearer {key}"}

    def get(self, path: str, **values: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own.
        return self._call("GET", path, **values)

    def post(self, path: str, **values: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own.
        return self._call("POST", path, **values)

    def _call(self, method: str, path: str, **values: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own.
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://archive", headers=self._headers
            ) as client:
                return await client.request(method, path, **values)

        return asyncio.run(send())


As = Callable[[Actor], Client]


def _no_examination(descriptor: int, facts: MediaFacts) -> list[SharedSound]:
    """Take any reference: what may be searched for is tested where it is searched."""
    del descriptor, facts
    return []


@pytest.fixture
def web(
    database: Database, store: SealedStore, clock: SetClock, tmp_path: Path
) -> Iterator[FastAPI]:
    app = FastAPI()
    app.include_router(router)
    app.include_router(vcon_router)
    problems.install(app)
    with ThreadPoolExecutor(1) as pool:
        app.state.database = database
        app.state.clock = clock
        app.state.authenticator = Authenticator(database, clock)
        app.state.settings = Settings(data=tmp_path, _env_file=None)
        app.state.examine_reference = _no_examination
        app.state.receiving = ReceivingTools(
            ingest=IngestTools(
                database=database,
                store=store,
                cipher=DetailCipher(DETAIL_KEY),
                receipts=Receipts(log_tools(tmp_path, database, clock).ring),
                clock=clock,
                stages=Measured(),
                region="RU",
                event_window=timedelta(hours=24),
                after_jobs=lambda: None,
            ),
            workers=Workers(pool),
            max_upload_bytes=1 << 20,
            max_screenshot_bytes=1 << 20,
            max_pixels=1 << 20,
            idle_seconds=30,
        )
        yield app


@pytest.fixture
def as_(web: FastAPI, make: Make) -> As:
    """Give a function that returns a client with the key of a person."""

    def client(actor: Actor) -> Client:
        key = make.key(actor)
        make.session.flush()
        return Client(web, key)

    return client
