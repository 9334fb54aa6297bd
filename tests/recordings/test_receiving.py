"""Receiving over HTTP: what is kept, what is refused, and nothing twice or by half."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import psycopg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import func, select, text

from app.core.clock import SetClock, SystemClock
from app.core.db import Database
from app.custody.models import CustodyEntry, CustodyPrivate
from app.custody.receipts import check
from app.custody.rules import commitment
from app.custody.signing import Purpose
from app.inspection.sandbox import Sandbox
from app.recordings.models import Leg, LinkChange, Party, Recording, Screenshot, SealedRow
from storage.sealed import SealedRef
from tests.conftest import FIGURES, Urls
from tests.factories import set_erased, wav
from tests.live import PATIENCE_SECONDS, Live, live_archive, metadata

Record = Callable[[str, object], None]

CORPUS = Path(
    os.environ.get("AUDIATUR_CORPUS")
    or Path(__file__).resolve().parents[2].parent / "shared" / "corpus"
)
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
)


def _count(database: Database, table: type) -> int:
    with database.transaction() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def _problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["type"] == f"/problems/{slug}"
    assert found["status"] == status
    return found


def test_an_upload_is_kept_whole(live: Live) -> None:
    body = wav(0.5)
    answer = live.send(metadata("c1"), body)
    assert answer.status_code == 201
    told = answer.json()
    assert told["sha256"] == hashlib.sha256(body).hexdigest()
    assert told["size_bytes"] == len(body)
    assert told["event"]["linked_by"] == "triage"
    assert told["consent"] == {"flag": "unknown"}
    receipt = check(told["receipt"], live.tools.log.ring.keys.public(Purpose.RECEIPT))
    assert (str(receipt.object_id), receipt.leg) == (told["id"], "mixed")
    assert (receipt.sha256.hex(), receipt.size_bytes) == (told["sha256"], told["size_bytes"])
    with live.tools.database.transaction() as session:
        leg = session.scalars(select(Leg)).one()
        row = session.get_one(SealedRow, leg.object_id)
        assert str(leg.recording_id) == told["id"]
        assert session.scalars(select(LinkChange)).one().linked_by == "triage"
        assert {p.label for p in session.scalars(select(Party))} == {"own", "cli"}
        entry = session.scalars(
            select(CustodyEntry).where(CustodyEntry.act == "recording.ingested")
        ).one()
        beside = {
            p.label: p
            for p in session.scalars(
                select(CustodyPrivate).where(CustodyPrivate.entry_id == entry.id)
            )
        }
        jobs = session.scalars(
            text("SELECT args->>'recording_id' FROM procrastinate_jobs WHERE task_name = :t"),
            {"t": "inspection.inspect"},
        ).all()
    assert jobs == [told["id"]]
    assert (receipt.entry_id, receipt.received_at) == (entry.id, leg.received_at)
    assert receipt.commitment == entry.content_commitment
    value = live.tools.cipher.open(entry.id, "content", beside["content"].ciphertext)
    assert value == hashlib.sha256(body).digest()
    assert entry.content_commitment == commitment("content", beside["content"].salt, value)
    detail = live.tools.cipher.open(entry.id, "detail", beside["detail"].ciphertext)
    assert json.loads(detail)["source_call_id"] == "c1"
    assert entry.detail_commitment == commitment("detail", beside["detail"].salt, detail)
    assert row.wrapped_key is not None
    ref = SealedRef(object_id=row.object_id, wrapped_key=row.wrapped_key, size_bytes=row.size_bytes)
    assert b"".join(live.tools.archive.stream(ref)) == body


def test_a_repeat_answers_the_same_and_keeps_nothing_more(
    live: Live, record_property: Record
) -> None:
    body = wav(0.2)
    first = live.send(metadata("c1"), body)
    objects = len(list((live.tools.settings.data / "archive").rglob("*")))
    for _ in range(5):
        again = live.send(metadata("c1"), body)
        assert again.status_code == 200
        assert again.json() == first.json()
    assert _count(live.tools.database, Recording) == 1
    assert len(list((live.tools.settings.data / "archive").rglob("*"))) == objects
    record_property(f"{FIGURES}R2 one after another", {"sent": 6, "kept": 1})


def test_a_repeat_after_thirty_days_is_one_recording(
    own_database: Urls, tmp_path: Path, sandbox: Sandbox, record_property: Record
) -> None:
    clock, body = SetClock(SystemClock().now()), wav(0.2)
    with live_archive(tmp_path, own_database.web, sandbox, clock=clock) as live:
        first = live.send(metadata("c1"), body)
        assert first.status_code == 201
        clock.advance(timedelta(days=30))
        live.forget()
        again = live.send(metadata("c1"), body)
        assert (again.status_code, again.json()) == (200, first.json())
        _problem(live.send(metadata("c1"), wav(0.3)), 409, "other-bytes")
        kept = _count(live.tools.database, Recording)
        assert kept == _count(live.tools.database, SealedRow) == 1
    record_property(f"{FIGURES}R2 thirty days later", {"sent": 3, "refused": 1, "kept": kept})


def test_an_idempotency_key_is_of_one_call_and_leg(live: Live) -> None:
    body, key = wav(0.2), {"Idempotency-Key": "k-1"}
    first = live.send(metadata("c1"), body, headers=key)
    assert first.status_code == 201
    assert live.send(metadata("c1"), body, headers=key).status_code == 200
    for other in (metadata("c2"), metadata("c1", leg="sent")):
        found = _problem(live.send(other, body, headers=key), 422, "idempotency-key-reused")
        assert (found["source_call_id"], found["leg"]) == ("c1", "mixed")
    assert _count(live.tools.database, Recording) == 1
    assert _count(live.tools.database, SealedRow) == 1
    assert live.send(metadata("c2"), body, who="phone-2", headers=key).status_code == 201
    assert live.send(metadata("c2"), body, headers={"Idempotency-Key": "k-2"}).status_code == 201
    next_week = metadata("c3", started_at="2026-11-13T10:00:00+03:00")
    _problem(live.send(next_week, body, headers=key), 422, "idempotency-key-reused")


def test_two_calls_under_one_key_at_once_leave_one_and_no_bytes_of_the_other(live: Live) -> None:
    """The first has passed the look at its key, and waits for its bytes, when the second comes."""
    live.key("phone")
    body, go = wav(5.0), Event()
    archive = live.tools.settings.data / "archive"

    def has_draft() -> bool:
        """Say whether the server, which is this process, holds a file that has no name yet."""
        for one in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):  # It was closed meanwhile.
                if str(archive) in str(one.readlink()):
                    return True
        return False

    def pieces() -> Iterator[bytes]:
        yield (
            b'--cut\r\nContent-Disposition: form-data; name="metadata"\r\n'
            b"Content-Type: application/json\r\n\r\n"
            + json.dumps(metadata("c1")).encode()
            + b'\r\n--cut\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n'
            b"Content-Type: audio/wav\r\n\r\n" + body[:60_000]
        )
        go.wait(PATIENCE_SECONDS)
        yield body[60_000:] + b"\r\n--cut--\r\n"

    key = {"Idempotency-Key": "k-1"}
    kind = {"Content-Type": "multipart/form-data; boundary=cut"}
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(
            live.call,
            "POST",
            "/v1/recordings",
            who="phone",
            headers=key | kind,
            content=pieces(),
        )
        while not has_draft() and not first.done():
            pass
        assert live.send(metadata("c2"), body, headers=key).status_code == 201
        go.set()
        found = _problem(first.result(), 422, "idempotency-key-reused")
    assert (found["source_call_id"], found["leg"]) == ("c2", "mixed")
    assert _count(live.tools.database, Recording) == 1
    assert _count(live.tools.database, SealedRow) == 1
    assert len([one for one in archive.rglob("*") if one.is_file()]) == 1


def test_many_calls_under_one_key_at_once_are_one(live: Live) -> None:
    live.key("phone")
    key = {"Idempotency-Key": "k-1"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda n: live.send(metadata(f"c{n}"), wav(0.2), headers=key), range(8))
        )
    assert sorted(a.status_code for a in answers) == [201] + [422] * 7
    assert _count(live.tools.database, Recording) == 1


def test_a_key_goes_with_the_recording(live: Live, own_database: Urls) -> None:
    answer = live.send(metadata("c1"), wav(0.2), headers={"Idempotency-Key": "k-1"})
    with psycopg.connect(own_database.owner) as owner:
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute("DELETE FROM upload_keys")
        owner.rollback()
        owner.execute("SELECT destroy_recording(%s, now())", (answer.json()["id"],))
        assert owner.execute("SELECT count(*) FROM upload_keys").fetchall() == [(0,)]


def test_thirty_two_repeats_at_once_are_one_recording(live: Live, record_property: Record) -> None:
    body = wav(0.2)
    live.key("phone")
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: live.send(metadata("c1"), body), range(32)))
    assert sorted(a.status_code for a in answers) == [200] * 31 + [201]
    assert len({a.json()["id"] for a in answers}) == 1
    assert _count(live.tools.database, Recording) == 1
    assert _count(live.tools.database, SealedRow) == 1
    record_property(f"{FIGURES}R2 at once", {"sent": len(answers), "kept": 1})


def test_other_bytes_are_refused_and_leave_an_alarm(live: Live) -> None:
    first = live.send(metadata("c1"), wav(0.2))
    answer = live.send(metadata("c1"), wav(0.3))
    found = _problem(answer, 409, "other-bytes")
    assert found["kept_sha256"] == first.json()["sha256"]
    with live.tools.database.transaction() as session:
        alarm = session.scalars(
            select(CustodyEntry).where(CustodyEntry.act == "recording.conflict")
        ).one()
    assert str(alarm.object_id) == first.json()["id"]
    assert alarm.outcome == "denied"
    assert _count(live.tools.database, Leg) == 1


def test_the_other_leg_joins_its_recording(live: Live) -> None:
    sent = live.send(metadata("c1", leg="sent"), wav(0.2))
    received = live.send(metadata("c1", leg="received"), wav(0.3))
    assert (sent.status_code, received.status_code) == (201, 201)
    assert sent.json()["id"] == received.json()["id"]
    assert sent.json()["event"] == received.json()["event"]
    assert live.send(metadata("c1", leg="received"), wav(0.3)).status_code == 200


def test_both_legs_at_once_are_one_recording(live: Live) -> None:
    live.key("phone")
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda n: live.send(
                    metadata(f"c{n // 2}", leg=("sent", "received")[n % 2]), wav(0.1 + n % 2)
                ),
                range(16),
            )
        )
    assert [a.status_code for a in answers] == [201] * 16
    assert _count(live.tools.database, Recording) == 8
    assert _count(live.tools.database, Leg) == 16


def test_an_erased_recording_never_comes_back(live: Live, own_database: Urls) -> None:
    answer = live.send(metadata("c1"), wav(0.2))
    set_erased(own_database.owner, answer.json()["id"])
    _problem(live.send(metadata("c1"), wav(0.2)), 410, "recording-erased")
    assert _count(live.tools.database, Leg) == 1


def test_callers_are_known_before_the_body_is_read(live: Live) -> None:
    _problem(live.send(metadata("c1"), wav(0.1), who=None), 401, "key-missing")
    _problem(live.send(metadata("c1"), wav(0.1), who="manager"), 403, "permission-missing")
    answer = httpx.post(
        live.url + "/v1/recordings",
        headers={"Authorization": "Bearer audd_wrong", "Content-Type": "text/plain"},
        content=b"x",
    )
    _problem(answer, 401, "key-unknown")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("source_call_id", ""),
        ("source_call_id", "a\x00b"),
        ("source_call_id", "x" * 256),
        ("started_at", "2026-11-20T10:00:00"),
        ("started_at", "yesterday"),
        ("direction", "sideways"),
        ("leg", "both"),
        ("duration_ms", -1),
        ("capture", "psychic"),
        ("event", {"external_id": ""}),
        ("parties", [{"side": "client", "from_ms": 10, "to_ms": 5}]),
        ("surprise", 1),
    ],
)
def test_wrong_metadata_is_refused_with_its_place(live: Live, field: str, value: object) -> None:
    found = _problem(live.send(metadata("c1", **{field: value}), wav(0.1)), 422, "metadata-invalid")
    assert any(e["where"].startswith(f"metadata/{field}") for e in found["errors"]), found
    assert _count(live.tools.database, Recording) == 0


def test_metadata_that_is_no_json_is_refused(live: Live) -> None:
    _problem(live.send("{not json", wav(0.1)), 422, "metadata-invalid")
    _problem(live.send("[" * 5000, wav(0.1)), 422, "metadata-invalid")
    _problem(live.send(json.dumps({"a": "x" * 70_000}), wav(0.1)), 413, "metadata-too-large")


def _raw(
    live: Live, body: bytes, content_type: str = "multipart/form-data; boundary=B"
) -> httpx.Response:
    return live.call(
        "POST",
        "/v1/recordings",
        who="phone",
        headers={"Content-Type": content_type},
        content=body,
    )


def _part(name: str, content: bytes) -> bytes:
    return (
        f'--B\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n\r\n'.encode()
        + content
        + b"\r\n"
    )


def test_bodies_that_are_not_an_upload_are_refused(live: Live) -> None:
    told = _part("metadata", json.dumps(metadata("c1")).encode())
    file = _part("file", wav(0.1))
    _problem(_raw(live, b"{}", "application/json"), 415, "not-multipart")
    _problem(_raw(live, b"x", "multipart/form-data"), 415, "not-multipart")
    _problem(_raw(live, b"garbage"), 400, "multipart-broken")
    _problem(_raw(live, told + file), 400, "multipart-broken")  # The last boundary is missing.
    _problem(_raw(live, told + b"--B--\r\n"), 422, "parts-wrong")
    _problem(_raw(live, file + told + b"--B--\r\n"), 422, "parts-wrong")
    _problem(_raw(live, told + file + file + b"--B--\r\n"), 422, "parts-wrong")
    assert _raw(live, told + file + b"--B--\r\n").status_code == 201
    assert _count(live.tools.database, SealedRow) == 1


def test_digests_are_compared(live: Live) -> None:
    body = wav(0.1)
    right = base64.b64encode(hashlib.sha256(body).digest()).decode()
    wrong = base64.b64encode(hashlib.sha256(b"x").digest()).decode()

    def sent(call: str, field: str) -> httpx.Response:
        return live.send(metadata(call), body, headers={"Content-Digest": field})

    assert sent("c1", f"sha-256=:{right}:").status_code == 201
    assert sent("c2", f"md5=:AAAA:, sha-256=:{right}:").status_code == 201
    _problem(sent("c3", f"sha-256=:{wrong}:"), 400, "digest-mismatch")
    _problem(sent("c4", f"sha-256={right}"), 400, "digest-invalid")
    _problem(sent("c5", "sha-256=:AAAA:"), 400, "digest-invalid")
    assert _count(live.tools.database, Recording) == 2


def test_a_digest_of_the_whole_body_is_taken_too(live: Live) -> None:
    raw = (
        _part("metadata", json.dumps(metadata("c1")).encode())
        + _part("file", wav(0.1))
        + b"--B--\r\n"
    )
    digest = base64.b64encode(hashlib.sha512(raw).digest()).decode()
    answer = live.call(
        "POST",
        "/v1/recordings",
        who="phone",
        headers={
            "Content-Type": "multipart/form-data; boundary=B",
            "Content-Digest": f"sha-512=:{digest}:",
        },
        content=raw,
    )
    assert answer.status_code == 201, answer.text


def test_a_large_body_is_refused_by_its_length_and_while_it_streams(live: Live) -> None:
    receiving = live.tools.settings.max_screenshot_bytes
    told = {"captured_at": "2026-11-20T10:00:00+03:00"}
    body = PNG + bytes(receiving)
    answer = live.send(told, body, path="/v1/screenshots", name="s.png")
    assert answer.status_code == 413
    _problem(answer, 413, "file-too-large")
    huge = PNG + bytes(receiving + 1_000_000)
    _problem(live.send(told, huge, path="/v1/screenshots", name="s.png"), 413, "body-too-large")
    assert _count(live.tools.database, Screenshot) == 0


def test_screenshots_are_kept_and_repeated(live: Live) -> None:
    told = {
        "captured_at": "2026-11-20T10:00:00+03:00",
        "event": {"external_id": "E-1"},
        "note": "1С",
    }
    first = live.send(told, PNG, path="/v1/screenshots", name="s.png")
    again = live.send(told, PNG, path="/v1/screenshots", name="s.png")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["event"]["linked_by"] == "sender"
    _problem(live.send(told, wav(0.1), path="/v1/screenshots", name="s.png"), 415, "not-an-image")


def test_every_bad_file_is_answered_as_its_manifest_says(live: Live) -> None:
    if not (CORPUS / "bad").is_dir():
        pytest.skip(f"NO TEST RECORDINGS at {CORPUS}: set AUDIATUR_CORPUS")
    lines = [json.loads(x) for x in (CORPUS / "bad/bad_manifest.jsonl").read_text().splitlines()]
    seen = set()
    for number, line in enumerate(lines):
        body = (CORPUS / line["file"]).read_bytes()
        is_image = line["claimed_type"].startswith("image/")
        told = {"captured_at": "2026-11-20T10:00:00+03:00"} if is_image else metadata(f"b{number}")
        path = "/v1/screenshots" if is_image else "/v1/recordings"
        answer = live.send(told, body, path=path, name=Path(line["file"]).name)
        seen.add(answer.status_code)
        expect = line["expect"]
        if expect.startswith("reject") and "or accept" not in expect:
            assert answer.status_code == 415, (line["file"], answer.text)
            assert answer.json()["title"], line["file"]
        elif expect.startswith("accept") and "reject" not in expect:
            assert answer.status_code == 201, (line["file"], answer.text)
        else:
            assert answer.status_code in {201, 415}, (line["file"], answer.text)
    assert seen == {201, 415}
    assert live.call("GET", "/healthz", who=None).status_code == 200


def test_hostile_names_are_kept_as_strings(live: Live) -> None:
    if not (CORPUS / "bad").is_dir():
        pytest.skip(f"NO TEST RECORDINGS at {CORPUS}: set AUDIATUR_CORPUS")
    names = json.loads((CORPUS / "bad/hostile_filenames.json").read_text())
    for number, name in enumerate(names):
        head = json.dumps(metadata(f"n{number}")).encode()
        quoted = name.encode("utf-8", "replace").replace(b"\r", b"%0D").replace(b"\n", b"%0A")
        quoted = quoted.replace(b'"', b"%22")
        raw = (
            _part("metadata", head)
            + b'--B\r\nContent-Disposition: form-data; name="file"; filename="'
            + quoted
            + b'"\r\n\r\n'
            + wav(0.05)
            + b"\r\n--B--\r\n"
        )
        answer = _raw(live, raw)
        assert answer.status_code in {201, 400}, (name, answer.text)
    assert _count(live.tools.database, Leg) >= len(names) - 2
    kept = {p.name for p in (live.tools.settings.data / "archive").rglob("*") if p.is_file()}
    assert all(len(name) == 32 for name in kept), kept


@pytest.mark.parametrize("path", ["/v1/recordings", "/v1/call-events"])
def test_a_broken_off_body_leaves_nothing_and_is_no_fault_of_the_archive(
    live: Live, path: str
) -> None:
    key = live.key("phone")
    head = _part("metadata", json.dumps(metadata("c1")).encode())
    body = head + b'--B\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + wav(2)[:8000]
    host = httpx.URL(live.url)
    before = _answered("503")
    broken = _answered("500")
    with socket.create_connection((host.host, host.port)) as raw:
        raw.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ".encode()
            + key.encode()
            + b"\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: 100000\r\n\r\n"
            + body
        )
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while _answered("503") + _answered("500") == before + broken:
        assert time.monotonic() < give_up_at
        time.sleep(0.02)
    # What is counted as 500 rouses somebody at night.
    assert (_answered("503"), _answered("500")) == (before + 1, broken)
    assert live.send(metadata("c2"), wav(0.1)).status_code == 201
    assert _count(live.tools.database, Recording) == 1


def _answered(status: str) -> float:
    return sum(
        sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "audiatur_requests_total" and sample.labels["status"] == status
    )
