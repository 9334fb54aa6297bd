"""Keeping documents, telling what they are, and giving them to those who must read them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, cast
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Request, Response

from app.clients import queries as clients
from app.clients.service import ClientNotFound
from app.core.deps import ClockDep, DatabaseDep, SessionDep
from app.core.errors import TooLarge, Unavailable, UnsupportedMedia
from app.core.problems import problems
from app.core.sound import BreakableResponse
from app.core.text import ExternalId
from app.documents import door, queries
from app.documents.door import DocumentAway, DocumentErased, DocumentNotFound, DocumentOnlyKept
from app.documents.ingest import (
    DocumentIngest,
    DocumentOfNobody,
    DocumentTools,
    OtherDocument,
    SenderIsNoPerson,
)
from app.documents.recognise import DocumentRecogniser
from app.documents.schemas import DocumentList, DocumentRead, DocumentTold
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import KeyMissing, KeyUnknown
from app.identity.guard import Requires
from app.identity.permissions import Permission
from app.recordings import service as recordings
from app.recordings.digests import DigestInvalid, DigestMismatch
from app.recordings.ingest import StoreAway
from app.recordings.multipart import MetadataInvalid, MultipartBroken, PartsWrong
from app.recordings.receive import Reception, receive
from app.recordings.routes import Receiving
from app.recordings.service import RecordingNotFound
from storage.sealed import SealedReader, SealedRef

router = APIRouter(prefix="/v1/documents", tags=["documents"])

CanAdd = Annotated[Actor, Depends(Requires(Permission.DOCUMENT_ADD))]
CanRead = Annotated[Actor, Depends(Requires(Permission.DOCUMENT_READ))]
CanOpen = Annotated[Actor, Depends(Requires(Permission.DOCUMENT_OPEN))]
GUARDED = (KeyMissing, KeyUnknown, PermissionMissing)

_log = structlog.get_logger()


@router.post(
    "",
    status_code=201,
    response_model=DocumentRead,
    responses=problems(
        *GUARDED,
        DigestInvalid,
        DigestMismatch,
        MultipartBroken,
        OtherDocument,
        DocumentErased,
        DocumentOfNobody,
        SenderIsNoPerson,
        TooLarge,
        UnsupportedMedia,
        MetadataInvalid,
        PartsWrong,
        StoreAway,
    )
    | {200: {"model": DocumentRead, "description": "A repeat"}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["metadata", "file"],
                        "properties": {
                            "metadata": DocumentTold.model_json_schema(),
                            "file": {"type": "string", "format": "binary"},
                        },
                    }
                }
            },
        }
    },
)
async def post_document(request: Request, actor: CanAdd, receiving: Receiving) -> Response:
    """Keep a document: part "metadata" (JSON) first, then part "file"."""
    tools = cast("DocumentTools", request.app.state.documents)
    answer, is_new = await receive(
        request,
        Reception(
            begin=lambda raw: DocumentIngest(tools, actor, raw),
            recognise=lambda _: DocumentRecogniser(receiving.max_pixels),
            max_file_bytes=request.app.state.settings.max_document_bytes,
            idle_seconds=receiving.idle_seconds,
            stages=receiving.ingest.stages,
            workers=receiving.workers,
        ),
    )
    return Response(answer.model_dump_json(), 201 if is_new else 200, media_type="application/json")


@router.get("", responses=problems(*GUARDED, ClientNotFound, RecordingNotFound))
def list_documents(
    actor: CanRead,
    session: SessionDep,
    client: ExternalId | None = None,
    recording_id: UUID | None = None,
) -> DocumentList:
    """List the newest documents, of a client or a recording where one is named; 500 at most."""
    client_id = None
    if client is not None:
        found = clients.client_by_external_id(session, client)
        if found is None or not clients.is_seen(session, actor, found.id):
            raise ClientNotFound
        client_id = found.id
    if recording_id is not None:
        recordings.find(session, actor, recording_id)
    rows = queries.listed(session, actor, client_id=client_id, recording_id=recording_id)
    return DocumentList(items=[DocumentRead.of(row, sealed.size_bytes) for row, sealed in rows])


@router.get("/{document_id}", responses=problems(*GUARDED, DocumentNotFound))
def get_document(document_id: UUID, actor: CanRead, session: SessionDep) -> DocumentRead:
    """Tell what is known of a document, but not what stands in it."""
    found = queries.document(session, document_id)
    if found is None or not queries.is_seen(session, actor, document_id):
        raise DocumentNotFound
    return DocumentRead.of(found[0], found[1].size_bytes)


@router.get(
    "/{document_id}/file",
    response_class=Response,
    responses=problems(*GUARDED, DocumentNotFound, DocumentErased, DocumentOnlyKept, DocumentAway),
)
def open_document(
    document_id: UUID, actor: CanOpen, request: Request, database: DatabaseDep, clock: ClockDep
) -> Response:
    """Give the document as a file to save; the ledger has the entry before the first byte."""
    with database.transaction() as session:
        document, ref = door.open_document(session, actor, document_id, at=clock.now())
        headers, media_type = door.headers_of(document, ref), document.media_type
    return sent(request, ref, headers, media_type)


def sent(request: Request, ref: SealedRef, headers: dict[str, str], media_type: str) -> Response:
    """Return the answer that carries a document; it is broken off where the store fails."""
    store = cast("SealedReader", request.app.state.tools.archive)
    pieces = door.pieces(store, ref)
    first = next(pieces, b"")
    return BreakableResponse(
        _until_broken(chain([first], pieces)), headers=headers, media_type=media_type
    )


def _until_broken(pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from (piece for piece in pieces if piece)
    except Unavailable as exc:
        _log.warning("document.broken_off", reason=type(exc).__name__)
        yield b""
