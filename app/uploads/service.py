"""Beginning, finding and giving up uploads. Nothing here moves bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from app.core.db import JsonObject
from app.core.errors import Conflict, Gone, Malformed, NotFound, Refusal, TooLarge, TooMany
from app.core.ids import new_id
from app.core.jobs import Job, enqueue
from app.core.problems import body_of
from app.identity.actor import Actor
from app.recordings.digests import wanted as wanted_digests
from app.recordings.multipart import parse_metadata
from app.recordings.schemas import RecordingTold, ScreenshotTold
from app.uploads import protocol
from app.uploads.models import Piece, Upload, UploadKind, UploadState
from app.uploads.protocol import Concat

ASSEMBLE = "uploads.assemble"
MAX_OPEN = 500
"""Of one device: an agent's spool of weeks, and no more."""
_ASSEMBLED_AFTER = timedelta(seconds=60)


class UploadNotFound(NotFound):
    """There is no such upload of this device; begin a new one."""


class UploadExpired(Gone):
    """The upload waited too long and was given up; begin a new one."""


class UploadOver(Conflict):
    """The upload is over: it takes no more bytes."""


class OffsetWrong(Conflict):
    """The upload goes on at another place: ask for it by HEAD."""


class PartsUnfinished(Conflict):
    """Something can be put together of whole parts only."""


class MetadataMissing(Malformed):
    """Upload-Metadata names `metadata`: the JSON that the part "metadata" of an upload holds."""


class UploadTooLarge(TooLarge):
    """The file is larger than allowed."""


class TooManyUploads(TooMany):
    """Too many uploads of this device are under way; go on with those, or end them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a sender tells of a file before its bytes; `field` is Upload-Metadata as it came."""

    field: str | None
    kind: UploadKind
    told: RecordingTold | ScreenshotTold | None
    file_name: str | None
    media_type: str | None
    digest: str | None

    @classmethod
    def read(cls, field: str | None, *, is_part: bool = False) -> Named:
        """Return what the field says; of a part nothing need be said.

        Raises:
            FieldInvalid, MetadataMissing, MetadataInvalid, DigestInvalid: it says it wrongly.
        """
        found = protocol.metadata(field)
        digest = found.get("digest") or None
        if digest is not None:
            wanted_digests(digest)
        kind, told = UploadKind.PART, None
        if not is_part:
            kind, told = _told(found)
        return cls(
            field=field,
            kind=kind,
            told=told,
            file_name=(found.get("filename") or "").replace("\0", "")[:1024] or None,
            media_type=found.get("filetype") or None,
            digest=digest,
        )


