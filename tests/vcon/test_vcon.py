"""vCons through the doors: what they become, what is refused, and what goes out."""

from __future__ import annotations

import gzip
import io
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import httpx
import jsonschema
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from PIL import Image
from sqlalchemy import func, select, update

from app.custody.models import CustodyEntry
from app.feeds.models import KnownCall
from app.identity.models import Device
from app.recordings.models import CallEvent, Leg, Party, Recording, Screenshot
from app.vcon import reading
from app.vcon.mapping import House as Ours
from app.vcon.mapping import plan
from app.vcon.reading import Checked, Signature
from tests.factories import wav
from tests.live import Live
from tests.review.conftest import house as house  # noqa: PLC0414 - the fixture of the export.
from tests.review.house import House
from tests.vcon.made import START, content_hash, packed, signer, sound, text, vcon
from tests.vcon.made import UUID as VCON

SCHEMA = json.loads(
    (Path(__file__).parent / "published" / "vcon_json_schema.json").read_text(encoding="utf-8")
)
HISTORY = [
    {"party": 0, "event": "hold", "time": "2026-11-20T10:00:00.050+03:00"},
    {"party": 0, "event": "unhold", "time": "2026-11-20T10:00:00.100+03:00"},
]


def post(
    live: Live,
    found: dict[str, Any] | bytes,
    *,
    who: str | None = "phone",
    path: str = "/v1/vcons",
    **more: Any,  # noqa: ANN401 - httpx's own arguments.
) -> httpx.Response:
    raw = found if isinstance(found, bytes) else packed(found)
    return live.call("POST", path, who=who, content=raw, **more)


