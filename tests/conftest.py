"""What all tests share: one real Postgres, a savepoint per test, a folder store, a set clock."""

from __future__ import annotations

import secrets
import signal
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from psycopg.rows import TupleRow
from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from app.core.clock import SetClock
from app.core.db import Database
from app.custody.ledger import DetailCipher
from app.custody.models import CustodyEntry
from app.embedded.postgres import Cluster, EmbeddedPostgres, grant_roles
from app.inspection.sandbox import Sandbox
from app.migrate import migrate
from storage.folder import FolderStore
from storage.keys import MasterKeys
from storage.sealed import SealedStore
from tests.factories import Make
from tests.live import Live, live_archive

# How fast the machine draws examples says nothing about the code.
hypothesis_settings.register_profile(
    "house", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("house")

# A shell lets what it starts in the background ignore these; so would the programs that tests start
# and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

DETAIL_KEY = bytes(range(32))
FIGURES = "figures: "


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print, summed over all tests, the figures that tests were asked for."""
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for reports in terminalreporter.stats.values():
        for report in reports:
            # What is set while a fixture ends stands with the end, and with nothing before it.
            if getattr(report, "when", None) == "teardown":
                for name, counts in report.user_properties:
                    if name.startswith(FIGURES):
                        sums[name.removeprefix(FIGURES)].update(counts)
    for name, counts in sorted(sums.items()):
        said = ", ".join(f"{what} {number}" for what, number in sorted(counts.items()))
        terminalreporter.write_line(f"{name}: {said}")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Give a Postgres whose database `audiatur` is migrated and otherwise empty."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("cluster") / "postgres")
    found = server.hold()
    try:
        migrate(found.owner_url)
        grant_roles(found)
        # A database that anybody is connected to cannot be copied; nobody connects to this one.
        with psycopg.connect(_superuser(found), autocommit=True) as maker:
            maker.execute("CREATE DATABASE pristine TEMPLATE audiatur OWNER audiatur_owner")
        yield found
    finally:
        server.release_and_maybe_stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Urls:
    """How to reach one database as its owner, as the application and as the link process."""

    owner: str
    web: str
    link: str


@pytest.fixture
def own_database(cluster: Cluster) -> Iterator[Urls]:
    """Give a database of the test's own, for tests that commit."""
    with new_database(cluster) as urls:
        yield urls


@contextmanager
def new_database(cluster: Cluster) -> Iterator[Urls]:
    """Give a migrated database without a row, and drop it at the end."""
    name = f"t_{secrets.token_hex(6)}"
    superuser = _superuser(cluster)
    with psycopg.connect(superuser, autocommit=True) as maker:
        maker.execute(f'CREATE DATABASE "{name}" TEMPLATE pristine OWNER audiatur_owner')
    try:
        yield Urls(
            owner=_renamed(cluster.owner_url, name),
            web=_renamed(cluster.web_url, name),
            link=_renamed(cluster.link_url, name),
        )
    finally:
        with psycopg.connect(superuser, autocommit=True) as maker:
            maker.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _superuser(cluster: Cluster) -> str:
    password = (cluster.directory / "passwords" / "postgres").read_text()
    return f"postgresql://postgres:{password}@127.0.0.1:{cluster.port}/postgres"


def _renamed(url: str, name: str) -> str:
    return url.rsplit("/", 1)[0] + "/" + name


@pytest.fixture
def own_db(own_database: Urls) -> Iterator[Database]:
    """Give the application's door to a database of the test's own."""
    database = Database(
        own_database.web,
        role="audiatur_app",
        info={"detail_cipher": DetailCipher(DETAIL_KEY)},
    )
    yield database
    database.close()


class SavepointDatabase(Database):
    """A door whose transactions are savepoints of one connection that is rolled back at the end."""

    def __init__(self, connection: Connection, info: Mapping[str, object]) -> None:
        self._connection = connection
        self._info = dict(info)
        self.after_jobs = lambda: None

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        with (
            Session(
                self._connection,
                join_transaction_mode="create_savepoint",
                expire_on_commit=False,
                autoflush=False,
                info=dict(self._info),
            ) as session,
            session.begin(),
        ):
            yield session

    def statement(self, sql: str, parameters: Mapping[str, object]) -> TupleRow | None:
        raw = self._connection.connection.driver_connection
        assert isinstance(raw, psycopg.Connection)
        with raw.transaction():
            return raw.execute(sql, parameters).fetchone()

    def close(self) -> None:
        pass


@pytest.fixture(scope="session")
def _door(cluster: Cluster) -> Iterator[Database]:
    database = Database(cluster.web_url, role="audiatur_app")
    yield database
    database.close()


@pytest.fixture
def database(_door: Database) -> Iterator[Database]:
    """Give a door to the shared database; whatever goes through it is gone after the test."""
    with _door.engine.connect() as connection:
        outer = connection.begin()
        yield SavepointDatabase(connection, {"detail_cipher": DetailCipher(DETAIL_KEY)})
        outer.rollback()


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    """Give a session that is never committed."""
    with database.transaction() as session:
        yield session


@pytest.fixture
def clock() -> SetClock:
    return SetClock(datetime(2026, 11, 21, 12, 0, tzinfo=UTC))


@pytest.fixture
def keys(tmp_path: Path) -> MasterKeys:
    return MasterKeys.create(tmp_path / "archive.key")


@pytest.fixture
def store(tmp_path: Path, keys: MasterKeys) -> SealedStore:
    """Give an archive store in a folder."""
    return SealedStore(FolderStore(tmp_path / "archive"), keys)


@pytest.fixture
def make(session: Session, clock: SetClock, store: SealedStore) -> Make:
    """Give the maker of rows."""
    return Make(session, clock, store)


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    """Give the sandbox that this machine allows."""
    return Sandbox.detect()


@pytest.fixture
def live(own_database: Urls, tmp_path: Path, sandbox: Sandbox) -> Iterator[Live]:
    """Give a running archive of the test's own."""
    with live_archive(tmp_path, own_database.web, sandbox) as archive:
        yield archive


Acts = Callable[[object], list[str]]


@pytest.fixture
def acts(session: Session) -> Acts:
    """Give a function that lists what the ledger tells of an object, in order."""

    def list_acts(object_id: object) -> list[str]:
        return list(
            session.scalars(
                select(CustodyEntry.act)
                .where(CustodyEntry.object_id == object_id)
                .order_by(CustodyEntry.position)
            )
        )

    return list_acts