def _told(found: Mapping[str, str]) -> tuple[UploadKind, RecordingTold | ScreenshotTold]:
    raw = found.get("metadata", "").encode()
    if not raw:
        raise MetadataMissing
    kind = found.get("kind") or UploadKind.RECORDING
    if kind == UploadKind.SCREENSHOT:
        return UploadKind.SCREENSHOT, parse_metadata(ScreenshotTold, raw)
    if kind == UploadKind.RECORDING:
        return UploadKind.RECORDING, parse_metadata(RecordingTold, raw)
    raise protocol.FieldInvalid("Upload-Metadata: kind is recording or screenshot.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large files may be, and how long an upload waits to be gone on with."""

    max_bytes: Mapping[UploadKind, int]
    waits: timedelta


def begun(actor: Actor, named: Named, *, length_bytes: int, limits: Limits, at: datetime) -> Upload:
    """Return a new upload of `length_bytes`, which is kept nowhere yet.

    Raises:
        UploadTooLarge: it is not taken.
    """
    must_fit(named.kind, length_bytes, limits)
    return Upload(
        id=new_id(),
        device_id=actor.id,
        kind=named.kind,
        state=UploadState.RECEIVING,
        told=named.field,
        length_bytes=length_bytes,
        received_bytes=0,
        created_at=at,
        expires_at=at + limits.waits,
    )


def put_together(
    session: Session,
    actor: Actor,
    named: Named,
    wanted: Concat,
    *,
    limits: Limits,
    at: datetime,
) -> Upload:
    """Make one upload of whole parts, in the order given; the parts are none of their own then.

    Raises:
        UploadNotFound: a part is not known, or no part.
        PartsUnfinished: a part is not whole.
        UploadTooLarge: all of it is too much.
    """
    parts = wanted.parts
    rows = {
        row.id: row
        for row in session.scalars(
            select(Upload)
            .where(Upload.id.in_(parts), Upload.device_id == actor.id)
            .order_by(Upload.id)
            .with_for_update()
        )
    }
    if set(rows) != set(parts) or any(row.kind != UploadKind.PART for row in rows.values()):
        raise UploadNotFound
    if any(row.received_bytes != row.length_bytes for row in rows.values()):
        raise PartsUnfinished
    length = sum(row.length_bytes for row in rows.values())
    upload = begun(actor, named, length_bytes=length, limits=limits, at=at)
    _must_have_room(session, actor)
    session.add(upload)
    upload.concat = wanted.field
    upload.received_bytes = length
    session.flush()
    starts = 0
    for part in parts:
        session.execute(
            update(Piece)
            .where(Piece.upload_id == part)
            .values(upload_id=upload.id, starts_at=Piece.starts_at + starts)
        )
        starts += rows[part].length_bytes
    session.execute(delete(Upload).where(Upload.id.in_(parts)))
    ask_to_assemble(session, upload.id, at=at)
    return upload


def must_fit(kind: UploadKind, length_bytes: int, limits: Limits) -> None:
    """Refuse a file that is too large.

    Raises:
        UploadTooLarge: it is.
    """
    most = limits.max_bytes[kind]
    if length_bytes > most:
        raise UploadTooLarge(f"At most {most} bytes of file.", max_bytes=most)


def _must_have_room(session: Session, actor: Actor) -> None:
    under_way = session.scalar(
        select(func.count())
        .select_from(Upload)
        .where(Upload.device_id == actor.id, Upload.state == UploadState.RECEIVING)
    )
    if (under_way or 0) >= MAX_OPEN:
        raise TooManyUploads


def find(session: Session, actor: Actor, upload_id: UUID, *, at: datetime) -> Upload:
    """Return an upload of this device.

    Raises:
        UploadNotFound, UploadExpired: there is none, or none any more.
    """
    return must_be_there(session.get(Upload, upload_id), actor, at=at)


def must_be_there(found: Upload | None, actor: Actor, *, at: datetime) -> Upload:
    """Return what was found, if it is an upload of this device; see `find`."""
    if found is None or found.device_id != actor.id:
        raise UploadNotFound
    if found.expires_at <= at and found.received_bytes < found.length_bytes:
        raise UploadExpired
    return found


def must_go_on(upload: Upload, offset: int) -> None:
    """Refuse bytes that are not wanted.

    Raises:
        UploadOver, OffsetWrong: they are not.
    """
    if upload.state != UploadState.RECEIVING or upload.concat is not None:
        raise UploadOver
    if offset != upload.received_bytes:
        raise OffsetWrong(f"It goes on at {upload.received_bytes}.", offset=upload.received_bytes)


def add_piece(
    session: Session,
    piece: Piece,
    *,
    goes_on_at: int,
    is_whole: bool,
    expires_at: datetime,
    at: datetime,
) -> list[UUID]:
    """Write down that a piece is durable; the one that makes the upload whole asks for a job.

    It takes the place of those between its beginning and `goes_on_at`, where the upload stood;
    their objects are returned, to be destroyed.

    Raises:
        OffsetWrong: somebody else was quicker, or the upload was given up.
    """
    moved = session.execute(
        update(Upload)
        .where(
            Upload.id == piece.upload_id,
            Upload.received_bytes == goes_on_at,
            Upload.state == UploadState.RECEIVING,
        )
        .values(received_bytes=piece.starts_at + piece.size_bytes, expires_at=expires_at)
        .returning(Upload.kind)
    ).scalar_one_or_none()
    if moved is None:
        raise OffsetWrong
    replaced: list[UUID] = []
    if piece.starts_at < goes_on_at:
        behind = (Piece.upload_id == piece.upload_id) & (Piece.starts_at >= piece.starts_at)
        replaced = list(session.scalars(delete(Piece).where(behind).returning(Piece.object_id)))
    session.add(piece)
    if is_whole and moved != UploadKind.PART:
        ask_to_assemble(session, piece.upload_id, at=at)
    return replaced


def ask_to_assemble(session: Session, upload_id: UUID, *, at: datetime) -> None:
    """Let a worker assemble the upload, should the process that tells its sender not live to."""
    enqueue(
        session,
        Job(
            task=ASSEMBLE,
            args={"upload_id": str(upload_id)},
            lock=f"upload:{upload_id}",
            at=at + _ASSEMBLED_AFTER,
        ),
    )


def kept(session: Session, upload_id: UUID, answer: JsonObject) -> list[UUID]:
    """End an upload that was kept; return the objects of its pieces, to be destroyed."""
    return _end(session, upload_id, UploadState.KEPT, answer, is_whole=True)


def refused(session: Session, upload_id: UUID, refusal: Refusal, *, is_whole: bool) -> list[UUID]:
    """End an upload that was refused; return the objects of its pieces, to be destroyed."""
    problem = body_of(refusal, instance=f"/v1/uploads/{upload_id}")
    return _end(session, upload_id, UploadState.REFUSED, problem, is_whole=is_whole)


def _end(
    session: Session, upload_id: UUID, state: UploadState, answer: JsonObject, *, is_whole: bool
) -> list[UUID]:
    change: dict[str, object] = {"state": state, "answer": answer, "told": None}
    if is_whole:
        change["received_bytes"] = Upload.length_bytes
    session.execute(
        update(Upload)
        .where(Upload.id == upload_id, Upload.state == UploadState.RECEIVING)
        .values(**change)
    )
    return list(
        session.scalars(
            delete(Piece).where(Piece.upload_id == upload_id).returning(Piece.object_id)
        )
    )


def give_up(session: Session, actor: Actor, upload_id: UUID, *, at: datetime) -> list[UUID]:
    """Forget an upload, as its sender asks; return the objects of its pieces, to be destroyed."""
    return _forget(session, [find(session, actor, upload_id, at=at).id])


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """What was forgotten at once: how many uploads, how many of them cut off, and their objects."""

    uploads: int
    cut: int
    objects: list[UUID]


def give_up_expired(session: Session, *, at: datetime, limit: int) -> GivenUp:
    """Forget uploads that waited too long, and those that are over for as long.

    What is whole and waits to be assembled is not given up: its sender was told that it is here.
    """
    is_waiting = (
        (Upload.state == UploadState.RECEIVING)
        & (Upload.received_bytes == Upload.length_bytes)
        & (Upload.kind != UploadKind.PART)
    )
    rows = session.execute(
        select(Upload.id, Upload.state)
        .where(Upload.expires_at <= at, ~is_waiting)
        .order_by(Upload.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    return GivenUp(
        uploads=len(rows),
        cut=sum(row.state == UploadState.RECEIVING for row in rows),
        objects=_forget(session, [row.id for row in rows]),
    )


def _forget(session: Session, ids: Sequence[UUID]) -> list[UUID]:
    objects = list(
        session.scalars(delete(Piece).where(Piece.upload_id.in_(ids)).returning(Piece.object_id))
    )
    session.execute(delete(Upload).where(Upload.id.in_(ids)))
    return objects


def objects_among(session: Session, ids: Sequence[UUID]) -> set[UUID]:
    """Return which of these objects are pieces of uploads that are under way."""
    return set(session.scalars(select(Piece.object_id).where(Piece.object_id.in_(ids))))
