"""The reference audio of notice texts, ready to be searched for."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from uuid import UUID

import numpy as np
import numpy.typing as npt
import structlog

from app.core.errors import Gone, UnsupportedMedia
from app.inspection.decode import Limits, inspect_audio
from app.inspection.notice.reference import Reference, ReferenceRefused, ReferenceTooLong
from app.inspection.sandbox import DecodeFailed, DecodeLimit, LimitKind, Sandbox
from app.recordings.ingest import StoreAway
from app.recordings.media import AudioRecogniser, MediaFacts, NotAudio
from app.recordings.models import SealedRow
from storage.errors import ObjectDamaged, ObjectMissing, StoreError
from storage.sealed import SealedReader, SealedRef

_log = structlog.get_logger()
_LONGEST_SECONDS = 120
_MOST_KEPT = 200


class ReferenceGone(Gone):
    """The reference audio cannot be heard any more."""


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


def examine(descriptor: int, facts: MediaFacts, sandbox: Sandbox) -> Reference:
    """Refuse a reference that could not be searched for, before it is kept; else return it.

    Raises:
        ReferenceRefused: too short, too long, silent, or no speech.
        NotAudio: nothing could be decoded.
    """
    own = os.open(Path("/proc/self/fd") / str(descriptor), os.O_RDONLY)
    try:
        pcm = decoded(own, facts, sandbox)
    except (DecodeFailed, DecodeLimit) as exc:
        raise NotAudio("The reference cannot be decoded.", fault=str(exc)) from exc
    finally:
        os.close(own)
    return Reference.register(pcm, text_id="", version=1, sha256="0" * 64)


def original(archive: SealedReader, row: SealedRow) -> bytes:
    """Return a reference as it came in, for somebody to hear; it is short and holds no call.

    Raises:
        ReferenceGone: its key was destroyed, or its bytes are missing or damaged.
        StoreAway: the store does not answer now.
    """
    if row.wrapped_key is None:
        raise ReferenceGone
    try:
        return b"".join(archive.stream(ref_of(row)))
    except (ObjectMissing, ObjectDamaged) as exc:
        raise ReferenceGone from exc
    except StoreError as exc:
        raise StoreAway from exc


def ref_of(row: SealedRow) -> SealedRef:
    """Return how a kept object is opened whose key was not destroyed."""
    return SealedRef(
        object_id=row.object_id, wrapped_key=row.wrapped_key or b"", size_bytes=row.size_bytes
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeAudio:
    """A version of a notice text and where its reference audio is."""

    text_id: UUID
    version: int
    ref: SealedRef
    sha256: bytes

    @property
    def key(self) -> str:
        """How searches name it."""
        return f"{self.text_id}:{self.version}"


class Unsearchable(StrEnum):
    """Why a text cannot be searched for any more, though its reference was taken once."""

    KEY_DESTROYED = "key_destroyed"
    OBJECT_MISSING = "object_missing"
    OBJECT_DAMAGED = "object_damaged"
    UNDECODABLE = "undecodable"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """References that can be searched for, their texts in the same order, and what is amiss."""

    texts: list[NoticeAudio]
    references: list[Reference]
    not_searched: dict[str, str]

    @classmethod
    def nothing(cls) -> Taken:
        return cls(texts=[], references=[], not_searched={})


@dataclass(slots=True)
class Shelf:
    """References by text and version; a version never changes, so neither does what is kept."""

    archive: SealedReader
    sandbox: Sandbox
    spool: Path
    _kept: dict[tuple[UUID, int], Reference] = field(default_factory=dict)

    def take(self, wanted: Sequence[NoticeAudio]) -> Taken:
        """Return the references of `wanted`, decoding those that are not on the shelf.

        One text whose reference is lost keeps no recording from being searched for the others.
        A store that is away is another matter: it comes back, and the search waits for it.

        Raises:
            StoreUnavailable: the store does not answer now.
        """
        if len(self._kept) > _MOST_KEPT:
            self._kept.clear()
        taken = Taken.nothing()
        for audio in wanted:
            found = self._if_usable(audio)
            if isinstance(found, Unsearchable):
                taken.not_searched[audio.key] = found
                _log.warning("notice.not_searched", text=audio.key, reason=found)
            else:
                taken.texts.append(audio)
                taken.references.append(found)
        return taken

    def _if_usable(self, audio: NoticeAudio) -> Reference | Unsearchable:
        if not audio.ref.wrapped_key:
            return Unsearchable.KEY_DESTROYED
        try:
            return self._one(audio)
        except ObjectMissing:
            return Unsearchable.OBJECT_MISSING
        except ObjectDamaged:
            return Unsearchable.OBJECT_DAMAGED
        except (DecodeFailed, DecodeLimit, UnsupportedMedia):
            return Unsearchable.UNDECODABLE
        except ReferenceRefused:
            return Unsearchable.REFUSED

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
