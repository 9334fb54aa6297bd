"""Resumable upload at /v1/uploads: tus 1.0, and the draft of the IETF for who names no tus."""

from __future__ import annotations

import json
from datetime import datetime
from email.utils import format_datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool

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
from app.uploads import body, draft, draft_routes, opening, pieces, protocol, service
from app.uploads.body import Resuming, SenderCut
from app.uploads.draft import LengthInconsistent
from app.uploads.draft_routes import PartialUnsupported
from app.uploads.models import Upload, UploadKind, UploadState
from app.uploads.pieces import UploadDamaged, UploadTools
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


class BodyUnsupported(UnsupportedMedia):
    """The bytes of an upload are sent as `application/offset+octet-stream`."""


CanSend = Annotated[Actor, Depends(Requires(Permission.RECORDING_SEND))]
_GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)
_THERE = (UploadNotFound, UploadExpired)
_AWAY = (DatabaseAway, StoreAway, SenderCut)


async def _speaks_tus(request: Request) -> bool:
    """Say whether tus is spoken, or the draft; asked after the caller, as routes name them in turn.

    Raises:
        ProtocolUnsupported: neither of them, or another version of tus.
    """
    is_draft = draft.is_spoken(request.method, request.headers)
    if not is_draft and request.headers.get("tus-resumable") != protocol.VERSION:
        raise ProtocolUnsupported
    return not is_draft


SpeaksTus = Annotated[bool, Depends(_speaks_tus)]


@router.options("", status_code=204)
def tell_protocol(_actor: CanSend, resuming: Resuming) -> Response:
    """Tell what of tus is spoken here, and what of the IETF's draft."""
    limits = resuming.uploads.limits
    most = max(limits.max_bytes.values())
    return _answer(
        204,
        {
            "Tus-Version": protocol.VERSION,
            "Tus-Extension": ",".join(protocol.EXTENSIONS),
            "Tus-Checksum-Algorithm": ",".join(protocol.CHECKSUM_ALGORITHMS),
            "Tus-Max-Size": str(most),
            "Accept-Patch": draft.BODY_TYPE,
            **draft.limits_of(limits, seconds=int(limits.waits.total_seconds())),
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
        LengthInconsistent,
        TooManyUploads,
        UploadNotFound,
        PartsUnfinished,
        *_AWAY,
    ),
)
async def begin_upload(
    request: Request, actor: CanSend, resuming: Resuming, is_tus: SpeaksTus
) -> Response:
    """Begin an upload; its bytes may come along or later.

    `Upload-Metadata` names `metadata` (the JSON of the part "metadata"), and may name `kind`
    (`recording` or `screenshot`), `filename`, `filetype` and `digest` (as `Content-Digest`). With
    `Upload-Complete` and without `Tus-Resumable` it is the IETF's draft that is spoken.
    """
    if not is_tus:
        return await draft_routes.begin(request, actor, resuming)
    upload = await run_in_threadpool(_begin, request, actor, resuming.uploads)
    headers = {"Location": f"{request.url.path.rstrip('/')}/{upload.id}"}
    has_bytes = request.headers.get("content-type") == protocol.BODY_TYPE
    if upload.concat is None and has_bytes:
        checksum = _checksum(request)
        upload = await body.append(request, actor, upload, 0, resuming, checksum=checksum)
    elif upload.received_bytes == upload.length_bytes:
        upload = await run_in_threadpool(body.assembled, resuming.uploads, upload)
    return _answer(201, headers | _where(upload))


@router.head(
    "/{upload_id}",
    responses={
        204: {"description": "By the draft: how it stands."},
        **problems(*_GUARDED, ProtocolUnsupported, *_THERE, *_AWAY),
    },
)
async def tell_offset(
    upload_id: UUID, actor: CanSend, resuming: Resuming, is_tus: SpeaksTus
) -> Response:
    """Tell how much of an upload is durable; a whole one is kept, or was refused and says so."""
    if not is_tus:
        return await draft_routes.tell(upload_id, actor, resuming)
    tools = resuming.uploads
    found = await body.found(resuming, actor, upload_id)
    upload = await run_in_threadpool(body.assembled, tools, found)
    if upload.state == UploadState.REFUSED:
        return _refused(upload)
    more = {"Upload-Length": str(upload.length_bytes), "Cache-Control": "no-store"}
    if upload.told is not None:
        more["Upload-Metadata"] = upload.told
    if upload.concat is not None or upload.kind == UploadKind.PART:
        more["Upload-Concat"] = upload.concat or "partial"
    return _answer(200, more | _where(upload))


