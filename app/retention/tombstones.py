"""The journal of erasures: a file beside the keys, outside of every backup of the data.

A line is written, and synced, before the keys are destroyed. A backup that is older than the
erasure is restored only with the journal at hand, and every line of it is done again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from app.core.errors import Invalid
from app.retention.rules import Kind
from app.retention.subjects import Subject

VERSION = 1
_OF_PICTURES = 2
_OF_PAPERS = 3
"""Lines of other kinds: a reader that knows only calls stops at them, instead of passing over."""


class TombstonesUnreadable(Invalid):
    """The journal of erasures cannot be read.

    `line` is the first that is not whole. Put the journal back from its copy: without it a backup
    would bring back what was erased.
    """


@dataclass(frozen=True, slots=True)
class CallMark:
    """By what a device's repeat of a call is known."""

    source_call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureMark:
    """By what a device's repeat of a screenshot is known."""

    captured_at: datetime
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperMark:
    """By what a repeat of a document is known; nobody of ours uploaded what came by a link."""

    uploaded_by: UUID | None
    upload_id: str
    sha256: bytes

    def told(self) -> dict[str, str | None]:
        """Return it as a line has it."""
        uploader = str(self.uploaded_by) if self.uploaded_by else None
        mark: dict[str, str | None] = {"uploaded_by": uploader, "sent_as": self.upload_id}
        return mark | {"sha256": self.sha256.hex()}

    @classmethod
    def parse(cls, told: Mapping[str, Any]) -> PaperMark:
        """Return what a line says."""
        uploader = told["uploaded_by"]
        return cls(
            uploaded_by=UUID(uploader) if uploader else None,
            upload_id=str(told["sent_as"]),
            sha256=bytes.fromhex(told["sha256"]),
        )


Mark = CallMark | PictureMark | PaperMark | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """What was erased, by ids alone: nothing in it tells of a person.

    By `known_by` a repeat of the same sender is known, where a backup knows nothing of it.
    """

    erasure_id: UUID
    subject: Subject
    device_id: UUID | None
    known_by: Mark
    objects: tuple[tuple[UUID, str], ...]
    at: datetime

    def line(self) -> str:
        """Return the line of the journal."""
        version = _OF_PAPERS
        mark: dict[str, str | None] = {}
        match self.known_by:
            case CallMark(source_call_id=call):
                version, mark = VERSION, {"source_call_id": call}
            case PictureMark(captured_at=captured, sha256=sha256):
                version = _OF_PICTURES
                mark = {"captured_at": captured.isoformat(), "sha256": sha256.hex()}
            case PaperMark():
                mark = self.known_by.told()
        told = {
            "v": version,
            "erasure_id": str(self.erasure_id),
            **self.subject.told,
            **({"device_id": str(self.device_id)} if self.device_id else {}),
            **mark,
            "objects": [[str(object_id), store] for object_id, store in self.objects],
            "at": self.at.isoformat(),
        }
        return json.dumps(told, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def parse(cls, line: str) -> Tombstone:
        """Return what a line says.

        Raises:
            ValueError, KeyError, TypeError: it is no whole line of a journal.
        """
        told = json.loads(line)
        if told["v"] not in {VERSION, _OF_PICTURES, _OF_PAPERS}:
            raise ValueError("It is of a later form.")
        kind = Kind(next((str(one) for one in Kind if f"{one}_id" in told), ""))
        mark: Mark = None
        match kind:
            case Kind.RECORDING:
                mark = CallMark(str(told["source_call_id"]))
            case Kind.SCREENSHOT:
                mark = PictureMark(
                    captured_at=datetime.fromisoformat(told["captured_at"]),
                    sha256=bytes.fromhex(told["sha256"]),
                )
            case Kind.DOCUMENT:
                mark = PaperMark.parse(told)
        return cls(
            erasure_id=UUID(told["erasure_id"]),
            subject=Subject(kind, UUID(told[f"{kind}_id"])),
            device_id=UUID(told["device_id"]) if told["v"] != _OF_PAPERS else None,
            known_by=mark,
            objects=tuple((UUID(one), str(store)) for one, store in told["objects"]),
            at=datetime.fromisoformat(told["at"]),
        )


def bury(path: Path, stone: Tombstone) -> None:
    """Add a tombstone, durable when this returns; once for each erasure is enough."""
    _append(path, stone.line())


def void(path: Path, erasure_id: UUID) -> None:
    """Say of a tombstone that it is of nothing: a hold came first and nothing was destroyed."""
    if any(stone.erasure_id == erasure_id for stone in read(path)):
        _append(path, json.dumps({"v": VERSION, "void": str(erasure_id)}, separators=(",", ":")))


def read(path: Path) -> Iterator[Tombstone]:
    """Yield the tombstones that stand, each erasure once; none where there is no file.

    A last line without its end was cut short by a crash, before anything was destroyed for it.

    Raises:
        TombstonesUnreadable: a line is not whole.
    """
    if not path.exists():
        return
    stones: dict[UUID, Tombstone] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line:
            continue
        try:
            told = json.loads(line)
            if "void" in told:
                stones.pop(UUID(told["void"]), None)
                continue
            stone = Tombstone.parse(line)
        except (ValueError, KeyError, TypeError) as exc:
            if not line.endswith("}"):
                continue
            raise TombstonesUnreadable(line=number) from exc
        stones.setdefault(stone.erasure_id, stone)
    yield from stones.values()


def ids_in(path: Path) -> set[UUID]:
    """Return the ids of what was erased and of its objects: from a journal, or a list of ids.

    Raises:
        TombstonesUnreadable: a line of the journal is not whole.
        ValueError: a line of the list is no id.
    """
    text = path.read_text(encoding="utf-8")
    if not text.lstrip().startswith("{"):
        return {UUID(line.strip()) for line in text.splitlines() if line.strip()}
    stones = list(read(path))
    named = {stone.subject.id for stone in stones}
    return named | {object_id for stone in stones for object_id, _ in stone.objects}


def _append(path: Path, line: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        # A line that a crash cut short is ended, so that this one stands by itself.
        start = b"\n" if _is_cut(path) else b""
        file.write(start + line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _is_cut(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return False
        file.seek(size - 1)
        return file.read(1) != b"\n"
