"""The one door to the database: transactions open and close here, and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from sqlalchemy import (
    TIMESTAMP,
    LargeBinary,
    MetaData,
    Select,
    Text,
    Uuid,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy import exc as sa_exc
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import URL, Engine
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.pool import PoolProxiedConnection

from app.core import traces
from app.core.errors import Unavailable
from app.core.punctual import PunctualConnection

JsonObject = dict[str, Any]

APP_ROLE = "audiatur_app"
JOBS_WAITING = "jobs_waiting"
CONNECT_SECONDS = 3
STATEMENT_MILLISECONDS = 15_000
LOCK_MILLISECONDS = 5_000
IDLE_MILLISECONDS = 30_000
ANSWER_SECONDS = STATEMENT_MILLISECONDS / 1000 + 5
SESSION_SECONDS = 600
"""How long a pooled connection is used. Its session remembers each table and statement that it has
met, some megabytes and dozens of open files in the end; a new one takes a few milliseconds."""
LINE_LIMITS: Mapping[str, int] = {
    "connect_timeout": CONNECT_SECONDS,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
}
"""How a connection finds out that nobody is there any more."""
_PARAMETER = re.compile(r"%\((\w+)\)s")
_AS_SENT = PGDialect_psycopg()  # type: ignore[no-untyped-call]  # SQLAlchemy has no types there.
_DIALECT = re.compile(r"^postgres(?:ql)?(?:\+\w+)?://")


# The driver's class of operational errors holds others too, as of a row too large for an index.
# Source: PostgreSQL, appendix A. Connection, operator's intervention, resources, and what may go
# well at the next try: serialization, deadlock, a lock not had in time.
_AWAY_CLASSES = ("08", "57", "53")
_AWAY_STATES = frozenset({"40001", "40P01", "55P03"})


class DatabaseAway(Unavailable):
    """The database does not answer; nothing was kept, try again."""


def _is_away(exc: BaseException) -> bool:
    """Tell whether trying again may help; no state at all means that no server answered."""
    state = getattr(getattr(exc, "orig", exc), "sqlstate", None)
    return state is None or state.startswith(_AWAY_CLASSES) or state in _AWAY_STATES


class Base(DeclarativeBase):
    """The tables of all rooms, with constraints named by convention."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads a plain class attribute.
        datetime: TIMESTAMP(timezone=True),
        UUID: Uuid(),
        str: Text,
        bytes: LargeBinary,
        JsonObject: JSONB,
    }


def one_of(column: str, values: type) -> str:
    """Return the condition that `column` holds one of an enumeration's values."""
    return f"{column} IN ({', '.join(repr(str(v)) for v in values)})"  # type: ignore[attr-defined]  # an enum class iterates


def psycopg_url(url: str) -> URL:
    """Return `url` for SQLAlchemy with the psycopg driver, whatever dialect name it came with.

    SQLAlchemy has another form for the list of hosts that libpq reads, a primary and its standbys.
    """
    if "," not in urlsplit(url).netloc:
        return make_url(url).set(drivername="postgresql+psycopg")
    told = libpq_parameters(url)
    hosts, ports = told.pop("host", "").split(","), told.pop("port", "").split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    places = [f"{host}:{port or 5432}" for host, port in zip(hosts, ports, strict=True)]
    return URL.create(
        "postgresql+psycopg",
        username=told.pop("user", None),
        password=told.pop("password", None),
        database=told.pop("dbname", None),
        query={**told, "host": places},
    )


def libpq_parameters(url: str) -> dict[str, str]:
    """Return what `url` says, by the names that Postgres' own programs have for it."""
    found = conninfo_to_dict(_DIALECT.sub("postgresql://", url))
    return {name: str(value) for name, value in found.items() if value is not None}


@cache
def _numbered(sql: str) -> tuple[bytes, tuple[str, ...]]:
    """Return `sql` with parameters as the server numbers them, and their names in that order.

    The driver would do it at every call where there are more than fifty, or 4 KiB of text.
    """
    names = tuple(dict.fromkeys(_PARAMETER.findall(sql)))
    places = {name: f"${place}" for place, name in enumerate(names, start=1)}
    return _PARAMETER.sub(lambda found: places[found[1]], sql).encode(), names


def _driver(connection: PoolProxiedConnection) -> psycopg.Connection[TupleRow]:
    raw = connection.driver_connection
    if not isinstance(raw, psycopg.Connection):
        raise TypeError("The driver is not psycopg.")
    return raw


def as_statement(query: Select[Any]) -> tuple[str, dict[str, object]]:
    """Return a query as `Database.statement` takes it, and the values that stand in it."""
    made = query.compile(dialect=_AS_SENT, compile_kwargs={"render_postcompile": True})
    return str(made), dict(made.params)


