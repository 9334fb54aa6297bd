"""The bodies of uploads, taken in piece by piece; each of both protocols goes through here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from app.core.errors import Unavailable
from app.core.working import Workers, Working, share_of
from app.identity.actor import Actor
from app.recordings.stages import Stage, staying
from app.uploads import opening, pieces, service, straight
from app.uploads.models import Upload, UploadKind, UploadState
from app.uploads.pieces import Appending, UploadTools
from app.uploads.protocol import Checksum
from app.uploads.straight import Straight


class SenderCut(Unavailable):
    """The body stopped coming; what came is kept, go on from there."""


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
    workers: Workers
    idle_seconds: int
    under_way: dict[UUID, UnderWay] = field(default_factory=dict)

    async def quiet(self, upload_id: UUID) -> None:
        """End what is still being taken in of an upload."""
        while found := self.under_way.get(upload_id):
            await found.end()


async def _resuming(request: Request) -> ResumingTools:
    return cast("ResumingTools", request.app.state.resuming)


Resuming = Annotated[ResumingTools, Depends(_resuming)]


async def found(resuming: ResumingTools, actor: Actor, upload_id: UUID) -> Upload:
    """Return an upload of this device, with nothing of it under way.

    Raises:
        UploadNotFound, UploadExpired: there is none, or none any more.
    """
    tools = resuming.uploads
    upload = await run_in_threadpool(opening.find, tools, actor, upload_id)
    if upload_id not in resuming.under_way:
        return upload
    await resuming.quiet(upload_id)
    return await run_in_threadpool(opening.find, tools, actor, upload_id)


def assembled(tools: UploadTools, upload: Upload) -> Upload:
    """Return the upload as it is after it was assembled, if it is whole and waits for that."""
    is_whole = upload.received_bytes == upload.length_bytes
    if upload.kind == UploadKind.PART or not is_whole or upload.state != UploadState.RECEIVING:
        return upload
    pieces.assemble(tools, upload.id)
    return opening.again(tools, upload.id)


async def append(
    request: Request,
    actor: Actor,
    upload: Upload,
    offset: int,
    resuming: ResumingTools,
    *,
    checksum: Checksum | None = None,
) -> Upload:
    """Take the body of `request` in; return the upload as it is then.

    Raises:
        UploadOver, OffsetWrong: its bytes are not wanted.
        Whatever `straight` and `pieces` refuse.
    """
    service.must_go_on(upload, offset)
    mine = resuming.under_way[upload.id] = UnderWay()
    try:
        return await _taken_in(request, _Body(resuming, request, actor, upload, checksum), mine)
    finally:
        if resuming.under_way.get(upload.id) is mine:
            del resuming.under_way[upload.id]
        mine.over.set()


class _Body:
    """One body, and the place for its bytes: opened by the thread that has the first of them."""

    def __init__(
        self,
        resuming: ResumingTools,
        request: Request,
        actor: Actor,
        upload: Upload,
        checksum: Checksum | None,
    ) -> None:
        self.resuming = resuming
        self._tools = resuming.uploads
        self._actor = actor
        self._upload = upload
        self._checksum = checksum
        self._place: Straight | Appending | None = None
        self.stay = staying(self._tools.ingest.stages, Stage.BODY)
        self.working = Working(request, resuming.workers, feed=self._feed, finish=self._end)

    @property
    def is_open(self) -> bool:
        """Tell whether there is a place for its bytes."""
        return self._place is not None

    def _opened(self) -> Straight | Appending:
        if self._place is None:
            self._place = straight.opened(
                self._tools,
                self._actor,
                self._upload,
                declared_bytes=self.working.declared_bytes,
                checksum=self._checksum,
            )
        return self._place

    def _feed(self, batch: bytes) -> None:
        self._opened().write(batch)

    def _end(self) -> Upload:
        self.stay.close()
        place = self._opened()
        if isinstance(place, Straight):
            return place.end()
        place.end()
        return assembled(self._tools, opening.again(self._tools, self._upload.id))

    def cut(self) -> None:
        """Keep what came before a cut."""
        if self._place is not None:
            self._place.cut()

    def discard(self) -> None:
        if self._place is not None:
            self._place.discard()


async def _taken_in(request: Request, body: _Body, mine: UnderWay) -> Upload:
    working, idle_seconds = body.working, body.resuming.idle_seconds
    is_looked_at = working.is_short
    try:
        async with asyncio.timeout(None) as silence:
            mine.waits(silence, idle_seconds)
            async for piece in request.stream():
                working.add(piece)
                room_bytes = share_of(body.resuming.uploads.ingest.stages.inside(Stage.BODY))
                if not is_looked_at or working.waiting_bytes >= room_bytes:
                    mine.works(silence)
                    await working.work()
                    is_looked_at = True
                if working.is_done:
                    break
                mine.waits(silence, idle_seconds)
            mine.works(silence)
        return await working.finish()
    except (ClientDisconnect, TimeoutError) as exc:
        mine.ends()
        # Whoever came back has sent what waits in the lost connection; it need not come again.
        await working.work()
        if working.is_whole:
            return await working.finish()
        await working.stop(body.cut)
        raise SenderCut from exc
    except Unavailable:
        mine.ends()
        await working.stop(body.cut)
        raise
    finally:
        body.stay.close()
        if body.is_open and not working.is_done:
            await working.stop(body.discard, is_feeding=False)
