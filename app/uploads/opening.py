"""Beginning and finding uploads, by one statement each: every upload costs both."""

from __future__ import annotations

from uuid import UUID

from psycopg.rows import TupleRow

from app.identity.actor import Actor
from app.recordings.ingest import RecordingErased
from app.recordings.schemas import RecordingTold
from app.uploads import pieces, service, upload_sql
from app.uploads.models import Upload
from app.uploads.pieces import UploadTools
from app.uploads.service import Named, TooManyUploads, UploadNotFound


def begin(tools: UploadTools, actor: Actor, named: Named, *, length_bytes: int) -> Upload:
    """Open an upload of `length_bytes`.

    What nothing could be made of is refused before its bytes are sent.

    Raises:
        UploadTooLarge, TooManyUploads: it is not taken.
        RecordingErased: the recording was here and was erased.
        DatabaseAway, StoreAway: it cannot be begun now.
    """
    upload = service.begun(
        actor, named, length_bytes=length_bytes, limits=tools.limits, at=tools.clock.now()
    )
    pieces.must_have_store(tools)
    told = named.told
    row = tools.database.statement(
        upload_sql.BEGIN,
        {
            "id": upload.id,
            "device_id": actor.id,
            "kind": named.kind,
            "told": named.field,
            "length_bytes": length_bytes,
            "created_at": upload.created_at,
            "expires_at": upload.expires_at,
            "source_call_id": told.source_call_id if isinstance(told, RecordingTold) else None,
            "most_open": service.MAX_OPEN,
        },
    )
    if row is None:
        raise TypeError("The statement always answers one row.")
    is_erased, is_too_many, _ = row
    if is_erased:
        raise RecordingErased
    if is_too_many:
        raise TooManyUploads
    return upload


def find(tools: UploadTools, actor: Actor, upload_id: UUID) -> Upload:
    """Return an upload of this device.

    Raises:
        UploadNotFound, UploadExpired: there is none, or none any more.
    """
    found = _read(tools, upload_id)
    return service.must_be_there(found, actor, at=tools.clock.now())


def again(tools: UploadTools, upload_id: UUID) -> Upload:
    """Return an upload that was found before, as it is now."""
    found = _read(tools, upload_id)
    if found is None:
        raise UploadNotFound
    return found


def _read(tools: UploadTools, upload_id: UUID) -> Upload | None:
    row = tools.database.statement(upload_sql.FIND, {"id": upload_id})
    return None if row is None else _upload(row)


def _upload(row: TupleRow) -> Upload:
    return Upload(
        id=row[0],
        device_id=row[1],
        kind=row[2],
        state=row[3],
        told=row[4],
        concat=row[5],
        length_bytes=row[6],
        received_bytes=row[7],
        answer=row[8],
        created_at=row[9],
        expires_at=row[10],
    )
