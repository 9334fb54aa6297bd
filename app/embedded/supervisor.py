"""Keep a few processes alive, stop them in order, and leave none behind.

The listening sockets belong to the supervisor: while a child restarts, connections wait in their
backlog and are not refused. A child calls `die_with_parent()` first and `inherited_sockets()` next.
"""

from __future__ import annotations

import ctypes
import errno
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from app.embedded.errors import CannotListen

__all__ = [
    "CannotListen",
    "ChildSpec",
    "Supervisor",
    "bind",
    "die_with_parent",
    "inherited_sockets",
]

_PARENT: Final = "AUDIATUR_SUPERVISOR_PID"
_SOCKETS: Final = "AUDIATUR_SOCKET_FDS"
_BACKLOG: Final = 2048
_FIRST_DELAY_S: Final = 0.2
_LONGEST_DELAY_S: Final = 10.0
_SOUND_AFTER_S: Final = 30.0
_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# By default glibc gives threads an arena each, up to eight for a processor, and each arena keeps
# the most that was ever taken from it.
_ALLOCATION: Final = {"MALLOC_ARENA_MAX": "2"}
_PR_SET_PDEATHSIG: Final = 1  # Source: linux/prctl.h.

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket whose connections wait until a child takes them.

    Port 0 means any free one; `getsockname()` tells which.

    Raises:
        CannotListen: the port is in use or reserved, or the address is not of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as exc:
        raise CannotListen(f"{host} is no address: choose another with --host") from exc
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as exc:
        listener.close()
        reasons = {
            errno.EADDRINUSE: f"port {port} is in use: choose another with --port",
            errno.EACCES: f"port {port} is reserved for root: choose another with --port",
            errno.EADDRNOTAVAIL: f"{host} is not of this machine: choose another with --host",
        }
        if exc.errno not in reasons:
            raise
        raise CannotListen(reasons[exc.errno], host=host, port=port) from exc
    return listener


def die_with_parent() -> None:
    """Have the kernel kill this process when the supervisor ends, however it ends.

    Does nothing in a process that no supervisor has started. Must be called from the main thread,
    early: a supervisor that has ended before is noticed, and then this process ends at once.
    """
    parent = os.environ.pop(_PARENT, None)
    if parent is None:
        return
    if sys.platform == "linux":
        # SIGKILL, since a child that lingers would keep the port from the next start.
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl refused the death signal")
    if os.getppid() != int(parent):
        raise SystemExit(1)


