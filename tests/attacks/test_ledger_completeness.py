"""The ledger is whole: each change of a ground and each refusal of somebody known is in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from fastapi import Request
from sqlalchemy import select

from app.core.clock import SetClock
from app.core.db import Database
from app.custody.models import CustodyEntry
from app.custody.refusals import ENTRIES_PER_MINUTE, Denials, Limit
from app.identity.actor import Actor, PermissionMissing
from app.identity.authenticator import SESSION_COOKIE
from app.identity.login import FAILURES_ALLOWED
from app.identity.permissions import Role
from app.identity.service import add_user
from tests.conftest import Urls
from tests.factories import wav
from tests.live import Live, metadata

PASSWORD = "a long enough one"


def entries(database: Database, act: str) -> list[CustodyEntry]:
    """Return what the ledger tells of `act`, in order."""
    with database.transaction() as session:
        query = select(CustodyEntry).where(CustodyEntry.act == act)
        return list(session.scalars(query.order_by(CustodyEntry.position)))


def told(database: Database, act: str) -> list[dict[str, Any]]:
    return [entry.facts for entry in entries(database, act)]


def client(**other: object) -> dict[str, object]:
    clause = {
        "clause_ref": "5.3",
        "quote": "Разговоры записываются",
        "scope": ["notice"],
        "purposes": ["dispute_client"],
        "recipients": [],
    }
    contract = {
        "number": "7/26",
        "signed_on": "2026-01-10",
        "our_entity": "ООО Архив",
        "document_sha256": "ab" * 32,
        "signature_kind": "ukep",
        "valid_from": "2026-01-10T00:00:00+03:00",
        "clauses": [clause | other],
    }
    return {"name": "ООО Ромашка", "contacts": [], "contracts": [contract]}


def test_grounds_are_told_with_what_changed_and_repeats_are_not(live: Live) -> None:
    def put(body: dict[str, object]) -> None:
        answer = live.call("PUT", "/v1/clients/C-1", who="manager", json=body)
        assert answer.status_code in {200, 201}, answer.text

    put(client())
    put(client())
    put(client(quote="Разговоры не записываются"))
    put(client(clause_ref="5.4"))
    database = live.tools.database
    assert [(f["is_new"], f["changed"]) for f in told(database, "client.changed")] == [(True, "")]
    found = told(database, "contract.changed")
    counts = [[f[f"clauses_{what}"] for what in ("added", "changed", "removed")] for f in found]
    assert counts == [[1, 0, 0], [0, 1, 0], [1, 0, 1]]
    assert "Ромашка" not in str(found)
    assert "записываются" not in str(found)
    assert {e.actor_role for e in entries(database, "contract.changed")} == {"manager"}


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ({"name": "ООО Лютик"}, "name"),
        ({"jurisdiction": "DE"}, "jurisdiction"),
        ({"contacts": [{"name": "Директор", "phones": ["+74950008414"]}]}, "contacts"),
    ],
)
def test_a_changed_client_is_told_by_the_names_of_its_parts(
    live: Live, change: dict[str, object], changed: str
) -> None:
    for body in (client(), client() | change, client() | change):
        live.call("PUT", "/v1/clients/C-1", who="manager", json=body).raise_for_status()
    assert [f["changed"] for f in told(live.tools.database, "client.changed")] == ["", changed]


def test_an_event_is_told_once_for_each_change(live: Live) -> None:
    live.put_client("C-1")
    for at in ("2026-11-20T10:00:00+03:00", "2026-11-20T10:00:00+03:00", "2026-11-20T11:00:00Z"):
        live.put_event("E-1", "C-1", at)
    assert [f["changed"] for f in told(live.tools.database, "event.changed")] == ["", "occurred_at"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/recordings/{}", 404),
        ("GET", "/v1/recordings/{}/audio", 404),
        ("GET", "/v1/recordings/{}/waveform", 404),
        ("GET", "/v1/recordings/{}/assertions", 403),
        ("GET", "/v1/recordings/{}/decision?purpose=internal_quality", 403),
        ("GET", "/v1/releases/{}", 403),
    ],
)
def test_what_an_agent_is_refused_is_told_of_him(
    live: Live, method: str, path: str, status: int
) -> None:
    live.add_agent("107")
    sent = live.send(metadata("c1", agent="106"), wav(0.2)).json()["id"]
    assert live.call(method, path.format(sent), who="107").status_code == status
    (entry,) = entries(live.tools.database, "access.denied")
    route = path.format("{recording_id}" if "recordings" in path else "{release_id}")
    assert entry.facts["route"] == f"{method} {route.partition('?')[0]}"
    assert entry.facts["status"] == status
    assert (entry.actor_kind, entry.actor_role, entry.outcome) == ("user", "agent", "denied")
    assert (entry.object_kind, entry.object_id) == ("route", UUID(sent))


def test_of_a_stranger_nothing_is_told(live: Live) -> None:
    assert live.call("GET", f"/v1/recordings/{uuid4()}", who=None).status_code == 401
    headers = {"Authorization": "Bearer audu_unknown"}
    asked = httpx.get(f"{live.url}/v1/recordings/{uuid4()}", headers=headers)
    assert asked.status_code == 401
    assert entries(live.tools.database, "access.denied") == []


def test_a_refused_verdict_is_told(live: Live) -> None:
    live.add_agent("106")
    sent = live.send(metadata("c1"), wav(0.2)).json()["id"]
    proposed = live.call(
        "POST",
        f"/v1/recordings/{sent}/assertions",
        who="reviewer",
        json={"kind": "refusal", "evidence": {"quote": "не записывайте меня"}},
    )
    assert proposed.status_code == 201, proposed.text
    path = f"/v1/assertions/{proposed.json()['id']}/verify"
    assert live.call("POST", path, who="reviewer", json={}).status_code == 403
    (entry,) = entries(live.tools.database, "access.denied")
    assert (entry.object_id, entry.facts["refusal"]) == (
        UUID(proposed.json()["id"]),
        "proposer-decides",
    )


def test_a_refusal_that_the_room_tells_is_not_told_twice(live: Live) -> None:
    sent = live.send(metadata("c1"), wav(0.2)).json()["id"]
    live.work()
    path = f"/v1/recordings/{sent}/audio?purpose=publish"
    assert live.call("GET", path, who="reviewer").status_code == 403
    assert [e.object_kind for e in entries(live.tools.database, "access.denied")] == ["recording"]


@pytest.mark.parametrize(
    ("text", "body", "name", "status", "refusal"),
    [
        ("{", wav(0.2), "call.wav", 422, "metadata-invalid"),
        (None, b"MZ" + bytes(4000), "call.exe", 415, None),
        (None, wav(0.2), "call.wav", 400, "digest-mismatch"),
    ],
)
def test_a_refused_upload_is_told_of_its_device(
    live: Live, text: str | None, body: bytes, name: str, status: int, refusal: str | None
) -> None:
    headers = {"Repr-Digest": f"sha-256=:{'A' * 43}=:"} if status == 400 else {}
    answer = live.send(text or metadata("c1"), body, name=name, headers=headers)
    assert answer.status_code == status, answer.text
    (entry,) = entries(live.tools.database, "upload.refused")
    assert (entry.actor_kind, entry.outcome) == ("device", "denied")
    assert entry.facts["status"] == status
    assert entry.facts["received_bytes"] > len(body) / 2
    assert refusal in {None, entry.facts["refusal"]}


def test_a_repeat_is_told_of_nowhere(live: Live) -> None:
    assert live.send(metadata("c1"), wav(0.2)).status_code == 201
    with live.tools.database.transaction() as session:
        before = len(session.scalars(select(CustodyEntry.id)).all())
    assert live.send(metadata("c1"), wav(0.2)).status_code == 200
    with live.tools.database.transaction() as session:
        assert len(session.scalars(select(CustodyEntry.id)).all()) == before


def test_nobody_floods_the_ledger(live: Live) -> None:
    live.key("agent")
    with httpx.Client(headers={"Authorization": f"Bearer {live.keys['agent']}"}) as agent:
        for _ in range(ENTRIES_PER_MINUTE + 5):
            assert agent.get(f"{live.url}/v1/releases").status_code == 403
    assert len(entries(live.tools.database, "access.denied")) == ENTRIES_PER_MINUTE


def test_the_limit_is_of_all_processes_together(own_db: Database) -> None:
    who, clock = Actor.user(uuid4(), Role.AGENT, "agent"), SetClock(datetime.now(UTC))
    scope = {"type": "http", "method": "GET", "path": "/v1/releases", "path_params": {}}
    processes = [Denials(own_db, clock, lambda _: who) for _ in range(2)]

    def refuse(times: int) -> int:
        for _ in range(times):
            for process in processes:
                process(Request(dict(scope)), PermissionMissing())
        return len(entries(own_db, "access.denied"))

    assert refuse(ENTRIES_PER_MINUTE - 10) == ENTRIES_PER_MINUTE
    clock.advance(timedelta(minutes=1))
    assert refuse(5) == ENTRIES_PER_MINUTE + 10


def test_a_ledger_that_takes_nothing_changes_no_answer(live: Live, own_database: Urls) -> None:
    live.key("agent")
    with psycopg.connect(own_database.owner) as owner:
        owner.execute("REVOKE INSERT ON custody_entries FROM audiatur_app")
        owner.execute("REVOKE INSERT (id, at, act) ON custody_entries FROM audiatur_app")
    assert live.call("GET", "/v1/releases", who="agent").status_code == 403
    assert entries(live.tools.database, "access.denied") == []


def test_the_limit_is_each_ones_own_and_ends_after_a_minute() -> None:
    limit, one, other = Limit(2), uuid4(), uuid4()
    at = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert [limit.lets_through(one, at=at) for _ in range(3)] == [True, True, False]
    assert limit.lets_through(other, at=at)
    assert limit.lets_through(one, at=at + timedelta(minutes=1))


@pytest.fixture
def anna(live: Live) -> None:
    """Let somebody have a password."""
    with live.tools.database.transaction() as session:
        add_user(
            session,
            Actor.system("tests"),
            "anna",
            role=Role.MANAGER,
            password=PASSWORD,
            at=live.tools.clock.now(),
        )


def log_in(live: Live, name: str, password: str) -> httpx.Response:
    body = {"name": name, "password": password}
    return live.call("POST", "/v1/session", who=None, json=body)


@pytest.mark.usefixtures("anna")
def test_logging_out_is_told(live: Live) -> None:
    token = log_in(live, "anna", PASSWORD).cookies[SESSION_COOKIE]
    headers = {"Cookie": f"{SESSION_COOKIE}={token}", "Sec-Fetch-Site": "same-origin"}
    ended = live.call("DELETE", "/v1/session", who=None, headers=headers)
    assert ended.status_code == 204
    (entry,) = entries(live.tools.database, "login.ended")
    assert (entry.actor_role, entry.object_kind) == ("manager", "user")


@pytest.mark.usefixtures("anna")
@pytest.mark.parametrize(("name", "times"), [("anna", 1), ("nobody-at-all", 0)])
def test_a_throttled_log_in_is_told_once_and_never_by_name(
    live: Live, name: str, times: int
) -> None:
    for _ in range(FAILURES_ALLOWED):
        assert log_in(live, name, "wrong").status_code == 401
    assert [log_in(live, name, PASSWORD).status_code for _ in range(2)] == [429, 429]
    found = entries(live.tools.database, "login.throttled")
    assert [entry.outcome for entry in found] == ["denied"] * times
    assert name not in str([entry.facts for entry in found])
