"""What 1C sends by itself: each item is answered, a bad one stops no other, nothing comes twice."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from app.clients.models import Client
from app.core.ids import new_id
from app.custody.models import CustodyEntry
from app.identity.actor import Actor
from app.identity.permissions import Role
from app.onec import service
from app.onec.mapping import Infobase
from app.onec.reasons import REASONS, Reason
from app.recordings.models import Party
from tests.factories import wav
from tests.live import Live, metadata
from tests.onec.house import ACTOR, OnecHouse
from tests.onec.standin import EMPTY, ZERO, ref

PATH = "/v1/1c/base/items"
Json = dict[str, Any]


def item(kind: str, number: int, version: str = "AAAAAQ==", /, **fields: object) -> Json:
    return {"kind": kind, "ref": ref(number), "version": version, "fields": fields}


CLIENT = item("client", 1, name="ООО «Компас»", tax_id="7700000022")
PERSON = item("contact", 2, client=ref(1), name="Глухов С. А.", phones=["8 (495) 000-06-86"])
CONTRACT = item(
    "contract",
    3,
    client=ref(1),
    number="7/26",
    signed_on="2026-02-01T00:00:00",
    our_entity="ООО «Сервис»",
    document_sha256="ab" * 32,
    signature_kind="УКЭП",
    valid_from="2026-02-01T00:00:00",
    valid_through=EMPTY,
    clauses=[{"clause_ref": "4.2", "quote": "Разговоры записываются.", "scope": ["notice"]}],
)
CALL = item(
    "event",
    4,
    client=ref(1),
    kind="Звонок",
    occurred_at="2026-11-27T15:30:00",
    subject="Не печатает принтер",
)


@pytest.fixture
def archive(live: Live) -> Live:
    with live.tools.database.transaction() as session:
        service.add(
            session,
            ACTOR,
            "base",
            base_url=None,
            infobase=Infobase(),
            login=None,
            settings=live.tools.settings,
            at=live.tools.clock.now(),
        )
    return live


def send(archive: Live, *items: object, who: str | None = "manager") -> httpx.Response:
    return archive.call("POST", PATH, who=who, json={"items": list(items)})


def told(answer: httpx.Response) -> list[tuple[str, list[str]]]:
    """Return outcome and reasons of each item."""
    assert answer.status_code == 200, answer.text
    return [
        (one["outcome"], [problem["reason"] for problem in one["problems"]])
        for one in answer.json()["items"]
    ]


def entries(archive: Live) -> int:
    with archive.tools.database.transaction() as session:
        return session.scalar(select(func.count()).select_from(CustodyEntry)) or 0


def test_all_kinds_come_in_whatever_their_order_and_the_same_again_changes_nothing(
    archive: Live,
) -> None:
    batch = [CALL, CONTRACT, PERSON, CLIENT]
    answer = send(archive, *batch)
    assert told(answer) == [("taken", [])] * 4, answer.text
    assert (answer.json()["taken"], answer.json()["refused"]) == (4, 0)
    assert all(one["is_new"] for one in answer.json()["items"])
    client = archive.call("GET", f"/v1/clients/{ref(1)}", who="manager").json()
    assert client["contacts"][0]["external_id"] == ref(2)
    assert client["contacts"][0]["phones"] == ["+74950000686"]
    assert client["contracts"][0]["clauses"][0]["clause_ref"] == "4.2"
    assert client["contracts"][0]["valid_to"] is None
    event = archive.call("GET", f"/v1/events/{ref(4)}", who="manager").json()
    assert event["occurred_at"] == "2026-11-27T12:30:00Z"
    before = entries(archive)
    assert told(send(archive, *batch)) == [("unchanged", [])] * 4
    assert entries(archive) == before
    other = {**CLIENT, "version": "AAAAAg==", "fields": {"name": "ООО «Компас-Экспорт»"}}
    assert told(send(archive, other)) == [("taken", [])]
    client = archive.call("GET", f"/v1/clients/{ref(1)}", who="manager").json()
    # What was not told this time stays.
    assert (client["name"], client["tax_id"]) == ("ООО «Компас-Экспорт»", "7700000022")


BAD: list[tuple[object, Reason, str]] = [
    ("client", Reason.NOT_AN_OBJECT, ""),
    ({"ref": ref(9), "fields": {}}, Reason.KIND, "kind"),
    ({**CLIENT, "kind": "invoice", "ref": ref(9)}, Reason.KIND, "kind"),
    ({**CLIENT, "ref": "000000001"}, Reason.REF, "ref"),
    ({**CLIENT, "ref": ZERO}, Reason.REF, "ref"),
    ({**CLIENT, "ref": ref(9), "version": 7}, Reason.VERSION, "version"),
    ({**CLIENT, "ref": ref(9), "deleted": "да"}, Reason.YES_OR_NO, "deleted"),
    ({**CLIENT, "ref": ref(9), "fields": ["name"]}, Reason.NOT_AN_OBJECT, "fields"),
    (item("client", 9, tax_id="7"), Reason.COLUMN_MISSING, "name"),
    (item("client", 9, name=""), Reason.CELL_MISSING, "name"),
    (item("client", 9, name="n" * 501), Reason.VALUE, "name"),
    (item("client", 9, name="a\x00b"), Reason.VALUE, "name"),
    (item("client", 9, name={"ru": "Имя"}), Reason.VALUE, "name"),
    (item("client", 9, name="Имя", наименование="Имя"), Reason.COLUMN_TWICE, "name"),
    (item("client", 9, name="Имя", office="Нигде"), Reason.OFFICE, ""),
    (item("contact", 9, client=ref(1), name="Имя", phones=["доб. 12"]), Reason.PHONE, ""),
    (item("contact", 9, client=ref(77), name="Имя"), Reason.CLIENT, ""),
    ({**CALL, "ref": ref(9), "fields": {**CALL["fields"], "kind": "Визг"}}, Reason.WORD, "kind"),
    (
        {**CALL, "ref": ref(9), "fields": {**CALL["fields"], "occurred_at": "вчера"}},
        Reason.DATE,
        "occurred_at",
    ),
    (
        {**CONTRACT, "ref": ref(9), "fields": {**CONTRACT["fields"], "document_sha256": None}},
        Reason.CELL_MISSING,
        "document_sha256",
    ),
    (
        {**CONTRACT, "ref": ref(9), "fields": {**CONTRACT["fields"], "valid_to": "2020-01-01"}},
        Reason.PERIOD,
        "",
    ),
    (
        {**CONTRACT, "ref": ref(9), "fields": {**CONTRACT["fields"], "clauses": [1]}},
        Reason.VALUE,
        "clauses",
    ),
]


def test_bad_items_are_refused_with_words_and_good_ones_beside_them_are_taken(
    archive: Live,
) -> None:
    assert told(send(archive, CLIENT)) == [("taken", [])]
    batch: list[object] = []
    for place, (bad, _, _) in enumerate(BAD):
        # One refused thing is refused once: each bad item of number 9 is another thing here.
        one = bad | {"ref": ref(1000 + place)} if isinstance(bad, dict) and _is_ninth(bad) else bad
        batch += [one, item("client", 2000 + place, name=f"Хороший {place}")]
    answer = send(archive, *batch)
    items = answer.json()["items"]
    assert [one["outcome"] for one in items[1::2]] == ["taken"] * len(BAD)
    for (bad, reason, field), one in zip(BAD, items[::2], strict=True):
        problem = one["problems"][0]
        assert (one["outcome"], problem["reason"]) == ("refused", reason), (bad, one)
        if reason is not Reason.VALUE:
            assert problem["field"] == field, (bad, one)
        assert (problem["ru"], problem["en"]) == (REASONS[reason].ru, REASONS[reason].en)
    refused = archive.call("GET", "/v1/1c/base/refused", who="admin").json()["items"]
    # What has a reference stays here with its reasons; the rest stays in 1C's own queue.
    assert len(refused) == sum(_is_ninth(bad) and reason not in EARLY for bad, reason, _ in BAD)
    assert all(one["problems"][0]["ru"] for one in refused)


EARLY = frozenset({Reason.NOT_AN_OBJECT, Reason.KIND, Reason.REF, Reason.VERSION})


def _is_ninth(bad: object) -> bool:
    early = isinstance(bad, dict) and not isinstance(bad.get("deleted", False), bool)
    return isinstance(bad, dict) and bad.get("ref") == ref(9) and not early


def test_the_same_thing_twice_in_a_batch_is_taken_once(archive: Live) -> None:
    answer = send(archive, CLIENT, {**CLIENT, "fields": {"name": "Другой"}})
    assert told(answer) == [("taken", []), ("refused", ["twice"])]
    assert archive.call("GET", f"/v1/clients/{ref(1)}", who="manager").json()["name"] == (
        "ООО «Компас»"
    )


def test_fields_that_nobody_knows_are_named(archive: Live) -> None:
    answer = send(archive, item("client", 1, name="Имя", Цвет="синий"))
    assert answer.json()["items"][0]["unknown"] == ["Цвет"]
    assert told(answer) == [("taken", [])]


VISIT = item("event", 5, **{**CALL["fields"], "kind": "Выезд"})


def test_what_waits_for_its_client_is_taken_when_he_comes(archive: Live) -> None:
    assert told(send(archive, VISIT, PERSON)) == [("refused", ["client"])] * 2
    assert archive.call("GET", f"/v1/events/{ref(5)}", who="manager").status_code == 404
    assert told(send(archive, CLIENT)) == [("taken", [])]
    assert archive.call("GET", f"/v1/events/{ref(5)}", who="manager").status_code == 200
    assert archive.call("GET", "/v1/1c/base/refused", who="admin").json()["items"] == []
    assert told(send(archive, VISIT, PERSON)) == [("unchanged", [])] * 2


def _triage(archive: Live) -> list[tuple[str, str, str | None]]:
    found = archive.call("GET", "/v1/triage", who="manager").json()["items"]
    return [(one["external_id"], one["subject"], one["client"]) for one in found]


def _event(archive: Live, number: int = 4) -> Json:
    answer = archive.call("GET", f"/v1/events/{ref(number)}", who="manager")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def test_a_call_of_nobody_known_waits_in_triage_and_becomes_his_when_he_comes(
    archive: Live,
) -> None:
    # Its recording came before it and names it, as the sender knows it from 1C.
    sent = archive.send(metadata("c1", event={"external_id": ref(4)}), wav(0.2))
    assert sent.status_code == 201, sent.text
    answer = send(archive, CALL)
    assert told(answer) == [("taken", ["client_awaited"])]
    (problem,) = answer.json()["items"][0]["problems"]
    assert (problem["field"], problem["what"]) == ("client", ref(1))
    assert _triage(archive) == [(ref(4), "Не печатает принтер", None)]
    assert archive.call("GET", "/v1/1c/base/refused", who="admin").json()["items"] == []
    before = entries(archive)
    assert told(send(archive, CALL)) == [("unchanged", ["client_awaited"])]
    assert entries(archive) == before
    assert told(send(archive, CLIENT)) == [("taken", [])]
    assert _triage(archive) == []
    assert _event(archive)["client"] == ref(1)
    archive.work()
    with archive.tools.database.transaction() as session:
        (outside,) = session.scalars(select(Party).where(Party.side != "own")).all()
        client = session.scalars(select(Client)).one()
    assert (outside.side, outside.client_id, outside.how_identified) == (
        "client",
        client.id,
        "event",
    )
    assert told(send(archive, CALL)) == [("unchanged", [])]


def test_a_call_without_any_client_waits_too_and_another_event_does_not(archive: Live) -> None:
    without = {**CALL, "fields": {**CALL["fields"], "client": ZERO}}
    assert told(send(archive, without)) == [("taken", ["client_awaited"])]
    assert told(send(archive, without)) == [("unchanged", [])]
    visit = {**VISIT, "fields": {**VISIT["fields"], "client": ZERO}}
    assert told(send(archive, visit)) == [("refused", ["cell_missing"])]
    assert [one[0] for one in _triage(archive)] == [ref(4)]
    assert told(send(archive, CLIENT, CALL)) == [("taken", [])] * 2
    assert _triage(archive) == []
    # What has a client is not taken from him again.
    assert told(send(archive, without)) == [("refused", ["cell_missing"])]
    assert _event(archive)["client"] == ref(1)


def test_a_call_finds_a_client_who_came_by_another_way(archive: Live) -> None:
    assert told(send(archive, CALL)) == [("taken", ["client_awaited"])]
    path = f"/v1/clients/{ref(1)}"
    made = archive.call("PUT", path, who="manager", json={"name": "ООО «Компас»"})
    assert made.status_code in {200, 201}, made.text
    assert [one[0] for one in _triage(archive)] == [ref(4)]
    assert told(send(archive, CALL)) == [("unchanged", [])]
    assert _triage(archive) == []


def test_a_call_of_a_client_whom_the_sender_may_not_know_tells_nothing_of_him(
    house: OnecHouse,
) -> None:
    house.add()
    assert [one.outcome for one in house.push(CLIENT)] == ["taken"]
    other = Actor.user(new_id(), Role.MANAGER, "other", offices=frozenset({new_id()}))
    hidden, unknown = CALL, item("event", 6, **{**CALL["fields"], "client": ref(99)})
    said = house.push(hidden, unknown, actor=other)
    assert [one.outcome for one in said] == ["taken", "taken"]
    assert [[str(two.reason) for two in one.problems] for one in said] == [["client_awaited"]] * 2
    assert {row.client_id for row in house.events().values()} == {None}
    # Who knows him ties it.
    assert [one.outcome for one in house.push(hidden)] == ["unchanged"]
    assert house.events()[ref(4)].client_id is not None


def test_what_was_sent_and_refused_is_counted(archive: Live) -> None:
    def counted() -> dict[str, float]:
        text = archive.call("GET", "/metrics", who=None).text
        found = re.findall(r"^(audiatur_onec\S+) (\S+)$", text, re.MULTILINE)
        return {name: float(value) for name, value in found}

    refused = 'audiatur_onec_items_total{outcome="refused"}'
    before = counted()
    assert before['audiatur_onec_refused{source="base"}'] == 0
    send(archive, CLIENT, VISIT, item("contact", 9, client=ref(77), name="Имя"), "ничего")
    after = counted()
    # What has no reference is not kept here, and is counted at the door alone.
    assert after['audiatur_onec_refused{source="base"}'] == 1
    assert after[refused] - before.get(refused, 0) == 2


def test_a_client_may_have_another_name_here_than_its_reference(archive: Live) -> None:
    named = item("client", 1, name="Имя", external_id="K-00017")
    assert told(send(archive, named, PERSON)) == [("taken", [])] * 2
    client = archive.call("GET", "/v1/clients/K-00017", who="manager").json()
    assert client["contacts"][0]["external_id"] == ref(2)
    again = item("client", 1, "AAAAAg==", name="Новое имя")
    assert told(send(archive, again)) == [("taken", [])]
    assert archive.call("GET", "/v1/clients/K-00017", who="manager").json()["name"] == "Новое имя"


def test_a_contract_keeps_its_paper_and_may_be_given_another_number(archive: Live) -> None:
    assert told(send(archive, CLIENT, CONTRACT)) == [("taken", [])] * 2
    renamed = item("contract", 3, "AAAAAg==", client=ref(1), number="7/26-А")
    assert told(send(archive, renamed)) == [("taken", [])]
    client = archive.call("GET", f"/v1/clients/{ref(1)}", who="manager").json()
    (contract,) = client["contracts"]
    assert contract["number"] == "7/26-А"
    assert contract["clauses"][0]["clause_ref"] == "4.2"


def test_a_person_who_moved_has_left_where_he_was(house: OnecHouse) -> None:
    house.add()
    house.push(CLIENT, item("client", 5, name="Другой клиент"), PERSON)
    moved = {**PERSON, "version": "2", "fields": {**PERSON["fields"], "client": ref(5)}}
    (said,) = house.push(moved)
    assert said.outcome == "taken"
    clients = house.clients()
    with house.tools.database.transaction() as session:
        from app.clients.models import Contact  # noqa: PLC0415 - for this question alone.

        rows = session.scalars(select(Contact)).all()
    left = {row.client_id: row.left_at for row in rows}
    assert left == {clients[ref(1)].id: house.tools.clock.now(), clients[ref(5)].id: None}


def test_another_offices_manager_changes_and_ends_nothing(house: OnecHouse) -> None:
    house.add()
    house.push(CLIENT, PERSON, CONTRACT, CALL)
    other = Actor.user(new_id(), Role.MANAGER, "other", offices=frozenset({new_id()}))
    renamed = {**CONTRACT, "fields": {**CONTRACT["fields"], "number": "0"}}
    for batch in (
        [{**one, "deleted": True, "version": "9"} for one in (CLIENT, PERSON, CONTRACT, CALL)],
        [renamed, {**CALL, "version": "9", "fields": {**CALL["fields"], "subject": "x"}}],
        [{**PERSON, "version": "9", "fields": {**PERSON["fields"], "name": "x"}}],
    ):
        said = house.push(*batch, actor=other)
        assert {(one.outcome, one.problems[0].reason) for one in said} == {
            ("refused", Reason.CLIENT)
        }
    assert house.contacts()[ref(2)].left_at is None
    assert house.contracts()["7/26"].terminated_at is None
    event = house.events()[ref(4)]
    assert (event.closed_at, event.subject) == (None, "Не печатает принтер")


def test_a_contract_that_is_refused_keeps_its_number(house: OnecHouse) -> None:
    house.add()
    house.push(CLIENT, CONTRACT)
    wrong = {**CONTRACT["fields"], "number": "8/26", "valid_to": "2020-01-01"}
    (said,) = house.push({**CONTRACT, "version": "2", "fields": wrong})
    assert [one.reason for one in said.problems] == [Reason.PERIOD]
    assert set(house.contracts()) == {"7/26"}


def test_who_may_not_is_refused_and_what_is_no_batch_too(archive: Live) -> None:
    assert send(archive, CLIENT, who=None).status_code == 401
    for who in ("agent", "auditor", "phone"):
        assert send(archive, CLIENT, who=who).status_code == 403
    unknown = archive.call("POST", "/v1/1c/other/items", who="manager", json={"items": []})
    assert (unknown.status_code, unknown.json()["type"]) == (404, "/problems/onec-source-not-found")
    for body in ({}, {"items": "x"}, {"items": [], "more": 1}, {"items": [CLIENT] * 501}):
        answer = archive.call("POST", PATH, who="manager", json=body)
        assert answer.status_code == 422, body
    broken = archive.call(
        "POST",
        PATH,
        who="manager",
        content=b'{"items": [',
        headers={"Content-Type": "application/json"},
    )
    assert broken.status_code == 422
    listed = archive.call("GET", "/v1/1c", who="admin").json()["items"]
    assert [one["name"] for one in listed] == ["base"]
    assert archive.call("GET", "/v1/1c", who="manager").status_code == 403
    assert archive.call("GET", "/v1/1c/base/refused", who="manager").status_code == 403
    assert archive.call("GET", "/v1/1c/other/refused", who="admin").status_code == 404


@pytest.mark.parametrize("value", [b'"\\ud800"', b"NaN", b'[["a"]]'])
def test_what_no_database_keeps_stops_no_other(archive: Live, value: bytes) -> None:
    bad = b'{"kind":"client","ref":"%s","fields":{"name":%s}}' % (ref(9).encode(), value)
    good = b'{"kind":"client","ref":"%s","fields":{"name":"A"}}' % ref(1).encode()
    answer = archive.call(
        "POST",
        PATH,
        who="manager",
        content=b'{"items":[' + bad + b"," + good + b"]}",
        headers={"Content-Type": "application/json"},
    )
    assert told(answer) == [("refused", ["value"]), ("taken", [])]


def test_how_a_source_stands_is_told(archive: Live) -> None:
    send(archive, CLIENT, item("contact", 9, client=ref(77), name="Имя"))
    (one,) = archive.call("GET", "/v1/1c", who="admin").json()["items"]
    assert one["things"] == {"taken": 1, "refused": 1}
    assert datetime.fromisoformat(one["sent_at"]) <= datetime.now(UTC)
    page = archive.call("GET", "/v1/1c/base/refused?limit=1", who="admin").json()
    assert page["items"][0]["told"]["fields"]["name"] == "Имя"
    after = archive.call("GET", f"/v1/1c/base/refused?before={page['next']}", who="admin").json()
    assert after == {"items": [], "next": None}


def test_a_version_is_kept_as_1c_has_it(house: OnecHouse) -> None:
    house.add()
    version = base64.b64encode(b"\x00\x00\x00\x0a\x00\x00\x00\x00").decode()
    house.push({**CLIENT, "version": version})
    assert [one.version for one in house.things()] == [version]