def inherited_sockets() -> list[socket.socket]:
    """Return the listening sockets that the supervisor gave this process, in its order."""
    numbers = os.environ.pop(_SOCKETS, "")
    return [socket.socket(fileno=int(number)) for number in numbers.split(",") if number]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """A process to keep alive; `env` is laid over the supervisor's own environment."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    sockets: Sequence[socket.socket] = ()


class _Child:
    """One child: at most one process at a time, and the moment of its next start."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.process: subprocess.Popen[bytes] | None = None
        self.start_due = time.monotonic()
        self._started = 0.0
        self._delay_s = _FIRST_DELAY_S

    def start(self) -> None:
        numbers = [listener.fileno() for listener in self.spec.sockets]
        environment = {
            **_ALLOCATION,
            **os.environ,
            **self.spec.env,
            _PARENT: str(os.getpid()),
            _SOCKETS: ",".join(map(str, numbers)),
        }
        self._started = time.monotonic()
        try:
            # A group of its own keeps a terminal's Ctrl-C from it; the supervisor passes that on.
            self.process = subprocess.Popen(  # noqa: S603 - argv is the program's own, no shell.
                list(self.spec.argv),
                env=environment,
                stdin=subprocess.DEVNULL,
                pass_fds=numbers,
                process_group=0,
            )
        except OSError as exc:
            self._postpone()
            _log.error("child.not_started", name=self.spec.name, reason=exc.strerror)
        else:
            _log.info("child.started", name=self.spec.name, pid=self.process.pid)

    def reap(self) -> None:
        """Note that the process has ended, if so, and end what it left behind."""
        if self.process is None or not _has_ended(self.process.pid):
            return
        # Not waited for yet, the process keeps its number, so the group cannot be a stranger's.
        self.kill()
        status = self.process.wait()
        alive_s = time.monotonic() - self._started
        if alive_s >= _SOUND_AFTER_S:
            self._delay_s = _FIRST_DELAY_S
        pid, self.process = self.process.pid, None
        self._postpone()
        _log.info("child.ended", name=self.spec.name, pid=pid, status=status)

    def terminate(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGTERM)

    def kill(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def _postpone(self) -> None:
        self.start_due = time.monotonic() + self._delay_s
        self._delay_s = min(2 * self._delay_s, _LONGEST_DELAY_S)


class Supervisor:
    """Start `children`, start again those that end, and stop all on SIGTERM, SIGINT or SIGHUP.

    `stop_within` is what children have for an orderly end before they are killed.
    """

    def __init__(
        self, children: Sequence[ChildSpec], *, stop_within: timedelta = timedelta(seconds=15)
    ) -> None:
        self._children = [_Child(spec) for spec in children]
        self._stop_within = stop_within
        self._stop_due: float | None = None
        self._status = 0

    def run(self) -> int:
        """Supervise until told to stop; call it from the main thread.

        Returns the exit status: 0 after an orderly stop, 1 if a child had to be killed at the
        deadline, 128 and the signal's number if a second signal cut the stop short.
        """
        with _signals() as signals:
            try:
                while not self._is_over():
                    for number in signals(self._wait_s()):
                        self._told(number)
                    self._tend()
            finally:
                self._kill_all()
        _log.info("supervisor.stopped", status=self._status)
        return self._status

    def _is_over(self) -> bool:
        running = any(child.process is not None for child in self._children)
        return self._stop_due is not None and not running

    def _wait_s(self) -> float | None:
        """Return the time until something is due; None if only a signal can bring work."""
        if self._stop_due is not None:
            due = [self._stop_due]
        else:
            due = [child.start_due for child in self._children if child.process is None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _told(self, number: int) -> None:
        if number not in _STOP_SIGNALS:
            return
        name = signal.Signals(number).name
        if self._stop_due is not None:
            _log.warning("supervisor.stopping_at_once", signal=name)
            self._status = 128 + number
            self._kill_all()
            return
        _log.info("supervisor.stopping", signal=name)
        self._stop_due = time.monotonic() + self._stop_within.total_seconds()
        for child in self._children:
            child.terminate()

    def _tend(self) -> None:
        now = time.monotonic()
        for child in self._children:
            child.reap()
            if child.process is None and self._stop_due is None and child.start_due <= now:
                child.start()
        if self._stop_due is not None and self._stop_due <= now and not self._is_over():
            names = [child.spec.name for child in self._children if child.process is not None]
            _log.warning("supervisor.deadline_passed", children=names)
            self._status = self._status or 1
            self._kill_all()

    def _kill_all(self) -> None:
        for child in self._children:
            child.kill()
        for child in self._children:
            if child.process is not None:
                child.process.wait()
                child.process = None


def _has_ended(pid: int) -> bool:
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, pid, options) is not None


@contextmanager
def _signals() -> Iterator[Callable[[float | None], bytes]]:
    """Give a function that waits, at most so many seconds, and returns the signals that came."""
    reader, writer = socket.socketpair()
    with reader, writer, selectors.DefaultSelector() as selector:
        reader.setblocking(False)  # noqa: FBT003 - the standard library's signature.
        writer.setblocking(False)  # noqa: FBT003 - the standard library's signature.
        selector.register(reader, selectors.EVENT_READ)

        def wait(at_most_s: float | None) -> bytes:
            if not selector.select(at_most_s):
                return b""
            return reader.recv(4096)

        # The numbers come through the descriptor; a handler is there so that Python writes them.
        # What is ignored stays so, since nohup ignores SIGHUP in order that the program lives on.
        numbers = [
            number
            for number in (*_STOP_SIGNALS, signal.SIGCHLD)
            if number == signal.SIGCHLD or signal.getsignal(number) != signal.SIG_IGN
        ]
        # A full pipe loses nothing that matters: every child is looked at after every wake-up.
        former_descriptor = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        former = {number: signal.signal(number, lambda *_: None) for number in numbers}
        try:
            yield wait
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(former_descriptor)
