"""A site of public links over a database of its own, and worlds committed into it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
import uvicorn

from app.core.clock import SetClock
from app.core.db import Database
from app.core.ids import new_id
from app.core.server import PUBLIC_CONNECTIONS, config_of
from app.disputes import asking
from app.disputes.models import Dispute
from app.inspection.sandbox import Sandbox
from app.public.main import PublicTools, create_public_app
from app.settings import Settings
from storage.folder import FolderStore
from storage.keys import MasterKeys
from storage.sealed import SealedStore
from tests.conftest import Urls
from tests.factories import Make
from tests.logs import log_tools
from tests.public.requesting import WEEK, Asked, Worker
from tests.releases.world import World

Opened = Callable[..., World]


@pytest.fixture
def clock() -> SetClock:
    """Give a clock that agrees with the database's own, by which links open and end."""
    return SetClock(datetime.now(UTC))


@pytest.fixture
def release_store(tmp_path: Path) -> SealedStore:
    keys = MasterKeys.create(tmp_path / "release.key")
    return SealedStore(FolderStore(tmp_path / "release"), keys)


@pytest.fixture
def public_database(own_database: Urls) -> Iterator[Database]:
    database = Database(own_database.link, role="audiatur_public", pool_size=2)
    yield database
    database.close()


@contextmanager
def served(tools: PublicTools) -> Iterator[str]:
    """Serve the public links on a port of this machine, as the product does."""
    server = uvicorn.Server(config_of(create_public_app(tools), connections=PUBLIC_CONNECTIONS))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@pytest.fixture
def browser(
    public_database: Database, release_store: SealedStore, clock: SetClock
) -> Iterator[httpx.Client]:
    """Give a browser that follows no redirect by itself."""
    tools = PublicTools(
        database=public_database,
        release=release_store,
        clock=clock,
        office_zone=ZoneInfo("Europe/Moscow"),
    )
    headers = {"Accept-Language": "ru"}
    with served(tools) as address, httpx.Client(base_url=address, headers=headers) as browser:
        yield browser


@pytest.fixture
def opened(
    own_db: Database, clock: SetClock, store: SealedStore, release_store: SealedStore
) -> Opened:
    """Give a function that commits a granted release with an open link."""

    def commit(
        link: Mapping[str, object] | None = None,
        body: bytes | None = None,
        *,
        with_dispute: bool = False,
    ) -> World:
        with own_db.transaction() as session:
            world = World.new(session, Make(session, clock, store), clock, release_store)
            world.body = body or world.body
            if with_dispute:
                world.dispute()
            world.open(link=link)
        return world

    return commit


@pytest.fixture
def asked(
    browser: httpx.Client,
    own_db: Database,
    clock: SetClock,
    store: SealedStore,
    release_store: SealedStore,
    tmp_path: Path,
) -> Asked:
    with own_db.transaction() as session:
        make = Make(session, clock, store)
        client = make.client(name="ООО «Василёк»")
        actor = make.manager
        dispute = Dispute(
            id=new_id(),
            client_id=client.id,
            subject="Не работает сеть",
            opened_by=actor.id,
            opened_at=clock.now(),
        )
        session.add(dispute)
        session.flush()
        row = asking.ask(
            session,
            actor,
            dispute.id,
            asked="Снимки экрана с ошибкой <b>и журнал</b>",
            contact_id=None,
            due_at=clock.now() + WEEK,
            at=clock.now(),
        )
        _, token = asking.open_link(
            session, actor, dispute.id, row.id, expires_at=clock.now() + WEEK, at=clock.now()
        )
        ids = row.id, dispute.id, client.id
    return Asked(
        browser=browser,
        worker=Worker(
            settings=Settings(data=tmp_path / "data"),
            clock=clock,
            database=own_db,
            log=log_tools(tmp_path / "log", own_db, clock),
            archive=store,
            release=release_store,
            sandbox=Sandbox.detect(),
        ),
        token=token,
        request_id=ids[0],
        dispute_id=ids[1],
        client_id=ids[2],
    )
