"""Requests that are put together to deceive the edge, and what every answer says to a browser."""

from __future__ import annotations

import gzip
import re
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi.routing import APIRoute

from app.embedded.postgres import Cluster
from app.inspection.sandbox import Sandbox
from app.main import ROUTERS
from tests.conftest import new_database
from tests.factories import wav
from tests.live import Live, live_archive, metadata

NOBODY = "00000000-0000-7000-8000-000000000000"
READ = sorted(
    {
        re.sub(r"\{[^}]+\}", NOBODY, route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute) and "GET" in (route.methods or ())
    }
)
EVIL = "evil.example"


@pytest.fixture(scope="module")
def live(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox
) -> Iterator[Live]:
    """Give one archive for all attacks: none of them may do it any harm."""
    folder = tmp_path_factory.mktemp("edges")
    with new_database(cluster) as urls, live_archive(folder, urls.web, sandbox) as archive:
        yield archive


@pytest.fixture(scope="module")
def recording(live: Live) -> str:
    answer = live.send(metadata("c1"), wav(0.5))
    live.work()
    return str(answer.json()["id"])


def _raw(live: Live, head: bytes) -> bytes:
    place = urlsplit(live.url)
    with socket.create_connection((str(place.hostname), int(place.port or 0)), 20) as sender:
        sender.sendall(head)
        said = b""
        while b"\r\n\r\n" not in said and (more := sender.recv(65536)):
            said += more
        return said


def test_v3_4_v14_3_2_every_answer_tells_browsers_to_keep_frame_and_guess_nothing(
    live: Live,
) -> None:
    """Whoever asks, whatever the answer is: refusals and what is not there are answers too."""
    assert len(READ) > 100
    for path in (*READ, "/nowhere", "/v1/nowhere", "/problems/key-missing", "/static/nothing.js"):
        for who in (None, "manager"):
            answer = live.call("GET", path, who=who)
            said = answer.headers
            policy = said["content-security-policy"]
            assert "frame-ancestors 'none'" in policy or "sandbox" in policy, (path, who)
            assert re.search(r"default-src 'none'|object-src 'none'", policy), (path, who)
            assert said["x-content-type-options"] == "nosniff", path
            assert said["referrer-policy"] in {"no-referrer", "same-origin"}, path
            assert said["cross-origin-resource-policy"] == "same-origin", path
            assert said["cross-origin-opener-policy"] == "same-origin", path
            assert "access-control-allow-origin" not in said, path
            kept = said["cache-control"]
            is_open = path.startswith(("/static/", "/v1/ledger/")) or path == "/v1/bundle-key"
            assert "no-store" in kept or is_open, (path, who, kept)
            assert "server" not in said, path


def test_v4_1_1_every_body_says_what_it_is(live: Live) -> None:
    for path in READ:
        answer = live.call("GET", path, who="manager")
        if answer.content:
            kind = answer.headers["content-type"]
            assert re.match(
                r"(application/(problem\+)?json|.*; ?charset=utf-8$)", kind, re.IGNORECASE
            ) or (not kind.startswith("text/")), (path, kind)


@pytest.mark.parametrize("name", ["Host", "X-Forwarded-Host", "X-Original-URL", "X-Rewrite-URL"])
def test_no_name_of_a_host_is_believed(live: Live, name: str) -> None:
    for path in ("/", "/login", "/s/abc", "/v1/recordings", "/login?onward=//evil.example/"):
        for who in (None, "manager"):
            answer = live.call("GET", path, who=who, headers={name: EVIL})
            assert EVIL not in answer.headers.get("location", ""), path
            assert f"//{EVIL}" not in answer.text.replace(f"={EVIL}", ""), path
    assert live.call("GET", "/v1/people", who=None, headers={name: "/healthz"}).status_code in {
        401,
        404,
    }


@pytest.mark.parametrize("method", [b"TRACE", b"TRACK", b"CONNECT", b"PROPFIND", b"DEBUG", b"FOO"])
def test_v4_1_4_v13_4_4_a_method_that_nothing_has_is_refused(live: Live, method: bytes) -> None:
    key = live.key("manager").encode()
    head = b" /v1/recordings HTTP/1.1\r\nHost: a\r\nX-Secret: s3cret\r\nAuthorization: Bearer "
    said = _raw(live, method + head + key + b"\r\n\r\n")
    assert re.match(rb"HTTP/1.1 (400|405|404)", said), said[:80]
    assert b"s3cret" not in said


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_no_header_makes_another_method_of_a_request(live: Live, name: str) -> None:
    """The one place that reads it are resumed uploads, as tus has it."""
    live.put_client("C-1")
    answer = live.call("GET", "/v1/clients/C-1", who="manager", headers={name: "DELETE"})
    assert answer.status_code == 200
    sent = live.call("POST", "/v1/session", who=None, headers={name: "DELETE"}, json={})
    assert sent.status_code == 422
    assert live.call(
        "POST", "/v1/clients/C-1", who="manager", headers={name: "PUT"}
    ).status_code in {
        404,
        405,
    }


