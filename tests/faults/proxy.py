"""A TCP proxy that fails as lines and servers do: it stands before a database or a store."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum

_PIECE_BYTES = 64 * 1024
_DELAY_SECONDS = 0.3


class Fault(StrEnum):
    """How it fails."""

    NONE = "none"
    DELAY = "delay"  # Each piece comes later.
    REFUSED = "refused"  # New connections end at once, and so do those that there are.
    BLACK_HOLE = "black hole"  # Connections are taken, and nothing goes on.
    HALF = "half answer"  # The first piece of an answer is cut in two, and the line with it.
    LOST = "lost answer"  # What was asked is done, and the answer does not come: a COMMIT's too.


class Proxy:
    """Passes on to `host` and `port` what comes to `port_here`, as `fault` says."""

    def __init__(self, host: str, port: int) -> None:
        self._there = (host, port)
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._meetings: set[asyncio.Task[None]] = set()
        self._fault = Fault.NONE
        self.met = 0
        self.port_here = 0
        self._is_over = asyncio.Event()
        self._cut_off = asyncio.Event()  # What a black hole has swallowed never comes out.
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()
        self._up.wait(10)

    @property
    def fault(self) -> Fault:
        return self._fault

    def become(self, fault: Fault) -> None:
        """Fail like this from now on; connections that there are, are cut where it says so."""
        self._fault = fault
        if fault in {Fault.REFUSED, Fault.NONE}:
            # A line that was cut and mended has lost its connections.
            asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(10)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._is_over.set)
        self._thread.join(10)

    async def _cut(self) -> None:
        self._cut_off.set()
        self._cut_off = asyncio.Event()
        for writer in list(self._writers):
            writer.transport.abort()

    def _run(self) -> None:
        async def serve() -> None:
            server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
            self.port_here = server.sockets[0].getsockname()[1]
            self._up.set()
            await self._is_over.wait()
            server.close()
            await self._cut()
            await asyncio.gather(*self._meetings, return_exceptions=True)

        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(serve())

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        meeting = asyncio.current_task()
        assert meeting is not None
        self._meetings.add(meeting)
        meeting.add_done_callback(self._meetings.discard)
        try:
            if self._fault is Fault.REFUSED:
                self.met += 1
                return
            there, back = await asyncio.open_connection(*self._there)
            self._writers.add(back)
            try:
                await asyncio.gather(
                    self._pass(reader, back, is_answer=False),
                    self._pass(there, writer, is_answer=True),
                )
            finally:
                self._writers.discard(back)
                back.transport.abort()
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _pass(
        self, source: asyncio.StreamReader, to: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        with suppress(OSError):
            while piece := await source.read(_PIECE_BYTES):
                fault = self._fault
                if fault is not Fault.NONE:
                    self.met += 1
                if fault is Fault.BLACK_HOLE:
                    await self._cut_off.wait()
                    return
                if fault is Fault.DELAY:
                    await asyncio.sleep(_DELAY_SECONDS)
                if is_answer and fault is Fault.LOST:
                    break
                if is_answer and fault is Fault.HALF:
                    to.write(piece[: len(piece) // 2])
                    await to.drain()
                    break
                to.write(piece)
                await to.drain()
        to.transport.abort()


@contextmanager
def proxied(host: str, port: int) -> Iterator[Proxy]:
    """Give a proxy before a server."""
    proxy = Proxy(host, port)
    try:
        yield proxy
    finally:
        proxy.close()
