"""Kills at chosen system calls: before each one that an upload makes on its way to the disk.

strace ends the process as it enters the call, before the call is done. So the sequence of calls
is cut at every place: the kill at the second is the one after the first.
"""

from __future__ import annotations

import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg

from crash_tool import uploads, windows
from crash_tool.book import Book
from crash_tool.house import PATIENCE, House, is_alive
from crash_tool.sender import Address, Sender, TrialFailed
from crash_tool.windows import Kill, Kind, Window

SYNCS = ("fsync", "fdatasync", "linkat", "link", "rename", "renameat2")
TALK = ("sendto", "recvfrom")
WAY_IN = (*SYNCS, "openat", "close", *TALK)
LOG_WRITES = ("pwrite64", "fdatasync", "sendto")
_WARM_UPS = 4
_QUIET_S = 0.4
_BETWEEN_S = 0.1  # The workers are woken meanwhile, over a connection that is then free again.
_WITHIN_S = 20.0
_LETS_GO_WITHIN_S = 5.0
_TRIES = 6  # Another process of Postgres may have synced the log for the one that is watched.
_CALL = re.compile(r"^(?:\d+ +)?(\w+)\(", re.MULTILINE)
_MOST_OF_A_CALL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """How the enumerated kills are made, one upload in flight at a time."""

    house: House
    address: Address
    book: Book
    scratch: Path
    by_tus: bool = False

    def calls_of_one_upload(self) -> list[str]:
        """Return the calls of `WAY_IN` that one upload makes in the thread that keeps it."""
        with self._sender() as sender:
            with self._traced([self.house.web()], ["-e", _set(WAY_IN)]) as trace:
                sender.deliver(self._upload())
                time.sleep(_QUIET_S)
            lines = trace.read_text().splitlines()
        keepers = {line.split()[0] for line in lines if "fdatasync(" in line}
        if len(keepers) != 1:
            raise TrialFailed(f"One upload was synced by {len(keepers)} threads.")
        return [
            found[1]
            for line in lines
            if line.split()[0] in keepers and (found := _CALL.match(line)) is not None
        ]

    def kill_web(self, call: str, number: int, *, is_loop: bool = False) -> Kill | None:
        """Kill the web process at the `number`th `call` in one thread.

        `is_loop` looks at the thread of the event loop alone. None if no upload got so far.
        """
        with self._sender() as sender:
            web = self.house.web()
            with self._traced([web], _kill(call, number), follows=not is_loop):
                upload = self._upload()
                answer = sender.attempt(upload)
                is_killed = _is_gone(web, within_s=1.0 if answer else _WITHIN_S)
                found = windows.look(self.house.stages_file, None)
            sender.deliver(upload)
        if not is_killed:
            return None
        self._mend()
        if call in {"fsync", "fdatasync"}:
            found = (found - {Window.STORE}) | {Window.FSYNC}
        return Kill(kind=Kind.WEB_STEP, windows=found, call=call)

    def kill_postgres(self, call: str, number: int) -> Kill | None:
        """Kill the database's process that serves an upload, at a write or sync of its log.

        None if no upload got so far.
        """
        with self._sender() as sender:
            backends = self._backends()
            with self._traced(backends, _kill(call, number)):
                # One that ended by itself before the upload was not killed by it.
                backends = [pid for pid in backends if is_alive(pid)]
                upload = self._upload()
                began = time.monotonic()
                answer = sender.attempt(upload)
                is_killed = not all(is_alive(pid) for pid in backends)
                if not is_killed and (answer is None or time.monotonic() > began + _WITHIN_S):
                    raise TrialFailed("An upload was not answered, and nothing was killed.")
            sender.deliver(upload)
        if not is_killed:
            return None
        self.house.wait_ready()
        windows_of = frozenset({Window.TRANSACTION})
        return Kill(kind=Kind.POSTGRES_STEP, windows=windows_of, call=call)

    def _mend(self) -> None:
        self.house.web_kills += 1
        if self.house.web_kills >= PATIENCE:
            self.house.restart()
        self.house.wait_ready()

    def _upload(self) -> uploads.Upload:
        """Return the next recording of one leg, so that all make the same calls."""
        while True:
            upload = uploads.upload(self.book.seed, self.book.draw())
            if upload.key.leg == "mixed" and upload.by_tus == self.by_tus:
                return upload

    @contextmanager
    def _sender(self) -> Iterator[Sender]:
        """Give a sender after a few uploads, which leave threads and statements prepared."""
        sender = Sender(self.address, self.book, random.Random(0))  # noqa: S311 - no secret.
        try:
            for _ in range(_WARM_UPS):
                sender.deliver(self._upload())
                time.sleep(_BETWEEN_S)
            # A connection of its own for what is traced, and what wakes the workers is over.
            sender.close()
            time.sleep(_QUIET_S)
            yield sender
        finally:
            sender.close()

    @contextmanager
    def _traced(
        self, pids: Sequence[int], options: Sequence[str], *, follows: bool = True
    ) -> Iterator[Path]:
        """Trace processes for as long as the block lasts; give the file with what was seen."""
        program = shutil.which("strace")
        if program is None:
            raise TrialFailed("strace is missing: apt-get install strace")
        trace = self.scratch / "trace"
        trace.unlink(missing_ok=True)
        follow = ["-f"] if follows else []
        attach = [part for pid in pids for part in ("-p", str(pid))]
        process = subprocess.Popen(  # noqa: S603 - a program of the system, no shell.
            [program, *follow, *options, "-o", str(trace), *attach],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            self._wait_attached(process, pids)
            yield trace
        finally:
            # Interrupted while what it traces is dying, strace would wait for that for ever.
            if all(is_alive(pid) for pid in pids):
                process.send_signal(signal.SIGINT)
            try:
                process.communicate(timeout=_LETS_GO_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()

    @staticmethod
    def _wait_attached(process: subprocess.Popen[bytes], pids: Sequence[int]) -> None:
        deadline = time.monotonic() + _WITHIN_S
        while not all(_is_traced(pid) for pid in pids):
            if process.poll() is not None or time.monotonic() > deadline:
                said = process.stderr.read().decode() if process.stderr else ""
                raise TrialFailed(
                    f"strace may not look at the server ({said.strip()}): run this as root, or "
                    "set kernel.yama.ptrace_scope to 0"
                )
            time.sleep(0.01)
        time.sleep(0.1)  # The other threads of each process follow within moments.

    def _backends(self) -> list[int]:
        with psycopg.connect(self.house.superuser_url()) as connection:
            rows = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'audiatur'"
            ).fetchall()
        return [row[0] for row in rows]


def enumerate_kills(steps: Steps, *, is_short: bool) -> Iterator[Kill]:
    """Kill at every step of an upload; in the short form at every sync and a few calls around."""
    calls = steps.calls_of_one_upload()
    syncs = [call for call in calls if call in SYNCS]
    way = "by tus" if steps.by_tus else "by POST"
    print(f"one upload {way} makes {len(syncs)} calls like fsync: {' '.join(syncs)}", flush=True)
    print(f"and with those around them {len(calls)}: {' '.join(calls)}", flush=True)
    for place in _places(calls) if is_short else range(len(calls)):
        call, number = calls[place], calls[: place + 1].count(calls[place])
        yield from _surely(steps.book, call, partial(steps.kill_web, call, number))
    # By tus the first answer is that to the beginning; the file comes with the second request.
    answers = (1, 2) if steps.by_tus else (1,)
    for number in answers if is_short else (*answers, answers[-1] + 1):
        answered = partial(steps.kill_web, "write", number, is_loop=True)
        yield from _surely(steps.book, "write of the answer", answered)
    committed = partial(steps.kill_postgres, "fdatasync", 1)
    yield from _surely(steps.book, "fdatasync of Postgres", committed)
    if not is_short:
        for call in LOG_WRITES:
            for number in range(1, _MOST_OF_A_CALL + 1):
                kill = steps.kill_postgres(call, number)
                if kill is None:
                    break
                yield kill


def _places(calls: Sequence[str]) -> list[int]:
    """Return the places of the first `openat`, the syncs, and the last words with the database."""
    syncs = [place for place, call in enumerate(calls) if call in SYNCS]
    last_sent = max(place for place, call in enumerate(calls) if call == "sendto")
    return [calls.index("openat"), *syncs, last_sent, last_sent + 1]


def _surely(book: Book, call: str, kill: Callable[[], Kill | None]) -> Iterator[Kill]:
    """Kill, again where a call was spared this time: a statement may be prepared already.

    An upload that is acknowledged without a sync or the answer's write is a fault of the server.
    How many words it has with the database is not: an answer may come in one piece or in two.
    """
    for spared in range(_TRIES):
        if spared:
            print(f"spared {spared}: an upload was kept without that {call}", flush=True)
        found = kill()
        if found is not None:
            yield found
            return
    if call in TALK:
        print(f"spared: three uploads were kept without that {call}", flush=True)
    else:
        book.fault(f"uploads are acknowledged that have not come to the {call}")


def _set(calls: Sequence[str]) -> str:
    return f"trace={','.join('?' + call for call in calls)}"


def _kill(call: str, number: int) -> list[str]:
    """Return the options with which strace kills; it counts for each thread and call apart."""
    return ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"]


def _is_traced(pid: int) -> bool:
    """Say whether a process is watched; one that ended meanwhile needs no watching."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return "TracerPid:\t0\n" not in status


def _is_gone(pid: int, *, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