def taken(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    (item,) = answer.json()["items"]
    return cast("dict[str, Any]", item)


def count(live: Live, table: type) -> int:
    with live.tools.database.transaction() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def picture() -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(made, "PNG")
    return made.getvalue()


def test_a_vcon_becomes_recordings_calls_and_screenshots_and_once_only(live: Live) -> None:
    shot = {"purpose": "screen", "start": START, "party": 1, "dialog": 0, "mediatype": "image/png"}
    found = vcon(
        sound(wav(0.2), party_history=HISTORY),
        {"type": "incomplete", "start": START, "parties": [0, 1], "disposition": "busy"},
        attachments=[shot | {"encoding": "base64url", "body": text(picture())}],
    )
    first = taken(post(live, found))
    assert (first["uuid"], first["version"], first["signature"]) == (VCON, "0.4.0", "none")
    assert [one["where"] for one in first["recordings"]] == ["dialog/0"]
    assert [one["where"] for one in first["screenshots"]] == ["attachments/0"]
    assert first["calls"] == [f"vcon:{VCON}:1"]
    assert first["notes"] == []
    with live.tools.database.transaction() as session:
        row = session.scalars(select(Recording)).one()
        assert str(row.id) == first["recordings"][0]["id"]
        assert (row.direction, row.outside_number, row.agent) == ("inbound", "+74950008414", "106")
        assert row.source_call_id == f"vcon:{VCON}:0"
        assert row.started_at.isoformat() == "2026-11-20T07:00:00+00:00"
        assert row.capture == "import"
        (call,) = session.scalars(select(KnownCall))
        assert (call.disposition, call.call_id) == ("busy", f"vcon:{VCON}:1")
        kinds = session.scalars(select(CallEvent.kind).order_by(CallEvent.at))
        assert list(kinds) == ["join", "join", "hold", "resume"]
        entry = session.scalars(
            select(CustodyEntry).where(CustodyEntry.act == "vcon.received")
        ).one()
        assert str(entry.object_id) == VCON
        assert (entry.facts["recordings"], entry.facts["signature"]) == (1, "none")
    again = taken(post(live, found))
    for name in ("recordings", "screenshots"):
        assert [one["id"] for one in again[name]] == [one["id"] for one in first[name]]
    assert [count(live, table) for table in (Recording, Screenshot, KnownCall, CallEvent)] == [
        1,
        1,
        1,
        4,
    ]


def test_who_joined_later_was_there_from_then_on_where_an_exchange_tells_it(live: Live) -> None:
    live.key("pbx")
    with live.tools.database.transaction() as session:
        session.execute(update(Device).where(Device.name == "pbx").values(is_exchange=True))
    history = [
        {"party": 2, "event": "join", "time": "2026-11-20T10:00:01+03:00"},
        {"party": 2, "event": "drop", "time": "2026-11-20T10:00:02+03:00"},
    ]
    found = vcon(sound(wav(3.0), duration=3, parties=[0, 1, 2], party_history=history))
    item = taken(post(live, found, who="pbx"))
    live.work()
    with live.tools.database.transaction() as session:
        rows = session.scalars(
            select(Party).where(Party.recording_id == UUID(item["recordings"][0]["id"]))
        ).all()
        spans = {(row.side, row.present_from_ms, row.present_to_ms) for row in rows}
    assert ("own", 1000, 2000) in spans


def test_a_conserver_s_client_is_answered_with_the_vcon(live: Live) -> None:
    found = vcon(sound(wav(0.2)))
    headers = {"x-conserver-api-token": live.key("phone")}
    for path in ("/vcon", "/api/vcon"):
        answer = post(
            live, found, who=None, path=path, headers=headers, params={"ingress_lists": "main"}
        )
        assert (answer.status_code, answer.json()) == (201, found)
    assert count(live, Recording) == 1
    assert post(live, found, who=None, path="/vcon").status_code == 401
    wrong = {"x-conserver-api-token": "audd_wrong"}
    assert post(live, found, who=None, path="/vcon", headers=wrong).status_code == 401
    for who in ("manager", "admin", "auditor"):
        assert post(live, found, who=who, path="/vcon").status_code == 403
        assert post(live, found, who=who).status_code == 403


def test_a_packed_one_comes_in_and_a_signed_one_says_whether_it_was_checked(
    live: Live, tmp_path: Path
) -> None:
    assert taken(post(live, gzip.compress(packed(vcon(sound(wav(0.2)))))))["signature"] == "none"
    by, other = signer(), signer()
    signed = by.sign(vcon(sound(wav(0.3)), uuid="019f15a6-a752-826f-b9a2-279e0d16bc47"))
    item = taken(post(live, signed))
    assert item["signature"] == "not_checked"
    assert [note["code"] for note in item["notes"]] == ["signature.not_checked"]
    roots = tmp_path / "roots.pem"
    roots.write_bytes(b"".join(one.root.public_bytes(Encoding.PEM) for one in (other, by)))
    assert live.app is not None
    live.app.state.settings = live.tools.settings.model_copy(update={"vcon_roots_file": roots})
    assert taken(post(live, signed))["signature"] == "verified"
    assert count(live, Recording) == 2
    signed["payload"] = text(packed(vcon(subject="changed")))
    answer = post(live, signed)
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/vcon-signature-wrong")


@pytest.mark.parametrize(
    ("found", "status", "slug"),
    [
        (b"no json", 422, "vcon-broken"),
        (vcon(sound(b"x", start="soon")), 422, "vcon-broken"),
        (vcon() | {"vcon": "7"}, 422, "vcon-version-unknown"),
        (vcon(critical=["secret"]), 422, "vcon-extension-unknown"),
        ({"ciphertext": "", "recipients": []}, 422, "vcon-encrypted"),
        (vcon(sound(b"x", content_hash=content_hash(b"y"))), 400, "content-hash-wrong"),
        (
            vcon(sound(b"", body=None, url="https://x.example/a.wav", content_hash="sha512-AA")),
            400,
            "content-missing",
        ),
        (vcon(sound(b"no sound at all")), 415, "not-audio"),
    ],
)
def test_what_is_refused_is_refused_before_anything_is_kept(
    live: Live, found: dict[str, Any] | bytes, status: int, slug: str
) -> None:
    if isinstance(found, dict) and found.get("dialog"):
        # A dialog that is well stands before the one that is not.
        found["dialog"].insert(0, sound(wav(0.2)))
    answer = post(live, found)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}")
    assert count(live, Recording) == 0


