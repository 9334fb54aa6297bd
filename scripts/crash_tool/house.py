"""The archive under trial: starting it, finding its processes, killing them by number."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.embedded.postgres import EmbeddedPostgres
from crash_tool.sender import TrialFailed

ROOT = Path(__file__).parents[2]
_PORTS = range(20_000, 32_000, 2)
_READY_WITHIN_S = 400.0
_GONE_WITHIN_S = 30.0
_STOP_WITHIN_S = 60.0
_PAUSE_S = 0.02
# The supervisor waits longer before each new start of a child that keeps dying; from here on it
# is cheaper to kill the supervisor too.
PATIENCE = 5


class House:
    """One archive in `data`, with its embedded Postgres and a folder as its store."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = _free_port()
        self.stages_file = data / "stages"
        self.log = data / "server.log"
        self.starts = 0
        self.web_kills = 0
        self._postgres = EmbeddedPostgres(data / "archive-data" / "postgres")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of every process of this archive; nothing else configures it."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("AUDIATUR_")}
        return kept | {
            "AUDIATUR_DATA": str(self.data / "archive-data"),
            "AUDIATUR_STAGES_FILE": str(self.stages_file),
            "AUDIATUR_PUBLIC_PORT": "0",
            "PYTHONPATH": str(ROOT),
        }

    def start(self) -> None:
        """Start everything and wait until it answers."""
        argv = [sys.executable, "-m", "app.cli", "serve", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program, no shell.
                argv,
                env=self.environment,
                cwd=self.data,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.starts += 1
        self.web_kills = 0
        self.wait_ready()
        self.calm_workers()

    def command(self, *argv: str) -> str:
        """Run a command of the archive beside the server; return what it printed.

        Raises:
            TrialFailed: with what it said.
        """
        done = subprocess.run(  # noqa: S603 - our own program, no shell.
            [sys.executable, "-m", "app.cli", *argv],
            env=self.environment,
            cwd=self.data,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if done.returncode != 0:
            raise TrialFailed(f"audiatur {' '.join(argv)}: {done.stderr[-2000:]}")
        return done.stdout

    def wait_ready(self) -> None:
        """Wait until web, database and store answer."""
        deadline = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                break
            if self._is_ready():
                return
            time.sleep(_PAUSE_S)
        raise TrialFailed(f"The server does not answer.\n{self.log.read_text()[-3000:]}")

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def calm_workers(self) -> None:
        """Let the workers inspect with what the uploads leave of the machine."""
        for worker in self._children("worker"):
            with suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, worker, 19)

    def supervisor(self) -> int:
        if self._process is None:
            raise TrialFailed("The server was not started.")
        return self._process.pid

    def web(self) -> int:
        """Return the number of the web process.

        Raises:
            TrialFailed: there is none, though the server answered a moment ago.
        """
        found = self._children("run-web")
        if len(found) != 1:
            raise TrialFailed(f"{len(found)} web processes.\n{self.log.read_text()[-3000:]}")
        return found[0]

    def children(self) -> list[int]:
        """Return the numbers of all that the supervisor has started."""
        return _children_of(self.supervisor())

    def postmaster(self) -> int | None:
        return self._postgres.status().pid

    def wait_postgres(self, *, other_than: int) -> None:
        """Wait until the embedded Postgres was started again after a kill."""
        deadline = time.monotonic() + _READY_WITHIN_S
        while self.postmaster() in {None, other_than}:
            if time.monotonic() > deadline:
                raise TrialFailed(f"Postgres stays away.\n{self.log.read_text()[-3000:]}")
            time.sleep(_PAUSE_S)

    def superuser_url(self) -> str:
        """Return how to ask the embedded Postgres as its superuser."""
        password = (self.data / "archive-data" / "postgres" / "passwords" / "postgres").read_text()
        port = self._postgres.status().port
        return f"postgresql://postgres:{password}@127.0.0.1:{port}/audiatur"

    def restart(self) -> None:
        """Kill what is left of supervisor, web and workers, and start anew."""
        self.kill([*self.children(), self.supervisor()])
        self.start()

    def kill(self, pids: list[int]) -> None:
        """Kill processes of this archive and wait until each is gone."""
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._process is not None and self._process.pid in pids:
            self._process.wait()
        deadline = time.monotonic() + _GONE_WITHIN_S
        while any(is_alive(pid) for pid in pids):
            if time.monotonic() > deadline:
                raise TrialFailed(f"Of {pids} some do not end.")
            time.sleep(0.002)

    def stop(self) -> int:
        """Stop in order; return the exit status."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.terminate()
        return process.wait(_STOP_WITHIN_S)

    def abandon(self) -> None:
        """End whatever runs still, orderly or not; for a trial that broke off."""
        if self._process is not None:
            with suppress(TrialFailed):
                self.kill([self.supervisor(), *self.children()])
            self._process = None
        self._postgres.stop()

    def _children(self, command: str) -> list[int]:
        if self._process is None:
            return []
        parent = self._process.pid
        return [pid for pid in _children_of(parent) if command in _arguments(pid)]


@contextmanager
def running(data: Path) -> Iterator[House]:
    """Give a started archive; nothing of it runs afterwards."""
    house = House(data)
    try:
        house.start()
        yield house
    finally:
        house.abandon()


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that only waits to be reaped does not."""
    fields = _stat(pid)
    return bool(fields) and fields[0] not in {"Z", "X"}


def _children_of(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields and fields[0] != "Z" and int(fields[1]) == parent:
                found.append(int(entry.name))
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields after the name, which may hold anything; none if there is no process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def _free_port() -> int:
    for port in _PORTS:
        with socket.socket() as trial, suppress(OSError):
            trial.bind(("127.0.0.1", port))
            return port
    raise TrialFailed("No port is free.")
