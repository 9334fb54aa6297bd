"""Decode a picture small, and read the text in it; both in the sandbox.

The decoder hands over bare pixels of exactly the size that was asked for; what reads text is given
these as a portable greymap, and so never sees a byte of the sender's.
"""

from __future__ import annotations

import io
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Final

from app.inspection.sandbox import Budget, DecodeFailed, DecodeLimit, Sandbox
from app.releases.pictures import Scale, scaled

MOST_SMALL: Final = 320
"""The longer side of a small copy: enough to know a picture again."""
MOST_CHARACTERS: Final = 100_000
LANGUAGES: Final = ("rus", "eng")
_MOST_READ_PIXELS: Final = 8_000_000
_SMALL_LETTERS: Final = 2_000
READING: Final = Budget(wall_s=120, cpu_s=90, address_space_bytes=1_500_000_000)
_PROBE: Final = Budget(wall_s=20, cpu_s=10)
_MOST_TEXT_BYTES: Final = 1024 * 1024
_QUALITY: Final = 80
_LINES: Final = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """The program that reads text, and the languages that it has of ours."""

    program: str
    version: str
    languages: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"tesseract {self.version} ({'+'.join(self.languages)})"


class TextUnread(Exception):
    """The text was not read within its limits, or the program failed."""


@cache
def reader_of(sandbox: Sandbox) -> Reader | None:
    """Return what reads text here: None without Debian's tesseract, or without its Russian."""
    program = shutil.which("tesseract")
    if program is None:
        return None
    version = _said(sandbox, [program, "--version"]).splitlines()
    known = frozenset(_said(sandbox, [program, "--list-langs"]).split())
    languages = tuple(one for one in LANGUAGES if one in known)
    if not version or LANGUAGES[0] not in languages:
        return None
    return Reader(
        program=program, version=version[0].removeprefix("tesseract ").strip(), languages=languages
    )


def _said(sandbox: Sandbox, command: Sequence[str]) -> str:
    said = bytearray()
    with tempfile.TemporaryFile() as nothing:
        try:
            outcome = sandbox.run(
                [command], source=nothing.fileno(), to=[said.extend], budget=_PROBE
            )
        except (DecodeFailed, DecodeLimit):
            return ""
    return "" if outcome.exit_codes[0] else said.decode("utf-8", "replace")


def small(file: IO[bytes], media_type: str, size: tuple[int, int], *, sandbox: Sandbox) -> bytes:
    """Return a small copy of a picture, turned as it is shown, as a JPEG.

    Raises:
        PictureUnreadable: it cannot be decoded.
    """
    width, height = _within(size, MOST_SMALL)
    image = scaled(file, media_type, Scale(width=width, height=height), sandbox=sandbox)
    written = io.BytesIO()
    image.save(written, "JPEG", quality=_QUALITY)
    return written.getvalue()


def text_of(  # noqa: PLR0913 - the picture, and what it takes to read it.
    file: IO[bytes],
    media_type: str,
    size: tuple[int, int],
    *,
    reader: Reader,
    sandbox: Sandbox,
    spool: Path,
    budget: Budget = READING,
) -> str:
    """Return the text in a picture as the program reads it, empty where it sees none.

    Raises:
        PictureUnreadable: the picture cannot be decoded.
        TextUnread: it took too long or too much memory, or the program failed.
    """
    width, height = _readable(size)
    image = scaled(file, media_type, Scale(width=width, height=height), sandbox=sandbox)
    read = bytearray()

    def keep(piece: bytes) -> None:
        read.extend(piece[: _MOST_TEXT_BYTES - len(read)])

    command = ["env", "OMP_THREAD_LIMIT=1", reader.program, "stdin", "stdout"]
    command += ["-l", "+".join(reader.languages), "--psm", "3"]
    spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=spool) as grey:
        image.convert("L").save(grey, "PPM")
        grey.flush()
        grey.seek(0)
        try:
            outcome = sandbox.run([command], source=grey.fileno(), to=[keep], budget=budget)
        except (DecodeFailed, DecodeLimit) as exc:
            raise TextUnread(str(exc)) from exc
    if outcome.exit_codes[0]:
        raise TextUnread(outcome.complaints.strip()[:200])
    return _plain(read.decode("utf-8", "replace"))


def _plain(text: str) -> str:
    """Return text without what cannot be kept or seen, its lines as they were."""
    kept = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)
    lines = (" ".join(line.split()) for line in kept.splitlines())
    return _LINES.sub("\n\n", "\n".join(lines)).strip()[:MOST_CHARACTERS]


def _within(size: tuple[int, int], most: int) -> tuple[int, int]:
    longer = max(size)
    if longer <= most:
        return size
    return max(1, size[0] * most // longer), max(1, size[1] * most // longer)


def _readable(size: tuple[int, int]) -> tuple[int, int]:
    """Return the size at which letters of a screen are read best, within what memory allows."""
    width, height = size
    if max(size) <= _SMALL_LETTERS:
        width, height = 2 * width, 2 * height
    too_many = width * height / _MOST_READ_PIXELS
    if too_many <= 1:
        return width, height
    return max(1, int(width / too_many**0.5)), max(1, int(height / too_many**0.5))
