"""A notice for somebody who joined late is found, though the exchange told of him afterwards."""

from __future__ import annotations

import io
import wave
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update

from app.identity.models import Device
from tests.inspection.conftest import CORPUS, needs_corpus
from tests.live import Live, metadata

pytestmark = needs_corpus

JOINED_AT_S = 200
STARTED_AT = "2026-11-21T10:00:00+03:00"


def _call() -> bytes:
    """Return a call in which nothing is said but the notice, just after somebody joined."""
    with wave.open(str(CORPUS / "reference/notice_ru.wav")) as reference:
        shape = reference.getparams()
        notice = reference.readframes(reference.getnframes())
    frame = shape.nchannels * shape.sampwidth
    body = io.BytesIO()
    with wave.open(body, "wb") as out:
        out.setparams(shape)
        out.writeframes(bytes(frame * shape.framerate * (JOINED_AT_S + 1)))
        out.writeframes(notice)
        out.writeframes(bytes(frame * shape.framerate * 8))
    return body.getvalue()


def _work(live: Live) -> None:
    for _ in range(6):
        live.work()


def _told(live: Live, recording: str) -> dict[str, Any]:
    found: dict[str, Any] = live.call("GET", f"/v1/recordings/{recording}", who="reviewer").json()
    return found


def test_a_notice_after_a_late_join_is_found_when_the_join_is_told_of(live: Live) -> None:
    words = {
        "language": "ru",
        "text": "В целях повышения качества обслуживания ваш разговор может быть записан",
        "purposes": ["internal_quality"],
        "recipients": ["own_staff_manager"],
        "valid_from": "2026-01-01T00:00:00+03:00",
    }
    reference = (CORPUS / "reference/notice_ru.wav").read_bytes()
    added = live.send(words, reference, who="admin", path="/v1/notice-texts").json()
    live.call("POST", f"/v1/notice-texts/{added['id']}/approve", who="approver")
    sent = live.send(metadata("late", started_at=STARTED_AT), _call(), name="call.wav")
    recording = sent.json()["id"]
    _work(live)
    assert _told(live, recording)["inspection"]["state"] == "done"
    assert _told(live, recording)["inspection"]["notices"] == []
    at = datetime.fromisoformat(STARTED_AT) + timedelta(seconds=JOINED_AT_S)
    began = {"event_id": "began", "kind": "recording_started", "at": STARTED_AT}
    join = {"event_id": "joined", "kind": "join", "at": at.isoformat(), "leg": "guest"}
    now = live.tools.clock.now().isoformat()
    body = {"call_id": "late", "sent_at": now, "events": [began, join]}
    live.key("pbx")
    with live.tools.database.transaction() as session:
        session.execute(update(Device).where(Device.name == "pbx").values(is_exchange=True))
    answer = live.call("POST", "/v1/call-events", who="pbx", json=body)
    assert answer.status_code == 200, answer.text
    _work(live)
    (hit,) = _told(live, recording)["inspection"]["notices"]
    assert hit["complete"]
    assert abs(hit["start_ms"] - (JOINED_AT_S + 1) * 1000) < 300
    evidence = live.call("GET", f"/v1/recordings/{recording}/assertions", who="reviewer").json()
    told = [one for one in evidence["items"] if one["kind"] == "ivr_notice"]
    assert told
    assert all(one["from_ms"] >= JOINED_AT_S * 1000 for one in told)
    parties = _told(live, recording)["consent"]["parties"]
    assert {one["label"] for one in parties} >= {"guest"}
