"""Resumable upload: tus 1.0 at /v1/uploads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from app.core.db import DatabaseAway
from app.core.errors import Unavailable, UnsupportedMedia
from app.core.problems import problems
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.recordings.digests import DigestInvalid
from app.recordings.ingest import OtherBytes, RecordingErased, StoreAway
from app.recordings.multipart import MetadataInvalid
from app.uploads import pieces, protocol, service
from app.uploads.models import Upload, UploadKind, UploadState
from app.uploads.pieces import Appending, UploadDamaged, UploadTools
from app.uploads.protocol import (
    Checksum,
    ChecksumMismatch,
    ChecksumUnknown,
    FieldInvalid,
    ProtocolUnsupported,
)
from app.uploads.schemas import UploadRead
from app.uploads.service import (
    MetadataMissing,
    Named,
    OffsetWrong,
    PartsUnfinished,
    TooManyUploads,
    UploadExpired,
    UploadNotFound,
    UploadOver,
    UploadTooLarge,
)

router = APIRouter(prefix="/v1/uploads", tags=["uploads"])


class SenderCut(Unavailable):
    """The body stopped coming; what came is kept, go on from there."""


class BodyUnsupported(UnsupportedMedia):
    """The bytes of an upload are sent as `application/offset+octet-stream`."""


CanSend = Annotated[Actor, Depends(Requires(Permission.RECORDING_SEND))]
_GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)
_THERE = (UploadNotFound, UploadExpired)
_AWAY = (DatabaseAway, StoreAway, SenderCut)
_BATCH_BYTES = 256 * 1024


class UnderWay:
    """A body that is being taken in; whoever asks after its upload has lost that connection.

    So it is told to end: what came of it counts, and is not sent again.
    """

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self._is_told_to_end = False
        self._silence: asyncio.Timeout | None = None

    async def end(self) -> None:
        """Tell it to end, and wait until it has."""
        self._is_told_to_end = True
        silence, self._silence = self._silence, None
        if silence is not None:
            silence.reschedule(0)
        await self.over.wait()

    def waits(self, silence: asyncio.Timeout, seconds: float) -> None:
        """Say that it waits for its sender now; told to end, it waits no longer."""
        wait = 0 if self._is_told_to_end else seconds
        silence.reschedule(asyncio.get_running_loop().time() + wait)
        self._silence = silence

    def works(self, silence: asyncio.Timeout) -> None:
        """Say that a thread works on what came, which nothing may interrupt."""
        silence.reschedule(None)
        self.ends()

    def ends(self) -> None:
        """Say that it waits for its sender no more."""
        self._silence = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumingTools:
    """What the routes share: the tools, the threads that move bytes, how long to wait for some.

    `under_way` are the bodies that this process takes in. Another process does not see them; there
    a sender that comes back at once may send a piece twice.
    """

    uploads: UploadTools
    pool: ThreadPoolExecutor
    idle_seconds: int
    under_way: dict[UUID, UnderWay] = field(default_factory=dict)

    async def quiet(self, upload_id: UUID) -> None:
        """End what is still being taken in of an upload."""
        while found := self.under_way.get(upload_id):
            await found.end()


async def _resuming(request: Request) -> ResumingTools:
    return cast("ResumingTools", request.app.state.resuming)


Resuming = Annotated[ResumingTools, Depends(_resuming)]


async def _speaks_tus(request: Request) -> None:
    """Refuse who speaks another version; asked after the caller, as routes name them in turn.

    Raises:
        ProtocolUnsupported: the field is missing or names another version.
    """
    if request.headers.get("tus-resumable") != protocol.VERSION:
        raise ProtocolUnsupported


SpeaksTus = Annotated[None, Depends(_speaks_tus)]


@router.options("", status_code=204)
def tell_protocol(_actor: CanSend, resuming: Resuming) -> Response:
    """Tell what of tus is spoken here."""
    most = max(resuming.uploads.limits.max_bytes.values())
    return _answer(
        204,
        {
            "Tus-Version": protocol.VERSION,
            "Tus-Extension": ",".join(protocol.EXTENSIONS),
            "Tus-Checksum-Algorithm": ",".join(protocol.CHECKSUM_ALGORITHMS),
            "Tus-Max-Size": str(most),
        },
    )


@router.post(
    "",
    status_code=201,
    responses=problems(
        *_GUARDED,
        ProtocolUnsupported,
        FieldInvalid,
        MetadataMissing,
        MetadataInvalid,
        DigestInvalid,
        RecordingErased,
        UploadTooLarge,
        TooManyUploads,
        UploadNotFound,
        PartsUnfinished,
        *_AWAY,
    ),
)
async def begin_upload(
    request: Request, actor: CanSend, resuming: Resuming, _tus: SpeaksTus
) -> Response:
    """Begin an upload; its bytes may come along or later.

    `Upload-Metadata` names `metadata` (the JSON of the part "metadata"), and may name `kind`
    (`recording` or `screenshot`), `filename`, `filetype` and `digest` (as `Content-Digest`).
    """
    upload = await run_in_threadpool(_begin, request, actor, resuming.uploads)
    headers = {"Location": f"{request.url.path.rstrip('/')}/{upload.id}"}
    has_bytes = request.headers.get("content-type") == protocol.BODY_TYPE
    if upload.concat is None and has_bytes:
        upload = await _append(request, upload, 0, resuming)
    elif upload.received_bytes == upload.length_bytes:
        upload = await run_in_threadpool(_assembled, resuming.uploads, upload)
    return _answer(201, headers | _where(upload))


@router.head(
    "/{upload_id}",
    responses=problems(*_GUARDED, ProtocolUnsupported, *_THERE, *_AWAY),
)
async def tell_offset(
    upload_id: UUID, actor: CanSend, resuming: Resuming, _tus: SpeaksTus
) -> Response:
    """Tell how much of an upload is durable; a whole one is kept, or was refused and says so."""
    tools = resuming.uploads
    await run_in_threadpool(_find, tools, actor, upload_id)
    await resuming.quiet(upload_id)
    found = await run_in_threadpool(_find, tools, actor, upload_id)
    upload = await run_in_threadpool(_assembled, tools, found)
    if upload.state == UploadState.REFUSED:
        return _refused(upload)
    more = {"Upload-Length": str(upload.length_bytes), "Cache-Control": "no-store"}
    if upload.told is not None:
        more["Upload-Metadata"] = upload.told
    if upload.concat is not None or upload.kind == UploadKind.PART:
        more["Upload-Concat"] = upload.concat or "partial"
    return _answer(200, more | _where(upload))


@router.get("/{upload_id}", responses=problems(*_GUARDED, *_THERE))
def get_upload(upload_id: UUID, actor: CanSend, resuming: Resuming) -> UploadRead:
    """Tell how an upload stands, and what became of it: the answer with its receipt."""
    return UploadRead.of(_find(resuming.uploads, actor, upload_id))


_APPEND_REFUSALS = problems(
    *_GUARDED,
    ProtocolUnsupported,
    *_THERE,
    FieldInvalid,
    BodyUnsupported,
    OffsetWrong,
    UploadOver,
    UploadTooLarge,
    ChecksumUnknown,
    ChecksumMismatch,
    UploadDamaged,
    RecordingErased,
    OtherBytes,
    *_AWAY,
)


@router.patch("/{upload_id}", status_code=204, responses=_APPEND_REFUSALS)
async def append(
    request: Request, upload_id: UUID, actor: CanSend, resuming: Resuming, _tus: SpeaksTus
) -> Response:
    """Take bytes from `Upload-Offset` on; the last ones make it a recording.

    204 says that they are durable; what came before a cut is durable too, see HEAD.
    """
    if request.headers.get("content-type") != protocol.BODY_TYPE:
        raise BodyUnsupported
    offset = protocol.whole_number("Upload-Offset", request.headers.get("upload-offset"))
    await run_in_threadpool(_find, resuming.uploads, actor, upload_id)
    await resuming.quiet(upload_id)
    upload = await run_in_threadpool(_find, resuming.uploads, actor, upload_id)
    upload = await _append(request, upload, offset, resuming)
    return _answer(204, _where(upload))


@router.post(
    "/{upload_id}",
    status_code=204,
    responses=_APPEND_REFUSALS,
)
async def append_by_post(
    request: Request, upload_id: UUID, actor: CanSend, resuming: Resuming, _tus: SpeaksTus
) -> Response:
    """Do what `X-HTTP-Method-Override` names: for senders that know GET and POST alone."""
    method = request.headers.get("x-http-method-override", "").upper()
    if method == "PATCH":
        return await append(request, upload_id, actor, resuming, _tus)
    if method == "DELETE":
        return await run_in_threadpool(give_up, upload_id, actor, resuming, _tus)
    raise FieldInvalid("X-HTTP-Method-Override: PATCH or DELETE.")


@router.delete(
    "/{upload_id}",
    status_code=204,
    responses=problems(*_GUARDED, ProtocolUnsupported, *_THERE, *_AWAY),
)
def give_up(upload_id: UUID, actor: CanSend, resuming: Resuming, _tus: SpeaksTus) -> Response:
    """End an upload; what came of it is destroyed. What was kept already stays in the archive."""
    tools = resuming.uploads
    with tools.database.transaction() as session:
        objects = service.give_up(session, actor, upload_id, at=tools.clock.now())
    pieces.destroy(tools.store, objects)
    return _answer(204, {})


def _begin(request: Request, actor: Actor, tools: UploadTools) -> Upload:
    headers = request.headers
    wanted = protocol.concat(headers.get("upload-concat"))
    is_part = wanted is not None and wanted.is_part
    named = Named.read(headers.get("upload-metadata"), is_part=is_part)
    if named.told is not None:
        # An erased recording, or a store that is away, is told of before the bytes are sent.
        pieces.way_in(tools, actor, named).discard()
    at = tools.clock.now()
    with tools.database.transaction() as session:
        if wanted is not None and not wanted.is_part:
            return service.put_together(
                session,
                actor,
                named,
                wanted,
                limits=tools.limits,
                at=at,
            )
        length = protocol.whole_number("Upload-Length", headers.get("upload-length"))
        return service.begin(session, actor, named, length_bytes=length, limits=tools.limits, at=at)


def _find(tools: UploadTools, actor: Actor, upload_id: UUID) -> Upload:
    with tools.database.transaction() as session:
        return service.find(session, actor, upload_id, at=tools.clock.now())


def _assembled(tools: UploadTools, upload: Upload) -> Upload:
    """Return the upload as it is after it was assembled, if it is whole and waits for that."""
    is_whole = upload.received_bytes == upload.length_bytes
    if upload.kind == UploadKind.PART or not is_whole or upload.state != UploadState.RECEIVING:
        return upload
    pieces.assemble(tools, upload.id)
    return _again(tools, upload.id)


def _again(tools: UploadTools, upload_id: UUID) -> Upload:
    with tools.database.transaction() as session:
        found = session.get(Upload, upload_id)
    if found is None:
        raise UploadNotFound
    return found


async def _append(request: Request, upload: Upload, offset: int, resuming: ResumingTools) -> Upload:
    """Take the body of `request` in, piece by piece; return the upload as it is then."""
    given = request.headers.get("upload-checksum")
    checksum = Checksum(given) if given else None
    tools = resuming.uploads
    appending = Appending(tools, upload, offset=offset, checksum=checksum)
    mine = resuming.under_way[upload.id] = UnderWay()
    try:
        await _taken_in(request, appending, mine, resuming)
    finally:
        if resuming.under_way.get(upload.id) is mine:
            del resuming.under_way[upload.id]
        mine.over.set()
    found = await run_in_threadpool(_again, tools, upload.id)
    return await run_in_threadpool(_assembled, tools, found)


async def _taken_in(
    request: Request, appending: Appending, mine: UnderWay, resuming: ResumingTools
) -> None:
    loop = asyncio.get_running_loop()
    waiting: list[bytes] = []
    waiting_bytes = 0

    async def work(do: Callable[[], None]) -> None:
        await loop.run_in_executor(resuming.pool, do)

    def write() -> None:
        batch = b"".join(waiting)
        waiting.clear()
        if batch:
            appending.write(batch)

    def cut() -> None:
        write()
        appending.cut()

    try:
        async with asyncio.timeout(None) as silence:
            mine.waits(silence, resuming.idle_seconds)
            async for piece in request.stream():
                waiting.append(piece)
                waiting_bytes += len(piece)
                if waiting_bytes >= _BATCH_BYTES:
                    mine.works(silence)
                    await work(write)
                    waiting_bytes = 0
                mine.waits(silence, resuming.idle_seconds)
            mine.works(silence)
        await work(write)
        await work(appending.end)
    except (ClientDisconnect, TimeoutError) as exc:
        mine.ends()
        await work(cut)
        raise SenderCut from exc
    except Unavailable:
        mine.ends()
        await work(cut)
        raise
    finally:
        await work(appending.discard)


def _where(upload: Upload) -> dict[str, str]:
    headers = {"Upload-Offset": str(upload.received_bytes)}
    if upload.state == UploadState.RECEIVING:
        headers["Upload-Expires"] = _http_date(upload.expires_at)
    elif upload.answer is not None and "id" in upload.answer:
        headers["Audiatur-Id"] = str(upload.answer["id"])
    return headers


def _http_date(at: datetime) -> str:
    return format_datetime(at, usegmt=True)


def _answer(status: int, headers: dict[str, str]) -> Response:
    return Response(status_code=status, headers={"Tus-Resumable": protocol.VERSION} | headers)


def _refused(upload: Upload) -> Response:
    """Tell the sender again why nothing was made of his upload."""
    problem = upload.answer or {}
    return Response(
        json.dumps(problem, ensure_ascii=False),
        int(problem.get("status", 409)),
        media_type="application/problem+json",
        headers={"Tus-Resumable": protocol.VERSION, "Upload-Offset": str(upload.received_bytes)},
    )
