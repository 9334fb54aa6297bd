"""Every recording belongs to exactly one event, and the answer says how it came there."""

from __future__ import annotations

from typing import Any

from app.recordings.linking import Known, Link, heard, link, outside_number
from app.recordings.models import LinkedBy
from app.recordings.schemas import RecordingTold
from tests.factories import wav
from tests.live import Live, metadata

NUMBER = "+74950008414"


def _told(**told: object) -> RecordingTold:
    return RecordingTold.model_validate(metadata("c1", **told))


def _recording(live: Live, recording_id: str) -> dict[str, Any]:
    answer = live.call("GET", f"/v1/recordings/{recording_id}", who="manager")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_outside_number_depends_on_the_direction() -> None:
    sides = {"from": "8 495 000-84-14", "to": "8 495 000-84-15"}
    assert outside_number(_told(direction="inbound", **sides), region="RU") == NUMBER
    assert outside_number(_told(direction="outbound", **sides), region="RU") == "+74950008415"
    assert outside_number(_told(direction="internal", **sides), region="RU") is None


def test_an_unknown_caller_is_an_outside_party_that_speaks_for_nobody() -> None:
    told = _told()
    tie = link(Known(), named=None)
    assert tie.linked_by is LinkedBy.TRIAGE
    people = heard(told, Known(), tie, number=NUMBER, region="RU")
    assert [(p.label, p.side, p.client_id) for p in people] == [
        ("own", "own", None),
        ("cli", "other", None),
    ]


def test_an_internal_call_has_nobody_from_outside() -> None:
    told = _told(direction="internal")
    people = heard(told, Known(), link(Known(), named=None), number=None, region="RU")
    assert {p.side for p in people} == {"own"}


def test_the_caller_named_again_among_the_parties_is_not_a_second_person() -> None:
    told = _told(parties=[{"number": NUMBER, "side": "client"}, {"name": "Гость"}])
    tie = Link(linked_by=LinkedBy.TRIAGE, event_id=None, client_id=None)
    people = heard(told, Known(), tie, number=NUMBER, region="RU")
    assert [p.label for p in people] == ["own", "cli", "p2"]


def test_an_event_named_by_the_sender_is_taken(live: Live) -> None:
    live.put_client("C-1", NUMBER)
    live.put_event("E-1", "C-1", "2026-11-19T10:00:00+03:00")
    answer = live.send(metadata("c1", event={"external_id": "E-1"}), wav(0.1)).json()
    assert answer["event"]["linked_by"] == "sender"
    assert answer["event"]["external_id"] == "E-1"
    assert answer["event"]["client"] == "C-1"


def test_the_nearest_open_event_of_the_number_is_found(live: Live) -> None:
    live.put_client("C-1", "8-495-000-84-14")
    live.put_event("E-far", "C-1", "2026-11-19T20:00:00+03:00")
    live.put_event("E-near", "C-1", "2026-11-20T09:00:00+03:00")
    live.put_event("E-old", "C-1", "2026-10-01T09:00:00+03:00")
    answer = live.send(metadata("c1"), wav(0.1)).json()
    assert answer["event"]["linked_by"] == "number"
    assert answer["event"]["external_id"] == "E-near"
    assert answer["event"]["client"] == "C-1"


def test_a_known_number_without_an_event_gets_one(live: Live) -> None:
    live.put_client("C-1", NUMBER)
    first = live.send(metadata("c1"), wav(0.1)).json()
    assert first["event"]["linked_by"] == "created"
    assert first["event"]["client"] == "C-1"
    second = live.send(metadata("c2"), wav(0.2)).json()
    assert second["event"]["linked_by"] == "created"
    assert second["event"]["id"] != first["event"]["id"]


def test_an_unknown_number_waits_in_triage_until_its_client_is_known(live: Live) -> None:
    answer = live.send(metadata("c1"), wav(0.1)).json()
    assert answer["event"]["linked_by"] == "triage"
    triage = live.call("GET", "/v1/triage", who="manager").json()
    assert [e["id"] for e in triage["items"]] == [answer["event"]["id"]]
    live.put_client("C-1", NUMBER)
    live.work()
    found = _recording(live, answer["id"])
    assert found["event"]["client"] == "C-1"
    assert found["event"]["linked_by"] == "created"
    assert [c["linked_by"] for c in found["links"]] == ["triage", "created"]
    party = next(p for p in found["consent"]["parties"] if p["label"] == "cli")
    assert party["how_identified"] == "number"
    assert live.call("GET", "/v1/triage", who="manager").json()["items"] == []


