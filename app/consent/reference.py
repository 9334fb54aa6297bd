"""Taking in the reference audio of a notice text: bytes first, the row second."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.consent import notices
from app.consent.models import NoticeText
from app.consent.notices import NoticeWords, ReferenceAudio, SharedSound
from app.core.clock import Clock
from app.core.db import Database
from app.core.ids import new_id
from app.identity.actor import Actor
from app.recordings.ingest import ArchiveStore, Arrived, StoreAway
from app.recordings.media import AudioRecogniser, MediaFacts
from app.recordings.models import SealedRow
from storage.errors import StoreError

MAX_REFERENCE_BYTES = 20 * 1024 * 1024


Examine = Callable[[int, MediaFacts], Sequence[SharedSound]]
"""Refuses a reference that could not be searched for; says which kept ones share its sound.

It is given a descriptor of the bytes.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceTools:
    """What the way in needs. A reference lies in `spool` while it is examined."""

    database: Database
    store: ArchiveStore
    clock: Clock
    examine: Examine
    spool: Path


class ReferenceIngest:
    """One reference on its way in. Used by one thread at a time; ended by `keep` or `discard`."""

    def __init__(
        self,
        tools: ReferenceTools,
        actor: Actor,
        raw: bytes,
        *,
        parse: Callable[[bytes], NoticeWords],
    ) -> None:
        """Read the metadata and open the place for the bytes.

        Raises:
            MetadataInvalid: the metadata is not what is asked for.
            StoreAway: nothing was kept.
        """
        self._tools = tools
        self._actor = actor
        self._words = parse(raw)
        try:
            self._draft = tools.store.begin(new_id())
        except StoreError as exc:
            raise StoreAway from exc
        tools.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._plain = tempfile.TemporaryFile(dir=tools.spool)  # noqa: SIM115 - closed by discard.

    def write(self, chunk: bytes | memoryview, /) -> None:
        try:
            self._plain.write(chunk)
            self._draft.write(chunk)
        except StoreError as exc:
            raise StoreAway from exc

    def keep(self, arrived: Arrived) -> tuple[NoticeText, bool]:
        """Make bytes and row durable, as `store_away` does."""
        return self.store_away(arrived.facts), True

    def store_away(self, facts: MediaFacts) -> NoticeText:
        """Make bytes and row durable; what fails in between leaves an object without a row.

        Raises:
            Invalid: it cannot be searched for: too short, too long, silent, or no speech.
            NotAudio: nothing could be decoded.
            StoreAway: nothing was kept.
        """
        self._plain.flush()
        shares = self._tools.examine(self._plain.fileno(), facts)
        try:
            kept = self._draft.keep()
        except StoreError as exc:
            raise StoreAway from exc
        at = self._tools.clock.now()
        with self._tools.database.transaction() as session:
            session.add(
                SealedRow(
                    object_id=kept.object_id,
                    wrapped_key=kept.wrapped_key,
                    size_bytes=kept.size_bytes,
                    sha256=kept.sha256,
                    crc32=kept.crc32,
                    stored_at=at,
                )
            )
            session.flush()
            audio = ReferenceAudio(
                object_id=kept.object_id,
                media_type=facts.media_type,
                sha256=kept.sha256,
                shares=tuple(shares),
            )
            return notices.add(session, self._actor, self._words, audio, at=at)

    def discard(self) -> None:
        self._plain.close()
        self._draft.discard()


def keep_whole(
    tools: ReferenceTools,
    actor: Actor,
    words: NoticeWords,
    pieces: Iterable[bytes],
    recogniser: AudioRecogniser,
) -> NoticeText:
    """Keep a reference whose bytes are here already, with its words.

    Raises:
        Invalid, NotAudio, StoreAway: as `ReferenceIngest.store_away`.
    """
    ingest = ReferenceIngest(tools, actor, b"", parse=lambda _: words)
    try:
        for piece in pieces:
            ingest.write(piece)
            recogniser.feed(piece)
        return ingest.store_away(recogniser.finish())
    finally:
        ingest.discard()
