"""What lies in a folder: files one by one, never followed out of it, and sidecars beside them."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.imports import rtpengine

_AUDIO_ENDINGS = (
    *(".wav", ".mp3", ".ogg", ".opus", ".m4a", ".mp4", ".aac", ".amr", ".3gp", ".gsm", ".flac"),
    *(".pcap", ".mka", ".mkv", ".webm", ".wma", ".au", ".wav49", ".WAV", ".MP3"),
)
_MOST_SIDECAR = 64 * 1024


class SidecarInvalid(ValueError):
    """The file beside a recording is none of facts; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file: `path` is from the folder on, with the bytes that are no UTF-8 escaped."""

    path: str
    size_bytes: int
    is_link: bool
    is_regular: bool


def files(folder: Path) -> Iterator[Found]:
    """List every file below `folder` that is no sidecar; a folder at a time is held in memory.

    Links are listed and not followed, so that nothing from outside of the folder comes in.
    """
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                path = Path(entry.path)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(path)
                    continue
                if is_sidecar(path):
                    continue
                try:
                    size = entry.stat(follow_symlinks=False).st_size
                except FileNotFoundError:
                    continue
                yield Found(
                    path=str(path.relative_to(folder)),
                    size_bytes=size,
                    is_link=entry.is_symlink(),
                    is_regular=entry.is_file(follow_symlinks=False),
                )


def is_sidecar(path: Path) -> bool:
    """Tell whether a file tells of another that lies beside it."""
    if rtpengine.is_text_of_capture(path):
        return True
    if path.suffix.lower() != ".json":
        return False
    return path.with_suffix("").exists() or any(
        path.with_suffix(ending).exists() for ending in _AUDIO_ENDINGS
    )


def sidecar_of(path: Path) -> dict[str, Any] | None:
    """Return what the sidecar of a recording says: `call.wav.json`, or else `call.json`.

    Raises:
        SidecarInvalid: there is one, and it cannot be read.
    """
    for beside in (path.with_name(f"{path.name}.json"), path.with_suffix(".json")):
        try:
            raw = _small(beside)
        except FileNotFoundError:
            continue
        except OSError as exc:
            raise SidecarInvalid(exc.strerror or "it cannot be read") from exc
        try:
            told = json.loads(raw)
        except ValueError as exc:
            raise SidecarInvalid(f"no JSON: {exc}") from exc
        if not isinstance(told, dict):
            raise SidecarInvalid("no object")
        return told
    return None


def _small(path: Path) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise SidecarInvalid("no file")
        raw = file.read(_MOST_SIDECAR + 1)
    if len(raw) > _MOST_SIDECAR:
        raise SidecarInvalid(f"more than {_MOST_SIDECAR} bytes")
    return raw