def test_a_number_of_two_clients_is_nobodys(live: Live) -> None:
    live.put_client("C-1", NUMBER)
    live.put_client("C-2", NUMBER)
    answer = live.send(metadata("c1"), wav(0.1)).json()
    assert answer["event"]["linked_by"] == "triage"


def test_an_event_that_arrives_later_adopts_its_recordings(live: Live) -> None:
    live.put_client("C-1", NUMBER)
    made = live.send(metadata("c1"), wav(0.1)).json()
    named = live.send(
        metadata("c2", event={"external_id": "E-1"}, **{"from": "buh"}), wav(0.2)
    ).json()
    assert named["event"]["client"] is None
    live.put_event("E-1", "C-1", "2026-11-20T11:00:00+03:00")
    live.work()
    adopted = _recording(live, made["id"])
    assert adopted["event"]["external_id"] == "E-1"
    assert adopted["event"]["linked_by"] == "adopted"
    waited = _recording(live, named["id"])
    assert waited["event"]["client"] == "C-1"
    assert waited["event"]["linked_by"] == "sender"
    party = next(p for p in waited["consent"]["parties"] if p["label"] == "cli")
    assert party["how_identified"] == "event"
    assert party["client"] is not None


def test_a_manager_relinks_with_history(live: Live) -> None:
    live.put_client("C-1", NUMBER)
    live.put_client("C-2", "+74950000001")
    live.put_event("E-2", "C-2", "2026-11-20T09:00:00+03:00")
    sent = live.send(metadata("c1"), wav(0.1)).json()
    body = {"event": {"external_id": "E-2"}, "reason": "Звонил с чужого телефона"}
    answer = live.call("POST", f"/v1/recordings/{sent['id']}/link", who="manager", json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["event"]["external_id"] == "E-2"
    assert [c["linked_by"] for c in found["links"]] == ["created", "manual"]
    assert found["links"][1]["reason"] == "Звонил с чужого телефона"
    # Whom the number identified still speaks for the number's client, not for the event's.
    party = next(p for p in found["consent"]["parties"] if p["label"] == "cli")
    first = live.call("GET", "/v1/clients/C-1", who="manager").json()
    assert party["client"] == first["id"]
    missing = live.call(
        "POST",
        f"/v1/recordings/{sent['id']}/link",
        who="manager",
        json={"event": {"external_id": "E-9"}, "reason": "Ошибка"},
    )
    assert missing.status_code == 404


def test_lists_are_narrowed_and_paged(live: Live) -> None:
    live.put_client("C-1", NUMBER)
    for number in range(5):
        told = metadata(
            f"c{number}", started_at=f"2026-11-2{number}T10:00:00+03:00", agent=f"10{number % 2}"
        )
        assert live.send(told, wav(0.1)).status_code == 201

    def listed(query: str) -> list[str]:
        found: list[str] = []
        cursor = ""
        while True:
            page = live.call("GET", f"/v1/recordings?limit=2{query}{cursor}", who="manager").json()
            found += [item["source_call_id"] for item in page["items"]]
            if page["next"] is None:
                return found
            cursor = f"&cursor={page['next']}"

    assert listed("") == ["c4", "c3", "c2", "c1", "c0"]
    assert listed("&agent=101") == ["c3", "c1"]
    assert listed("&client=C-1&from=2026-11-22T00:00:00Z") == ["c4", "c3", "c2"]
    assert listed("&number=8(495)0008414&to=2026-11-22T00:00:00Z") == ["c1", "c0"]
    assert listed("&flag=refused") == []
    assert live.call("GET", "/v1/recordings?cursor=zzz", who="manager").status_code == 400


def test_an_agent_sees_his_own_calls_only(live: Live) -> None:
    mine = live.send(metadata("c1", agent="101"), wav(0.1)).json()
    other = live.send(metadata("c2", agent="102"), wav(0.2)).json()
    live.add_agent("101")
    page = live.call("GET", "/v1/recordings", who="101").json()
    assert [item["id"] for item in page["items"]] == [mine["id"]]
    assert live.call("GET", f"/v1/recordings/{other['id']}", who="101").status_code == 404
