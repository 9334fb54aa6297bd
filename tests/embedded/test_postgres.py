from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest

from app.embedded import roles
from app.embedded.postgres import Cluster, EmbeddedPostgres, EmbeddedPostgresFailed, grant_roles

from .conftest import PATIENCE_S, RunPython, line_of, tell

HOLDER = """
import sys
from pathlib import Path
from app.embedded.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.hold()
print(server.status().pid, flush=True)
sys.stdin.readline()
print(server.release_and_maybe_stop(), flush=True)
"""
STARTER = """
import sys
from pathlib import Path
from app.embedded.postgres import EmbeddedPostgres
EmbeddedPostgres(Path(sys.argv[1])).ensure()
"""


def ask(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


def change(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement.encode())


def test_second_start_finds_the_same_server(postgres: EmbeddedPostgres) -> None:
    first = postgres.ensure()
    pid = postgres.status().pid
    assert postgres.ensure() == first
    assert EmbeddedPostgres(first.directory).ensure() == first
    assert postgres.status().pid == pid
    assert ask(first.owner_url, "SELECT current_user || ' ' || current_database()") == (
        "audiatur_owner audiatur"
    )


def test_a_stopped_server_starts_again_at_its_port_with_its_rows(
    postgres: EmbeddedPostgres,
) -> None:
    first = postgres.ensure()
    change(first.owner_url, "CREATE TABLE kept AS SELECT 7 AS n")
    postgres.stop()
    assert not postgres.status().running
    assert postgres.ensure() == first
    assert ask(first.owner_url, "SELECT n FROM kept") == 7


def test_the_last_of_two_processes_stops_the_server(
    postgres: EmbeddedPostgres, run_python: RunPython
) -> None:
    directory = postgres.hold().directory
    other = run_python(HOLDER, directory)
    assert line_of(other) == str(postgres.status().pid)
    assert postgres.release_and_maybe_stop() is False
    assert postgres.status().running
    tell(other)
    assert line_of(other) == "True"
    assert not postgres.status().running


def test_twelve_first_starts_at_once_make_one_server(
    postgres: EmbeddedPostgres, run_python: RunPython, tmp_path: Path
) -> None:
    holders = [run_python(HOLDER, tmp_path / "postgres") for _ in range(12)]
    pids = {line_of(holder) for holder in holders}
    assert pids == {str(postgres.status().pid)}


def test_a_killed_holder_leaves_the_server_and_counts_no_more(
    postgres: EmbeddedPostgres, run_python: RunPython, tmp_path: Path
) -> None:
    holder = run_python(HOLDER, tmp_path / "postgres")
    pid = line_of(holder)
    holder.kill()
    holder.wait()
    postgres.hold()
    assert str(postgres.status().pid) == pid
    assert postgres.release_and_maybe_stop() is True
    assert not postgres.status().running


def test_every_acknowledged_row_outlives_a_killed_server(postgres: EmbeddedPostgres) -> None:
    cluster = postgres.ensure()
    change(cluster.owner_url, "CREATE TABLE kept (n int PRIMARY KEY)")
    acknowledged: list[int] = []
    enough = threading.Event()

    def write() -> None:
        with psycopg.connect(cluster.owner_url, autocommit=True) as connection:
            for n in range(1_000_000):
                try:
                    connection.execute("INSERT INTO kept VALUES (%s)", [n])
                except psycopg.OperationalError:
                    return
                acknowledged.append(n)
                if n == 200:
                    enough.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert enough.wait(PATIENCE_S)
    postgres.kill()
    writer.join()
    cluster = postgres.ensure()
    with psycopg.connect(cluster.owner_url) as connection:
        kept = {n for (n,) in connection.execute("SELECT n FROM kept")}
    assert len(acknowledged) > 200
    assert kept >= set(acknowledged)


def test_a_half_made_cluster_is_made_anew(
    postgres: EmbeddedPostgres, run_python: RunPython, tmp_path: Path
) -> None:
    starter = run_python(STARTER, tmp_path / "postgres")
    new = tmp_path / "postgres" / "server" / "new" / "data"
    deadline = time.monotonic() + PATIENCE_S
    while not (new / "base").exists():
        assert time.monotonic() < deadline
        time.sleep(0.001)
    starter.kill()
    starter.wait()
    assert not postgres.status().running
    assert new.exists()
    assert ask(postgres.ensure().owner_url, "SHOW data_checksums") == "on"
    assert not new.parent.exists()


def test_a_taken_port_is_exchanged(postgres: EmbeddedPostgres) -> None:
    first = postgres.ensure()
    postgres.stop()
    with socket.create_server(("127.0.0.1", first.port)):
        second = postgres.ensure()
        assert second.port != first.port
        assert ask(second.owner_url, "SELECT inet_server_port()") == second.port


def test_a_stale_pid_file_that_names_a_stranger_is_no_obstacle(
    postgres: EmbeddedPostgres,
) -> None:
    cluster = postgres.ensure()
    postgres.kill()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        path = cluster.directory / "server" / "data" / "postmaster.pid"
        _, _, rest = path.read_text().partition("\n")
        path.write_text(f"{stranger.pid}\n{rest}")
        assert not postgres.status().running
        assert postgres.ensure() == cluster
        assert stranger.poll() is None
        stranger.kill()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("data_checksums", "on"),
        ("max_connections", "100"),
        ("server_encoding", "UTF8"),
        ("password_encryption", "scram-sha-256"),
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_directories", ""),
        ("dynamic_shared_memory_type", "posix"),
        ("shared_memory_type", "mmap"),
        ("log_error_verbosity", "terse"),
    ],
)
def test_settings(shared: Cluster, setting: str, value: str) -> None:
    with roles.connect(shared.directory, shared.port) as connection:
        assert connection.execute(f"SHOW {setting}".encode()).fetchone() == (value,)


