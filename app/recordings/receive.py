"""Taking a body in: the event loop only collects pieces, a pool of threads does the work.

A body that comes faster than it is worked on is read by the thread itself; see `core.lending`.
Memory does not grow with the body: a batch is collected, then worked on, and the sender is held
back meanwhile. Nor does it grow much with the number of uploads, for they share the room in which
batches wait: long batches cost fewer hand-overs to the threads, short ones less room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from fastapi import Request

from app.core.errors import TooLarge, Unavailable
from app.core.working import Workers, Working, share_of
from app.recordings.digests import Compared
from app.recordings.ingest import Arrived
from app.recordings.media_facts import MediaFacts
from app.recordings.multipart import MAX_METADATA_BYTES, FilePart, Upload, boundary_of
from app.recordings.stages import Stage, Stages, staying

_HEADERS_BYTES = 64 * 1024

Answer_co = TypeVar("Answer_co", covariant=True)
Answer = TypeVar("Answer")


class BodyTooLarge(TooLarge):
    """The body is larger than allowed."""


class SenderSilent(Unavailable):
    """The body stopped coming; nothing was kept, send it again."""


class Ingest(Protocol[Answer_co]):
    """One upload on its way in; see `ingest.RecordingIngest`."""

    def write(self, chunk: bytes | memoryview, /) -> None: ...
    def keep(self, arrived: Arrived) -> tuple[Answer_co, bool]: ...
    def discard(self) -> None: ...


class Recogniser(Protocol):
    """Tells from the bytes as they pass what a file is, and refuses what is not kept."""

    def feed(self, chunk: memoryview, /) -> None: ...
    def finish(self) -> MediaFacts: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception(Generic[Answer]):
    """How one kind of upload is received.

    `begin` is called with the metadata's bytes, `recognise` with the head of the file's part.
    """

    begin: Callable[[bytes], Ingest[Answer]]
    recognise: Callable[[FilePart], Recogniser]
    max_file_bytes: int
    idle_seconds: int
    stages: Stages
    workers: Workers


class _Taking(Generic[Answer]):
    """What is known of one body so far; a `Receiver` of the parser."""

    def __init__(self, reception: Reception[Answer], request: Request) -> None:
        self._reception = reception
        self._upload = Upload(
            boundary_of(request.headers.get("content-type")),
            self,
            max_file_bytes=reception.max_file_bytes,
        )
        field = request.headers.get("content-digest") or request.headers.get("repr-digest")
        self._compared = Compared(field) if field else None
        self._ingest: Ingest[Answer] | None = None
        self._recogniser: Recogniser | None = None
        self._part = FilePart(name=None, declared_type=None)

    def metadata(self, raw: bytes) -> None:
        self._ingest = self._reception.begin(raw)

    def file_begins(self, part: FilePart) -> None:
        self._part = part
        self._recogniser = self._reception.recognise(part)

    def file_bytes(self, chunk: memoryview) -> None:
        if self._ingest is None or self._recogniser is None:
            raise TypeError("The parser keeps the order of the parts.")
        self._recogniser.feed(chunk)
        self._ingest.write(chunk)
        if self._compared is not None:
            self._compared.add_file(chunk)

    def feed(self, batch: bytes) -> None:
        if self._compared is not None:
            self._compared.add_body(batch)
        self._upload.feed(batch)

    def keep(self) -> tuple[Answer, bool]:
        """Say that the body is over, and make it durable."""
        self._upload.end()
        if self._ingest is None or self._recogniser is None:
            raise TypeError("A whole upload has both parts.")
        facts = self._recogniser.finish()
        if self._compared is not None:
            self._compared.check()
        return self._ingest.keep(
            Arrived(
                part=self._part,
                facts=facts,
                compared=self._compared,
            )
        )

    def discard(self) -> None:
        if self._ingest is not None:
            self._ingest.discard()


async def receive(request: Request, reception: Reception[Answer]) -> tuple[Answer, bool]:
    """Take the body of `request` in; return the answer and whether anything new was kept.

    The first piece of a long body is looked at as soon as it comes, so that wrong metadata or a
    wrong kind of file is refused before the rest is sent.

    Raises:
        BodyTooLarge: by its Content-Length, before a byte is read.
        SenderSilent: nothing came for `idle_seconds`.
        Whatever parser, recogniser and ingest refuse.
    """
    _refuse_large(request, reception.max_file_bytes)
    loop = asyncio.get_running_loop()
    taking = _Taking(reception, request)
    body = staying(reception.stages, Stage.BODY)

    def keep() -> tuple[Answer, bool]:
        body.close()
        return taking.keep()

    working = Working(request, reception.workers, feed=taking.feed, finish=keep)
    is_looked_at = working.is_short
    try:
        async with asyncio.timeout(reception.idle_seconds) as silence:
            async for piece in request.stream():
                working.add(piece)
                room_bytes = share_of(reception.stages.inside(Stage.BODY))
                if not is_looked_at or working.waiting_bytes >= room_bytes:
                    silence.reschedule(None)
                    await working.work()
                    is_looked_at = True
                if working.is_done:
                    break
                silence.reschedule(loop.time() + reception.idle_seconds)
        return await working.finish()
    except TimeoutError as exc:
        raise SenderSilent from exc
    finally:
        # A refusal tells how much came.
        request.state.received_bytes = working.received_bytes
        body.close()
        taking.discard()


def _refuse_large(request: Request, max_file_bytes: int) -> None:
    declared = request.headers.get("content-length", "")
    limit = max_file_bytes + MAX_METADATA_BYTES + _HEADERS_BYTES
    if declared.isdigit() and int(declared) > limit:
        raise BodyTooLarge(f"At most {max_file_bytes} bytes of file.", max_bytes=max_file_bytes)
