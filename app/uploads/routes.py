"""Resumable upload: tus 1.0 at /v1/uploads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from app.core.db import DatabaseAway
from app.core.errors import UnsupportedMedia
from app.core.problems import problems
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.recordings.digests import DigestInvalid
from app.recordings.ingest import OtherBytes, RecordingErased, StoreAway
from app.recordings.multipart import MetadataInvalid
from app.recordings.receive import SenderSilent
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

CanSend = Annotated[Actor, Depends(Requires(Permission.RECORDING_SEND))]
_GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)
_THERE = (UploadNotFound, UploadExpired)
_AWAY = (DatabaseAway, StoreAway, SenderSilent)
_BATCH_BYTES = 256 * 1024


class BodyUnsupported(UnsupportedMedia):
    """The bytes of an upload are sent as `application/offset+octet-stream`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumingTools:
    """What the routes share: the tools, the threads that move bytes, how long to wait for some."""

    uploads: UploadTools
    pool: ThreadPoolExecutor
    idle_seconds: int


async def _resuming(request: Request) -> ResumingTools:
    return cast("ResumingTools", request.app.state.resuming)


Resuming = Annotated[ResumingTools, Depends(_resuming)]


async def _speaks_tus(request: Request) -> None:
    """Refuse whoever speaks another version.

    Raises:
        ProtocolUnsupported: the field is missing or names another version.
    """
    if request.headers.get("tus-resumable") != protocol.VERSION:
        raise ProtocolUnsupported


SPEAKS_TUS = [Depends(_speaks_tus)]


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
    dependencies=SPEAKS_TUS,
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
async def begin_upload(request: Request, actor: CanSend, resuming: Resuming) -> Response:
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
    dependencies=SPEAKS_TUS,
    responses=problems(*_GUARDED, ProtocolUnsupported, *_THERE, *_AWAY),
)
def tell_offset(upload_id: UUID, actor: CanSend, resuming: Resuming) -> Response:
    """Tell how much of an upload is durable; a whole one is kept, or was refused and says so."""
    upload = _assembled(resuming.uploads, _find(resuming.uploads, actor, upload_id))
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


@router.patch("/{upload_id}", status_code=204, dependencies=SPEAKS_TUS, responses=_APPEND_REFUSALS)
async def append(request: Request, upload_id: UUID, actor: CanSend, resuming: Resuming) -> Response:
    """Take bytes from `Upload-Offset` on; the last ones make it a recording.

    204 says that they are durable; what came before a cut is durable too, see HEAD.
    """
    if request.headers.get("content-type") != protocol.BODY_TYPE:
        raise BodyUnsupported
    offset = protocol.whole_number("Upload-Offset", request.headers.get("upload-offset"))
    upload = await run_in_threadpool(_find, resuming.uploads, actor, upload_id)
    upload = await _append(request, upload, offset, resuming)
    return _answer(204, _where(upload))


@router.post(
    "/{upload_id}",
    status_code=204,
    dependencies=SPEAKS_TUS,
    responses=_APPEND_REFUSALS,
)
async def append_by_post(
    request: Request, upload_id: UUID, actor: CanSend, resuming: Resuming
) -> Response:
    """Do what `X-HTTP-Method-Override` names: for senders that know GET and POST alone."""
    method = request.headers.get("x-http-method-override", "").upper()
    if method == "PATCH":
        return await append(request, upload_id, actor, resuming)
    if method == "DELETE":
        return await run_in_threadpool(give_up, upload_id, actor, resuming)
    raise FieldInvalid("X-HTTP-Method-Override: PATCH or DELETE.")


@router.delete(
    "/{upload_id}",
    status_code=204,
    dependencies=SPEAKS_TUS,
    responses=problems(*_GUARDED, ProtocolUnsupported, *_THERE, *_AWAY),
)
def give_up(upload_id: UUID, actor: CanSend, resuming: Resuming) -> Response:
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
    field = request.headers.get("upload-checksum")
    checksum = Checksum(field) if field else None
    tools = resuming.uploads
    appending = Appending(tools, upload, offset=offset, checksum=checksum)
    loop = asyncio.get_running_loop()

    async def work(do: Callable[[], None]) -> None:
        await loop.run_in_executor(resuming.pool, do)

    waiting: list[bytes] = []
    waiting_bytes = 0

    def write() -> None:
        batch = b"".join(waiting)
        waiting.clear()
        if batch:
            appending.write(batch)

    try:
        async with asyncio.timeout(resuming.idle_seconds) as silence:
            async for piece in request.stream():
                waiting.append(piece)
                waiting_bytes += len(piece)
                if waiting_bytes >= _BATCH_BYTES:
                    silence.reschedule(None)
                    await work(write)
                    waiting_bytes = 0
                silence.reschedule(loop.time() + resuming.idle_seconds)
        await work(write)
        await work(appending.end)
    except (ClientDisconnect, TimeoutError) as exc:
        await work(write)
        await work(appending.cut)
        raise SenderSilent from exc
    finally:
        await work(appending.discard)
    found = await run_in_threadpool(_again, tools, upload.id)
    return await run_in_threadpool(_assembled, tools, found)


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
