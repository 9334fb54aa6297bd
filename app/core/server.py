"""How both web processes listen: one configuration, and limits on what comes before a body.

The parser in C holds a header until it is complete, however long; so bytes and time are counted
here, before anybody is known. It also takes a request without a Host, or with two.
"""

from __future__ import annotations

import asyncio
import os
import socket
from asyncio import TimerHandle
from collections.abc import Callable, Sequence
from typing import Any, Final

import httptools
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.core import lending
from app.core.garbage import spare_what_lasts

MOST_HEAD_BYTES: Final = 64 * 1024
HEAD_SECONDS: Final = 20.0
WEB_CONNECTIONS: Final = 1000
PUBLIC_CONNECTIONS: Final = 200
# A header line costs the parser more than its bytes.
_LINE_BYTES: Final = 32
# A parser that begins here awaits the rest of a body whose beginning it has not seen.
_REST: Final = b"POST / HTTP/1.1\r\nHost: rest\r\nContent-Length: %d\r\n\r\n"
_TOO_LONG: Final = 431, b"Request Header Fields Too Large", b"The head of the request is too long."
# Whoever is told 408 comes again: what is slow may be the line, or this very process.
_TOO_SLOW: Final = 408, b"Request Timeout", b"The head of the request came too slowly."


class _HeadTooLong(Exception):
    pass


class _HostMissing(Exception):
    pass


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose head (request line and headers) is too long or comes too slowly.

    The same holds for what follows a body or stands between its pieces: trailers and extensions.
    A body that still comes after its answer has `head_seconds` to end.

    A body of known length is lent to whoever asks; see `lending`. What is used of uvicorn for that
    (`parser`, `cycle`, `flow`, `transport`) is pinned, and a test tells when it is no longer so.
    """

    most_head_bytes = MOST_HEAD_BYTES
    head_seconds = HEAD_SECONDS

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - uvicorn's own.
        super().__init__(*arguments, **named)
        self._head_bytes = 0
        self._hosts = 0
        self._bytes_without_progress = 0
        self._is_head_due = True
        self._had_head = False
        self._is_refused = False
        self._is_resuming = False
        self._is_chunked = False
        self._body_left: int | None = None
        self._deadline: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        super().connection_made(transport)
        # The server reads whatever waits in a socket at once, up to 256 KB of each upload. At 50 ms
        # to and fro, what is not lent then comes with about 2 MB/s. Set on the listener, it would
        # bound for good what the other side is ever told to send.
        own = transport.get_extra_info("socket")
        if own is not None:
            lending.limit_waiting(own, lending.USUAL_BUFFER_BYTES)
        self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._had_head = False
        self._bytes_without_progress += len(data)
        super().data_received(data)
        if self._bytes_without_progress > self.most_head_bytes:
            self._refuse(*_TOO_LONG)
        elif self._is_head_due and not self._had_head:
            self._start_deadline()

    def on_message_begin(self) -> None:
        if self._is_resuming:
            return
        super().on_message_begin()
        self._head_bytes = 0
        self._hosts = 0
        self._body_left = None
        self._is_chunked = False

    def on_url(self, url: bytes) -> None:
        if self._is_resuming:
            return
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_resuming:
            return
        self._count(len(name) + len(value) + _LINE_BYTES)
        known = name.lower()
        self._hosts += known == b"host"
        if known == b"content-length" and value.isdigit():
            self._body_left = int(value)
        elif known == b"transfer-encoding":
            self._is_chunked = True
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._is_resuming:
            return
        # Source: RFC 9112, 3.2: such a request is answered 400; one of HTTP/1.0 needs no Host.
        if self._hosts > 1 or (not self._hosts and self.parser.get_http_version() != "1.0"):
            raise _HostMissing
        self._bytes_without_progress = 0
        self._is_head_due, self._had_head = False, True
        self._stop_deadline()
        if self._is_chunked or self.scheme != "http":
            self._body_left = None
        if self._body_left:
            lending.offer(self.scope["state"], self)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._bytes_without_progress = 0
        if self._body_left is not None:
            self._body_left -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._bytes_without_progress = 0
        self._is_head_due = True
        self._stop_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_head_due:
            self._start_deadline()

    def lend(self) -> lending.Loan | None:
        """Stop reading, and let whoever asks read the rest of the body; None where that cannot be.

        Called by the event loop; what has come already is in the loan.
        """
        lent = self.transport.get_extra_info("socket")
        is_body_due = self._body_left and not self._is_head_due
        if lent is None or not is_body_due or self.transport.is_closing() or self.pipeline:
            return None
        self.flow.pause_reading()
        unread = bytes(self.cycle.body)
        self.cycle.body = bytearray()
        left = min(self._body_left or 0, lending.MOST_LENT_BYTES)
        return lending.Loan(os.dup(lent.fileno()), unread=unread, left=left)

    def give_back(self, loan: lending.Loan) -> None:
        """Read on behind what was taken. Called by the event loop, once for each loan."""
        if self.transport.is_closing():
            return
        if not loan.is_over or self._body_left is None:
            self.transport.close()  # Somebody reads still, who was waited for no longer.
            return
        if loan.taken:
            self._body_left -= loan.taken
            self._go_on_behind(self._body_left)
        self.flow.resume_reading()

    def _go_on_behind(self, left: int) -> None:
        """Let a new parser await the last `left` bytes of the body, then the next request."""
        self._bytes_without_progress = 0
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # As uvicorn does.
        if not left:
            self.on_message_complete()
            return
        self._is_resuming = True
        try:
            self.parser.feed_data(_REST % left)
        finally:
            self._is_resuming = False

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be parsed, for which uvicorn calls this, or what we stopped."""
        if self._is_refused:
            self._refuse(*_TOO_LONG)
        else:
            super().send_400_response(msg)

    def _count(self, more_bytes: int) -> None:
        self._head_bytes += more_bytes
        if self._head_bytes > self.most_head_bytes:
            self._is_refused = True
            raise _HeadTooLong

    def _start_deadline(self) -> None:
        if self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.head_seconds, self._passed)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _passed(self) -> None:
        self._deadline = None
        if self._is_answering():
            self._start_deadline()  # The next request waits for this answer.
        elif self._bytes_without_progress:
            self._refuse(*_TOO_SLOW)
        else:
            # Nothing was asked: an answer would be taken for that of what is asked in a moment.
            self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, status: int, phrase: bytes, why: bytes) -> None:
        """Close, with an answer where none is under way."""
        if self.transport.is_closing():
            return
        if self.cycle is None or (self._is_head_due and self.cycle.response_complete):
            self.transport.write(
                b"HTTP/1.1 %d %s\r\n"
                b"content-type: text/plain; charset=utf-8\r\n"
                b"content-length: %d\r\n"
                b"connection: close\r\n\r\n%s" % (status, phrase, len(why), why)
            )
        self.transport.close()


def config_of(app: FastAPI, *, connections: int) -> uvicorn.Config:
    """Return how to serve: without an access log, whose lines would hold tokens.

    Beyond `connections` at once, callers are answered 503.
    """
    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        loop="uvloop",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=10,
        timeout_keep_alive=30,
        limit_concurrency=connections,
        proxy_headers=False,
    )


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            spare_what_lasts()
            self._listening()


def serve(
    app: FastAPI,
    sockets: Sequence[socket.socket],
    *,
    connections: int,
    listening: Callable[[], None] = lambda: None,
) -> None:
    """Serve `app` on `sockets` until told to stop; `listening` is called once it does."""
    _Server(config_of(app, connections=connections), listening).run(sockets=list(sockets))
