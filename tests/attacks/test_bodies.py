"""Uploads that are put together to deceive a parser: refused, and nothing of them is kept."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select

from app.recordings.models import Recording, SealedRow
from tests.factories import wav
from tests.live import Live, metadata

METADATA = b'Content-Disposition: form-data; name="metadata"\r\n\r\n'
FILE = b'Content-Disposition: form-data; name="file"; filename="c.wav"\r\n'


def _body(*parts: bytes, before: bytes = b"") -> bytes:
    return before + b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


def _parts() -> tuple[bytes, bytes]:
    return METADATA + json.dumps(metadata("c1")).encode(), FILE + b"\r\n" + wav(0.1)


def _kept(live: Live) -> int:
    with live.tools.database.transaction() as session:
        counts = (
            session.scalar(select(func.count()).select_from(table))
            for table in (Recording, SealedRow)
        )
        return sum(count or 0 for count in counts)


def _post(live: Live, body: bytes, content_type: str = "multipart/form-data; boundary=b") -> int:
    answer = live.call(
        "POST",
        "/v1/recordings",
        who="phone",
        headers={"Content-Type": content_type},
        content=body,
    )
    assert answer.headers["content-type"] in {"application/problem+json", "application/json"}
    return answer.status_code


def test_the_form_of_these_tests_is_kept(live: Live) -> None:
    assert _post(live, _body(*_parts())) == 201
    assert _kept(live) == 2


@pytest.mark.parametrize("case", range(8))
def test_parts_that_are_not_asked_for_leave_nothing(live: Live, case: int) -> None:
    told, sound = _parts()
    second = FILE + b'Content-Disposition: form-data; name="other"\r\n\r\n' + wav(0.1)
    hidden = sound + b'\r\n--b\r\nContent-Disposition: form-data; name="evil"\r\n\r\nx'
    body = (
        _body(sound, told),
        _body(told, told, sound),
        _body(told, sound, told),
        _body(told, sound, sound),
        _body(told, second),
        _body(told, hidden),
        _body(told, sound, before=b"something before\r\n"),
        _body(told, FILE + b"X: " + b"x" * 100_000 + b"\r\n\r\n" + wav(0.1)),
    )[case]
    assert _post(live, body) in {400, 422}
    assert _kept(live) == 0


@pytest.mark.parametrize("boundary", ["", "=", "=" + "b" * 5_000])
def test_a_boundary_that_is_none_is_refused(live: Live, boundary: str) -> None:
    assert _post(live, _body(*_parts()), f"multipart/form-data; boundary{boundary}") == 415
    assert _kept(live) == 0


@pytest.mark.parametrize("between", [b"xx--b\r\nyy", b"\r\n--bX\r\nyy", b"\r\n-", b"\r\r\n\n--"])
def test_what_only_looks_like_a_boundary_is_sound(live: Live, between: bytes) -> None:
    told, sound = _parts()
    assert _post(live, _body(told, sound + between)) == 201


@pytest.mark.parametrize(
    "lengths",
    [
        b"Content-Length: 10\r\nTransfer-Encoding: chunked",
        b"Content-Length: 5\r\nContent-Length: 7",
        b"Content-Length: -5",
        b"Content-Length: \xb2",
        b"Content-Length: 99999999999999999999999",
        b"Content-Length: 0x10",
    ],
)
def test_a_body_of_two_lengths_is_refused(live: Live, lengths: bytes) -> None:
    address = urlsplit(live.url)
    head = (
        b"POST /v1/recordings HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b"
        b"\r\nAuthorization: Bearer " + live.key("phone").encode() + b"\r\n" + lengths
    )
    with socket.create_connection((str(address.hostname), int(address.port or 0)), 10) as sender:
        sender.sendall(head + b"\r\n\r\n" + _body(*_parts()))
        assert sender.recv(12) == b"HTTP/1.1 400"
    assert _kept(live) == 0


def test_thirty_two_writers_of_one_client_agree(live: Live) -> None:
    """A client that is told of by many at once is one, and nobody is answered with a fault."""

    def put(place: int) -> int:
        answer = live.call(
            "PUT",
            "/v1/clients/C-1",
            who="manager",
            json={
                "name": f"ООО {place}",
                "contacts": [{"external_id": "P", "name": f"П{place}", "phones": []}],
            },
        )
        return answer.status_code

    live.key("manager")
    with ThreadPoolExecutor(32) as writers:
        answers = sorted(writers.map(put, range(32)))
    assert answers == [200] * 31 + [201]
    told = live.call("GET", "/v1/clients/C-1", who="manager").json()
    assert len(told["contacts"]) == 1
