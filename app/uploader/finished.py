"""Whether a recording is finished: what its header says, and who still holds it open.

A size that does not change says nothing: a phone on hold writes nothing either. So a file counts
as finished by its own header, or by its writer's having closed it. Where the header was lost with
the writer, it is taken only when nobody holds it any more, and the item says so.
"""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final

_PROC: Final = Path("/proc")
_HEAD: Final = 12
_CHUNK: Final = 8
_MOST_CHUNKS: Final = 64
_OGG_HEAD: Final = 27
_OGG_TAIL: Final = 65_536
_UNKNOWN_SIZE: Final = 0xFFFFFFFF
_SLACK: Final = 44  # Janus counts its header in: the size of the data is so much too large.
PARTIAL: Final = (".tmp", ".part", ".partial", ".crdownload", ".download")


class Header(StrEnum):
    """What a header says of its file."""

    WHOLE = "whole"
    OPEN = "open"  # Still being written, or its writer was killed.
    SILENT = "silent"  # The format says nothing about its end.


class Held(StrEnum):
    """Whether a process holds the file open."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look at a file has shown."""

    header: Header
    duration_ms: int | None = None


def is_named_unfinished(path: Path) -> bool:
    """Tell whether the name says that a rename is still to come."""
    return path.name.startswith(".") or path.suffix.lower() in PARTIAL


def look(path: Path) -> Look:
    """Read the header of a recording."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(_HEAD)
        if not head.strip(b"\0"):
            return Look(header=Header.OPEN)
        if head[:4] in {b"RIFF", b"RF64"} and head[8:12] == b"WAVE":
            return _wave(file, size, told=_number(head[4:8]))
        if head[:4] == b"OggS":
            return Look(header=_ogg(file, size))
        if head[4:8] == b"ftyp":
            return Look(header=_boxes(file, size))
    return Look(header=Header.SILENT)


def _wave(file: BinaryIO, size: int, *, told: int) -> Look:
    rate = 0
    wide: int | None = None
    for _ in range(_MOST_CHUNKS):
        chunk = file.read(_CHUNK)
        if len(chunk) < _CHUNK:
            break
        name, length, begins = chunk[:4], _number(chunk[4:]), file.tell()
        if name == b"ds64":
            sizes = file.read(16)
            if len(sizes) == 16:  # noqa: PLR2004 - two numbers of eight bytes.
                told, wide = struct.unpack("<QQ", sizes)
        elif name == b"fmt ":
            form = file.read(12)
            rate = _number(form[8:12]) if len(form) == 12 else 0  # noqa: PLR2004 - as the format has it.
        elif name == b"data":
            length = wide if wide is not None and length == _UNKNOWN_SIZE else length
            missing = max(begins + length, told + _CHUNK if told != _UNKNOWN_SIZE else 0) - size
            # Not yet told, not yet copied to its end, or gone on with behind its end.
            if length in {0, _UNKNOWN_SIZE} or missing not in {-1, 0, _SLACK}:
                return Look(header=Header.OPEN)
            return Look(header=Header.WHOLE, duration_ms=length * 1000 // rate if rate else None)
        file.seek(begins + length + (length & 1))
    return Look(header=Header.OPEN)


def _ogg(file: BinaryIO, size: int) -> Header:
    """Look whether the last page is marked as the last of its stream."""
    file.seek(max(0, size - _OGG_TAIL))
    tail = file.read()
    at = tail.rfind(b"OggS")
    is_last = at >= 0 and len(tail) >= at + _OGG_HEAD and tail[at + 5] & 4
    return Header.WHOLE if is_last else Header.SILENT


def _boxes(file: BinaryIO, size: int) -> Header:
    """Look for the index: without it an M4A was not closed."""
    at = 0
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        head = file.read(16)
        if len(head) < _CHUNK:
            break
        length, name = struct.unpack(">I4s", head[:8])
        if length == 1 and len(head) == 16:  # noqa: PLR2004 - the long form has eight bytes more.
            (length,) = struct.unpack(">Q", head[8:])
        if name == b"moov":
            return Header.WHOLE if at + length <= size else Header.OPEN
        if length < _CHUNK:
            break
        at += length
    return Header.OPEN


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, "little")


Opened = frozenset[tuple[int, int]]


def opened() -> Opened | None:
    """Return device and number of every file that is open to be written, as far as may be known.

    Who reads, as a player does, keeps nobody waiting. None where the system does not tell.
    """
    if not _PROC.joinpath("self", "fd").is_dir():
        return None
    found: set[tuple[int, int]] = set()
    for process in _PROC.iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            entries = list(os.scandir(process / "fd"))
        except OSError:
            continue  # Ended meanwhile, or another user's, whose files are judged by their owner.
        for entry in entries:
            try:
                is_written = entry.stat(follow_symlinks=False).st_mode & stat.S_IWUSR
                told = entry.stat()
            except OSError:
                continue
            if not is_written:
                continue
            found.add((told.st_dev, told.st_ino))
    return frozenset(found)


def held(found: os.stat_result, among: Opened | None) -> Held:
    """Tell whether a process has the file open."""
    if among is None:
        return Held.UNKNOWN
    if (found.st_dev, found.st_ino) in among:
        return Held.YES
    return Held.NO if os.getuid() in {0, found.st_uid} else Held.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long is waited where nothing better than time is known."""

    lost_seconds: float
    quiet_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a file is finished, and what has to be said about it."""

    is_finished: bool
    note: str | None = None
    duration_ms: int | None = None


def judge(seen: Look, held_by: Held, *, quiet_seconds: float, patience: Patience) -> Verdict:
    """Decide whether a file is finished. Pure.

    `quiet_seconds` is since when it was not changed. It decides only where header and holder say
    nothing, or the writer is gone.
    """
    if held_by is Held.YES:
        return Verdict(is_finished=False)
    if seen.header is Header.WHOLE:
        return Verdict(is_finished=True, duration_ms=seen.duration_ms)
    if held_by is Held.UNKNOWN:
        said = "header lost" if seen.header is Header.OPEN else "end not told"
        note = f"{said}: taken after {patience.quiet_seconds:g} s without a change"
        return Verdict(is_finished=quiet_seconds >= patience.quiet_seconds, note=note)
    if seen.header is Header.SILENT:
        return Verdict(is_finished=True)  # Closed by who wrote it.
    return Verdict(
        is_finished=quiet_seconds >= patience.lost_seconds,
        note="header lost: the program that wrote it is gone",
    )
