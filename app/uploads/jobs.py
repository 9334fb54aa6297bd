"""Background work of uploads: keeping what is whole, and giving up what nobody went on with."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog

from app.core.errors import Refusal, Unavailable
from app.recordings import jobs as recordings
from app.recordings.ingest import IngestParts, IngestTools, ingest_tools
from app.recordings.jobs import RecordingTools
from app.recordings.stages import Measured
from app.settings import Settings
from app.uploads import pieces, service
from app.uploads.models import UploadKind
from app.uploads.pieces import PieceStore, UploadTools
from app.uploads.service import Limits

_log = structlog.get_logger()
_BATCH = 100


class ResumingJobTools(IngestParts, Protocol):
    """What the jobs of this room need."""

    @property
    def archive(self) -> PieceStore: ...


def limits_of(settings: Settings) -> Limits:
    """Return how large files may be, and how long an upload waits."""
    return Limits(
        max_bytes={
            UploadKind.RECORDING: settings.max_upload_bytes,
            UploadKind.SCREENSHOT: settings.max_screenshot_bytes,
            UploadKind.PART: settings.max_upload_bytes,
        },
        waits=timedelta(hours=settings.upload_expires_hours),
    )


def upload_tools(settings: Settings, ingest: IngestTools, store: PieceStore) -> UploadTools:
    """Return what uploads need, over the way in that all recordings take."""
    return UploadTools(
        ingest=ingest, store=store, limits=limits_of(settings), max_pixels=settings.max_pixels
    )


def handle_assemble(tools: ResumingJobTools, upload_id: str) -> None:
    """Keep an upload whose last piece is durable, if its sender's request did not live to."""
    uploads = upload_tools(tools.settings, ingest_tools(tools, Measured()), tools.archive)
    try:
        pieces.assemble(uploads, UUID(upload_id))
    except Unavailable:
        raise
    except Refusal as refusal:
        # The sender is told when he asks; trying again would change nothing.
        _log.warning("upload.refused", upload_id=upload_id, problem=refusal.slug)


def sweep(tools: RecordingTools, *, older_than: datetime) -> int:
    """Remove objects that neither a row nor an upload names; return how many went."""
    return recordings.sweep(tools, older_than=older_than, named_elsewhere=service.objects_among)


def handle_expire(tools: ResumingJobTools) -> int:
    """Give up what waited too long, and forget what is over; return how many were cut off."""
    cut = 0
    while True:
        with tools.database.transaction() as session:
            found = service.give_up_expired(session, at=tools.clock.now(), limit=_BATCH)
        pieces.destroy(tools.archive, found.objects)
        cut += found.cut
        if found.uploads < _BATCH:
            break
    if cut:
        _log.warning("uploads.given_up", count=cut)
    return cut
