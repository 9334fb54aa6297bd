"""Before a caller is known: how much is read, for how long, and what is told of what breaks."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
import uvicorn
from fastapi import FastAPI, Request
from sqlalchemy import exc as sa_exc
from sqlalchemy import func, select, text
from starlette.types import Message

from app.core.db import Database, DatabaseAway
from app.core.server import WEB_CONNECTIONS, BoundedProtocol, config_of
from app.custody.ledger import Act
from app.custody.models import CustodyEntry
from app.edge import MOST_BODY_BYTES, MOST_LOGIN_BYTES, Paced, SenderTooSlow
from app.identity import login
from app.identity import service as identity
from app.identity.actor import Actor
from app.identity.permissions import Role
from tests.conftest import Urls
from tests.live import PATIENCE_SECONDS, Live

ROOT = Path(__file__).parents[2]
HUGE = b"Content-Length: 209715200\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
ATTEMPTS = 40


def _said(url: str, *pieces: bytes) -> bytes:
    """Return what is answered to `pieces` until the connection is closed or there is an answer."""
    found = urlsplit(url)
    assert found.port is not None
    with socket.create_connection(("127.0.0.1", found.port), PATIENCE_SECONDS) as raw:
        try:
            for piece in pieces:
                raw.sendall(piece)
        except OSError:
            pass  # Refused while it was still coming.
        said = b""
        try:
            while b"\r\n\r\n" not in said and (more := raw.recv(65536)):
                said += more
        except ConnectionResetError:
            pass
        return said


def _status(said: bytes) -> int:
    return int(said.split(b" ", 2)[1])


def _head(method: str, path: str, more: bytes) -> bytes:
    line = f"{method} {path} HTTP/1.1\r\nHost: audiatur\r\nContent-Type: application/json\r\n"
    return line.encode() + more + b"\r\n"


@pytest.mark.parametrize("size", [HUGE, CHUNKED])
@pytest.mark.parametrize("key", [b"", b"Authorization: Bearer audu_wrong\r\n"])
@pytest.mark.parametrize("route", [("PUT", "/v1/clients/x"), ("POST", "/v1/nowhere")])
def test_no_byte_of_a_stranger_s_body_is_waited_for(
    live: Live, size: bytes, key: bytes, route: tuple[str, str]
) -> None:
    assert _status(_said(live.url, _head(*route, size + key))) == 401


@pytest.mark.parametrize(
    ("headers", "status", "slug"),
    [
        ({}, 401, "key-missing"),
        ({"Authorization": "Bearer audu_wrong"}, 401, "key-unknown"),
        ({"Cookie": "__Host-audiatur=auds_wrong"}, 403, "cross-site"),
    ],
)
def test_a_stranger_is_refused_whatever_the_body_is(
    live: Live, headers: dict[str, str], status: int, slug: str
) -> None:
    answer = live.call("PUT", "/v1/clients/x", who=None, content=b"{", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}")
    assert answer.headers["X-Request-Id"]
    assert live.call("PUT", "/v1/clients/x", who="manager", content=b"{").status_code == 422


def test_a_body_that_is_declared_too_long_is_not_read(live: Live) -> None:
    key = f"Authorization: Bearer {live.key('manager')}\r\n".encode()
    assert _status(_said(live.url, _head("PUT", "/v1/clients/x", HUGE + key))) == 413
    assert _status(_said(live.url, _head("POST", "/v1/session", HUGE))) == 413


@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [("PUT", "/v1/clients/x", MOST_BODY_BYTES), ("POST", "/v1/session", MOST_LOGIN_BYTES)],
)
def test_a_body_is_cut_off_where_it_becomes_too_long(
    live: Live, method: str, path: str, limit: int
) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"name": "'
        yield b"x" * limit
        while True:
            yield b"x" * 65536

    answer = live.call(method, path, who="manager", content=pieces())
    assert answer.status_code == 413
    assert answer.json()["type"] == "/problems/request-too-large"
    assert answer.json()["max_bytes"] == limit
    within = live.call(method, path, who="manager", content=b"{" + b" " * (limit - 1))
    assert within.status_code == 422


class _Sender:
    """Sends pieces of one size, each after the same wait by a clock of its own."""

    def __init__(self, *, piece_bytes: int, wait_seconds: float) -> None:
        self._piece = bytes(piece_bytes)
        self._wait_seconds = wait_seconds
        self.now = 0.0

    async def receive(self) -> Message:
        self.now += self._wait_seconds
        return {"type": "http.request", "body": self._piece, "more_body": True}

    def seconds_until_refused(self, at_most: float) -> float | None:
        paced = Paced(self.receive, lambda: self.now)

        async def take() -> float | None:
            while self.now < at_most:
                try:
                    await paced()
                except SenderTooSlow:
                    return self.now
            return None

        return asyncio.run(take())


def test_a_body_that_drips_is_given_up() -> None:
    drips = _Sender(piece_bytes=100, wait_seconds=10)
    assert drips.seconds_until_refused(3600) == 70
    flows = _Sender(piece_bytes=20_480, wait_seconds=10)
    assert flows.seconds_until_refused(3600) is None


def test_no_body_comes_for_longer_than_six_hours() -> None:
    assert _Sender(piece_bytes=10**6, wait_seconds=600).seconds_until_refused(10**5) == 22_200


class _Hasty(BoundedProtocol):
    head_seconds = 0.3


@contextmanager
def _echoing() -> Iterator[str]:
    """Serve an application that answers late, or says how long a body was."""
    app = FastAPI()

    @app.get("/late")
    async def late() -> str:
        await asyncio.sleep(3 * _Hasty.head_seconds)
        return "late"

    @app.post("/length")
    async def length(request: Request) -> int:
        return len(await request.body())

    @app.post("/unread")
    async def unread() -> str:
        return "unread"

    config = config_of(app, connections=WEB_CONNECTIONS)
    config.http = _Hasty
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)
        listener.close()


@pytest.fixture
def echoing() -> Iterator[str]:
    with _echoing() as url:
        yield url


@pytest.mark.parametrize(
    "pieces",
    [
        [b"GET / HTTP/1.1\r\nA: ", *[b"a" * 65536] * 64],
        [b"GET / HTTP/1.1\r\n", *[b"a: b\r\n" * 10_000] * 20],
        [b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a: b\r\n" * 5_000 + b"\r\n"],
        [b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n"],
    ],
    ids=["long line", "many lines", "many at once", "long path"],
)
def test_a_head_without_end_is_refused(echoing: str, pieces: list[bytes]) -> None:
    assert _said(echoing, *pieces)[:12] in {b"HTTP/1.1 431", b""}


@pytest.mark.parametrize("begun", [b"GET / HTTP/1.1\r\nHost: a\r\n", b"G", b"\r\n"])
def test_who_is_slow_with_a_head_may_come_again(echoing: str, begun: bytes) -> None:
    assert _status(_said(echoing, begun)) == 408


def test_the_next_request_of_a_connection_may_be_slow_too(echoing: str) -> None:
    head = b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    port = urlsplit(echoing).port
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as raw:
        raw.sendall(head)
        assert _status(raw.recv(65536)) == 200
        raw.sendall(head[:20])
        assert _status(raw.recv(65536)) == 408


def test_silence_is_not_answered(echoing: str) -> None:
    assert _said(echoing, b"") == b""


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /late HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200),
        (b"GET /late HTTP/1.1\r\nhOST: a\r\nConnection: close\r\n\r\n", 200),
        (b"GET /late HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (b"GET /late HTTP/1.1\r\nHost: a\r\nHost: a\r\nConnection: close\r\n\r\n", 400),
        (b"GET /late HTTP/1.0\r\n\r\n", 200),
        (b"GET /late HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ],
    ids=["one", "lower case", "none", "two", "none of 1.0", "two of 1.0"],
)
def test_a_request_names_its_host_once(echoing: str, head: bytes, status: int) -> None:
    assert _status(_said(echoing, head)) == status


def test_each_request_of_a_connection_names_its_host(echoing: str) -> None:
    first = b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    port = urlsplit(echoing).port
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as raw:
        raw.sendall(first)
        assert _status(raw.recv(65536)) == 200
        raw.sendall(first.replace(b"Host: a\r\n", b""))
        assert _status(raw.recv(65536)) == 400


def test_trailers_without_end_are_refused(echoing: str) -> None:
    head = b"POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert _said(echoing, head, b"0\r\n", *[b"A: b\r\n" * 10_000] * 20) == b""


def test_what_nobody_reads_any_more_is_not_taken_for_ever(echoing: str) -> None:
    head = b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
    port = urlsplit(echoing).port
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as raw:
        raw.sendall(head)
        while raw.recv(65536):
            pass


def test_ordinary_callers_meet_no_limit(echoing: str) -> None:
    long = {"X-Long": "x" * 16_000}
    with httpx.Client(base_url=echoing, timeout=PATIENCE_SECONDS) as client:
        for _ in range(3):
            assert client.get("/late", headers=long).json() == "late"
            assert client.post("/length", content=bytes(3_000_000)).json() == 3_000_000
            pieces = (b"x" * 7 for _ in range(30_000))
            assert client.post("/length", content=pieces).json() == 210_000


BREAKING = """
import os, httpx
from fastapi import FastAPI
from sqlalchemy import text
from app import logs
from app.core import problems
from app.core.db import Database
from app.main import Told, answer_broken
from tests.live import running

