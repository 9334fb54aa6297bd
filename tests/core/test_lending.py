"""Bodies read from the socket by a thread, as uvicorn, its parser and uvloop let us."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI, Request
from starlette.requests import ClientDisconnect

from app.core.lending import Loan, lender_of
from tests.live import PATIENCE_SECONDS, running

BODY = bytes(range(256)) * 4096 * 3
_BATCH = 128 * 1024


def _drained(loan: Loan) -> list[bytes]:
    pieces = [loan.unread]
    while loan.left and (batch := loan.batch(_BATCH)):
        pieces += batch
    loan.end()
    return pieces


def _reading() -> FastAPI:
    app = FastAPI()

    @app.post("/read")
    async def read(request: Request) -> dict[str, object]:
        loop = asyncio.get_running_loop()
        came = bytearray()
        loans = lent_bytes = 0
        lender = lender_of(request)
        async for piece in request.stream():
            came += piece
            loan = lender.lend() if lender is not None else None
            if lender is not None and loan is not None:
                try:
                    for more in await loop.run_in_executor(None, _drained, loan):
                        came += more
                finally:
                    lender.give_back(loan)
                loans, lent_bytes = loans + 1, lent_bytes + loan.taken
        sha256 = hashlib.sha256(came).hexdigest()
        return {"sha256": sha256, "loans": loans, "lent_bytes": lent_bytes}

    @app.post("/left")
    async def left(request: Request) -> dict[str, bool]:
        lender = lender_of(request)
        loans = []
        with suppress(ClientDisconnect):
            async for _ in request.stream():
                if lender is not None and (loan := lender.lend()) is not None:
                    lender.give_back(loan)  # Whoever had it was not waited for.
                    loans.append(loan)
        for loan in loans:
            loan.end()
        return {"is_read": True}

    _waiting(app)
    return app


def _waiting(app: FastAPI) -> None:
    @app.post("/waiting")
    async def waiting(request: Request) -> list[int]:
        lender: Any = lender_of(request)
        line = lender.transport.get_extra_info("socket")
        limits = [line.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)]
        async for _ in request.stream():
            if len(limits) == 1 and (loan := lender.lend()) is not None:
                loan.let_wait(_BATCH)
                limits.append(line.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF))
                loan.end()
                lender.give_back(loan)
        return [*limits, line.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running(_reading()) as url:
        found = urlsplit(url).port
        assert found is not None
        yield found


def _head(path: str, more: str = f"Content-Length: {len(BODY)}") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n\r\n".encode()


def _answer(line: socket.socket, before: bytes = b"") -> tuple[int, dict[str, object], bytes]:
    said = before
    while b"\r\n\r\n" not in said:
        said += line.recv(65536)
    head, _, rest = said.partition(b"\r\n\r\n")
    length = next(
        int(each.split(b":")[1])
        for each in head.lower().split(b"\r\n")
        if each.startswith(b"content-length")
    )
    while len(rest) < length:
        rest += line.recv(65536)
    return int(head.split(b" ")[1]), json.loads(rest[:length]), rest[length:]


def _connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)


def test_a_long_body_is_read_by_a_thread_to_its_last_byte(port: int) -> None:
    with _connected(port) as line:
        line.sendall(_head("/read") + BODY)
        status, told, rest = _answer(line)
    assert (status, rest) == (200, b"")
    assert told["sha256"] == hashlib.sha256(BODY).hexdigest()
    assert told["lent_bytes"]  # Or what is used of uvicorn is no longer so.


def test_requests_follow_one_another_on_a_connection_that_was_lent(port: int) -> None:
    with _connected(port) as line:
        rest = b""
        for number in range(5):
            body = BODY[number:] + BODY[:number]
            # The next request stands right behind the body.
            line.sendall(_head("/read") + body + _head("/read") + body[:100])
            status, told, rest = _answer(line, rest)
            assert (status, told["sha256"]) == (200, hashlib.sha256(body).hexdigest())
            line.sendall(body[100:])
            status, told, rest = _answer(line, rest)
            assert (status, told["sha256"]) == (200, hashlib.sha256(body).hexdigest())


def test_a_sender_that_pauses_goes_on_by_the_event_loop(port: int) -> None:
    with _connected(port) as line, _connected(port) as other:
        line.sendall(_head("/read"))
        for start in range(0, len(BODY), len(BODY) // 7 + 1):
            line.sendall(BODY[start : start + len(BODY) // 7 + 1])
            other.sendall(_head("/read", "Content-Length: 1") + b"x")
            assert _answer(other)[0] == 200
        status, told, _ = _answer(line)
    assert (status, told["sha256"]) == (200, hashlib.sha256(BODY).hexdigest())


def test_what_is_chunked_is_not_lent(port: int) -> None:
    with _connected(port) as line:
        chunk = f"{len(BODY):x}\r\n".encode() + BODY + b"\r\n0\r\n\r\n"
        line.sendall(_head("/read", "Transfer-Encoding: chunked") + chunk)
        status, told, _ = _answer(line)
    assert (status, told["lent_bytes"]) == (200, 0)
    assert told["sha256"] == hashlib.sha256(BODY).hexdigest()


def test_more_may_wait_in_a_connection_once_it_was_lent(port: int) -> None:
    with _connected(port) as line:
        line.sendall(_head("/waiting") + BODY)
        _, told, _ = _answer(line)
    before, lent, after = cast("list[int]", told)
    # Of what a sender sends into room that he was told of and that is gone, all is dropped.
    assert before < lent == after


def test_a_loan_that_was_not_ended_ends_the_connection(port: int) -> None:
    with _connected(port) as line:
        try:
            line.sendall(_head("/left") + BODY)
            said = line.recv(65536)
        except ConnectionError:
            said = b""
        assert said == b""


def test_a_line_that_breaks_while_it_is_lent_is_a_sender_that_went_away(port: int) -> None:
    with _connected(port) as line:
        line.sendall(_head("/read") + BODY[: len(BODY) // 2])
    with _connected(port) as line:
        line.sendall(_head("/read") + BODY)
        assert _answer(line)[0] == 200