def test_other_sound_under_the_name_of_one_that_is_kept_is_refused(live: Live) -> None:
    taken(post(live, vcon(sound(wav(0.2)))))
    answer = post(live, vcon(sound(wav(0.4))))
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/other-bytes")
    assert answer.json()["where"] == "dialog/0"
    assert count(live, Recording) == 1


def test_what_is_larger_than_is_taken_is_refused_by_its_length(live: Live) -> None:
    port = int(live.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as asking:
        asking.sendall(
            f"POST /v1/vcons HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {live.key('phone')}\r\n"
            f"Content-Length: {2**31}\r\n\r\n".encode()
        )
        answer = asking.makefile("rb").readline()
    assert answer.startswith(b"HTTP/1.1 413")


@contextmanager
def serving(data: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/call.wav" else 404)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            del args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_content_elsewhere_is_fetched_from_a_host_that_is_named_and_from_no_other(
    live: Live,
) -> None:
    data = wav(0.2)
    with serving(data) as base:

        def dialog(path: str, url: str = base, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON.
            told = {"url": url + path, "content_hash": content_hash(data)} | more
            found = sound(b"", **told)
            del found["body"], found["encoding"]
            return vcon(found)

        refused = post(live, dialog("/call.wav"))
        assert (refused.status_code, refused.json()["where"]) == (400, "dialog/0")
        assert live.app is not None
        live.app.state.settings = live.tools.settings.model_copy(
            update={
                "vcon_hosts": "127.0.0.1",
                "outbound_http": True,
                "outbound_networks": "127.0.0.1/32",
            }
        )
        other = post(live, dialog("/call.wav", base.replace("127.0.0.1", "localhost")))
        assert other.json()["type"] == "/problems/content-missing"
        gone = post(live, dialog("/gone.wav"))
        assert (gone.status_code, gone.json()["type"]) == (503, "/problems/content-away")
        lied = post(live, dialog("/call.wav", content_hash=content_hash(b"other")))
        assert lied.json()["type"] == "/problems/content-hash-wrong"
        assert count(live, Recording) == 0
        item = taken(post(live, dialog("/call.wav")))
    with live.tools.database.transaction() as session:
        its = Leg.recording_id == UUID(item["recordings"][0]["id"])
        assert session.scalars(select(Leg.leg).where(its)).all() == ["mixed"]


# --- out ------------------------------------------------------------------------------------------


def test_what_goes_out_is_valid_by_the_published_schema_and_is_read_again(house: House) -> None:
    checker = jsonschema.Draft7Validator(
        SCHEMA, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER
    )
    checker.check_schema(SCHEMA)
    recording = house.recording()
    house.propose(recording.id)
    house.withdraw(recording.id, received_at=house.clock.now() - timedelta(hours=1))
    answer = house.call("reviewer", "GET", f"/v1/recordings/{recording.id}/vcon")
    assert answer.status_code == 200, answer.text
    exported = answer.json()
    assert [error.message for error in checker.iter_errors(exported)] == []
    assert list(checker.iter_errors({**exported, "uuid": 7}))
    (one,) = reading.read(
        answer.content, lambda _: Checked(signature=Signature.NONE), max_bytes=10_000_000
    )
    assert one.body == exported
    assert (one.version, len(one.items("parties"))) == ("0.4.0", len(exported["parties"]))
    made = plan(one, Ours())
    # Sound stays within: the dialog is told by its digest, and evidence is nobody's claim here.
    assert (made.sounds, made.pictures) == ([], [])
    assert {note.code for note in one.notes} == {
        "dialog.without_content",
        "lawful_basis.left_out",
    }
