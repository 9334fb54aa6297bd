"""The last body of a file that is not long: it goes straight into the object of its recording.

It is received as `POST /v1/recordings` does it, and whatever makes it a recording ends the upload
in the same statement: there is no piece, and nothing is read again. What came by earlier bodies is
put before it. Where the sender is cut off, that object becomes the one piece of the upload.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel

from app.core.errors import Refusal, Unavailable
from app.identity.actor import Actor
from app.recordings.digests import Compared
from app.recordings.ingest import (
    Arrived,
    Beside,
    RecordingErased,
    RecordingIngest,
    ScreenshotIngest,
    StoreAway,
)
from app.recordings.multipart import FilePart
from app.recordings.schemas import RecordingTold, ScreenshotTold
from app.uploads import pieces, service, upload_sql
from app.uploads.models import Piece, Upload, UploadKind, UploadState
from app.uploads.pieces import PIECE_BYTES, Appending, UploadDamaged, UploadTools
from app.uploads.protocol import Checksum
from app.uploads.service import Named, UploadTooLarge
from storage.errors import ObjectDamaged, ObjectMissing, StoreError


def opened(
    tools: UploadTools,
    actor: Actor,
    upload: Upload,
    *,
    declared_bytes: int | None,
    checksum: Checksum | None,
) -> Straight | Appending:
    """Open the place for the bytes that come behind those of `upload`, so many as is declared.

    Raises:
        RecordingErased: it was here and was erased; the upload is over.
        UploadDamaged: what came before cannot be read any more; the upload is over.
        DatabaseAway, StoreAway: nothing was kept.
    """
    offset = upload.received_bytes
    is_last = declared_bytes is not None and offset + declared_bytes == upload.length_bytes
    if is_last and upload.length_bytes <= PIECE_BYTES and upload.kind != UploadKind.PART:
        straight = Straight(tools, actor, upload, checksum=checksum)
        if straight.open():
            return straight
    return Appending(tools, upload, offset=offset, checksum=checksum)


class Straight:
    """One body on its way to the end of its file. Used by one thread at a time.

    Ended by `end`, by `cut` where the sender fell silent, or by `discard`.
    """

    def __init__(
        self, tools: UploadTools, actor: Actor, upload: Upload, *, checksum: Checksum | None
    ) -> None:
        self._tools = tools
        self._upload = upload
        self._checksum = checksum
        self._named = named = Named.read(upload.told)
        self._recogniser = pieces.recogniser_for(tools, named)
        self._compared = Compared(named.digest) if named.digest else None
        self._beside = Beside(ctes=upload_sql.ENDED, parameters=self._ended)
        self._ingest = self._way_in(actor)
        self._pieces: list[Piece] = []
        self._came_bytes = 0
        self._is_over = False

    def open(self) -> bool:
        """Take what came by earlier bodies; return whether this is the way for the rest."""
        if self._ingest.is_repeat:
            # Only compared, the bytes would be nowhere if the sender were cut off.
            self.discard()
            return False
        if self._upload.received_bytes:
            try:
                self._take_pieces()
            except BaseException:
                self.discard()
                raise
        return True

    def write(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            UploadTooLarge: they are more than the upload was said to have.
            UnsupportedMedia: they are of no kind that is kept; the upload is over.
            StoreAway: go on later, from what HEAD says.
        """
        if self._came_bytes + len(chunk) > self._upload.length_bytes:
            raise UploadTooLarge("More bytes than Upload-Length said.")
        view = memoryview(chunk)
        if self._checksum is not None:
            self._checksum.add(view)
        self._take(view)

    def end(self) -> Upload:
        """Keep the file; return the upload as it is then.

        Raises:
            ChecksumMismatch: the body is not what was meant; none of it was kept.
            Refusal: the file is refused, and the upload is over.
            DatabaseAway, StoreAway, TooContested: the body is sent again.
        """
        if self._checksum is not None:
            self._checksum.check()
        self._is_over = True
        part = FilePart(name=self._named.file_name, declared_type=self._named.media_type)
        try:
            facts = self._recogniser.finish()
            if self._compared is not None:
                self._compared.check()
            arrived = Arrived(part=part, facts=facts, compared=self._compared)
            answer, is_new = self._ingest.keep(arrived)
        except Unavailable:
            raise
        except Refusal as refusal:
            self._refuse(refusal)
            raise
        told = answer.model_dump(mode="json")
        objects = [piece.object_id for piece in self._pieces]
        if not is_new:
            with self._tools.database.transaction() as session:
                objects = service.kept(session, self._upload.id, told)
        pieces.destroy(self._tools.store, objects)
        return _kept(self._upload, told, expires_at=self._expires_at())

    def cut(self) -> None:
        """Keep what came before a cut, unless its checksum cannot tell any more if it is right."""
        goes_on_at = self._upload.received_bytes
        if self._is_over or self._checksum is not None or self._came_bytes == goes_on_at:
            return
        self._is_over = True
        kept = self._ingest.set_aside().ref()
        pieces.add(self._tools, self._upload, kept, starts_at=0, goes_on_at=goes_on_at)

    def discard(self) -> None:
        self._ingest.discard()

    def _way_in(self, actor: Actor) -> RecordingIngest | ScreenshotIngest:
        told, ingest = self._named.told, self._tools.ingest
        if isinstance(told, ScreenshotTold):
            return ScreenshotIngest(ingest, actor, told, beside=self._beside)
        if not isinstance(told, RecordingTold):
            raise TypeError("A part has no way in of its own.")
        try:
            return RecordingIngest(ingest, actor, told, beside=self._beside)
        except RecordingErased as refusal:
            pieces.refuse(self._tools, self._upload.id, refusal)
            raise

    def _take_pieces(self) -> None:
        self._pieces = pieces.pieces_of(self._tools, self._upload.id)
        try:
            for piece in self._pieces:
                for chunk in self._tools.store.stream(pieces.ref_of(piece)):
                    self._take(memoryview(chunk))
        except (ObjectDamaged, ObjectMissing) as exc:
            refusal = UploadDamaged()
            # Somebody else may have been quicker, and have destroyed the pieces by now.
            if not pieces.is_over(self._tools.database, self._upload.id):
                pieces.refuse(self._tools, self._upload.id, refusal)
            raise refusal from exc
        except StoreError as exc:
            raise StoreAway from exc

    def _take(self, view: memoryview) -> None:
        try:
            self._recogniser.feed(view)
        except Refusal as refusal:
            self._refuse(refusal)
            raise
        try:
            self._ingest.write(view)
        except StoreAway:
            self._is_over = True
            raise
        if self._compared is not None:
            self._compared.add_file(view)
        self._came_bytes += len(view)

    def _refuse(self, refusal: Refusal) -> None:
        self._is_over = True
        is_whole = self._came_bytes == self._upload.length_bytes
        pieces.refuse(self._tools, self._upload.id, refusal, is_whole=is_whole)

    def _expires_at(self) -> datetime:
        return self._tools.clock.now() + self._tools.limits.waits

    def _ended(self, answer: BaseModel) -> Mapping[str, object]:
        return {
            "upload_id": self._upload.id,
            "upload_answer": answer.model_dump_json(),
            "upload_expires_at": self._expires_at(),
        }


def _kept(upload: Upload, answer: dict[str, object], *, expires_at: datetime) -> Upload:
    return Upload(
        id=upload.id,
        device_id=upload.device_id,
        kind=upload.kind,
        state=UploadState.KEPT,
        told=None,
        concat=upload.concat,
        length_bytes=upload.length_bytes,
        received_bytes=upload.length_bytes,
        answer=answer,
        created_at=upload.created_at,
        expires_at=expires_at,
    )
