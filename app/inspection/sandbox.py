"""Run a decoder on an untrusted file so that it can read that file and nothing else.

The file comes as an open descriptor (an unlinked temporary file or a memfd) and is the decoder's
standard input, which it opens again by `/proc/self/fd/0` to be able to seek. With namespaces
(bubblewrap) there is no network and no other file but the programs' own; without them (some
containers forbid user namespaces) only resource limits and the decoder's own lists of allowed
formats and protocols hold, and `strength` says so.

bubblewrap dies with the thread that started it: call `run` from a thread that outlives the call,
which a blocking call does by itself.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

SOURCE_PATH = "/proc/self/fd/0"
SECOND_OUTPUT = "{second output}"

_READ_BYTES = 64 * 1024
_MAX_COMPLAINT_BYTES = 64 * 1024
_NOBODY = "65534"
_PROBE_TEXT = b"a file that only its descriptor leads to"
_SIGNAL_BASE = 128

Sink = Callable[[bytes], None]


class Strength(StrEnum):
    """How much keeps a decoder apart from everything else."""

    NAMESPACES = "namespaces"
    LIMITS = "limits"


class LimitKind(StrEnum):
    """The limit that ended a decoding."""

    WALL_CLOCK = "wall_clock"
    CPU = "cpu"
    MEMORY = "memory"
    DURATION = "duration"
    OUTPUT = "output"


class SandboxMissing(Exception):
    """A program that decoding needs is not installed, or does not run."""


class DecodeFailed(Exception):
    """The decoder could make nothing of the file; `reason` is for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class DecodeLimit(Exception):
    """Decoding was stopped at a limit; `which` names it."""

    def __init__(self, which: LimitKind) -> None:
        super().__init__(f"decoding was stopped: {which.value} limit")
        self.which = which


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one run may use. The address space holds ffmpeg's libraries, 400 MB before any work."""

    wall_s: float = 900.0
    cpu_s: int = 600
    address_space_bytes: int = 1_500_000_000
    open_files: int = 64
    processes: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended: the exit code of each step, the first 64 KiB of their complaints."""

    exit_codes: tuple[int, ...]
    complaints: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Where the programs are; those that may be absent are None."""

    ffmpeg: str
    prlimit: str
    bwrap: str | None
    sox: str | None

    @classmethod
    def find(cls) -> Tools:
        """Look for the programs on the path.

        Raises:
            SandboxMissing: ffmpeg or prlimit is not there.
        """
        found = {name: shutil.which(name) for name in ("ffmpeg", "prlimit", "bwrap", "sox")}
        ffmpeg, prlimit = found["ffmpeg"], found["prlimit"]
        if ffmpeg is None or prlimit is None:
            missing = "ffmpeg" if ffmpeg is None else "prlimit (util-linux)"
            raise SandboxMissing(f"{missing} is not installed")
        return cls(ffmpeg=ffmpeg, prlimit=prlimit, bwrap=found["bwrap"], sox=found["sox"])


