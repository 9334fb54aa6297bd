"""The variants: each a server in a fresh folder, with its own processes, ended with its block."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.embedded.postgres import EmbeddedPostgres
from bench_tool.native import Address, BenchmarkFailed, Programs
from bench_tool.processes import Family

_ROOT = Path(__file__).parents[2]
_UPLOADS = "/v1/recordings"
_RESUMED_UPLOADS = "/v1/uploads"
_HOST = "127.0.0.1"
_START_WITHIN_S = 180
_STOP_WITHIN_S = 60
_PAUSE_S = 0.05
_LOG_LINES = 15
_MOST_WEB_PROCESSES = 2  # The embedded Postgres has connections for so many.


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A variant that answers: where to send recordings, and what runs it.

    What lies in `expendable` it never reads again, what lies in `kept` it may. `person_key` is
    that of an administrator.
    """

    address: Address
    family: Family
    expendable: Path | None
    kept: Path | None = None
    person_key: str = field(default="", repr=False)

    def receivers(self) -> list[int]:
        """Return the processes that take the uploads."""
        return self.family.listeners(self.address.port)

    def tidy(self) -> None:
        """Give back the room of files that are of no more use, and the memory of those kept.

        A virtual machine is given its memory when that is first touched, which takes it longer
        than all that is done with the bytes. What deletes its files gets theirs again and again,
        so the pages of kept files are given back too; `os.sync` before, or they are not.
        """
        if self.expendable is not None:
            for file in self.expendable.iterdir():
                if file.is_file():
                    file.unlink()
        if self.kept is not None:
            for file in self.kept.rglob("*"):
                if file.is_file():
                    _forget_pages(file)


def _forget_pages(file: Path) -> None:
    with file.open("rb") as opened:
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


Start = Callable[[Path], AbstractContextManager[Server]]


def reference(programs: Programs) -> Start:
    """Return how the C program is started: receive, SHA-256, fdatasync, rename."""

    @contextmanager
    def start(directory: Path) -> Iterator[Server]:
        files = directory / "files"
        files.mkdir()
        with _process([programs.reference, files], directory, {}) as process:
            port = int(_first_line(process, directory))
            address = Address(port=port, path=_UPLOADS, key="none")
            yield _server(process, directory, address, files)

    return start


@contextmanager
def naive(directory: Path) -> Iterator[Server]:
    """Start FastAPI with `UploadFile` and the ORM, on a Postgres like the one of ours."""
    port, key, files = _free_port(), secrets.token_urlsafe(32), directory / "files"
    files.mkdir()
    argv = [sys.executable, "-m", "uvicorn", "bench_tool.naive:app", "--port", str(port)]
    argv += ["--host", _HOST, "--no-access-log", "--log-level", "warning"]
    with _postgres(directory / "postgres") as url:
        settings = {
            "NAIVE_DATABASE_URL": url.replace("postgresql://", "postgresql+psycopg://"),
            "NAIVE_DIRECTORY": str(files),
            "NAIVE_KEY": key,
            "PYTHONPATH": str(_ROOT / "scripts"),
        }
        with _process(argv, directory, settings) as process:
            _wait_until_ready(process, f"http://{_HOST}:{port}/docs", directory)
            yield _server(process, directory, Address(port=port, path=_UPLOADS, key=key), files)


@contextmanager
def ours(directory: Path) -> Iterator[Server]:
    """Start the archive with nothing configured, and make a device that may send.

    Without a worker: what inspects a recording later is measured by parts of its own.
    """
    with _archive(directory, workers=0) as (server, _):
        yield server


@contextmanager
def ours_on_each_processor(directory: Path) -> Iterator[Server]:
    """Start the archive as `ours`, with as many web processes as `docs/deploy.md` recommends."""
    with _archive(directory, workers=0, web_processes=web_processes()) as (server, _):
        yield server


def web_processes() -> int:
    """Return how many web processes are recommended for this machine."""
    return min(os.cpu_count() or 1, _MOST_WEB_PROCESSES)


@contextmanager
def with_worker(directory: Path) -> Iterator[Server]:
    """Start the archive as `ours`, with a worker and an administrator."""
    with _archive(directory, workers=1) as (server, settings):
        key = _made(["user", "add", "bench", "--role", "admin", "--api-key"], directory, settings)
        yield replace(server, person_key=key)


@contextmanager
def heard(directory: Path) -> Iterator[Server]:
    """Start the archive as `ours`, with a reviewer, who may listen whoever was told."""
    with _archive(directory, workers=0) as (server, settings):
        words = ["user", "add", "bench", "--role", "reviewer", "--api-key"]
        yield replace(server, person_key=_made(words, directory, settings))


def plain(file: Path) -> Start:
    """Return how Starlette is started to give one plain file by `FileResponse`."""

    @contextmanager
    def start(directory: Path) -> Iterator[Server]:
        port = _free_port()
        argv = [sys.executable, "-m", "uvicorn", "bench_tool.plain:app", "--port", str(port)]
        argv += ["--host", _HOST, "--no-access-log", "--log-level", "warning"]
        argv += ["--http", "httptools", "--loop", "uvloop"]
        settings = {"PLAIN_FILE": str(file), "PYTHONPATH": str(_ROOT / "scripts")}
        with _process(argv, directory, settings) as process:
            _wait_until_ready(process, f"http://{_HOST}:{port}/", directory)
            yield _server(process, directory, Address(port=port, path="/", key="none"), None)

    return start


