"""A Postgres with a synchronous standby, made as docs/deploy.md says, both on loopback."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from app.embedded.postgres import Cluster, EmbeddedPostgres, grant_roles, program
from app.migrate import migrate
from tests.faults.senders import PATIENCE_SECONDS

NAME = "standby_a"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A primary, its standby, and how both are reached."""

    primary: EmbeddedPostgres
    standby: EmbeddedPostgres
    cluster: Cluster
    standby_port: int

    @property
    def web_url(self) -> str:
        """Return the address that docs/deploy.md names: whichever of them may be written to."""
        there = f"@127.0.0.1:{self.cluster.port}"
        both = f"{there},127.0.0.1:{self.standby_port}"
        return self.cluster.web_url.replace(there, both) + "?target_session_attrs=read-write"

    @property
    def superuser_url(self) -> str:
        return _superuser(self.cluster, self.cluster.port)

    def ask(self, query: str, *, port: int | None = None) -> list[TupleRow]:
        """Ask the primary, or whoever is at `port`, as superuser."""
        url = _superuser(self.cluster, port or self.cluster.port)
        with psycopg.connect(url, autocommit=True) as connection:
            done = connection.execute(query.encode())
            return done.fetchall() if done.description else []

    def wait_in_step(self) -> None:
        """Wait until commits wait for the standby."""
        query = "SELECT pid FROM pg_stat_replication WHERE sync_state = 'quorum'"
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not self.ask(query):
            assert time.monotonic() < give_up_at
            time.sleep(0.1)

    def promote(self) -> None:
        """Make the standby the primary, as a manager of failovers does."""
        assert self.ask("SELECT pg_promote()", port=self.standby_port) == [(True,)]

    def start_standby(self) -> int:
        """Start it as a standby is: nothing is provisioned on it, for it takes no writing."""
        with self.standby._guard() as guard:
            return self.standby._start(guard).port


def _superuser(cluster: Cluster, port: int) -> str:
    password = (cluster.directory / "passwords" / "postgres").read_text()
    return f"postgresql://postgres:{password}@127.0.0.1:{port}/audiatur"


@contextmanager
def pair(folder: Path) -> Iterator[Pair]:
    """Give a migrated primary with a standby that each commit waits for."""
    primary, standby = (EmbeddedPostgres(folder / name) for name in ("primary", "standby"))
    cluster = primary.hold()
    try:
        migrate(cluster.owner_url)
        grant_roles(cluster)
        with (folder / "primary/server/data/pg_hba.conf").open("a") as rules:
            rules.write("host replication all 127.0.0.1/32 scram-sha-256\n")
        made = Pair(primary=primary, standby=standby, cluster=cluster, standby_port=0)
        made.ask("SELECT pg_reload_conf()")
        _copy(cluster, folder / "standby")
        made = Pair(
            primary=primary, standby=standby, cluster=cluster, standby_port=made.start_standby()
        )
        made.ask(f"ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 ({NAME})'")
        made.ask("SELECT pg_reload_conf()")
        made.wait_in_step()
        yield made
    finally:
        standby.stop()
        primary.stop()
        primary.release_and_maybe_stop()


def _copy(cluster: Cluster, folder: Path) -> None:
    server = folder / "server"
    server.mkdir(mode=0o700, parents=True)
    whole = f"{_superuser(cluster, cluster.port)}?application_name={NAME}"
    words = ["--write-recovery-conf", f"--slot={NAME}", "--create-slot", "--checkpoint=fast"]
    done = subprocess.run(  # noqa: S603 - Postgres' own program.
        [program("pg_basebackup"), f"--dbname={whole}", f"--pgdata={server / 'data'}", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