def _namespace_prefix(bwrap: str) -> list[str]:
    """Return the command that hides everything but /usr, its links, and the linker's files."""
    prefix = [bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    prefix += ["--clearenv", "--setenv", "PATH", "/usr/bin", "--setenv", "LC_ALL", "C.UTF-8"]
    prefix += ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "lib", "lib64", "sbin"):
        directory = Path("/") / name
        if directory.is_symlink():
            prefix += ["--symlink", str(directory.readlink()), str(directory)]
        elif directory.is_dir():
            prefix += ["--ro-bind", str(directory), str(directory)]
    for name in ("/etc/alternatives", "/etc/ld.so.cache"):
        prefix += ["--ro-bind-try", name, name]
    prefix += ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/", "--chdir", "/"]
    return [*prefix, "--uid", _NOBODY, "--gid", _NOBODY, "--hostname", "decoder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A way to run decoders that was tried once, when the process started."""

    tools: Tools
    strength: Strength
    weakness: str | None = None
    ffmpeg_version: str = ""
    sox_version: str | None = None

    @classmethod
    def detect(cls, tools: Tools | None = None) -> Sandbox:
        """Try namespaces, fall back to limits, and see what the decoders can do.

        Raises:
            SandboxMissing: There is no ffmpeg, or it does not run even without namespaces.
        """
        tools = tools or Tools.find()
        sandbox, weakness = None, "bubblewrap (bwrap) is not installed"
        if tools.bwrap is not None:
            candidate = cls(tools=tools, strength=Strength.NAMESPACES)
            weakness = candidate._flaw() or ""
            sandbox = None if weakness else candidate
        if sandbox is None:
            sandbox = cls(tools=tools, strength=Strength.LIMITS, weakness=weakness)
            flaw = sandbox._flaw()
            if flaw:
                raise SandboxMissing(f"the decoder does not run: {flaw}")
        return cls(
            tools=tools,
            strength=sandbox.strength,
            weakness=sandbox.weakness,
            ffmpeg_version=sandbox._first_line(tools.ffmpeg, "-version").split(" ")[2],
            sox_version=sandbox._sox_version(),
        )

    @property
    def decodes_amr(self) -> bool:
        """Whether sox decodes AMR with its silence frames, which ffmpeg drops."""
        return self.sox_version is not None

    def run(
        self, steps: Sequence[Sequence[str]], *, source: int, to: Sequence[Sink], budget: Budget
    ) -> Outcome:
        """Run commands joined by pipes, the first reading `source`, and hand on what they write.

        The last command's standard output goes to the first sink; where there is a second,
        `SECOND_OUTPUT` in its arguments becomes the number of that descriptor. Sinks are called
        from this thread. What a sink raises ends the run and is raised here.

        Raises:
            DecodeLimit: The time, the processor time or the memory was used up.
        """
        run = _Run(deadline_at_s=time.monotonic() + budget.wall_s)
        try:
            self._start(run, steps, source=source, to=to, budget=budget)
            run.drain()
            codes = run.wait()
        finally:
            run.end()
        _raise_for_limits(codes, run)
        return Outcome(
            exit_codes=codes,
            complaints=run.complaints.decode("utf-8", "replace"),
        )

    def _start(
        self,
        run: _Run,
        steps: Sequence[Sequence[str]],
        *,
        source: int,
        to: Sequence[Sink],
        budget: Budget,
    ) -> None:
        with ExitStack() as ours:
            read_from = source
            for number, step in enumerate(steps):
                is_last = number == len(steps) - 1
                passed: tuple[int, ...] = ()
                out_read, out_write = run.pipe(ours)
                if is_last:
                    run.watch(out_read, to[0])
                else:
                    ours.callback(os.close, out_read)
                error_read, error_write = run.pipe(ours)
                run.watch(error_read, run.complain)
                command = [*self._prefix(budget), *step]
                if is_last and len(to) > 1:
                    second_read, second_write = run.pipe(ours)
                    run.watch(second_read, to[1])
                    passed = (second_write,)
                    command = [part.replace(SECOND_OUTPUT, str(second_write)) for part in command]
                process = subprocess.Popen(  # noqa: S603 - a list, no shell; no part is the sender's.
                    command,
                    stdin=read_from,
                    stdout=out_write,
                    stderr=error_write,
                    pass_fds=passed,
                    start_new_session=True,
                    env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
                    cwd="/",
                )
                run.processes.append(process)
                read_from = out_read

    def _prefix(self, budget: Budget) -> list[str]:
        prefix = [self.tools.prlimit, f"--as={budget.address_space_bytes}"]
        prefix += [f"--cpu={budget.cpu_s}:{budget.cpu_s + 5}", f"--nofile={budget.open_files}"]
        prefix += ["--fsize=0", "--core=0"]
        if self.strength is Strength.LIMITS or self.tools.bwrap is None:
            # Outside a namespace of its own the number of processes counts the whole account's.
            return [*prefix, "--"]
        return [*_namespace_prefix(self.tools.bwrap), *prefix, f"--nproc={budget.processes}", "--"]

    def _flaw(self) -> str | None:
        """Return why this sandbox does not work, or None: a file must be readable, another not."""
        with tempfile.TemporaryFile() as source, tempfile.NamedTemporaryFile() as other:
            source.write(_PROBE_TEXT)
            source.flush()
            code, read, complaint = self._try(["cat", SOURCE_PATH], source.fileno())
            if read != _PROBE_TEXT:
                return complaint or f"reading a descriptor ended with {code}"
            if self.strength is Strength.LIMITS:
                return None
            other.write(_PROBE_TEXT)
            other.flush()
            _, read, _ = self._try(["cat", other.name], source.fileno())
            return "a file outside could be read" if read else None

    def _try(self, command: list[str], source: int) -> tuple[int, bytes, str]:
        read = bytearray()
        outcome = self.run(
            [command], source=source, to=[read.extend], budget=Budget(wall_s=20, cpu_s=10)
        )
        return outcome.exit_codes[0], bytes(read), outcome.complaints.strip()[:300]

    def _first_line(self, *command: str) -> str:
        with tempfile.TemporaryFile() as nothing:
            code, read, complaint = self._try(list(command), nothing.fileno())
        if code or not read:
            raise SandboxMissing(f"{command[0]} does not run: {complaint}")
        return read.decode("utf-8", "replace").splitlines()[0]

    def _sox_version(self) -> str | None:
        """Return sox's version where it turns 50 silence frames of AMR into one second."""
        if self.tools.sox is None:
            return None
        with tempfile.TemporaryFile() as source:
            source.write(b"#!AMR\n" + b"\x7c" * 50)
            source.flush()
            command = [self.tools.sox, "-t", "amr-nb", SOURCE_PATH, "-t", "raw", "-"]
            _, read, _ = self._try(command, source.fileno())
        if len(read) != 16_000:  # noqa: PLR2004 - one second of 16-bit samples at 8 kHz.
            return None
        return self._first_line(self.tools.sox, "--version").split(" ")[-1].removeprefix("v")


@dataclass(slots=True)
class _Run:
    """The processes of one run and the pipes that are read from them."""

    deadline_at_s: float
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    complaints: bytearray = field(default_factory=bytearray)
    _reads: selectors.DefaultSelector = field(default_factory=selectors.DefaultSelector)
    _open: set[int] = field(default_factory=set)

    def pipe(self, ours: ExitStack) -> tuple[int, int]:
        """Open a pipe whose writing end is closed here once the processes have it."""
        read, write = os.pipe()
        ours.callback(os.close, write)
        return read, write

    def watch(self, descriptor: int, sink: Sink) -> None:
        self._open.add(descriptor)
        self._reads.register(descriptor, selectors.EVENT_READ, sink)

    def complain(self, data: bytes) -> None:
        """Keep the first complaints; the rest is read so that the writer is not held up."""
        self.complaints += data[: _MAX_COMPLAINT_BYTES - len(self.complaints)]

    def drain(self) -> None:
        """Read all pipes to their ends, each as it comes, with one buffer's memory."""
        while self._open:
            ready = self._reads.select(self._left_s())
            if not ready:
                raise DecodeLimit(LimitKind.WALL_CLOCK)
            for key, _ in ready:
                data = os.read(key.fd, _READ_BYTES)
                if data:
                    key.data(data)
                else:
                    self._close(key.fd)

    def wait(self) -> tuple[int, ...]:
        try:
            return tuple(process.wait(self._left_s()) for process in self.processes)
        except subprocess.TimeoutExpired:
            raise DecodeLimit(LimitKind.WALL_CLOCK) from None

    def end(self) -> None:
        """Kill what still runs, with all its children, and close what is open."""
        for process in self.processes:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        for descriptor in list(self._open):
            self._close(descriptor)
        self._reads.close()

    def _left_s(self) -> float:
        left_s = self.deadline_at_s - time.monotonic()
        if left_s <= 0:
            raise DecodeLimit(LimitKind.WALL_CLOCK)
        return left_s

    def _close(self, descriptor: int) -> None:
        self._reads.unregister(descriptor)
        self._open.discard(descriptor)
        os.close(descriptor)


def _raise_for_limits(codes: tuple[int, ...], run: _Run) -> None:
    """Translate an end by the kernel; bubblewrap reports a signal as 128 and its number."""
    for code in codes:
        number = -code if code < 0 else code - _SIGNAL_BASE
        if number in (signal.SIGXCPU, signal.SIGKILL):
            raise DecodeLimit(LimitKind.CPU)
    if any(codes) and b"Cannot allocate memory" in run.complaints:
        raise DecodeLimit(LimitKind.MEMORY)
