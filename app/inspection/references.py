"""The reference audio of notice texts, ready to be searched for."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import numpy as np
import numpy.typing as npt

from app.inspection.decode import Limits, inspect_audio
from app.inspection.notice.reference import Reference, ReferenceTooLong
from app.inspection.sandbox import DecodeFailed, DecodeLimit, LimitKind, Sandbox
from app.recordings.media import AudioRecogniser, MediaFacts, NotAudio
from storage.sealed import SealedReader, SealedRef

_LONGEST_SECONDS = 120
_MOST_KEPT = 200


@contextmanager
def spooled(pieces: Iterator[bytes], folder: Path) -> Iterator[int]:
    """Give a descriptor of the plain bytes, in a file without a name that ends with the process.

    A decoder must seek; only the sandbox ever reads it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        descriptor = os.open(Path("/proc/self/fd") / str(file.fileno()), os.O_RDONLY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def decoded(descriptor: int, facts: MediaFacts, sandbox: Sandbox) -> npt.NDArray[np.int16]:
    """Return the sound of a short file: 8 kHz, its channels mixed, decoded in the sandbox.

    Raises:
        ReferenceTooLong: longer than any announcement.
        DecodeFailed, DecodeLimit: nothing could be made of it.
    """
    rows: list[npt.NDArray[np.int16]] = []
    try:
        inspect_audio(
            descriptor,
            facts,
            sandbox,
            playable=None,
            limits=Limits(max_duration_s=_LONGEST_SECONDS),
            listener=rows.append,
        )
    except DecodeLimit as exc:
        if exc.which is LimitKind.DURATION:
            raise ReferenceTooLong from exc
        raise
    if not rows:
        raise DecodeFailed("The reference has no sound.")
    mixed = np.concatenate(rows).mean(axis=1).round()
    return np.asarray(mixed, dtype=np.int16)


def examine(descriptor: int, facts: MediaFacts, sandbox: Sandbox) -> None:
    """Refuse a reference that could not be searched for, before it is kept.

    Raises:
        ReferenceRefused: too short, too long, silent, or no speech.
        NotAudio: nothing could be decoded.
    """
    own = os.open(Path("/proc/self/fd") / str(descriptor), os.O_RDONLY)
    try:
        pcm = decoded(own, facts, sandbox)
    except (DecodeFailed, DecodeLimit) as exc:
        raise NotAudio(f"The reference cannot be decoded: {exc}") from exc
    finally:
        os.close(own)
    Reference.register(pcm, text_id="", version=1, sha256="0" * 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeAudio:
    """A version of a notice text and where its reference audio is."""

    text_id: UUID
    version: int
    ref: SealedRef
    sha256: bytes


@dataclass(slots=True)
class Shelf:
    """References by text and version; a version never changes, so neither does what is kept."""

    archive: SealedReader
    sandbox: Sandbox
    spool: Path
    _kept: dict[tuple[UUID, int], Reference] = field(default_factory=dict)

    def take(self, wanted: Sequence[NoticeAudio]) -> list[Reference]:
        """Return the references of `wanted`, decoding those that are not on the shelf."""
        if len(self._kept) > _MOST_KEPT:
            self._kept.clear()
        return [self._one(audio) for audio in wanted]

    def _one(self, audio: NoticeAudio) -> Reference:
        key = (audio.text_id, audio.version)
        if key not in self._kept:
            recogniser = AudioRecogniser()
            pieces = _seen(self.archive.stream(audio.ref), recogniser)
            with spooled(pieces, self.spool) as descriptor:
                pcm = decoded(descriptor, recogniser.finish(), self.sandbox)
            self._kept[key] = Reference.register(
                pcm,
                text_id=str(audio.text_id),
                version=audio.version,
                sha256=audio.sha256.hex(),
            )
        return self._kept[key]


def _seen(pieces: Iterator[bytes], recogniser: AudioRecogniser) -> Iterator[bytes]:
    for piece in pieces:
        recogniser.feed(piece)
        yield piece
