"""A manager sees the clients of his offices; what he does not see is as if it were not there."""

from __future__ import annotations

from uuid import UUID, uuid4

import httpx
import pytest

from tests.factories import wav
from tests.live import Live, metadata

NORTH = "79990000001"
SOUTH = "79990000002"


def _office(live: Live, name: str, **more: str) -> str:
    answer = live.call("POST", "/v1/offices", who="admin", json={"name": name} | more)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def _place(live: Live, person: str, *offices: str) -> httpx.Response:
    answer = live.call(
        "PUT", f"/v1/users/{person}/offices", who="admin", json={"offices": list(offices)}
    )
    live.forget()
    return answer


def _client(live: Live, external_id: str, phone: str, office: str | None, who: str) -> int:
    told = {
        "name": external_id,
        "contacts": [{"name": "Директор", "phones": [f"+{phone}"], "is_management": True}],
    }
    body = told | ({"office": office} if office else {})
    return live.call("PUT", f"/v1/clients/{external_id}", who=who, json=body).status_code


@pytest.fixture
def two(live: Live) -> dict[str, str]:
    """Give a call of a client of each of two offices; the manager belongs to `south`."""
    live.key("manager")
    _office(live, "south", jurisdiction="KZ", zone="Asia/Almaty")
    assert _client(live, "N", NORTH, None, "admin") == 201
    assert _client(live, "S", SOUTH, "south", "admin") == 201
    calls = {
        office: live.send(metadata(office, **{"from": f"+{phone}"}), wav(0.2)).json()["id"]
        for office, phone in (("north", NORTH), ("south", SOUTH), ("unknown", "79990000003"))
    }
    assert _place(live, "manager", "south").status_code == 204
    return calls


def test_before_anybody_is_placed_a_manager_sees_all(live: Live) -> None:
    live.key("manager")
    assert _client(live, "N", NORTH, None, "admin") == 201
    sent = live.send(metadata("c", **{"from": f"+{NORTH}"}), wav(0.2)).json()["id"]
    assert live.call("GET", f"/v1/recordings/{sent}", who="manager").status_code == 200
    assert live.call("GET", "/v1/clients/N", who="manager").json()["office"] == "main"


def test_v8_2_2_a_manager_sees_the_calls_of_his_offices_and_of_nobody_yet(
    live: Live, two: dict[str, str]
) -> None:
    listed = live.call("GET", "/v1/recordings", who="manager").json()["items"]
    assert {one["id"] for one in listed} == {two["south"], two["unknown"]}
    for role in ("reviewer", "approver", "legal", "auditor", "admin"):
        found = live.call("GET", "/v1/recordings", who=role).json()["items"]
        assert {one["id"] for one in found} == set(two.values()), role


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("GET", "/audio", None),
        ("GET", "/waveform", None),
        ("GET", "/decision?purpose=internal_quality&recipient=own_staff_manager", None),
        ("POST", "/assertions", {"kind": "refusal", "evidence": {"quote": "не надо"}}),
        ("POST", "/link", {"event": {"external_id": "E-1"}, "reason": "wrong one"}),
    ],
)
def test_v8_2_2_a_call_of_another_office_is_as_if_there_were_none(
    live: Live, two: dict[str, str], method: str, path: str, body: dict[str, object] | None
) -> None:
    asked = [
        live.call(method, f"/v1/recordings/{one}{path}", who="manager", json=body)
        for one in (two["north"], str(uuid4()))
    ]
    assert [answer.status_code for answer in asked] == [404, 404]
    foreign, unknown = (answer.json() | {"instance": ""} for answer in asked)
    assert foreign == unknown


@pytest.mark.usefixtures("two")
def test_v8_2_2_a_client_of_another_office_is_as_if_there_were_none(live: Live) -> None:
    assert live.call("GET", "/v1/clients/S", who="manager").status_code == 200
    foreign, unknown = (
        live.call("GET", f"/v1/clients/{one}", who="manager") for one in ("N", "nobody")
    )
    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert foreign.json() | {"instance": ""} == unknown.json() | {"instance": ""}
    assert _client(live, "N", NORTH, None, "manager") == 404
    event = {"kind": "ticket", "occurred_at": "2026-11-20T10:00:00Z", "subject": "x"}
    told = live.call("PUT", "/v1/events/E", who="manager", json=event | {"client": "N"})
    assert told.status_code == 404
    live.call("PUT", "/v1/events/E", who="admin", json=event | {"client": "N"})
    assert live.call("GET", "/v1/events/E", who="manager").status_code == 404
    assert live.call("GET", "/v1/events/E", who="admin").status_code == 200


