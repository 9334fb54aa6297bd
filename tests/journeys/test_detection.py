"""From the audio to the flag: the notice is heard, asserted and verified by nobody's hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from app.core.jobs import Job, enqueue
from tests.factories import wav
from tests.inspection.conftest import CORPUS, needs_corpus
from tests.live import Live, metadata

pytestmark = needs_corpus


def _post_text(live: Live, *, approve: bool = True, **told: object) -> dict[str, Any]:
    words = {
        "language": "ru",
        "text": "В целях повышения качества обслуживания ваш разговор может быть записан",
        "purposes": ["internal_quality"],
        "recipients": ["own_staff_manager"],
        "valid_from": "2026-01-01T00:00:00+03:00",
    } | told
    answer = live.send(
        words,
        (CORPUS / "reference/notice_ru.wav").read_bytes(),
        who="admin",
        name="notice.wav",
        path="/v1/notice-texts",
    )
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    if approve:
        path = f"/v1/notice-texts/{found['id']}/approve"
        done = live.call("POST", path, who="approver", json={"version": found["version"]})
        assert done.status_code in {200, 204}, done.text
    return found


def _heard(live: Live, name: str, call: str = "c1", **told: object) -> dict[str, Any]:
    body = (CORPUS / name).read_bytes()
    sent = live.send(metadata(call, **told), body, name=Path(name).name)
    assert sent.status_code == 201, sent.text
    live.work()
    answer = live.call("GET", f"/v1/recordings/{sent.json()['id']}", who="manager")
    found: dict[str, Any] = answer.json()
    return found


def _manifest(name: str) -> dict[str, Any]:
    lines = (CORPUS / "manifest.jsonl").read_text().splitlines()
    return next(x for x in map(json.loads, lines) if x["file"] == name)


def test_a_whole_notice_clears_for_its_purpose_without_a_person(live: Live) -> None:
    notice = _post_text(live)
    found = _heard(live, "d01.wav")
    assert found["consent"]["flag"] == "notified"
    (hit,) = found["inspection"]["notices"]
    assert hit["text_id"] == notice["id"]
    assert hit["complete"]
    assert abs(hit["start_ms"] / 1000 - _manifest("d01.wav")["notice_start_s"]) < 0.1
    listed = live.call("GET", f"/v1/recordings/{found['id']}/assertions", who="reviewer").json()
    (assertion,) = listed["items"]
    assert assertion["status"] == "verified"
    assert assertion["proposed_service"] == "detector"
    assert assertion["decided_by"] is None


@pytest.mark.parametrize("name", ["d08.wav", "d06.mp3", "d05.ogg", "d17.wav"])
def test_what_is_not_the_whole_notice_clears_nothing(live: Live, name: str) -> None:
    _post_text(live)
    found = _heard(live, name)
    assert found["consent"]["flag"] == "unknown"
    assert not any(hit["complete"] for hit in found["inspection"]["notices"])


def test_a_text_that_nobody_approved_waits_for_a_person(live: Live) -> None:
    _post_text(live, approve=False)
    assert _heard(live, "d01.wav")["consent"]["flag"] == "pending"


def test_references_that_cannot_be_searched_for_are_refused(live: Live) -> None:
    told = {
        "language": "ru",
        "text": "Разговор записывается",
        "purposes": ["internal_quality"],
        "valid_from": "2026-01-01T00:00:00Z",
    }
    silence = wav(5)[:44] + bytes(80_000)
    speech = (CORPUS / "reference/notice_ru.wav").read_bytes()
    for body, slug in (
        (wav(0.2), "reference-too-short"),
        (silence, "reference-silent"),
        (wav(600), "reference-too-long"),
        (speech[:8000], "reference-too-short"),
    ):
        answer = live.send(told, body, who="admin", path="/v1/notice-texts")
        assert answer.status_code == 400, (slug, answer.text)
        assert answer.json()["type"] == f"/problems/{slug}"
    broken = live.send(told, b"RIFF" + bytes(40), who="admin", path="/v1/notice-texts")
    assert broken.status_code == 415
    assert live.call("GET", "/v1/notice-texts", who="admin").json()["items"] == []


def test_a_text_of_another_line_or_day_is_not_searched_for(live: Live) -> None:
    _post_text(live, lines=["+74950000000"])
    _post_text(live, valid_from="2026-11-21T00:00:00+03:00")
    found = _heard(live, "d01.wav", line="+74951111111")
    assert found["inspection"]["notices"] == []
    assert found["consent"]["flag"] == "unknown"


def test_an_inspection_done_twice_asserts_once(live: Live) -> None:
    _post_text(live)
    found = _heard(live, "d01.wav")
    with live.tools.database.transaction() as session:
        session.execute(text("UPDATE legs SET inspection_state = 'pending'"))
        enqueue(session, Job(task="inspection.inspect", args={"recording_id": found["id"]}))
    live.work()
    listed = live.call("GET", f"/v1/recordings/{found['id']}/assertions", who="reviewer").json()
    assert len(listed["items"]) == 1


def test_the_database_lets_the_detector_verify_by_the_rule_alone(live: Live) -> None:
    _post_text(live, approve=False)
    found = _heard(live, "d01.wav")
    with (
        pytest.raises(psycopg.errors.CheckViolation),
        psycopg.connect(live.database_url, options="-c role=audiatur_app") as connection,
    ):
        connection.execute(
            "UPDATE assertions SET status = 'verified', decided_at = now() WHERE recording_id = %s",
            [found["id"]],
        )
