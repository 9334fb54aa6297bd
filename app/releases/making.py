"""Make what of an exhibit may be heard or seen: the preview and the release get the same bytes.

The one place where originals are opened for it. What is made lies in an unnamed file, so that
nothing of it is left when its user is done, however he ends.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from app.consent.spans import Segment
from app.core.db import Database
from app.disputes.redactions import Area, Redaction
from app.inspection.decode import PLAYABLE_MEDIA_TYPE
from app.inspection.sandbox import Sandbox
from app.recordings.models import Leg, SealedRow
from app.releases import cutting, pictures, queries
from app.releases.cutting import Source
from app.releases.pictures import Picture
from app.releases.recipes import Original
from app.releases.refusals import (
    RecordingNotReady,
    ReleaseRecordingUnknown,
    ReleaseScreenshotUnknown,
    ScreenshotDamaged,
)
from storage.sealed import SealedReader, SealedRef

COPY_BYTES = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A file that was made, and how; `told` is None for a playable copy, which has no recipe."""

    file: IO[bytes]
    sha256: bytes
    size_bytes: int
    media_type: str
    duration_ms: int | None
    told: Callable[[str | None], dict[str, Any]] | None

    def pieces(self) -> Iterator[bytes]:
        self.file.seek(0)
        yield from iter(lambda: self.file.read(COPY_BYTES), b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """Everything needed to make a file that may leave."""

    database: Database
    archive: SealedReader
    sandbox: Callable[[], Sandbox]
    spool: Path

    @contextmanager
    def clip(
        self, recording_id: UUID, segment: Segment, redactions: Sequence[Redaction]
    ) -> Iterator[Made]:
        """Give the part of a recording without its redactions.

        A whole call of one leg is its playable copy, which an inspection has made; all else is cut
        from the originals.
        """
        with self.database.transaction() as session:
            recording = queries.recording(session, recording_id)
            if recording is None:
                raise ReleaseRecordingUnknown(recording_id=str(recording_id))
            legs, objects = recording.legs, queries.sealed(session, recording.legs)
        playable = legs[0].playable_object_id if len(legs) == 1 else None
        is_whole = segment.from_ms == 0 and segment.to_ms is None and not redactions
        with ExitStack() as files:
            if is_whole and playable is not None:
                file = files.enter_context(self._opened(objects[playable]))
                yield _as_it_is(file, duration_ms=legs[0].duration_ms)
                return
            sources = [
                Source(
                    original=_original(leg, objects[leg.object_id]),
                    file=files.enter_context(self._opened(objects[leg.object_id])),
                )
                for leg in legs
            ]
            cut = cutting.cut(
                sources, segment, redactions=redactions, sandbox=self.sandbox(), spool=self.spool
            )
            files.enter_context(cut.file)
            output = cut.derivation.output
            yield Made(
                file=cut.file,
                sha256=bytes.fromhex(output.sha256),
                size_bytes=output.size_bytes,
                media_type=output.media_type,
                duration_ms=cut.duration_ms,
                told=lambda operator: cut.derivation.told(operator=operator),
            )

    @contextmanager
    def picture(self, screenshot_id: UUID, areas: Sequence[Area]) -> Iterator[Made]:
        """Give a screenshot drawn anew, its areas black."""
        with self.database.transaction() as session:
            found = queries.screenshot(session, screenshot_id)
            if found is None:
                raise ReleaseScreenshotUnknown
            screenshot, sealed = found
        with ExitStack() as files:
            original = files.enter_context(self._opened(sealed))
            if hashlib.file_digest(original, "sha256").digest() != sealed.sha256:  # type: ignore[arg-type]  # an unnamed file is a binary file object
                raise ScreenshotDamaged(screenshot_id=str(screenshot.id))
            picture = Picture(
                screenshot=str(screenshot.id),
                sha256=sealed.sha256.hex(),
                size_bytes=sealed.size_bytes,
                media_type=screenshot.media_type,
                width=screenshot.width,
                height=screenshot.height,
            )
            drawn = pictures.draw(picture, original, areas, sandbox=self.sandbox())
            file = files.enter_context(self._unnamed())
            file.write(drawn.body)
            yield Made(
                file=file,
                sha256=bytes.fromhex(drawn.output.sha256),
                size_bytes=drawn.output.size_bytes,
                media_type=drawn.output.media_type,
                duration_ms=None,
                told=lambda operator: drawn.told(operator=operator),
            )

    def _unnamed(self) -> IO[bytes]:
        self.spool.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=self.spool)

    def _opened(self, row: SealedRow) -> IO[bytes]:
        """Return the bytes of an object in a file that has no name."""
        if row.wrapped_key is None:
            raise RecordingNotReady("It has been erased.")
        ref = SealedRef(
            object_id=row.object_id, wrapped_key=row.wrapped_key, size_bytes=row.size_bytes
        )
        with ExitStack() as unless_whole:
            file = unless_whole.enter_context(self._unnamed())
            for piece in self.archive.stream(ref):
                file.write(piece)
            file.flush()
            file.seek(0)
            unless_whole.pop_all()
        return file


def _as_it_is(file: IO[bytes], *, duration_ms: int | None) -> Made:
    digest = hashlib.file_digest(file, "sha256")  # type: ignore[arg-type]  # an unnamed file is a binary file object
    return Made(
        file=file,
        sha256=digest.digest(),
        size_bytes=file.seek(0, 2),
        media_type=PLAYABLE_MEDIA_TYPE,
        duration_ms=duration_ms,
        told=None,
    )


def _original(leg: Leg, sealed: SealedRow) -> Original:
    return Original(
        recording=str(leg.recording_id),
        leg=leg.leg,
        sha256=sealed.sha256.hex(),
        size_bytes=sealed.size_bytes,
        container=leg.container,
        codec=leg.codec,
        sample_rate_hz=leg.sample_rate_hz,
        channels=leg.channels,
    )
