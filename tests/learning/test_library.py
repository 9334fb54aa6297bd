"""Calls worth hearing: in and out of the library as the consent rules say."""

from __future__ import annotations

from uuid import UUID

import httpx
from sqlalchemy import event, text

from app.consent import service as consent
from app.core.ids import new_id
from app.learning import library
from tests.factories import set_erased
from tests.learning.conftest import told
from tests.review.house import House

LIBRARY = "/v1/exemplary-calls"


def _add(house: House, recording_id: UUID, who: str = "manager", **more: object) -> httpx.Response:
    body = {
        "recording_id": str(recording_id),
        "title": "Спокойный разбор претензии",
        "why": "Выслушал, повторил и назвал срок.",
        "topics": ["Претензия", "претензия", "срок"],
        "start_ms": 1500,
    }
    return house.call(who, "POST", LIBRARY, json=body | more)


def _ids(house: House, who: str, query: str = "") -> list[str]:
    answer = house.call(who, "GET", LIBRARY + query)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["items"]]


def _hear(house: House, exemplary_id: str, who: str, **headers: str) -> httpx.Response:
    key = {"Authorization": f"Bearer {house.keys[who]}"}
    return httpx.get(
        f"{house.url}{LIBRARY}/{exemplary_id}/audio", headers=key | headers, timeout=60
    )


def test_a_call_that_may_train_is_heard_by_an_agent_who_was_not_there(house: House) -> None:
    recording = told(house)
    answer = _add(house, recording)
    assert answer.status_code == 201, answer.text
    made = answer.json()["id"]
    assert house.call("colleague", "GET", f"/v1/recordings/{recording}").status_code == 404
    assert _ids(house, "colleague") == [made]
    found = house.call("colleague", "GET", f"{LIBRARY}/{made}").json()
    assert (found["topics"], found["start_ms"], found["agent"]) == (
        ["претензия", "срок"],
        1500,
        "101",
    )
    assert "client" not in str(found)
    heard = _hear(house, made, "colleague", Range="bytes=0-99")
    assert (heard.status_code, len(heard.content)) == (206, 100)
    with house.database.transaction() as session:
        purposes = session.scalars(
            text(
                "SELECT facts->>'purpose' FROM custody_entries WHERE act = 'media.played'"
                " AND object_id = :id AND actor_id = :who"
            ),
            {"id": recording, "who": house.people["colleague"].id},
        ).all()
    assert purposes == ["internal_training"]
    assert "exemplary.added" in house.acts(recording)


def test_a_call_enters_only_where_training_is_allowed(house: House) -> None:
    recording = told(house, purposes=())
    answer = _add(house, recording)
    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/consent-refused"
    assert "C_PURPOSE_NOT_ANNOUNCED:cli" in answer.json()["reasons"]
    assert _ids(house, "manager") == []
    assert "access.denied" in house.acts(recording)


def test_a_call_falls_out_when_its_client_takes_back_his_consent(house: House) -> None:
    recording = told(house)
    made = _add(house, recording).json()["id"]
    house.withdraw(recording, received_at=house.clock.now())
    assert _ids(house, "colleague") == []
    assert house.call("colleague", "GET", f"{LIBRARY}/{made}").status_code == 404
    assert _hear(house, made, "colleague").status_code == 403
    (left,) = house.call("manager", "GET", LIBRARY).json()["items"]
    assert left["is_allowed"] is False
    assert left["reasons"]