logs.configure("info")
database = Database(os.environ["TEST_URL"], role="audiatur_app")
app = FastAPI()
problems.install(app)
answer_broken(app)
app.add_middleware(Told)

@app.get("/breaks")
def breaks():
    with database.transaction() as session:
        name = "Иванов 84950008414"
        try:
            session.execute(text("SELECT CAST(:name AS integer)"), {"name": name})
        except Exception as exc:
            raise ValueError(name) from exc

with running(app) as url:
    answer = httpx.get(url + "/breaks")
database.close()
print(answer.status_code, answer.headers["content-type"], answer.headers["x-request-id"])
print(answer.text)
"""


def test_what_breaks_is_a_problem_and_the_log_names_nobody(own_database: Urls) -> None:
    done = subprocess.run(  # noqa: S603 - our own words.
        [sys.executable, "-c", BREAKING],
        cwd=ROOT,
        env=os.environ | {"TEST_URL": own_database.web, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    first, body = done.stdout.splitlines()
    status, kind, request_id = first.split()
    assert (status, kind) == ("500", "application/problem+json")
    problem = json.loads(body)
    assert problem["type"] == "/problems/broken"
    assert problem["request_id"] == request_id
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    broken = next(line for line in lines if line["event"] == "request.broken")
    assert (broken["error"], broken["request_id"]) == ("ValueError", request_id)
    told = next(line["exception"] for line in lines if "exception" in line)
    assert told[0]["type"] == "builtins.ValueError"
    assert any(part.get("sqlstate") == "22P02" for part in told)
    assert any("breaks" in frame for frame in told[0]["frames"])
    for word in ("Иванов", "\\u0418", "84950008414", "invalid input"):
        assert word not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("state", "is_away"),
    [
        ("08006", True),
        ("57014", True),
        ("53300", True),
        ("40001", True),
        ("40P01", True),
        ("55P03", True),
        ("54000", False),
        ("58030", False),
        ("22001", False),
    ],
)
def test_only_what_another_try_may_mend_counts_as_away(
    own_db: Database, state: str, *, is_away: bool
) -> None:
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$"
    with (
        pytest.raises((DatabaseAway, sa_exc.DBAPIError)) as by_session,
        own_db.transaction() as session,
    ):
        session.execute(text(raising))
    assert isinstance(by_session.value, DatabaseAway) == is_away
    with pytest.raises((DatabaseAway, psycopg.Error)) as by_statement:
        own_db.statement(raising, {})
    assert isinstance(by_statement.value, DatabaseAway) == is_away


def _guess(live: Live, name: str) -> httpx.Response:
    return live.call(
        "POST", "/v1/session", who=None, json={"name": name, "password": "not the password"}
    )


@pytest.mark.parametrize("name", ["maria", "nobody"])
def test_guesses_at_once_are_no_more_than_guesses_in_turn(live: Live, name: str) -> None:
    with live.tools.database.transaction() as session:
        maria = identity.add_user(
            session,
            Actor.system("tests"),
            "maria",
            role=Role.MANAGER,
            password="correct horse battery",
            at=live.tools.clock.now(),
        )
    with ThreadPoolExecutor(ATTEMPTS) as pool:
        answers = list(pool.map(lambda _: _guess(live, name), range(ATTEMPTS)))
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(401) == login.FAILURES_ALLOWED
    assert statuses.count(429) == ATTEMPTS - login.FAILURES_ALLOWED
    throttled = next(answer for answer in answers if answer.status_code == 429)
    wait = int(throttled.headers["Retry-After"])
    assert wait == throttled.json()["retry_after_seconds"]
    assert 0 < wait <= login.THROTTLE_WINDOW.total_seconds()
    with live.tools.database.transaction() as session:
        told = session.scalars(
            select(CustodyEntry.act).where(CustodyEntry.object_id == maria.id)
        ).all()
    is_known = name == "maria"
    assert told.count(Act.LOGIN_FAILED) == is_known * login.FAILURES_ALLOWED
    assert told.count(Act.LOGIN_THROTTLED) == is_known


def test_the_wait_ends_when_it_was_said_to(own_db: Database) -> None:
    with own_db.transaction() as session:
        began = session.scalar(select(func.now()))
    assert began is not None

    def guess(seconds: float) -> int | None:
        try:
            login.log_in(own_db, "nobody", "x", at=began + timedelta(seconds=seconds))
        except login.LoginThrottled as exc:
            return int(str(exc.facts["retry_after_seconds"]))
        except login.LoginRefused:
            return None
        raise AssertionError

    assert [guess(n) for n in range(login.FAILURES_ALLOWED)] == [None] * 10
    assert guess(60) == 840
    assert guess(899.5) == 1
    assert guess(900) is None
    assert guess(900.5) == 1


def test_log_ins_that_succeed_do_not_count(own_db: Database) -> None:
    with own_db.transaction() as session:
        at = session.scalar(select(func.now()))
        assert at is not None
        actor = Actor.system("tests")
        identity.add_user(
            session, actor, "maria", role=Role.MANAGER, password="correct horse battery", at=at
        )
    for _ in range(login.FAILURES_ALLOWED + 1):
        assert login.log_in(own_db, "maria", "correct horse battery", at=at)
