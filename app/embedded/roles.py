"""Who may log in to the embedded Postgres, with which password, and to what."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, LiteralString

import psycopg
from psycopg import sql

from app.embedded.errors import EmbeddedPostgresFailed
from app.embedded.files import write_private

HOST: Final = "127.0.0.1"
SUPERUSER: Final = "postgres"

_DATABASE: Final = "audiatur"
_OWNER: Final = "audiatur_owner"
_WEB: Final = "audiatur_web"
_LINK: Final = "audiatur_link"
_ATTRIBUTES: Final[dict[str, LiteralString]] = {
    _OWNER: "LOGIN CREATEROLE",
    _WEB: "LOGIN",
    _LINK: "LOGIN",
}
_GRANTING: Final = 0x617564696175  # An advisory lock of our own.
_GRANTS: Final = (("audiatur_app", _WEB), ("audiatur_public", _LINK))

# Large objects lie outside all rights to tables, and a lock held by one login stops the others:
# what Postgres lets everybody do, only those may who need it. docs/roles.sql does the same.
_RESTRICT: Final = r"""
DO $$
DECLARE found record;
BEGIN
    FOR found IN
        SELECT p.oid::regprocedure AS name, p.proname LIKE 'pg%advisory%' AS locks FROM pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace
            AND (p.proname LIKE 'pg\_advisory%' OR p.proname LIKE 'pg\_try\_advisory%'
                OR p.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_import', 'lo_export',
                    'lo_open', 'lo_put', 'lo_get', 'lo_unlink', 'lowrite'))
            AND (p.proacl IS NULL
                OR EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0))
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', found.name);
        IF found.locks THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO audiatur_owner, audiatur_app',
                found.name);
        END IF;
    END LOOP;
END $$
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A server that answers, and how each part of the archive reaches it."""

    directory: Path
    port: int
    owner_url: str = field(repr=False)
    web_url: str = field(repr=False)
    link_url: str = field(repr=False)


def cluster_of(directory: Path, port: int) -> Cluster:
    """Return how the server of `directory` is reached at `port`."""

    def url(role: str) -> str:
        return f"postgresql://{role}:{password_of(directory, role)}@{HOST}:{port}/{_DATABASE}"

    return Cluster(
        directory=directory,
        port=port,
        owner_url=url(_OWNER),
        web_url=url(_WEB),
        link_url=url(_LINK),
    )


def password_of(directory: Path, role: str) -> str:
    """Return the password of `role`, made at first use."""
    path = _password_file(directory, role)
    with suppress(FileNotFoundError):
        return path.read_text(encoding="utf-8")
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_private(path, secrets.token_urlsafe(24))
    return path.read_text(encoding="utf-8")


def connect(directory: Path, port: int, *, database: str = "postgres") -> psycopg.Connection:
    """Connect as the superuser, who is the launcher's own.

    Raises:
        EmbeddedPostgresFailed: the password file is gone; a new password would open nothing.
    """
    path = _password_file(directory, SUPERUSER)
    if not path.exists():
        raise EmbeddedPostgresFailed(
            f"the password file {path} is missing: restore it from the backup of {directory}"
        )
    return psycopg.connect(
        host=HOST,
        port=port,
        user=SUPERUSER,
        password=path.read_text(encoding="utf-8"),
        dbname=database,
        sslmode="disable",
        connect_timeout=10,
        autocommit=True,
    )


def provision(connection: psycopg.Connection, directory: Path) -> None:
    """Make the roles and the database; done once, and again when a password file was lost."""
    marker = directory / "provisioned"
    if marker.exists() and all(_password_file(directory, role).exists() for role in _ATTRIBUTES):
        return
    marker.unlink(missing_ok=True)
    for role, attributes in _ATTRIBUTES.items():
        known = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone()
        connection.execute(
            sql.SQL("{} {} {} PASSWORD {}").format(
                sql.SQL("CREATE ROLE" if known is None else "ALTER ROLE"),
                sql.Identifier(role),
                sql.SQL(attributes),
                sql.Literal(password_of(directory, role)),
            )
        )
    found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [_DATABASE])
    if found.fetchone() is None:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(
                sql.Identifier(_DATABASE), sql.Identifier(_OWNER)
            )
        )
    write_private(marker, "The roles and the database are made.\n")


def grant_roles(cluster: Cluster) -> None:
    """Give the login roles the rights of the groups that the migrations have made, and no more.

    Raises:
        EmbeddedPostgresFailed: the migrations have not made the groups yet.
    """
    with connect(cluster.directory, cluster.port) as connection, _alone(connection):
        for group, member in _GRANTS:
            statement = sql.SQL("GRANT {} TO {}")
            try:
                connection.execute(statement.format(sql.Identifier(group), sql.Identifier(member)))
            except psycopg.errors.UndefinedObject as exc:
                raise EmbeddedPostgresFailed(
                    f"the role {group} does not exist: run the migrations first"
                ) from exc
    with (
        connect(cluster.directory, cluster.port, database=_DATABASE) as connection,
        _alone(connection),
    ):
        connection.execute(_RESTRICT)


@contextmanager
def _alone(connection: psycopg.Connection) -> Iterator[None]:
    """Let only one process at a time change the catalogue of the connection's database."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_GRANTING])
        yield


def _password_file(directory: Path, role: str) -> Path:
    return directory / "passwords" / role