def test_the_library_is_written_by_those_who_may_and_read_by_topic(house: House) -> None:
    recording = told(house)
    assert _add(house, recording, who="agent").status_code == 403
    assert _add(house, recording, who="admin").status_code == 403
    assert house.call("admin", "GET", LIBRARY).status_code == 403
    assert _add(house, new_id()).status_code == 404
    assert _add(house, recording, start_ms=9000).status_code == 409
    made = _add(house, recording, who="reviewer").json()["id"]
    again = _add(house, recording)
    assert (again.status_code, again.json()["exemplary_id"]) == (409, made)
    assert _ids(house, "agent", "?topic=Срок") == [made]
    assert _ids(house, "agent", "?topic=другое") == []
    assert house.call("agent", "GET", f"{LIBRARY}?cursor=x").status_code == 400
    gone = f"{LIBRARY}/{made}/remove"
    assert house.call("agent", "POST", gone).status_code == 403
    assert house.call("manager", "POST", gone).status_code == 204
    assert house.call("manager", "POST", gone).status_code == 404
    assert _ids(house, "agent") == []
    assert _hear(house, made, "agent").status_code == 404
    assert _add(house, recording).status_code == 201


def test_an_erasure_takes_the_words_along(house: House) -> None:
    recording = told(house)
    made = _add(house, recording).json()["id"]
    set_erased(house.owner_url, recording)
    assert _ids(house, "manager") == []
    with house.database.transaction() as session:
        row = session.execute(
            text("SELECT title, why, topics FROM exemplary_calls WHERE id = :id"), {"id": made}
        ).one()
    assert tuple(row) == ("-", "-", [])


def test_pages_of_the_library_follow_each_other(house: House) -> None:
    made = []
    for _ in range(3):
        recording = told(house)
        made.append(_add(house, recording).json()["id"])
    first = house.call("agent", "GET", f"{LIBRARY}?limit=2").json()
    assert [one["id"] for one in first["items"]] == made[:0:-1]
    rest = house.call("agent", "GET", f"{LIBRARY}?limit=2&cursor={first['next']}").json()
    assert ([one["id"] for one in rest["items"]], rest["next"]) == (made[:1], None)


def test_who_learns_of_another_office_is_told_nothing(house: House) -> None:
    with house.making() as make:
        client = make.client()
    recording = told(house, client=client)
    made = _add(house, recording).json()["id"]
    office = new_id()
    with house.database.transaction() as session:
        session.execute(
            text("INSERT INTO offices (id, name, created_at) VALUES (:id, 'Пермь', now())"),
            {"id": office},
        )
        for name in ("colleague", "manager"):
            session.execute(
                text("INSERT INTO user_offices VALUES (:user, :office)"),
                {"user": house.people[name].id, "office": office},
            )
    house.app.state.authenticator._remembered.clear()
    assert _ids(house, "agent") == [made]
    for name in ("colleague", "manager"):
        assert _ids(house, name) == []
        assert _hear(house, made, name).status_code == 404
    assert house.call("manager", "POST", f"{LIBRARY}/{made}/remove").status_code == 404
    assert _add(house, recording).status_code == 404


def test_several_calls_are_decided_on_as_each_alone_and_what_is_not_there_is_denied(
    house: House,
) -> None:
    missing = new_id()
    ids = [told(house), told(house, purposes=()), told(house), missing]
    at = house.clock.now()
    with house.database.transaction() as session:
        question = library.question_of(session, house.people["manager"])
        alone = {one: consent.decide(session, one, question, at=at) for one in ids}
        together = consent.decide_each(session, ids, question, at=at)
    assert together == alone
    assert [together[one].allowed for one in ids] == [True, False, True, False]
    assert [reason.text for reason in together[missing].reasons] == ["E_INTERNAL"]
    assert all(together[one].stamp for one in ids[:3])


def test_several_calls_cost_as_many_statements_as_one(house: House) -> None:
    ids = [told(house) for _ in range(3)]
    asked: list[object] = []

    def note(*seen: object) -> None:
        asked.append(seen[2])

    def statements(several: list[UUID]) -> int:
        with house.database.transaction() as session:
            question = library.question_of(session, house.people["manager"])
            asked.clear()
            consent.decide_each(session, several, question, at=house.clock.now())
            return len(asked)

    event.listen(house.database.engine, "before_cursor_execute", note)
    try:
        assert 0 < statements(ids[:1]) == statements(ids)
    finally:
        event.remove(house.database.engine, "before_cursor_execute", note)