def copy_in(
    session: Session, sql: str, types: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    """Add `rows` by `sql`, a COPY of the binary format, in the transaction of `session`.

    Many rows cost a fraction of what they cost as parameters.
    """
    with (
        _driver(session.connection().connection).cursor() as cursor,
        cursor.copy(sql.encode()) as copy,
    ):
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def let_last(session: Session) -> None:
    """Let the statements of this transaction take as long as they take."""
    session.execute(text("SET LOCAL statement_timeout = 0"))
    raw = _driver(session.connection().connection)
    if isinstance(raw, PunctualConnection):
        raw.patience_seconds = None


class Database:
    """Connections to one Postgres database, acting as `role`.

    `pool_size` connections are kept for sessions and as many for statements, each made at need.
    `info` is handed to each session, for rooms that need a key or a setting with every row.
    `after_jobs` is called after each commit that asked for a job.
    """

    def __init__(
        self,
        url: str,
        *,
        role: str | None,
        pool_size: int = 10,
        info: Mapping[str, object] | None = None,
        after_jobs: Callable[[], None] = lambda: None,
    ) -> None:
        options = [
            f"-c statement_timeout={STATEMENT_MILLISECONDS}",
            f"-c lock_timeout={LOCK_MILLISECONDS}",
            f"-c idle_in_transaction_session_timeout={IDLE_MILLISECONDS}",
            "-c timezone=UTC",
        ]
        if role is not None:
            options.append(f"-c role={role}")
        connect_args = {
            **LINE_LIMITS,
            "application_name": "audiatur",
            "options": " ".join(options),
        }
        self.engine: Engine = create_engine(
            psycopg_url(url),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=5,
            pool_use_lifo=True,
            pool_recycle=SESSION_SECONDS,
            hide_parameters=True,
            connect_args=connect_args,
        )
        # Statements have connections of their own: slow sessions do not hold uploads up. None is
        # made beyond what the pool keeps, for it would be closed again after its one statement.
        self._statements: Engine = create_engine(
            psycopg_url(url),
            isolation_level="AUTOCOMMIT",
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=5,
            pool_use_lifo=True,
            pool_recycle=SESSION_SECONDS,
            hide_parameters=True,
            connect_args=connect_args,
        )
        self.answer_seconds: float = ANSWER_SECONDS
        for engine in (self.engine, self._statements):
            event.listen(engine, "do_connect", self._connect)
            event.listen(engine, "checkin", self._be_punctual_again)
        self.after_jobs = after_jobs
        self._sessions = sessionmaker(
            self.engine, expire_on_commit=False, info=dict(info or {}), autoflush=False
        )

    def _connect(
        self, _dialect: object, _record: object, args: Sequence[Any], named: Mapping[str, Any]
    ) -> PunctualConnection:
        made = PunctualConnection.connect(*args, **named)
        made.patience_seconds = self.answer_seconds
        return made

    def _be_punctual_again(self, connection: PunctualConnection | None, _record: object) -> None:
        if connection is not None:
            connection.patience_seconds = self.answer_seconds

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a transaction that is committed when the block ends without an exception.

        Raises:
            DatabaseAway: the connection could not be made or was lost. After a lost
                answer to COMMIT it is unknown whether the change was kept.
        """
        try:
            with traces.leaf("database transaction"), self._sessions.begin() as session:
                yield session
            if session.info.get(JOBS_WAITING):
                self.after_jobs()
        except (
            psycopg.OperationalError,
            sa_exc.OperationalError,
            sa_exc.TimeoutError,
            sa_exc.InterfaceError,
        ) as exc:
            if not _is_away(exc):
                raise
            raise DatabaseAway from exc

    def statement(self, sql: str, parameters: Mapping[str, object]) -> TupleRow | None:
        """Run one prepared statement as a transaction of its own: one round trip.

        `sql` is one of few constants, with parameters as `%(name)s` and no other percent sign.

        A dead pooled connection is replaced once when nothing of the statement can have
        reached the server's log, which only a failed connect guarantees; any other loss
        is reported.

        Raises:
            DatabaseAway: the connection could not be made or was lost.
        """
        try:
            with (
                traces.leaf("database statement"),
                closing(self._statements.raw_connection()) as connection,
            ):
                raw = _driver(connection)
                numbered, names = _numbered(sql)
                values = [parameters[name] for name in names]
                # A cursor that repeats its statement still knows how to convert the parameters.
                cursor = connection.info.get(sql) or psycopg.RawCursor(raw)
                connection.info[sql] = cursor
                try:
                    return cursor.execute(numbered, values, prepare=True).fetchone()
                except psycopg.OperationalError:
                    connection.invalidate()
                    raise
        except (
            psycopg.OperationalError,
            sa_exc.OperationalError,
            sa_exc.TimeoutError,
            sa_exc.InterfaceError,
        ) as exc:
            if not _is_away(exc):
                raise
            raise DatabaseAway from exc

    def close(self) -> None:
        """Close the pooled connections."""
        self.engine.dispose()
        self._statements.dispose()