@pytest.mark.parametrize(
    "path",
    [
        "/static/../main.py",
        "/static/..%2fmain.py",
        "/static/%2e%2e/%2e%2e/main.py",
        "/static/..\\main.py",
        "/static/%00",
        "/static//etc/passwd",
        "/static/.git/config",
        "/.git/config",
        "/.env",
        "/v1/clients/..%2f..%2fusers",
        "/v1/recordings/%2e%2e/users",
        "/v1//users",
        "/V1/users",
        "/v1/users/",
        "/v1/users;a=b",
        "//v1/users",
    ],
)
def test_v5_3_2_v13_4_1_no_path_leads_out_of_where_it_begins(live: Live, path: str) -> None:
    """Neither to a file, nor around who is asked for."""
    for key in (b"", b"Authorization: Bearer " + live.key("agent").encode() + b"\r\n"):
        said = _raw(live, f"GET {path} HTTP/1.1\r\nHost: a\r\n".encode() + key + b"\r\n")
        status = int(said.split(b" ", 2)[1])
        assert status in {307, 308, 400, 401, 403, 404, 405, 422}, (path, status)
        assert b"//v1" not in said.partition(b"location:")[2][:40], path


@pytest.mark.parametrize(
    "wanted",
    [
        "bytes=" + ",".join(f"{n}-{n}" for n in range(5000)),
        "bytes=0-,0-,0-,0-",
        "bytes=-0",
        "bytes=99999999999999999999-",
        "bytes=5-1",
        "bytes=\u0661-",
        "lines=0-1",
        "bytes=0-99999999999999999",
    ],
)
def test_a_range_gives_no_more_than_the_file_and_breaks_nothing(
    live: Live, recording: str, wanted: str
) -> None:
    path = f"/v1/recordings/{recording}/audio"
    whole = live.call("GET", path, who="reviewer")
    assert whole.status_code == 200
    header = wanted.encode("utf-8")
    answer = live.call("GET", path, who="reviewer", headers={"Range": header})
    assert answer.status_code in {200, 206, 416}
    assert len(answer.content) <= len(whole.content)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"name":' * 50_000,
        b'{"name": "' + b"\\u0000" * 100 + b'"}',
        b'{"name": ' + b"9" * 100_000 + b"}",
        b'{"name": 1e999}',
        b'{"name": NaN}',
        b"\xff\xfe{\x00}\x00",
        b'{"name": "a", "name": "b", "__proto__": {}, "constructor": 1}',
        gzip.compress(b'{"name": "' + b"a" * 1_000_000 + b'"}'),
    ],
    ids=["lists", "objects", "nul", "digits", "infinite", "nan", "utf-16", "twice", "packed"],
)
def test_v1_5_3_v16_5_3_no_json_breaks_what_reads_it(live: Live, body: bytes) -> None:
    for headers in ({}, {"Content-Encoding": "gzip"}):
        answer = live.call(
            "PUT",
            "/v1/clients/C-1",
            who="manager",
            content=body,
            headers={"Content-Type": "application/json"} | headers,
        )
        assert answer.status_code in {201, 200, 400, 413, 415, 422}, answer.text[:200]
        assert answer.headers["content-type"].startswith("application/")


def test_v15_3_7_a_parameter_that_stands_twice_widens_nothing(live: Live) -> None:
    live.add_agent("106")
    live.add_agent("107")
    live.send(metadata("c2", agent="106"), wav(0.2))
    for query in ("agent=107&agent=106", "agent=106&agent=107", "agent[]=106", "limit=1&limit=999"):
        answer = live.call("GET", f"/v1/recordings?{query}", who="107")
        assert answer.status_code in {200, 422}
        assert answer.json().get("items", []) == []


def test_v15_3_3_members_that_nobody_asked_for_change_nothing(live: Live) -> None:
    more = {"id": NOBODY, "role": "admin", "is_admin": True, "created_at": "1970-01-01T00:00:00Z"}
    answer = live.call("PUT", "/v1/clients/C-1", who="manager", json={"name": "ООО"} | more)
    if answer.status_code in {200, 201}:
        told = answer.json()
        assert told["id"] != NOBODY
        assert "role" not in told
    else:
        assert answer.status_code == 422


def test_a_cookie_alone_changes_nothing_whatever_the_origin_says(live: Live) -> None:
    """A request that names no origin is as foreign as one that names another."""
    for headers in (
        {},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    ):
        answer = httpx.put(
            f"{live.url}/v1/clients/C-1",
            headers={"Cookie": "__Host-audiatur=auds_x"} | headers,
            json={"name": "ООО"},
        )
        assert answer.status_code in {401, 403}, headers
