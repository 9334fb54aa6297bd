"""Processes of the tests' own, and a Postgres that is stopped whatever happens."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.embedded.postgres import Cluster, EmbeddedPostgres

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60

Process = subprocess.Popen[str]
RunPython = Callable[..., Process]
Watch = Callable[[int], Callable[[], bool]]


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path / "postgres")
    try:
        yield server
    finally:
        server.release_and_maybe_stop()
        server.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Give a cluster to tests that only look at it."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("shared") / "postgres")
    try:
        yield server.ensure()
    finally:
        server.stop()


@pytest.fixture
def run_python() -> Iterator[RunPython]:
    """Start Python with a program's text; what still runs at the end is killed."""
    with ExitStack() as stack:

        def run(program: str, *arguments: object, env: Mapping[str, str] | None = None) -> Process:
            process = subprocess.Popen(  # noqa: S603 - the tests' own programs, no shell.
                [sys.executable, "-c", program, *map(str, arguments)],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield run


@pytest.fixture
def until_gone() -> Iterator[Watch]:
    """Watch a process that may be nobody's child; call what comes back to wait for its end."""
    with ExitStack() as stack:

        def watch(pid: int) -> Callable[[], bool]:
            descriptor = os.pidfd_open(pid)
            stack.callback(os.close, descriptor)
            return lambda: bool(select.select([descriptor], [], [], PATIENCE_S)[0])

        yield watch


def line_of(process: Process) -> str:
    """Return the next line that `process` prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: Process) -> None:
    """Send `process` the line that it waits for."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
