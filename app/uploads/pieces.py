"""The bytes of uploads: into pieces as they come, and out of them into the archive.

A piece is at most 16 MiB: so much is lost of a body when the process dies in the middle of it. When
the sender is cut off, what came so far becomes a piece and is not sent again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.clock import Clock
from app.core.db import Database
from app.core.errors import Gone, Refusal, Unavailable
from app.core.ids import new_id
from app.identity.actor import Actor
from app.identity.models import Device
from app.recordings.digests import Compared
from app.recordings.ingest import (
    Arrived,
    IngestTools,
    RecordingIngest,
    ScreenshotIngest,
    StoreAway,
)
from app.recordings.media import AudioRecogniser, ImageRecogniser
from app.recordings.multipart import FilePart
from app.recordings.receive import Ingest, Recogniser
from app.recordings.schemas import RecordingTold, ScreenshotTold
from app.uploads import service
from app.uploads.models import Piece, Upload, UploadKind, UploadState
from app.uploads.protocol import Checksum
from app.uploads.service import Limits, Named, OffsetWrong, UploadTooLarge
from storage.errors import ObjectDamaged, ObjectMissing, StoreError
from storage.sealed import SealedDraft, SealedReader, SealedReaper, SealedRef, SealedWriter

PIECE_BYTES = 16 * 1024 * 1024


class UploadDamaged(Gone):
    """What had arrived of the upload can no longer be read; begin a new one."""


class PieceStore(SealedReader, SealedWriter, SealedReaper, Protocol):
    """Keeps pieces, reads them again, and destroys them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadTools:
    """What uploads need: the way in that all recordings take, and a store for the pieces."""

    ingest: IngestTools
    store: PieceStore
    limits: Limits
    max_pixels: int

    @property
    def database(self) -> Database:
        return self.ingest.database

    @property
    def clock(self) -> Clock:
        return self.ingest.clock