@router.get("/{upload_id}", responses=problems(*_GUARDED, *_THERE))
def get_upload(
    upload_id: UUID, actor: CanSend, resuming: Resuming, response: Response
) -> UploadRead:
    """Tell how an upload stands, and what became of it: the answer with its receipt."""
    tools = resuming.uploads
    found = opening.find(tools, actor, upload_id)
    response.headers.update(draft.where(found, tools.limits, at=tools.clock.now()))
    return UploadRead.of(found)


_APPEND_REFUSALS = problems(
    *_GUARDED,
    ProtocolUnsupported,
    *_THERE,
    FieldInvalid,
    BodyUnsupported,
    PartialUnsupported,
    LengthInconsistent,
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


@router.patch(
    "/{upload_id}",
    status_code=204,
    responses={201: {"description": "By the draft: what became of all of it."}, **_APPEND_REFUSALS},
)
async def append(
    request: Request, upload_id: UUID, actor: CanSend, resuming: Resuming, is_tus: SpeaksTus
) -> Response:
    """Take bytes from `Upload-Offset` on; the last ones make it a recording.

    204 says that they are durable; what came before a cut is durable too, see HEAD. By the draft
    the answer to the last ones is what became of them: 201 with the receipt, or the problem.
    """
    if not is_tus:
        return await draft_routes.append(request, upload_id, actor, resuming)
    if request.headers.get("content-type") != protocol.BODY_TYPE:
        raise BodyUnsupported
    offset = protocol.whole_number("Upload-Offset", request.headers.get("upload-offset"))
    upload = await body.found(resuming, actor, upload_id)
    checksum = _checksum(request)
    upload = await body.append(request, actor, upload, offset, resuming, checksum=checksum)
    return _answer(204, _where(upload))


@router.post(
    "/{upload_id}",
    status_code=204,
    responses=_APPEND_REFUSALS,
)
async def append_by_post(
    request: Request, upload_id: UUID, actor: CanSend, resuming: Resuming, is_tus: SpeaksTus
) -> Response:
    """Do what `X-HTTP-Method-Override` names: for senders that know GET and POST alone."""
    method = request.headers.get("x-http-method-override", "").upper()
    if method == "PATCH":
        return await append(request, upload_id, actor, resuming, is_tus)
    if method == "DELETE":
        return await run_in_threadpool(give_up, upload_id, actor, resuming, is_tus)
    raise FieldInvalid("X-HTTP-Method-Override: PATCH or DELETE.")


@router.delete(
    "/{upload_id}",
    status_code=204,
    responses=problems(*_GUARDED, ProtocolUnsupported, *_THERE, *_AWAY),
)
def give_up(upload_id: UUID, actor: CanSend, resuming: Resuming, _is_tus: SpeaksTus) -> Response:
    """End an upload; what came of it is destroyed. What was kept already stays in the archive."""
    tools = resuming.uploads
    with tools.database.transaction() as session:
        objects = service.give_up(session, actor, upload_id, at=tools.clock.now())
    pieces.destroy(tools.store, objects)
    return _answer(204, {})


def _checksum(request: Request) -> Checksum | None:
    given = request.headers.get("upload-checksum")
    return Checksum(given) if given else None


def _begin(request: Request, actor: Actor, tools: UploadTools) -> Upload:
    headers = request.headers
    wanted = protocol.concat(headers.get("upload-concat"))
    is_part = wanted is not None and wanted.is_part
    named = Named.read(headers.get("upload-metadata"), is_part=is_part)
    if wanted is not None and not wanted.is_part:
        # An erased recording, or a store that is away, is told of before anything is changed.
        pieces.way_in(tools, actor, named).discard()
        with tools.database.transaction() as session:
            return service.put_together(
                session, actor, named, wanted, limits=tools.limits, at=tools.clock.now()
            )
    length = protocol.whole_number("Upload-Length", headers.get("upload-length"))
    return opening.begin(tools, actor, named, length_bytes=length)


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
