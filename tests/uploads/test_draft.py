"""The IETF's draft of resumable uploads, over the same way in as tus."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from app.inspection.sandbox import Sandbox
from app.recordings.models import Recording
from app.uploads import draft, protocol
from app.uploads.draft import LengthInconsistent
from app.uploads.models import Piece, Upload
from app.uploads.pieces import PIECE_BYTES
from app.uploads.protocol import FieldInvalid
from tests.conftest import Urls
from tests.factories import wav
from tests.live import Live, live_archive, metadata
from tests.uploads.sender import field, send_and_fall_silent, told_of

BODY_BYTES = wav(40.0)
SIZE = len(BODY_BYTES)
PARTIAL = {"Content-Type": draft.BODY_TYPE}


class Sender:
    """A device that speaks the draft by hand."""

    def __init__(self, live: Live, who: str = "phone") -> None:
        self.live = live
        self.who = who

    def ask(
        self, method: str, path: str, headers: dict[str, str], content: bytes | None = None
    ) -> httpx.Response:
        return self.live.call(method, path, who=self.who, headers=headers, content=content)

    def begin(
        self, call: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        fields = {"Upload-Metadata": told_of(call), "Upload-Complete": "?0"}
        return self.ask("POST", "/v1/uploads", fields | (headers or {}), body)

    def path(self, call: str) -> str:
        answer = self.begin(call, headers={"Upload-Length": str(SIZE)})
        assert (answer.status_code, answer.headers["Upload-Complete"]) == (201, "?0"), answer.text
        return answer.headers["Location"]

    def append(
        self,
        path: str,
        offset: int,
        body: bytes,
        *,
        is_last: bool = False,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        fields = {"Upload-Offset": str(offset), "Upload-Complete": "?1" if is_last else "?0"}
        return self.ask("PATCH", path, PARTIAL | fields | (headers or {}), body)

    def where(self, path: str) -> tuple[str, int]:
        answer = self.ask("HEAD", path, {})
        assert answer.status_code == 204, answer.headers
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Upload-Length"] == str(SIZE)
        assert "max-age=" in answer.headers["Upload-Limit"]
        return answer.headers["Upload-Complete"], int(answer.headers["Upload-Offset"])


@pytest.fixture
def sender(live: Live) -> Sender:
    return Sender(live)


@pytest.fixture
def impatient(own_database: Urls, tmp_path: Path, sandbox: Sandbox) -> Iterator[Live]:
    """Give an archive that waits for a silent sender no longer than a second."""
    with live_archive(tmp_path, own_database.web, sandbox, upload_idle_seconds=1) as archive:
        yield archive


def _count(live: Live, of: type[Recording | Piece | Upload]) -> int:
    with live.tools.database.transaction() as session:
        return session.scalar(select(func.count()).select_from(of)) or 0


def test_limits_are_told_before_anything_is_sent(sender: Sender) -> None:
    answer = sender.ask("OPTIONS", "/v1/uploads", {})
    assert answer.status_code == 204
    limits = dict(one.strip().split("=") for one in answer.headers["Upload-Limit"].split(","))
    assert limits["min-size"] == "1"
    assert limits["max-size"] == answer.headers["Tus-Max-Size"]
    assert int(limits["max-age"]) > 0


def test_a_file_in_parts_is_a_recording_like_any_other(live: Live, sender: Sender) -> None:
    path = sender.path("call-1")
    assert sender.where(path) == ("?0", 0)
    first = sender.append(path, 0, BODY_BYTES[:1000])
    assert (first.status_code, first.headers["Upload-Complete"]) == (204, "?0")
    last = sender.append(path, 1000, BODY_BYTES[1000:], is_last=True)
    assert (last.status_code, last.headers["Upload-Complete"]) == (201, "?1"), last.text
    assert last.json()["sha256"] == hashlib.sha256(BODY_BYTES).hexdigest()
    # By the other way in it is a repeat, with the same receipt.
    again = live.send(metadata("call-1"), BODY_BYTES)
    assert (again.status_code, again.json()) == (200, last.json())
    assert sender.where(path) == ("?1", SIZE)
    # Who did not hear the answer hears it again, and nothing is added any more.
    heard = sender.append(path, SIZE, b"", is_last=True)
    assert (heard.status_code, heard.json()) == (201, last.json())
    more = sender.append(path, SIZE, b"x", is_last=True)
    assert (more.status_code, more.json()["type"]) == (409, "/problems/upload-over")
    shown = sender.ask("GET", path, {})
    assert (shown.headers["Upload-Complete"], shown.json()["state"]) == ("?1", "kept")
    assert (_count(live, Recording), _count(live, Piece)) == (1, 0)


def test_a_whole_file_in_one_request_needs_no_second(live: Live, sender: Sender) -> None:
    answer = sender.begin("call-2", BODY_BYTES, headers={"Upload-Complete": "?1"})
    assert (answer.status_code, answer.headers["Upload-Complete"]) == (201, "?1"), answer.text
    assert answer.json()["sha256"] == hashlib.sha256(BODY_BYTES).hexdigest()
    assert _count(live, Recording) == 1


def test_what_http_says_of_a_file_counts_where_its_metadata_say_nothing(sender: Sender) -> None:
    digest = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    answer = sender.begin(
        "call-3",
        BODY_BYTES,
        headers={
            "Upload-Complete": "?1",
            "Upload-Metadata": field(metadata=json.dumps(metadata("call-3"))),
            "Content-Type": "audio/wav",
            "Repr-Digest": f"sha-256=:{digest}:",
        },
    )
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/digest-mismatch")
    assert answer.headers["Upload-Complete"] == "?1"


def _long(size: int) -> bytes:
    """Return a WAV of silence that has so many bytes."""
    head = b"RIFF" + (size - 8).to_bytes(4, "little") + b"WAVEfmt \x10\0\0\0\1\0\1\0"
    head += (8000).to_bytes(4, "little") + (16000).to_bytes(4, "little") + b"\2\0\x10\0data"
    return head + (size - 44).to_bytes(4, "little") + bytes(size - 44)


def test_what_came_before_a_cut_is_not_sent_again(impatient: Live) -> None:
    sender = Sender(impatient)
    body = _long(PIECE_BYTES + 100_000)
    digest = hashlib.sha256(body).hexdigest()
    cuts = [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, len(body) * 999 // 1000]
    for number, cut in enumerate(cuts):
        begun = sender.begin(f"call-4-{number}", headers={"Upload-Length": str(len(body))})
        path = begun.headers["Location"]
        fields = {**PARTIAL, "Upload-Offset": "0", "Upload-Complete": "?1"}
        status = send_and_fall_silent(
            impatient, "PATCH", path, fields, body[:cut], declared=len(body)
        )
        assert " 503 " in status, cut
        told = sender.ask("HEAD", path, {})
        assert (told.headers["Upload-Offset"], told.headers["Upload-Complete"]) == (str(cut), "?0")
        last = sender.append(path, cut, body[cut:], is_last=True)
        assert last.headers["Upload-Complete"] == "?1", last.text
        assert last.json()["sha256"] == digest, cut
    assert (_count(impatient, Recording), _count(impatient, Piece)) == (len(cuts), 0)


def test_a_beginning_that_is_cut_off_leaves_nothing(impatient: Live) -> None:
    # No interim answer tells its sender where it is, so nobody could go on with it.
    fields = {"Upload-Metadata": told_of("call-5"), "Upload-Complete": "?1"}
    status = send_and_fall_silent(
        impatient, "POST", "/v1/uploads", fields, BODY_BYTES[:5000], declared=SIZE
    )
    assert " 503 " in status
    assert (_count(impatient, Upload), _count(impatient, Piece)) == (0, 0)


def test_another_offset_is_told_the_right_one(sender: Sender) -> None:
    path = sender.path("call-6")
    sender.append(path, 0, BODY_BYTES[:600])
    answer = sender.append(path, 500, BODY_BYTES[500:], is_last=True)
    assert answer.status_code == 409
    assert (answer.headers["Upload-Offset"], answer.headers["Upload-Complete"]) == ("600", "?0")
    problem = answer.json()
    assert problem["type"] == (
        "https://iana.org/assignments/http-problem-types#mismatching-upload-offset"
    )
    assert (problem["expected-offset"], problem["provided-offset"]) == (600, 500)
    assert sender.where(path) == ("?0", 600)


def test_lengths_that_differ_are_refused(sender: Sender) -> None:
    wrong = "https://iana.org/assignments/http-problem-types#inconsistent-upload-length"
    begun = sender.begin(
        "call-7", BODY_BYTES[:100], headers={"Upload-Complete": "?1", "Upload-Length": str(SIZE)}
    )
    path = sender.path("call-7")
    said = sender.append(path, 0, BODY_BYTES[:100], headers={"Upload-Length": "100"})
    short = sender.append(path, 0, BODY_BYTES[:100], is_last=True)
    for answer in (begun, said, short):
        assert (answer.status_code, answer.json()["type"]) == (400, wrong)
        assert answer.headers["Upload-Complete"] == "?0"
    assert sender.where(path) == ("?0", 0)


def test_a_last_body_of_no_told_length_must_be_long_enough(sender: Sender) -> None:
    path = sender.path("call-8")
    answer = sender.live.call(
        "PATCH",
        path,
        who="phone",
        headers=PARTIAL | {"Upload-Offset": "0", "Upload-Complete": "?1"},
        content=iter([BODY_BYTES[:300], BODY_BYTES[300:700]]),
    )
    assert answer.status_code == 400, answer.text
    # What came is kept; it is not the end.
    assert answer.headers["Upload-Complete"] == "?0"
    assert sender.where(path) == ("?0", 700)


def test_nobody_goes_on_with_what_became_too_long(live: Live, sender: Sender) -> None:
    path = sender.path("call-9")
    answer = sender.append(path, 0, BODY_BYTES + b"x")
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/upload-too-large")
    assert (answer.headers["Upload-Complete"], "max-size=" in answer.headers["Upload-Limit"]) == (
        "?1",
        True,
    )
    assert sender.append(path, 0, BODY_BYTES).status_code == 409
    assert (_count(live, Recording), _count(live, Piece)) == (0, 0)


def test_what_is_refused_at_the_end_is_over(live: Live, sender: Sender) -> None:
    assert live.send(metadata("call-10"), wav(2.0)).status_code == 201
    path = sender.path("call-10")
    answer = sender.append(path, 0, BODY_BYTES, is_last=True)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/other-bytes")
    assert answer.headers["Upload-Complete"] == "?1"
    assert sender.where(path) == ("?1", SIZE)


@pytest.mark.parametrize(
    ("headers", "status", "slug"),
    [
        ({"Upload-Length": "999999999999999"}, 413, "upload-too-large"),
        ({}, 422, "field-invalid"),
        ({"Upload-Complete": "yes", "Upload-Length": "10"}, 422, "field-invalid"),
        ({"Upload-Length": "10", "Upload-Metadata": field(kind="film")}, 422, "metadata-missing"),
    ],
)
def test_what_cannot_become_a_recording_is_refused_before_its_bytes(
    sender: Sender, headers: dict[str, str], status: int, slug: str
) -> None:
    answer = sender.begin("call-11", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}")
    assert ("Upload-Limit" in answer.headers) == (status == 413)


def test_bodies_of_another_kind_are_refused(sender: Sender) -> None:
    path = sender.path("call-12")
    for content_type in ("application/octet-stream", protocol.BODY_TYPE):
        wrong = sender.append(path, 0, b"x", headers={"Content-Type": content_type})
        assert (wrong.status_code, wrong.json()["type"]) == (415, "/problems/partial-unsupported")
    unsaid = sender.ask("PATCH", path, {**PARTIAL, "Upload-Complete": "?0"}, b"x")
    assert unsaid.status_code == 422
    # Who names a version of tus is held to tus.
    tus = sender.append(path, 0, b"x", headers={"Tus-Resumable": "1.0.0"})
    assert (tus.status_code, tus.json()["type"]) == (415, "/problems/body-unsupported")


def test_an_upload_is_its_senders_alone_and_he_may_end_it(live: Live, sender: Sender) -> None:
    path = sender.path("call-13")
    other = Sender(live, "another")
    assert other.ask("HEAD", path, {}).status_code == 404
    assert other.append(path, 0, b"x").status_code == 404
    assert other.ask("DELETE", path, {}).status_code == 404
    sender.append(path, 0, BODY_BYTES[:1000])
    assert sender.ask("DELETE", path, {}).status_code == 204
    assert sender.ask("HEAD", path, {}).status_code == 404
    assert _count(live, Piece) == 0
    assert live.call("HEAD", path, who="manager").status_code == 403


def test_both_protocols_go_on_with_one_upload(sender: Sender) -> None:
    path = sender.path("call-14")
    tus = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": protocol.BODY_TYPE}
    assert sender.ask("PATCH", path, tus, BODY_BYTES[:700]).status_code == 204
    assert sender.where(path) == ("?0", 700)
    assert sender.append(path, 700, BODY_BYTES[700:], is_last=True).status_code == 201


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_whatever_fields_come_are_read_or_refused(complete: str, long: str, offset: str) -> None:
    headers = {"upload-complete": complete, "upload-length": long, "upload-offset": offset}
    try:
        begins_at = draft.offset(headers)
        assert draft.length(headers, begins_at=begins_at, known=None) >= 0
    except (FieldInvalid, LengthInconsistent):
        pass


def test_the_length_is_what_all_say() -> None:
    last = {"upload-complete": "?1", "content-length": "30"}
    assert draft.length(last, begins_at=70, known=None) == 100
    assert draft.length(last, begins_at=70, known=100) == 100
    assert draft.length({"upload-complete": "?0;q=1", "upload-length": "9"}, begins_at=0, known=9)
    with pytest.raises(LengthInconsistent):
        draft.length(last, begins_at=71, known=100)