def test_the_locale_is_the_same_on_every_machine(shared: Cluster) -> None:
    query = "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'audiatur'"
    assert ask(shared.owner_url, query) == "bC.UTF-8"
    assert ask(shared.owner_url, "SELECT upper('жалоба')") == "ЖАЛОБА"


def test_parallel_workers_share_memory(shared: Cluster) -> None:
    with psycopg.connect(shared.owner_url) as connection:
        connection.execute("SET debug_parallel_query = on")
        plan = connection.execute("EXPLAIN (ANALYZE) SELECT count(*) FROM pg_class").fetchall()
    assert any("Workers Launched: 1" in line for (line,) in plan)


def test_nobody_enters_without_the_right_password(shared: Cluster) -> None:
    bare = f"postgresql://audiatur_owner@127.0.0.1:{shared.port}/audiatur?passfile=/dev/null"
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(bare)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(bare, password="wrong")
    with roles.connect(shared.directory, shared.port) as connection:
        rules = connection.execute(
            "SELECT type, database, user_name, address, auth_method FROM pg_hba_file_rules"
        ).fetchall()
    assert rules == [("host", ["all"], ["all"], "127.0.0.1", "scram-sha-256")]


def test_only_loopback_listens(shared: Cluster) -> None:
    listening = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            address, port = line.split()[1].split(":")
            if line.split()[3] == "0A" and int(port, 16) == shared.port:
                listening.add(address)
    assert listening == {"0100007F"}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", shared.port))


def test_secrets_are_private(shared: Cluster) -> None:
    passwords = list((shared.directory / "passwords").iterdir())
    assert len(passwords) == 4
    assert {path.stat().st_mode & 0o777 for path in passwords} == {0o600}
    assert len({path.read_text() for path in passwords}) == 4
    assert not any(path.read_text() in repr(shared) for path in passwords)
    pid = EmbeddedPostgres(shared.directory).status().pid
    assert b"AUDIATUR" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_the_owner_is_no_superuser_and_may_add_what_the_migrations_need(
    postgres: EmbeddedPostgres,
) -> None:
    cluster = postgres.ensure()
    query = "SELECT rolsuper OR rolreplication OR rolbypassrls FROM pg_roles WHERE rolname = {}"
    for role in ("audiatur_owner", "audiatur_web", "audiatur_link"):
        assert ask(cluster.owner_url, query.format(f"'{role}'")) is False
    with psycopg.connect(cluster.owner_url, autocommit=True) as connection:
        for extension in ("pg_trgm", "btree_gist", "unaccent"):
            connection.execute(f"CREATE EXTENSION {extension}".encode())
        with pytest.raises(EmbeddedPostgresFailed, match="audiatur_app does not exist"):
            grant_roles(cluster)
        connection.execute("CREATE ROLE audiatur_app")
        connection.execute("CREATE ROLE audiatur_public")
    for _ in range(2):
        grant_roles(cluster)
    member = "SELECT pg_has_role('audiatur_app', 'USAGE') || '' || pg_has_role('audiatur_public', 'USAGE')"  # noqa: E501 - one query, one line.
    assert ask(cluster.web_url, member) == "truefalse"
    assert ask(cluster.link_url, member) == "falsetrue"


def test_a_lost_password_file_is_replaced(postgres: EmbeddedPostgres) -> None:
    before = postgres.ensure()
    (before.directory / "passwords" / "audiatur_web").unlink()
    after = postgres.ensure()
    assert after.web_url != before.web_url
    assert ask(after.web_url, "SELECT current_user") == "audiatur_web"
    (before.directory / "passwords" / "postgres").unlink()
    with pytest.raises(EmbeddedPostgresFailed, match="restore it"):
        postgres.ensure()


def test_a_failure_tells_the_reason_and_the_log(postgres: EmbeddedPostgres) -> None:
    cluster = postgres.ensure()
    postgres.stop()
    configuration = cluster.directory / "server" / "data" / "postgresql.conf"
    text = configuration.read_text()
    configuration.write_text(text + "shared_buffers = 'plenty'\n")
    with pytest.raises(EmbeddedPostgresFailed, match=r"did not start \(.*FATAL") as caught:
        postgres.ensure()
    assert "\n" not in str(caught.value)
    assert any("plenty" in line for line in caught.value.tail)
    configuration.write_text(text)
    assert postgres.ensure() == cluster


def test_data_of_another_version_are_refused(postgres: EmbeddedPostgres) -> None:
    cluster = postgres.ensure()
    postgres.stop()
    (cluster.directory / "server" / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedPostgresFailed, match="was made by Postgres 17"):
        postgres.ensure()


def test_a_private_parent_directory_is_no_obstacle_and_stays_private(tmp_path: Path) -> None:
    parent = tmp_path / 'private $HOME "of root'
    parent.mkdir(mode=0o700)
    server = EmbeddedPostgres(parent / "postgres")
    try:
        assert ask(server.ensure().owner_url, "SELECT 1") == 1
        assert parent.stat().st_mode & 0o777 == 0o700
    finally:
        server.stop()


def test_the_server_is_in_a_session_of_its_own(shared: Cluster) -> None:
    pid = EmbeddedPostgres(shared.directory).status().pid
    assert pid is not None
    assert os.getsid(pid) != os.getsid(0)
