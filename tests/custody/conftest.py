"""A log over a database of the test's own, and what a superuser may do behind its back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from app.core.clock import SetClock
from app.core.db import Database
from app.core.ids import new_id
from app.custody import ledger
from app.custody.checkpoints import LogTools
from app.custody.ledger import Act
from app.custody.receipts import Accepted
from app.custody.timestamps import Authorities
from app.embedded.postgres import Cluster
from app.identity.actor import Actor
from tests.conftest import Urls
from tests.custody.authority import Authority, serving
from tests.logs import log_tools

Append = Callable[..., UUID]
Superuser = Callable[..., None]
_ACTOR = Actor.system("tests")


@pytest.fixture
def log(own_db: Database, tmp_path: Path, clock: SetClock) -> LogTools:
    """Give a log with keys of its own and no authority outside."""
    return log_tools(tmp_path, own_db, clock)


@pytest.fixture
def append(own_db: Database, clock: SetClock) -> Append:
    """Give a function that commits entries about one object and returns the last one's id."""

    def write(count: int = 1, *, about: UUID | None = None) -> UUID:
        object_id = about or new_id()
        with own_db.transaction() as session:
            for number in range(count):
                entry = ledger.append(
                    session,
                    _ACTOR,
                    Act.MEDIA_PLAYED,
                    ("recording", object_id),
                    at=clock.now(),
                    facts={"number": number},
                    detail={"who": "Глухов С. А."},
                    content=bytes(32),
                )
        return entry

    return write


@pytest.fixture
def superuser(own_database: Urls, cluster: Cluster) -> Superuser:
    """Give a function that runs statements with every trigger off, as an attacker would."""
    password = (cluster.directory / "passwords" / "postgres").read_text()
    name = own_database.owner.rsplit("/", 1)[1]
    url = f"postgresql://postgres:{password}@127.0.0.1:{cluster.port}/{name}"

    def run(*statements: str, **values: object) -> None:
        with psycopg.connect(url) as connection:
            connection.execute("SET session_replication_role = replica")
            for statement in statements:
                changed = connection.execute(statement, values)
                assert changed.rowcount, statement

    return run


class Writer:
    """A connection of the application with a transaction that the test keeps open."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection

    def insert(self, object_id: UUID | None = None) -> UUID:
        entry = new_id()
        self.connection.execute(
            sql.SQL(
                "INSERT INTO custody_entries (id, at, act, object_kind, object_id, actor_kind, "
                "outcome, facts) VALUES (%s, now(), 'media.played', 'recording', %s, 'system', "
                "'success', '{}')"
            ),
            [entry, object_id or new_id()],
        )
        return entry


@pytest.fixture
def writer(own_database: Urls) -> Iterator[Callable[[], Writer]]:
    """Give a function that opens another writer."""
    opened: list[psycopg.Connection] = []

    def open_one() -> Writer:
        connection = psycopg.connect(own_database.web, options="-c role=audiatur_app")
        opened.append(connection)
        return Writer(connection)

    yield open_one
    for connection in opened:
        connection.close()


@pytest.fixture(scope="session")
def _authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Authority]]:
    folder = tmp_path_factory.mktemp("authorities")
    with serving(folder / "one") as one, serving(folder / "two") as two:
        yield [one, two]


@pytest.fixture
def authorities(_authorities: list[Authority]) -> list[Authority]:
    """Give two authorities, each with a root of its own, that answer rightly."""
    for one in _authorities:
        one.mode, one.asked = "right", 0
    return _authorities


@pytest.fixture
def stamped_log(
    own_db: Database, tmp_path: Path, clock: SetClock, authorities: list[Authority]
) -> LogTools:
    """Give a log that both authorities witness."""
    roots = tmp_path / "roots.pem"
    roots.write_bytes(b"".join(one.roots.read_bytes() for one in authorities))
    urls = " ".join(one.url for one in authorities)
    return log_tools(tmp_path, own_db, clock, Authorities.configured(urls, roots))


@pytest.fixture
def accepted() -> Accepted:
    """Give what a receipt tells of."""
    return Accepted(
        object_kind="recording",
        object_id=UUID(int=1),
        leg="mixed",
        sha256=bytes(range(32)),
        size_bytes=12,
        received_at=datetime(2026, 11, 21, 18, 42, 57, 123456, tzinfo=UTC),
        entry_id=UUID(int=2),
        commitment=bytes(32),
    )