def by_tus(start: Start) -> Start:
    """Return how an archive is started to take uploads by tus."""

    @contextmanager
    def started(directory: Path) -> Iterator[Server]:
        with start(directory) as server:
            address = replace(server.address, path=_RESUMED_UPLOADS, is_tus=True)
            yield replace(server, address=address)

    return started


def peer(argv: Sequence[str], settings: Mapping[str, str]) -> Start:
    """Return how a tus server of somebody else is started, with the words `PORT` replaced."""

    @contextmanager
    def start(directory: Path) -> Iterator[Server]:
        port, files = _free_port(), directory / "files"
        files.mkdir()
        told = {**settings, "PEER_PORT": str(port), "PEER_FILES": str(files)}
        words = [str(port) if word == "PORT" else word for word in argv]
        with _process(words, directory, told) as process:
            _wait_until_listening(process, port, directory)
            address = Address(port=port, path="/files", key="none", is_tus=True)
            yield _server(process, directory, address, files)

    return start


@contextmanager
def _archive(
    directory: Path, *, workers: int, web_processes: int = 1
) -> Iterator[tuple[Server, dict[str, str]]]:
    port, data = _free_port(), directory / "archive"
    settings = {
        "AUDIATUR_DATA": str(data),
        "AUDIATUR_WORKERS": str(workers),
        "AUDIATUR_WEB_PROCESSES": str(web_processes),
        "AUDIATUR_PUBLIC_PORT": "0",
        "AUDIATUR_LOG_LEVEL": "warning",
    }
    argv = [_command(), "serve", "--host", _HOST, "--port", str(port), "--data", str(data)]
    with _process(argv, directory, settings) as process:
        _wait_until_ready(process, f"http://{_HOST}:{port}/readyz", directory)
        key = _made(["device", "add", "bench"], directory, settings)
        address = Address(port=port, path=_UPLOADS, key=key)
        server = _server(process, directory, address, None)
        yield replace(server, kept=data / "archive"), settings


def _made(words: Sequence[str], directory: Path, settings: Mapping[str, str]) -> str:
    """Run our own command and return its last line, which is a key."""
    made = subprocess.run(  # noqa: S603  # Our own command.
        [_command(), *words],
        cwd=directory,
        env=_environment(settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=_START_WITHIN_S,
    )
    if made.returncode != 0:
        raise BenchmarkFailed(f"audiatur {words[0]} {words[1]}: {made.stderr.strip()}")
    return made.stdout.strip().splitlines()[-1]


@contextmanager
def fresh(parent: Path, name: str, start: Start) -> Iterator[Server]:
    """Start a variant in a folder of its own, and leave neither process nor folder behind."""
    directory = parent / name
    directory.mkdir()
    try:
        with start(directory) as server:
            yield server
    finally:
        _end_stragglers(directory)
        shutil.rmtree(directory, ignore_errors=True)


def _server(
    process: subprocess.Popen[bytes], directory: Path, address: Address, expendable: Path | None
) -> Server:
    return Server(
        address=address,
        family=Family(root=process.pid, directory=directory),
        expendable=expendable,
    )


@contextmanager
def _process(
    argv: Sequence[str | Path], directory: Path, settings: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # Only the programs named above.
            argv,
            cwd=directory,
            env=_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _postgres(directory: Path) -> Iterator[str]:
    server = EmbeddedPostgres(directory)
    try:
        yield server.hold().owner_url
    finally:
        server.release_and_maybe_stop()


def _end_stragglers(directory: Path) -> None:
    """Kill what a variant left working in its folder, such as the Postgres of a killed server."""
    for pid in Family(root=0, directory=directory).pids():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return our environment without any setting of an archive that is not the measured one."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AUDIATUR_")}
    return {**kept, **settings}


def _command() -> str:
    return str(Path(sys.executable).with_name("audiatur"))


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind((_HOST, 0))
        port: int = trial.getsockname()[1]
        return port


def _first_line(process: subprocess.Popen[bytes], directory: Path) -> str:
    deadline = time.monotonic() + _START_WITHIN_S
    while True:
        line, newline, _ = (directory / "log").read_text(errors="replace").partition("\n")
        if newline:
            return line
        _require_alive(process, directory, deadline)
        time.sleep(_PAUSE_S)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, directory: Path) -> None:
    deadline = time.monotonic() + _START_WITHIN_S
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            direct.open(url, timeout=5).close()
            return
        _require_alive(process, directory, deadline)
        time.sleep(_PAUSE_S)


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, directory: Path) -> None:
    deadline = time.monotonic() + _START_WITHIN_S
    while True:
        with suppress(OSError):
            socket.create_connection((_HOST, port), timeout=5).close()
            return
        _require_alive(process, directory, deadline)
        time.sleep(_PAUSE_S)


def _require_alive(process: subprocess.Popen[bytes], directory: Path, deadline: float) -> None:
    if process.poll() is None and time.monotonic() < deadline:
        return
    state = "ended" if process.returncode is not None else "does not answer"
    tail = (directory / "log").read_text(errors="replace").splitlines()[-_LOG_LINES:]
    raise BenchmarkFailed("\n".join([f"{directory.name} {state}; its log ends with:", *tail]))
