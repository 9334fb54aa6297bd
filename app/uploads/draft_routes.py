"""What the routes of uploads do for who speaks the draft of the IETF instead of tus."""

from __future__ import annotations

from uuid import UUID

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from app.core.errors import Refusal, Unavailable, UnsupportedMedia
from app.identity.actor import Actor
from app.uploads import body, draft, opening, pieces, service
from app.uploads.body import ResumingTools
from app.uploads.draft import LengthInconsistent
from app.uploads.models import Upload, UploadState
from app.uploads.pieces import UploadTools
from app.uploads.service import Named, OffsetWrong, UploadOver, UploadTooLarge


class PartialUnsupported(UnsupportedMedia):
    """The bytes of an upload are sent as `application/partial-upload`."""


async def begin(request: Request, actor: Actor, resuming: ResumingTools) -> Response:
    """Begin an upload; what comes along is its beginning, or all of it.

    No interim answer tells where it is, so one that is cut off before this answer is given up.
    """
    tools, headers = resuming.uploads, request.headers
    try:
        length = draft.length(headers, begins_at=0, known=None)
        upload = await run_in_threadpool(_open, request, actor, tools, length)
    except (LengthInconsistent, UploadTooLarge) as refusal:
        seconds = int(tools.limits.waits.total_seconds())
        fields = draft.limits_of(tools.limits, seconds=seconds) | {"Upload-Complete": "?0"}
        return draft.refused(refusal, fields, instance=request.url.path)
    try:
        return await _taken(request, actor, upload, 0, resuming, is_new=True)
    except Unavailable:
        await run_in_threadpool(_give_up, tools, actor, upload.id)
        raise


async def tell(upload_id: UUID, actor: Actor, resuming: ResumingTools) -> Response:
    """Tell how much of an upload is durable, and whether it is over."""
    tools = resuming.uploads
    upload = await run_in_threadpool(_settled, tools, await body.found(resuming, actor, upload_id))
    return Response(status_code=204, headers=_where(tools, upload))


async def append(
    request: Request, upload_id: UUID, actor: Actor, resuming: ResumingTools
) -> Response:
    """Take bytes from Upload-Offset on; the answer to the last ones is what became of them."""
    tools, headers = resuming.uploads, request.headers
    if headers.get("content-type") != draft.BODY_TYPE:
        raise PartialUnsupported
    offset = draft.offset(headers)
    upload = await run_in_threadpool(_settled, tools, await body.found(resuming, actor, upload_id))
    fields, path = _where(tools, upload), request.url.path
    if offset != upload.received_bytes:
        fields["Upload-Complete"] = "?0"
        return draft.refused(OffsetWrong(), fields, instance=path, given=offset)
    if upload.state != UploadState.RECEIVING:
        if headers.get("content-length") != "0":
            raise UploadOver
        return draft.final(upload, fields)  # Its sender had not heard the answer.
    try:
        draft.length(headers, begins_at=offset, known=upload.length_bytes)
    except LengthInconsistent as refusal:
        return draft.refused(refusal, fields, instance=path)
    return await _taken(request, actor, upload, offset, resuming)


async def _taken(
    request: Request,
    actor: Actor,
    upload: Upload,
    offset: int,
    resuming: ResumingTools,
    *,
    is_new: bool = False,
) -> Response:
    tools, path = resuming.uploads, request.url.path
    is_last = draft.is_last(request.headers)
    wrong: Refusal | None = None
    try:
        upload = await body.append(request, actor, upload, offset, resuming)
    except Unavailable:
        raise
    except UploadTooLarge as refusal:
        # The draft lets nobody go on with what has become longer than it was said to be.
        await run_in_threadpool(pieces.refuse, tools, upload.id, refusal)
        upload = await run_in_threadpool(opening.again, tools, upload.id)
    except Refusal as refusal:
        wrong = refusal
        upload = await run_in_threadpool(opening.again, tools, upload.id)
    fields = _where(tools, upload)
    if upload.state != UploadState.RECEIVING:
        return draft.final(upload, fields)
    if wrong is None and is_last and upload.received_bytes < upload.length_bytes:
        wrong = LengthInconsistent()
    if wrong is not None:
        return draft.refused(wrong, fields, instance=path, given=offset)
    if is_new:
        return Response(
            status_code=201, headers=fields | {"Location": f"{path.rstrip('/')}/{upload.id}"}
        )
    return Response(status_code=204, headers=fields)


def _open(request: Request, actor: Actor, tools: UploadTools, length: int) -> Upload:
    named = Named.read(draft.told(request.headers))
    return opening.begin(tools, actor, named, length_bytes=length)


def _settled(tools: UploadTools, upload: Upload) -> Upload:
    """Return the upload after what is whole was kept or refused."""
    try:
        return body.assembled(tools, upload)
    except Unavailable:
        raise
    except Refusal:
        return opening.again(tools, upload.id)


def _where(tools: UploadTools, upload: Upload) -> dict[str, str]:
    return draft.where(upload, tools.limits, at=tools.clock.now())


def _give_up(tools: UploadTools, actor: Actor, upload_id: UUID) -> None:
    with tools.database.transaction() as session:
        objects = service.give_up(session, actor, upload_id, at=tools.clock.now())
    pieces.destroy(tools.store, objects)
