"""tus 1.0 over the way in: what was told to have arrived is there, and becomes a recording."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, text

from app.core.clock import SetClock
from app.identity.actor import Actor
from app.identity.models import Device
from app.inspection.sandbox import Sandbox
from app.recordings.models import Recording, SealedRow
from app.uploads import jobs, pieces, service, straight
from app.uploads.models import Piece, Upload
from tests.conftest import FIGURES, Urls
from tests.factories import set_erased, wav
from tests.live import PATIENCE_SECONDS, Live, live_archive, metadata
from tests.public.requesting import png
from tests.uploads.sender import BODY, TUS, Sender, field, told_of

Record = Callable[[str, object], None]
BODY_BYTES = wav(40.0)


@pytest.fixture
def sender(live: Live) -> Sender:
    return Sender(live)


@pytest.fixture
def impatient(own_database: Urls, tmp_path: Path, sandbox: Sandbox) -> Iterator[Live]:
    """Give an archive that waits for a silent sender no longer than a second."""
    with live_archive(tmp_path, own_database.web, sandbox, upload_idle_seconds=1) as archive:
        yield archive


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _pieces(live: Live) -> list[Piece]:
    with live.tools.database.transaction() as session:
        return list(session.scalars(select(Piece).order_by(Piece.starts_at)))


def _recordings(live: Live) -> int:
    with live.tools.database.transaction() as session:
        return session.scalar(select(func.count()).select_from(Recording)) or 0


def _is_stored(live: Live, object_id: UUID) -> bool:
    return live.tools.archive.has(object_id)


def test_it_says_what_of_tus_is_spoken(sender: Sender) -> None:
    answer = sender.ask("OPTIONS", "/v1/uploads")
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert "concatenation" in answer.headers["Tus-Extension"].split(",")
    assert "sha256" in answer.headers["Tus-Checksum-Algorithm"].split(",")
    assert int(answer.headers["Tus-Max-Size"]) > 0


def test_an_upload_in_two_parts_is_a_recording_like_any_other(live: Live, sender: Sender) -> None:
    path = sender.begin("call-1", len(BODY_BYTES))
    assert sender.offset(path) == 0
    half = len(BODY_BYTES) // 2
    first = sender.append(path, 0, BODY_BYTES[:half])
    assert (first.status_code, first.headers["Upload-Offset"]) == (204, str(half))
    assert "Upload-Expires" in first.headers
    objects = [piece.object_id for piece in _pieces(live)]
    last = sender.append(path, half, BODY_BYTES[half:])
    assert (last.status_code, last.headers["Upload-Offset"]) == (204, str(len(BODY_BYTES)))
    told = live.call("GET", path, who="phone").json()
    assert told["state"] == "kept"
    assert told["answer"]["sha256"] == hashlib.sha256(BODY_BYTES).hexdigest()
    assert told["answer"]["id"] == last.headers["Audiatur-Id"]
    assert told["answer"]["receipt"]
    # By the other way in it is a repeat, with the same receipt: nothing tells the ways apart.
    again = live.send(metadata("call-1"), BODY_BYTES)
    assert (again.status_code, again.json()) == (200, told["answer"])
    assert not _pieces(live)
    assert not any(_is_stored(live, one) for one in objects)


def test_what_came_before_a_silence_is_not_sent_again(
    impatient: Live, record_property: Record
) -> None:
    sender = Sender(impatient)
    path = sender.begin("call-2", len(BODY_BYTES))
    whole = len(BODY_BYTES)
    boundary = whole // 2
    cuts = [0, 1, 44, 4096, boundary - 1, boundary, boundary + 1, whole * 999 // 1000, whole - 1]
    at = sent = 0
    for cut in cuts:
        answer = sender.cut(path, at, BODY_BYTES[at:cut], whole - at)
        assert " 503 " in answer
        assert sender.offset(path) == cut
        sent += cut - at
        at = cut
    assert _recordings(impatient) == 0
    assert sender.append(path, at, BODY_BYTES[at:]).status_code == 204
    sent += whole - at
    told = impatient.call("GET", path, who="phone").json()
    assert told["answer"]["sha256"] == hashlib.sha256(BODY_BYTES).hexdigest()
    assert _recordings(impatient) == 1
    counts = {"cuts": len(cuts), "bytes": whole, "bytes sent again": sent - whole}
    record_property(f"{FIGURES}R3 silent in the middle", counts)


def test_a_sender_that_hangs_up_goes_on_from_what_it_is_told(
    live: Live, sender: Sender, record_property: Record
) -> None:
    # What the server's own buffer held when the line broke may be lost, and nothing before that.
    path = sender.begin("call-2", len(BODY_BYTES))
    at = cuts = again = most = 0
    for cut in range(0, len(BODY_BYTES), 150_000):
        sender.cut(path, at, BODY_BYTES[at:cut], len(BODY_BYTES) - at, hangs_up=True)
        durable = sender.offset(path)
        assert at <= durable <= max(at, cut)
        cuts, lost = cuts + 1, max(at, cut) - durable
        again, most = again + lost, max(most, lost)
        at = durable
    _until(
        lambda: (
            sender.append(path, sender.offset(path), BODY_BYTES[sender.offset(path) :]).is_success
        )
    )
    told = live.call("GET", path, who="phone").json()
    assert told["answer"]["sha256"] == hashlib.sha256(BODY_BYTES).hexdigest()
    counts = {"cuts": cuts, "bytes": len(BODY_BYTES), "bytes sent again": again, "at most": most}
    record_property(f"{FIGURES}R3 hung up", counts)


def test_bytes_come_along_with_the_beginning(live: Live, sender: Sender) -> None:
    answer = sender.ask(
        "POST",
        "/v1/uploads",
        BODY | {"Upload-Length": str(len(BODY_BYTES)), "Upload-Metadata": told_of("call-3")},
        content=BODY_BYTES,
    )
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, str(len(BODY_BYTES)))
    assert _recordings(live) == 1


def test_a_screenshot_goes_the_same_way(live: Live, sender: Sender) -> None:
    picture = png()
    told = field(kind="screenshot", metadata='{"captured_at": "2026-11-20T10:00:00+03:00"}')
    answer = sender.ask(
        "POST",
        "/v1/uploads",
        BODY | {"Upload-Length": str(len(picture)), "Upload-Metadata": told},
        content=picture,
    )
    assert answer.status_code == 201, answer.text
    kept = live.call("GET", answer.headers["Location"], who="phone").json()
    assert (kept["kind"], kept["state"]) == ("screenshot", "kept")
    assert kept["answer"]["sha256"] == hashlib.sha256(picture).hexdigest()


def test_something_is_put_together_of_parts(live: Live, sender: Sender) -> None:
    thirds = [BODY_BYTES[:100_000], BODY_BYTES[100_000:400_001], BODY_BYTES[400_001:]]
    paths = []
    for third in thirds:
        answer = sender.ask(
            "POST", "/v1/uploads", {"Upload-Length": str(len(third)), "Upload-Concat": "partial"}
        )
        paths.append(answer.headers["Location"])
        assert sender.ask("HEAD", paths[-1]).headers["Upload-Concat"] == "partial"
    final = {"Upload-Concat": f"final;{' '.join(paths)}", "Upload-Metadata": told_of("call-4")}
    assert sender.ask("POST", "/v1/uploads", final).status_code == 409
    for path, third in zip(reversed(paths), reversed(thirds), strict=True):
        assert sender.append(path, 0, third).status_code == 204
    assert _recordings(live) == 0
    answer = sender.ask("POST", "/v1/uploads", final)
    assert answer.status_code == 201, answer.text
    kept = live.call("GET", answer.headers["Location"], who="phone").json()
    assert kept["answer"]["sha256"] == hashlib.sha256(BODY_BYTES).hexdigest()
    told = sender.ask("HEAD", answer.headers["Location"])
    assert told.headers["Upload-Concat"] == final["Upload-Concat"]
    assert sender.ask("HEAD", paths[0]).status_code == 404


def test_a_part_that_fails_its_checksum_is_thrown_away(impatient: Live) -> None:
    live, sender = impatient, Sender(impatient)
    path = sender.begin("call-5", len(BODY_BYTES))
    digest = base64.b64encode(hashlib.sha256(BODY_BYTES[:5000]).digest()).decode()
    check = {"Upload-Checksum": f"sha256 {digest}"}
    wrong = sender.append(path, 0, BODY_BYTES[:4999] + b"?", check)
    assert wrong.status_code == 460
    assert wrong.json()["type"] == "/problems/checksum-mismatch"
    assert sender.offset(path) == 0
    assert not _pieces(live)
    assert sender.append(path, 0, BODY_BYTES[:5000], check).status_code == 204
    assert sender.append(path, 5000, b"x", {"Upload-Checksum": "crc32 AAAA"}).status_code == 400
    # A cut body cannot be compared with its checksum any more, so nothing of it counts.
    rest = len(BODY_BYTES) - 5000
    assert " 503 " in sender.cut(path, 5000, BODY_BYTES[5000:6000], rest, headers=check)
    assert sender.offset(path) == 5000


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Tus-Resumable": "0.2.2"}, 412),
        ({"Content-Type": "application/octet-stream"}, 415),
        ({"Upload-Offset": "5"}, 409),
        ({"Upload-Offset": "-1"}, 422),
        ({"Upload-Offset": "¼"}, 422),
    ],
)
def test_a_body_that_does_not_fit_is_refused(
    live: Live, sender: Sender, headers: dict[str, str], status: int
) -> None:
    path = sender.begin("call-6", len(BODY_BYTES))
    raw: dict[str, Any] = {key: value.encode("latin-1") for key, value in headers.items()}
    answer = live.call(
        "PATCH",
        path,
        who="phone",
        headers=TUS | BODY | {"Upload-Offset": "0"} | raw,
        content=BODY_BYTES[:10],
    )
    assert answer.status_code == status, answer.text
    assert sender.offset(path) == 0


def test_more_than_was_said_is_refused_and_the_rest_stays(live: Live, sender: Sender) -> None:
    path = sender.begin("call-7", 1000)
    assert sender.append(path, 0, BODY_BYTES[:600]).status_code == 204
    assert sender.append(path, 600, BODY_BYTES[600:1001]).status_code == 413
    assert sender.offset(path) == 600
    assert len(_pieces(live)) == 1


@pytest.mark.parametrize(
    ("headers", "status", "slug"),
    [
        ({}, 422, "metadata-missing"),
        ({"Upload-Metadata": field(metadata="{}")}, 422, "metadata-invalid"),
        ({"Upload-Metadata": field(metadata="{}", kind="film")}, 422, "field-invalid"),
        ({"Upload-Metadata": told_of("c") + ",digest eHg="}, 400, "digest-invalid"),
        ({"Upload-Metadata": told_of("c"), "Upload-Length": "1" * 15}, 413, "upload-too-large"),
        ({"Upload-Metadata": told_of("c"), "Upload-Length": "x"}, 422, "field-invalid"),
        (
            {"Upload-Metadata": told_of("c"), "Upload-Concat": f"final;/v1/uploads/{uuid4()}"},
            404,
            "upload-not-found",
        ),
    ],
)
def test_what_cannot_become_a_recording_is_refused_before_its_bytes(
    sender: Sender, headers: dict[str, str], status: int, slug: str
) -> None:
    answer = sender.ask("POST", "/v1/uploads", {"Upload-Length": "10"} | headers)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}")


def test_a_wrong_kind_of_file_is_refused_by_its_first_bytes(live: Live, sender: Sender) -> None:
    path = sender.begin("call-8", 10_000_000)
    answer = sender.append(path, 0, b"%PDF-1.7" + bytes(1000))
    assert (answer.status_code, answer.json()["type"]) == (415, "/problems/not-audio")
    # Whoever asks again is told again; nothing goes on.
    assert sender.ask("HEAD", path).status_code == 415
    assert sender.append(path, 0, BODY_BYTES[:10]).status_code == 409
    told = live.call("GET", path, who="phone").json()
    assert (told["state"], told["answer"]["type"]) == ("refused", "/problems/not-audio")
    assert not _pieces(live)


def test_other_bytes_of_a_known_call_are_refused_at_the_end(live: Live, sender: Sender) -> None:
    assert live.send(metadata("call-9"), wav(2.0)).status_code == 201
    path = sender.begin("call-9", len(BODY_BYTES))
    answer = sender.append(path, 0, BODY_BYTES)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/other-bytes")
    assert sender.ask("HEAD", path).status_code == 409
    assert not _pieces(live)
    with live.tools.database.transaction() as session:
        told = session.scalar(select(Upload.told))
    assert told is None


def test_a_digest_that_does_not_fit_keeps_nothing(live: Live, sender: Sender) -> None:
    digest = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    told = told_of("call-10") + "," + field(digest=f"sha-256=:{digest}:")
    path = sender.begin("call-10", len(BODY_BYTES), **{"Upload-Metadata": told})
    answer = sender.append(path, 0, BODY_BYTES)
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/digest-mismatch")
    assert _recordings(live) == 0


def test_an_upload_is_its_senders_alone(live: Live, sender: Sender) -> None:
    path = sender.begin("call-11", len(BODY_BYTES))
    other = Sender(live, "another")
    for answer in (
        other.ask("HEAD", path),
        other.append(path, 0, b"x"),
        other.ask("DELETE", path),
        other.ask("GET", path),
    ):
        assert answer.status_code == 404
    assert sender.ask("HEAD", "/v1/uploads/not-an-id").status_code == 422


def test_a_sender_ends_an_upload(live: Live, sender: Sender) -> None:
    path = sender.begin("call-12", len(BODY_BYTES))
    sender.append(path, 0, BODY_BYTES[:9000])
    (piece,) = _pieces(live)
    assert _is_stored(live, piece.object_id)
    assert sender.ask("DELETE", path).status_code == 204
    assert not _is_stored(live, piece.object_id)
    assert sender.ask("HEAD", path).status_code == 404


def test_senders_that_know_post_alone_name_the_method(live: Live, sender: Sender) -> None:
    path = sender.begin("call-13", len(BODY_BYTES))
    answer = sender.ask(
        "POST",
        path,
        BODY | {"Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"},
        content=BODY_BYTES,
    )
    assert answer.status_code == 204, answer.text
    assert _recordings(live) == 1
    assert sender.ask("POST", path, {"X-HTTP-Method-Override": "PUT"}).status_code == 422
    ended = sender.ask("POST", path, {"X-HTTP-Method-Override": "DELETE"})
    assert ended.status_code == 204
    assert _recordings(live) == 1


def test_of_two_who_go_on_at_one_place_one_does(live: Live, sender: Sender) -> None:
    path = sender.begin("call-14", len(BODY_BYTES))
    with live.tools.database.transaction() as session:
        upload = session.scalars(select(Upload)).one()
    assert live.app is not None
    tools = live.app.state.resuming.uploads
    quick = pieces.Appending(tools, upload, offset=0, checksum=None)
    slow = pieces.Appending(tools, upload, offset=0, checksum=None)
    slow.write(BODY_BYTES[:300])
    quick.write(BODY_BYTES[:500])
    quick.end()
    with pytest.raises(service.OffsetWrong):
        slow.end()
    assert sender.offset(path) == 500
    assert [piece.size_bytes for piece in _pieces(live)] == [500]


def _asked_to_assemble(live: Live) -> int:
    with live.tools.database.transaction() as session:
        wanted = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'uploads.assemble'"
        return int(session.execute(text(wanted)).scalar_one())


def test_a_file_in_one_body_is_never_a_piece(live: Live, sender: Sender) -> None:
    path = sender.begin("call-21", len(BODY_BYTES))
    assert sender.append(path, 0, BODY_BYTES).status_code == 204
    assert _asked_to_assemble(live) == 0
    told = live.call("GET", path, who="phone").json()
    assert (told["state"], told["received_bytes"]) == ("kept", len(BODY_BYTES))
    again = live.send(metadata("call-21"), BODY_BYTES)
    assert (again.status_code, again.json()) == (200, told["answer"])
    # Nor is that which comes as the last part, behind what is a piece already.
    path = sender.begin("call-22", len(BODY_BYTES))
    assert sender.append(path, 0, BODY_BYTES[:1000]).status_code == 204
    (piece,) = _pieces(live)
    assert sender.append(path, 1000, BODY_BYTES[1000:]).status_code == 204
    assert _asked_to_assemble(live) == 0
    assert not _pieces(live)
    assert not _is_stored(live, piece.object_id)
    assert _recordings(live) == 2


def test_a_cut_in_the_last_part_leaves_one_piece_of_all(impatient: Live) -> None:
    sender = Sender(impatient)
    path = sender.begin("call-23", len(BODY_BYTES))
    assert sender.append(path, 0, BODY_BYTES[:1000]).status_code == 204
    (first,) = _pieces(impatient)
    rest = len(BODY_BYTES) - 1000
    assert " 503 " in sender.cut(path, 1000, BODY_BYTES[1000:100_000], rest)
    assert sender.offset(path) == 100_000
    (piece,) = _pieces(impatient)
    assert (piece.starts_at, piece.size_bytes) == (0, 100_000)
    assert not _is_stored(impatient, first.object_id)
    assert sender.append(path, 100_000, BODY_BYTES[100_000:]).status_code == 204
    told = impatient.call("GET", path, who="phone").json()
    assert told["answer"]["sha256"] == hashlib.sha256(BODY_BYTES).hexdigest()


def test_what_was_kept_before_is_answered_as_it_was(impatient: Live) -> None:
    live, sender = impatient, Sender(impatient)
    first = live.send(metadata("call-24"), BODY_BYTES)
    path = sender.begin("call-24", len(BODY_BYTES))
    # The bytes of a repeat are kept while they come, for its sender may be cut off like any other.
    assert " 503 " in sender.cut(path, 0, BODY_BYTES[:5000], len(BODY_BYTES))
    assert sender.offset(path) == 5000
    assert sender.append(path, 5000, BODY_BYTES[5000:]).status_code == 204
    told = live.call("GET", path, who="phone").json()
    assert (told["state"], told["answer"]) == ("kept", first.json())
    assert _recordings(live) == 1


def test_two_who_send_all_of_it_at_once_hear_the_same(live: Live, sender: Sender) -> None:
    path = sender.begin("call-25", len(BODY_BYTES))
    with live.tools.database.transaction() as session:
        upload = session.scalars(select(Upload)).one()
        device = session.scalars(select(Device).where(Device.id == upload.device_id)).one()
    assert live.app is not None
    tools = live.app.state.resuming.uploads
    both = [
        straight.opened(
            tools,
            Actor.device(device.id, device.name),
            upload,
            declared_bytes=len(BODY_BYTES),
            checksum=None,
        )
        for _ in range(2)
    ]
    for one in both:
        one.write(BODY_BYTES)
    told = [one.end() for one in both if isinstance(one, straight.Straight)]
    assert [one.received_bytes for one in told] == [len(BODY_BYTES)] * 2
    assert told[0].answer == told[1].answer
    assert live.call("GET", path, who="phone").json()["answer"] == told[0].answer
    with live.tools.database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(SealedRow)) == 1
    assert len(list(live.tools.archive.listed(datetime.now(UTC) + timedelta(hours=1)))) == 1


def test_what_was_erased_is_not_begun_again(live: Live, sender: Sender, own_database: Urls) -> None:
    path = sender.begin("call-26", len(BODY_BYTES))
    kept = live.send(metadata("call-26"), BODY_BYTES)
    set_erased(own_database.owner, kept.json()["id"])
    told = {"Upload-Length": "1000", "Upload-Metadata": told_of("call-26")}
    answer = sender.ask("POST", "/v1/uploads", told)
    assert (answer.status_code, answer.json()["type"]) == (410, "/problems/recording-erased")
    # One that was under way is over.
    answer = sender.append(path, 0, BODY_BYTES)
    assert (answer.status_code, answer.json()["type"]) == (410, "/problems/recording-erased")
    assert live.call("GET", path, who="phone").json()["state"] == "refused"


def test_a_worker_keeps_what_was_whole_when_the_process_died(
    live: Live, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sender.begin("call-15", len(BODY_BYTES))
    monkeypatch.setattr(pieces, "assemble", lambda _tools, _id: None)
    assert sender.append(path, 0, BODY_BYTES, says_length=False).status_code == 204
    assert _recordings(live) == 0
    monkeypatch.undo()
    with live.tools.database.transaction() as session:
        session.execute(text("UPDATE procrastinate_jobs SET scheduled_at = now()"))
    live.work()
    assert _recordings(live) == 1
    assert live.call("GET", path, who="phone").json()["state"] == "kept"


def test_asking_where_it_stands_keeps_what_is_whole(
    live: Live, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sender.begin("call-16", len(BODY_BYTES))
    monkeypatch.setattr(pieces, "assemble", lambda _tools, _id: None)
    sender.append(path, 0, BODY_BYTES, says_length=False)
    monkeypatch.undo()
    assert sender.offset(path) == len(BODY_BYTES)
    assert _recordings(live) == 1


def test_what_nobody_went_on_with_is_given_up(live: Live, sender: Sender) -> None:
    path = sender.begin("call-17", len(BODY_BYTES))
    sender.append(path, 0, BODY_BYTES[:7000])
    (piece,) = _pieces(live)
    with live.tools.database.transaction() as session:
        expires_at = session.scalars(select(Upload.expires_at)).one()
    for seconds, given_up in ((-1, 0), (0, 1)):
        clock = SetClock(expires_at + timedelta(seconds=seconds))
        assert jobs.handle_expire(replace(live.tools, clock=clock)) == given_up
        assert _is_stored(live, piece.object_id) == (not given_up)
    assert sender.ask("HEAD", path).status_code == 404


def test_what_is_whole_and_waits_is_not_given_up(
    live: Live, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender.begin("call-18", len(BODY_BYTES))
    monkeypatch.setattr(pieces, "assemble", lambda _tools, _id: None)
    with live.tools.database.transaction() as session:
        upload_id = session.scalars(select(Upload.id)).one()
    sender.append(f"/v1/uploads/{upload_id}", 0, BODY_BYTES, says_length=False)
    monkeypatch.undo()
    later = SetClock(datetime(2030, 1, 1, tzinfo=UTC))
    assert jobs.handle_expire(replace(live.tools, clock=later)) == 0
    jobs.handle_assemble(live.tools, str(upload_id))
    assert _recordings(live) == 1
    assert jobs.handle_expire(replace(live.tools, clock=later)) == 0
    with live.tools.database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(Upload)) == 0


def test_the_sweep_leaves_what_is_under_way(live: Live, sender: Sender) -> None:
    path = sender.begin("call-19", len(BODY_BYTES))
    sender.append(path, 0, BODY_BYTES[:7000])
    later = datetime.now(UTC) + timedelta(hours=1)
    assert jobs.sweep(live.tools, older_than=later) == 0
    assert sender.append(path, 7000, BODY_BYTES[7000:]).status_code == 204
    with live.tools.database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(SealedRow)) == 1


def test_a_piece_that_was_damaged_ends_the_upload(live: Live, sender: Sender) -> None:
    path = sender.begin("call-20", len(BODY_BYTES))
    sender.append(path, 0, BODY_BYTES[:7000])
    (piece,) = _pieces(live)
    live.tools.archive.delete(piece.object_id)
    answer = sender.append(path, 7000, BODY_BYTES[7000:])
    assert (answer.status_code, answer.json()["type"]) == (410, "/problems/upload-damaged")
    assert sender.ask("HEAD", path).status_code == 410
    again = sender.begin("call-20", len(BODY_BYTES))
    assert sender.append(again, 0, BODY_BYTES).status_code == 204
    assert _recordings(live) == 1


def test_a_device_has_no_more_than_its_share_under_way(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_OPEN", 2)
    for number in range(2):
        sender.begin(f"call-{number}", 1000)
    told = {"Upload-Length": "1000", "Upload-Metadata": told_of("call-2")}
    answer = sender.ask("POST", "/v1/uploads", told)
    assert (answer.status_code, answer.json()["type"]) == (429, "/problems/too-many-uploads")
