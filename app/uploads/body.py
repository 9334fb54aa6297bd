"""The bodies of uploads, taken in piece by piece; each of both protocols goes through here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from app.core.errors import Unavailable
from app.identity.actor import Actor
from app.uploads import pieces, service
from app.uploads.models import Upload, UploadKind, UploadState
from app.uploads.pieces import Appending, UploadTools
from app.uploads.protocol import Checksum
from app.uploads.service import UploadNotFound

_BATCH_BYTES = 256 * 1024


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


def find(tools: UploadTools, actor: Actor, upload_id: UUID) -> Upload:
    with tools.database.transaction() as session:
        return service.find(session, actor, upload_id, at=tools.clock.now())


def assembled(tools: UploadTools, upload: Upload) -> Upload:
    """Return the upload as it is after it was assembled, if it is whole and waits for that."""
    is_whole = upload.received_bytes == upload.length_bytes
    if upload.kind == UploadKind.PART or not is_whole or upload.state != UploadState.RECEIVING:
        return upload
    pieces.assemble(tools, upload.id)
    return again(tools, upload.id)


def again(tools: UploadTools, upload_id: UUID) -> Upload:
    with tools.database.transaction() as session:
        found = session.get(Upload, upload_id)
    if found is None:
        raise UploadNotFound
    return found


async def append(
    request: Request,
    upload: Upload,
    offset: int,
    resuming: ResumingTools,
    *,
    checksum: Checksum | None = None,
) -> Upload:
    """Take the body of `request` in, piece by piece; return the upload as it is then."""
    tools = resuming.uploads
    appending = Appending(tools, upload, offset=offset, checksum=checksum)
    mine = resuming.under_way[upload.id] = UnderWay()
    try:
        await _taken_in(request, appending, mine, resuming)
    finally:
        if resuming.under_way.get(upload.id) is mine:
            del resuming.under_way[upload.id]
        mine.over.set()
    found = await run_in_threadpool(again, tools, upload.id)
    return await run_in_threadpool(assembled, tools, found)


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