class Appending:
    """One body on its way to the end of an upload. Used by one thread at a time.

    Ended by `end`, by `cut` where the sender fell silent, or by `discard`.
    """

    def __init__(
        self, tools: UploadTools, upload: Upload, *, offset: int, checksum: Checksum | None
    ) -> None:
        """Open the place for the bytes from `offset` on."""
        self._tools = tools
        self._upload = upload
        self._durable = offset
        self._checksum = checksum
        self._draft: SealedDraft | None = None
        self._object_id = new_id()
        # A wrong kind of file is refused by its first bytes, before hours of it are sent.
        named = Named.read(upload.told, is_part=upload.kind == UploadKind.PART)
        self._recogniser = recogniser_for(tools, named) if offset == 0 and named.told else None

    @property
    def offset(self) -> int:
        """Return up to where the upload is durable."""
        return self._durable

    def write(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            UploadTooLarge: they are more than the upload was said to have.
            UnsupportedMedia: they are of no kind that is kept; the upload is over.
            StoreAway, DatabaseAway, OffsetWrong: go on later, from what HEAD says.
        """
        if self._durable + self._waiting_bytes() + len(chunk) > self._upload.length_bytes:
            raise UploadTooLarge("More bytes than Upload-Length said.")
        view = memoryview(chunk)
        if self._recogniser is not None:
            try:
                self._recogniser.feed(view)
            except Refusal as refusal:
                refuse(self._tools, self._upload.id, refusal)
                raise
        if self._checksum is not None:
            self._checksum.add(view)
        try:
            if self._draft is None:
                self._object_id = new_id()
                self._draft = self._tools.store.begin(self._object_id)
            self._draft.write(view)
        except StoreError as exc:
            self.discard()
            raise StoreAway from exc
        if self._checksum is None and self._draft.size_bytes >= PIECE_BYTES:
            self._keep_piece()

    def end(self) -> None:
        """Say that the body is over: all of it is durable afterwards.

        Raises:
            ChecksumMismatch: it is not what was meant; none of it was kept.
        """
        if self._checksum is not None:
            self._checksum.check()
        self._keep_piece()

    def cut(self) -> None:
        """Keep what came before a cut, unless its checksum cannot tell any more if it is right."""
        if self._checksum is None:
            self._keep_piece()

    def discard(self) -> None:
        if self._draft is not None:
            self._draft.discard()
            self._draft = None

    def _waiting_bytes(self) -> int:
        return self._draft.size_bytes if self._draft else 0

    def _keep_piece(self) -> None:
        if self._draft is None or not self._draft.size_bytes:
            return
        try:
            kept = self._draft.keep()
        except StoreError as exc:
            raise StoreAway from exc
        finally:
            self._draft = None
        add(self._tools, self._upload, kept.ref(), starts_at=self._durable)
        self._durable += kept.size_bytes


def add(
    tools: UploadTools,
    upload: Upload,
    kept: SealedRef,
    *,
    starts_at: int,
    goes_on_at: int | None = None,
) -> None:
    """Write down what is durable from `starts_at` on; it takes the place of pieces behind that.

    Raises:
        OffsetWrong: the upload went on elsewhere than at `goes_on_at`; the bytes are gone.
    """
    at = tools.clock.now()
    piece = Piece(
        upload_id=upload.id,
        starts_at=starts_at,
        size_bytes=kept.size_bytes,
        object_id=kept.object_id,
        wrapped_key=kept.wrapped_key,
    )
    try:
        with tools.database.transaction() as session:
            objects = service.add_piece(
                session,
                piece,
                goes_on_at=starts_at if goes_on_at is None else goes_on_at,
                is_whole=starts_at + kept.size_bytes == upload.length_bytes,
                expires_at=at + tools.limits.waits,
                at=at,
            )
    except OffsetWrong:
        tools.store.delete(kept.object_id)
        raise
    destroy(tools.store, objects)


def must_have_store(tools: UploadTools) -> None:
    """Refuse what could not be kept now, before its bytes are sent.

    Raises:
        StoreAway: the store takes nothing.
    """
    try:
        tools.store.begin(new_id()).discard()
    except StoreError as exc:
        raise StoreAway from exc


def recogniser_for(tools: UploadTools, named: Named) -> Recogniser:
    """Return what tells from the bytes whether the file is of a kind that is kept."""
    if named.kind == UploadKind.SCREENSHOT:
        return ImageRecogniser(tools.max_pixels)
    return AudioRecogniser(named.media_type, named.file_name)


def way_in(tools: UploadTools, actor: Actor, named: Named) -> Ingest[BaseModel]:
    """Open the way in that every recording and screenshot takes.

    Raises:
        RecordingErased: it was here and was erased.
    """
    if isinstance(named.told, RecordingTold):
        return RecordingIngest(tools.ingest, actor, named.told)
    if isinstance(named.told, ScreenshotTold):
        return ScreenshotIngest(tools.ingest, actor, named.told)
    raise TypeError("A part has no way in of its own.")


def assemble(tools: UploadTools, upload_id: UUID) -> None:
    """Keep an upload whose last piece is durable; do nothing where it is over, or not whole.

    Two may do it at once: one of them finds the recording kept already, and both say the same.

    Raises:
        Refusal: it was refused, and is over; or something is away, and it still waits.
    """
    with tools.database.transaction() as session:
        upload = session.get(Upload, upload_id)
        if (
            upload is None
            or upload.kind == UploadKind.PART
            or upload.state != UploadState.RECEIVING
            or upload.received_bytes < upload.length_bytes
        ):
            return
        name = session.scalar(select(Device.name).where(Device.id == upload.device_id)) or ""
        pieces = _pieces_of(session, upload_id)
    actor = Actor.device(upload.device_id, name)
    try:
        answer = _through(tools, actor, Named.read(upload.told), pieces)
    except Unavailable:
        raise
    except UploadDamaged as refusal:
        # Another who assembles may have been quicker, and have destroyed the pieces by now.
        if is_over(tools.database, upload_id):
            return
        refuse(tools, upload_id, refusal)
        raise
    except Refusal as refusal:
        refuse(tools, upload_id, refusal)
        raise
    with tools.database.transaction() as session:
        objects = service.kept(session, upload_id, answer.model_dump(mode="json"))
    destroy(tools.store, objects)


def _through(tools: UploadTools, actor: Actor, named: Named, pieces: Iterable[Piece]) -> BaseModel:
    recogniser = recogniser_for(tools, named)
    compared = Compared(named.digest) if named.digest else None
    ingest = way_in(tools, actor, named)
    try:
        for piece in pieces:
            for chunk in tools.store.stream(ref_of(piece)):
                recogniser.feed(memoryview(chunk))
                ingest.write(chunk)
                if compared is not None:
                    compared.add_file(chunk)
        facts = recogniser.finish()
        if compared is not None:
            compared.check()
        part = FilePart(name=named.file_name, declared_type=named.media_type)
        answer, _ = ingest.keep(Arrived(part=part, facts=facts, compared=compared))
    except (ObjectDamaged, ObjectMissing) as exc:
        raise UploadDamaged from exc
    except StoreError as exc:
        raise StoreAway from exc
    finally:
        ingest.discard()
    return answer


def pieces_of(tools: UploadTools, upload_id: UUID) -> list[Piece]:
    """Return the pieces of an upload in their order."""
    with tools.database.transaction() as session:
        return _pieces_of(session, upload_id)


def _pieces_of(session: Session, upload_id: UUID) -> list[Piece]:
    wanted = select(Piece).where(Piece.upload_id == upload_id).order_by(Piece.starts_at)
    return list(session.scalars(wanted))


def ref_of(piece: Piece) -> SealedRef:
    """Return how the bytes of a piece are read."""
    return SealedRef(
        object_id=piece.object_id, wrapped_key=piece.wrapped_key, size_bytes=piece.size_bytes
    )


def is_over(database: Database, upload_id: UUID) -> bool:
    """Tell whether an upload is kept, refused or given up."""
    with database.transaction() as session:
        found = session.get(Upload, upload_id)
        return found is None or found.state != UploadState.RECEIVING


def refuse(
    tools: UploadTools, upload_id: UUID, refusal: Refusal, *, is_whole: bool = False
) -> None:
    """End an upload that nothing will be made of, and destroy its pieces.

    `is_whole` says that all of it came, wherever its pieces end.
    """
    with tools.database.transaction() as session:
        objects = service.refused(session, upload_id, refusal, is_whole=is_whole)
    destroy(tools.store, objects)


def destroy(store: SealedReaper, objects: Iterable[UUID]) -> None:
    """Destroy objects that no row names any more; what is left over is for the sweep."""
    for object_id in objects:
        try:
            store.delete(object_id)
        except StoreError:
            return
