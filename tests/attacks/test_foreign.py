"""An agent asks for what other agents said; a device asks for anything at all."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.factories import wav
from tests.live import Live, metadata

BLOCK = {"kind": "refusal", "evidence": {"quote": "не записывайте меня"}}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "", None, 404),
        ("GET", "/audio", None, 404),
        ("GET", "/audio?purpose=consent_review", None, 404),
        ("GET", "/waveform", None, 404),
        ("POST", "/assertions", BLOCK, 404),
        ("GET", "/assertions", None, 403),
        ("GET", "/decision?purpose=internal_quality&recipient=own_staff_manager", None, 403),
        ("POST", "/screenings", {"result": "clean"}, 403),
        ("POST", "/link", {"event": {"external_id": "E-1"}, "reason": "wrong one"}, 403),
    ],
)
def test_an_agent_reaches_nothing_of_anothers_call(
    live: Live, method: str, path: str, body: dict[str, object] | None, status: int
) -> None:
    live.add_agent("106")
    live.add_agent("107")
    sent = live.send(metadata("c1", agent="106"), wav(0.2)).json()["id"]
    answers = [
        live.call(method, f"/v1/recordings/{one}{path}", who="107", json=body)
        for one in (sent, str(uuid4()))
    ]
    assert [answer.status_code for answer in answers] == [status, status]
    foreign, unknown = (answer.json() | {"instance": ""} for answer in answers)
    assert foreign == unknown


@pytest.mark.parametrize("narrowed", ["", "?agent=106", "?q=%25", "?number=%2B74950008414"])
def test_an_agents_list_holds_his_own_calls(live: Live, narrowed: str) -> None:
    live.add_agent("106")
    live.add_agent("107")
    live.send(metadata("c1", agent="106"), wav(0.2))
    answer = live.call("GET", f"/v1/recordings{narrowed}", who="107")
    assert answer.json()["items"] == []


def test_an_agent_without_a_name_in_the_calls_sees_none(live: Live) -> None:
    live.send(metadata("c1", agent=None), wav(0.2))
    assert live.call("GET", "/v1/recordings", who="agent").json()["items"] == []


def test_a_device_cannot_join_another_devices_call(live: Live) -> None:
    ours = live.send(metadata("c1"), wav(0.2)).json()
    theirs = live.send(metadata("c1", leg="sent"), wav(0.3), who="other-phone")
    assert theirs.status_code == 201
    assert theirs.json()["id"] != ours["id"]


@pytest.mark.parametrize("asked", ["%25", "_", "%5C", "%27"])
def test_what_is_searched_for_is_no_pattern(live: Live, asked: str) -> None:
    live.put_client("C-1", "+74950008414")
    live.put_event("E-1", "C-1", "2026-11-20T10:00:00+03:00")
    live.send(metadata("c1"), wav(0.2))
    found = live.call("GET", "/v1/recordings?q=принтер", who="manager").json()["items"]
    assert [one["event"]["external_id"] for one in found] == ["E-1"]
    assert live.call("GET", f"/v1/recordings?q={asked}", who="manager").json()["items"] == []
