"""Taking in the reference audio of a notice text: bytes first, the row second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.consent import notices
from app.consent.models import NoticeText
from app.consent.notices import NoticeWords, ReferenceAudio
from app.core.clock import Clock
from app.core.db import Database
from app.core.ids import new_id
from app.identity.actor import Actor
from app.recordings.ingest import ArchiveStore, Arrived, StoreAway
from app.recordings.models import SealedRow
from storage.errors import StoreError

MAX_REFERENCE_BYTES = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceTools:
    """What the way in needs."""

    database: Database
    store: ArchiveStore
    clock: Clock


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

    def write(self, chunk: bytes | memoryview, /) -> None:
        try:
            self._draft.write(chunk)
        except StoreError as exc:
            raise StoreAway from exc

    def keep(self, arrived: Arrived) -> tuple[NoticeText, bool]:
        """Make bytes and row durable; what fails in between leaves an object without a row."""
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
                media_type=arrived.facts.media_type,
                sha256=kept.sha256,
            )
            return notices.add(session, self._actor, self._words, audio, at=at), True

    def discard(self) -> None:
        self._draft.discard()