@pytest.mark.usefixtures("two")
def test_what_a_manager_tells_of_belongs_to_his_office(live: Live) -> None:
    assert _client(live, "new", "79990000009", None, "manager") == 201
    assert live.call("GET", "/v1/clients/new", who="manager").json()["office"] == "south"
    assert _client(live, "other", "79990000008", "main", "manager") == 404
    assert _client(live, "other", "79990000008", "nowhere", "admin") == 404


def test_v8_2_2_no_release_of_another_offices_client_is_asked_for_or_seen(
    live: Live, two: dict[str, str]
) -> None:
    directors = {
        one: live.call("GET", f"/v1/clients/{one}", who="admin").json()["contacts"][0]["id"]
        for one in ("N", "S")
    }

    def ask(contact: str, recording: str) -> httpx.Response:
        wanted = {
            "contact_id": contact,
            "purpose": "dispute_client",
            "items": [{"recording_id": recording}],
        }
        return live.call("POST", "/v1/releases", who="manager", json=wanted)

    for contact, recording in (
        (directors["N"], two["south"]),
        (directors["S"], two["north"]),
        (str(uuid4()), two["south"]),
        (directors["S"], str(uuid4())),
    ):
        assert ask(contact, recording).status_code == 404, (contact, recording)
    assert ask(directors["S"], two["south"]).status_code == 409  # Nobody was told: a plain no.


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "south"}, 409),
        ({"name": "west", "zone": "Mars/Base"}, 400),
        ({"name": "west", "jurisdiction": "nowhere"}, 422),
        ({"name": ""}, 422),
    ],
)
@pytest.mark.usefixtures("two")
def test_an_office_that_is_none_is_refused(live: Live, body: dict[str, str], status: int) -> None:
    assert live.call("POST", "/v1/offices", who="admin", json=body).status_code == status


@pytest.mark.usefixtures("two")
def test_an_office_is_changed_and_listed(live: Live) -> None:
    listed = live.call("GET", "/v1/offices", who="admin").json()["items"]
    assert [one["name"] for one in listed] == ["main", "south"]
    south = listed[1]
    assert (south["jurisdiction"], south["zone"]) == ("KZ", "Asia/Almaty")
    path = f"/v1/offices/{south['id']}"
    assert live.call("PUT", path, who="admin", json={"name": "far south"}).status_code == 200
    assert live.call("PUT", path, who="admin", json={"name": "main"}).status_code == 409
    unknown = f"/v1/offices/{UUID(int=7)}"
    assert live.call("PUT", unknown, who="admin", json={"name": "x"}).status_code == 404
    assert _place(live, "nobody", "main").status_code == 404
    assert _place(live, "manager", "south").status_code == 404
    assert _place(live, "manager", "far south", "main").status_code == 204
    assert live.call("GET", "/v1/clients/N", who="manager").status_code == 200


@pytest.mark.usefixtures("two")
def test_v8_2_2_a_dispute_with_another_offices_client_is_as_if_there_were_none(
    live: Live,
) -> None:
    live.key("reviewer")

    def opened(client: str) -> str:
        body = {"client": client, "subject": "Сломали сеть"}
        answer = live.call("POST", "/v1/disputes", who="manager", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    assert _place(live, "manager", "main", "south").status_code == 204
    north, south = opened("N"), opened("S")
    assert _place(live, "manager", "south").status_code == 204
    found = [
        live.call("GET", f"/v1/disputes/{one}", who="manager")
        for one in (south, north, str(uuid4()))
    ]
    assert [answer.status_code for answer in found] == [200, 404, 404]
    foreign, unknown = (answer.json() | {"instance": ""} for answer in found[1:])
    assert foreign == unknown
    assert live.call("GET", f"/v1/disputes/{north}", who="reviewer").status_code == 200
    figures = [
        live.call("GET", f"/v1/client-figures/{one}", who="manager").status_code
        for one in ("S", "N", "nobody")
    ]
    assert figures == [200, 404, 404]
