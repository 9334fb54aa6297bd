"""What is read of 1C by OData, from a stand-in that answers as it is documented."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from app.onec import mapping, pulling, service
from app.onec.models import Fault, ThingState
from app.onec.pulling import OnecBusy
from app.onec.reasons import Reason
from tests.onec.house import ACTOR, CALLS, CLIENTS, CONTRACTS, MAPPING, PEOPLE, OnecHouse, counts
from tests.onec.standin import EMPTY, ZERO, Asked, ref

PAPER = b"%PDF-1.4 contract"


def _fill(house: OnecHouse, clients: int = 1) -> None:
    """Write what an infobase with a client, a person, a contract and a call has."""
    onec = house.onec
    for number in range(1, clients + 1):
        onec.put(CLIENTS, ref(number), Description=f"Клиент {number}", ИНН="", IsFolder=False)
    onec.put(
        PEOPLE,
        ref(100),
        Description="Глухов С. А.",
        Должность="директор",
        Владелец=ref(1),
        Владелец_Type=f"StandardODATA.{CLIENTS}",
        КонтактнаяИнформация=[
            {"LineNumber": "1", "Тип": "Телефон", "Представление": "+7 495 000-06-86"},
            {"LineNumber": "2", "Тип": "Адрес", "Представление": "Москва"},
        ],
    )
    onec.put(
        CONTRACTS,
        ref(200),
        Owner_Key=ref(1),
        Номер="7/26",
        Дата="2026-02-01T00:00:00",
        СрокДействия=EMPTY,
        Организация____Presentation="ООО «Сервис»",
        Файл_Base64Data=base64.b64encode(PAPER).decode(),
    )
    onec.put(
        CALLS,
        ref(300),
        Date="2026-11-27T15:30:00",
        Абонент_Key=ref(1),
        ВидОбращения="Консультация",
        Тема="",
        Описание="Не печатает принтер",
        Ответственный____Presentation="Петров И.",
        ДатаЗакрытия=EMPTY,
        ДатаИзменения="2026-11-27T15:40:00",
    )


def test_what_stands_in_1c_stands_here_with_its_empty_values_empty(house: OnecHouse) -> None:
    _fill(house)
    house.add()
    done = house.pull()
    assert done.fault is None, done
    assert [one.counts for one in done.entities] == [{"taken": 1}] * 4, done
    client = house.clients()[ref(1)]
    assert (client.name, client.tax_id) == ("Клиент 1", None)
    person = house.contacts()[ref(100)]
    assert person.client_id == client.id
    assert [one.number for one in person.phones] == ["+74950000686"]
    contract = house.contracts()["7/26"]
    assert contract.document_sha256 == hashlib.sha256(PAPER).digest()
    assert (contract.valid_to, contract.signature_kind) == (None, "wet_scan")
    event = house.events()[ref(300)]
    # Half past three in Yekaterinburg, which is the zone of the source and not the office's.
    assert event.occurred_at == datetime(2026, 11, 27, 10, 30, tzinfo=UTC)
    assert (event.kind, event.subject, event.agents) == (
        "call",
        "Не печатает принтер",
        ["Петров И."],
    )
    assert event.closed_at is None


def test_questions_are_asked_as_odata_has_them(house: OnecHouse) -> None:
    _fill(house)
    house.onec.hidden = {ref(1)}
    house.onec.put(CLIENTS, ref(2), Description="Виден", ИНН="7700000022", IsFolder=False)
    house.onec.put(CLIENTS, ref(3), Description="Группа", ИНН="", IsFolder=True)
    house.add()
    house.pull()
    asked = house.onec.pages(CLIENTS)[0]
    assert asked.raw.isascii()
    assert "%D0%9A%D0%BE%D0%BD%D1%82%D1%80%D0%B0%D0%B3%D0%B5%D0%BD%D1%82%D1%8B" in asked.raw
    assert asked.query == {
        "$format": "json",
        "allowedOnly": "true",
        "$inlinecount": "allpages",
        "$select": "Ref_Key,DataVersion,DeletionMark,Description,ИНН",
        "$orderby": "Ref_Key asc",
        "$top": "3",
        "$skip": "0",
        "$filter": "(IsFolder eq false)",
    }
    # Neither the hidden one, nor the folder.
    assert set(house.clients()) == {ref(2)}
    assert "Владелец_Type" in house.onec.pages(PEOPLE)[0].query["$select"]


def test_only_what_changed_is_processed(house: OnecHouse) -> None:
    _fill(house, clients=7)
    house.add()
    assert counts(house.pull(), CLIENTS) == {"taken": 7}
    house.tools.clock.advance(timedelta(minutes=10))
    house.onec.put(CLIENTS, ref(4), Description="Другое имя")
    done = house.pull()
    assert counts(done, CLIENTS)["taken"] == 1
    assert counts(done, CLIENTS)["unchanged"] >= 6
    assert house.clients()[ref(4)].name == "Другое имя"
    assert house.clients()[ref(4)].updated_at == house.tools.clock.now()
    assert house.clients()[ref(5)].updated_at < house.tools.clock.now()


def test_the_next_reading_asks_for_what_changed_since_and_now_and_then_for_all(
    house: OnecHouse,
) -> None:
    _fill(house)
    house.add()
    house.pull()
    assert "$filter" not in house.onec.pages(CALLS)[0].query
    house.onec.put(CALLS, ref(300), Тема="Принтер", ДатаИзменения="2026-11-30T14:10:00")
    # One without a moment of its change is found when everything is read.
    house.onec.put(
        CALLS,
        ref(301),
        Date="2026-11-28T10:00:00",
        Абонент_Key=ref(1),
        Тема="Забыт",
        ДатаИзменения=EMPTY,
    )
    house.onec.asked.clear()
    house.tools.clock.advance(timedelta(hours=1))
    assert counts(house.pull(), CALLS) == {"taken": 1}
    asked = house.onec.pages(CALLS)[0].query
    # Ten minutes behind the last change seen, in 1C's own time.
    assert asked["$filter"] == "ДатаИзменения ge datetime'2026-11-27T15:30:00'"
    assert asked["$orderby"] == "ДатаИзменения asc,Ref_Key asc"
    assert house.events()[ref(300)].subject == "Принтер"
    assert ref(301) not in house.events()
    house.tools.clock.advance(timedelta(hours=24))
    house.pull()
    assert ref(301) in house.events()
    assert house.cursor(CALLS).changed_after == "2026-11-30T14:10:00"


def test_rows_that_move_while_pages_are_read_are_all_seen(house: OnecHouse) -> None:
    _fill(house, clients=9)
    house.add()

    def shrink(asked: Asked) -> None:
        # Three rows that were read go, so the rest moves up past the place of the next page.
        if asked.path.endswith(CLIENTS) and asked.query["$skip"] == "4":
            rows = house.onec.entities[CLIENTS]
            house.onec.entities[CLIENTS] = [r for r in rows if r["Ref_Key"] > ref(4)]

    house.onec.before = shrink
    done = house.pull()
    assert done.fault is None
    assert set(house.clients()) == {ref(number) for number in range(1, 10)}


def test_a_failure_in_the_middle_goes_on_where_it_was(house: OnecHouse) -> None:
    _fill(house, clients=7)
    house.add()
    house.onec.laid = [None, None, (500, {}, b"")]
    done = house.pull()
    assert (done.fault, house.source().fault) == (Fault.BROKEN, "broken")
    assert len(house.clients()) == 5
    assert house.source().next_at == house.tools.clock.now() + timedelta(minutes=1)
    # Nobody asks again before the pause is over.
    assert pulling.handle_pull(house.tools) == 0
    house.tools.clock.advance(timedelta(minutes=1))
    house.onec.asked.clear()
    assert pulling.handle_pull(house.tools) == 1
    assert house.onec.pages(CLIENTS)[0].query["$skip"] == "4"
    assert len(house.clients()) == 7
    assert (house.source().fault, house.source().attempts) == (None, 0)


@pytest.mark.parametrize("status", [429, 503])
def test_a_pause_that_is_asked_for_is_kept(house: OnecHouse, status: int) -> None:
    _fill(house)
    house.add()
    house.onec.laid = [(status, {"Retry-After": "1800"}, b"")]
    assert house.pull().fault == (Fault.BUSY if status == 429 else Fault.BROKEN)
    assert len(house.onec.asked) == 1
    assert house.source().next_at == house.tools.clock.now() + timedelta(seconds=1800)


def test_pauses_grow(house: OnecHouse) -> None:
    _fill(house)
    house.add()
    waited = []
    for _ in range(8):
        house.onec.laid = [(500, {}, b"")]
        house.pull()
        next_at = house.source().next_at
        assert next_at is not None
        waited.append((next_at - house.tools.clock.now()).total_seconds() / 60)
    assert waited == [1, 2, 5, 15, 30, 60, 60, 60]


def test_a_wrong_password_stops_the_reading_and_says_so(house: OnecHouse) -> None:
    _fill(house)
    house.add(password="другой")
    assert house.pull().fault == Fault.CREDENTIALS
    assert len(house.onec.asked) == 1
    assert house.source().fault == "credentials"


def test_an_entity_that_is_not_switched_on_stops_no_other(house: OnecHouse) -> None:
    _fill(house)
    del house.onec.entities[PEOPLE]
    house.add()
    done = house.pull()
    assert done.fault is None
    assert [one.fault for one in done.entities] == [None, Fault.NOT_SWITCHED_ON, None, None]
    assert "не найдена" in done.entities[1].detail
    assert house.cursor(PEOPLE).fault == "not_switched_on"
    assert ref(300) in house.events()


@pytest.mark.parametrize(
    "body", [b'{"value": [', b"[]", b'{"value": {}}', b'{"value": [{"Number": "1"}]}', b"\xff"]
)
def test_a_broken_answer_is_one_entitys(house: OnecHouse, body: bytes) -> None:
    _fill(house)
    house.add()
    house.onec.laid = [None, (200, {}, body)]
    done = house.pull()
    assert [one.fault for one in done.entities] == [None, Fault.UNREADABLE, None, None]
    assert ref(100) not in house.contacts()
    house.pull()
    assert ref(100) in house.contacts()


def test_what_is_marked_for_deletion_ends_and_nothing_is_removed(house: OnecHouse) -> None:
    _fill(house)
    house.add()
    house.pull()
    house.tools.clock.advance(timedelta(hours=1))
    for entity, key in ((CLIENTS, 1), (PEOPLE, 100), (CONTRACTS, 200)):
        house.onec.put(entity, ref(key), DeletionMark=True)
    house.onec.put(CALLS, ref(300), DeletionMark=True, ДатаИзменения="2026-11-30T14:30:00")
    house.onec.put(CALLS, ref(301), DeletionMark=True, ДатаИзменения="2026-11-30T14:30:00")
    house.pull()
    at = house.tools.clock.now()
    assert house.contacts()[ref(100)].left_at == at
    assert house.contracts()["7/26"].terminated_at == at
    assert house.events()[ref(300)].closed_at == at
    # A client has no end here; that 1C has marked him is known.
    assert ref(1) in house.clients()
    assert {str(one.ref) for one in house.things() if one.is_marked} == {
        ref(number) for number in (1, 100, 200, 300, 301)
    }
    assert ref(301) not in house.events()
    # The mark is taken off again.
    for entity, key in ((PEOPLE, 100), (CONTRACTS, 200)):
        house.onec.put(entity, ref(key), DeletionMark=False)
    house.onec.put(CALLS, ref(300), DeletionMark=False, ДатаИзменения="2026-11-30T14:40:00")
    house.pull()
    assert house.contacts()[ref(100)].left_at is None
    assert house.contracts()["7/26"].terminated_at is None
    assert house.events()[ref(300)].closed_at is None


def test_an_empty_reference_and_another_type_are_nobody(house: OnecHouse) -> None:
    _fill(house)
    house.onec.put(CALLS, ref(300), Абонент_Key=ZERO)
    house.onec.put(PEOPLE, ref(100), Владелец_Type="StandardODATA.Catalog_Физлица")
    house.add()
    done = house.pull()
    (refused,) = done.entities[1].refused
    (problem,) = refused.problems
    assert (problem.reason, problem.field) == (Reason.CELL_MISSING, "client")
    refused_here = [one for one in house.things() if one.state == ThingState.REFUSED]
    assert {str(one.ref) for one in refused_here} == {ref(100)}
    assert house.events()[ref(300)].client_id is None


def test_what_was_refused_for_want_of_its_client_comes_with_him(house: OnecHouse) -> None:
    _fill(house)
    house.onec.hidden = {ref(1)}
    house.add()
    done = house.pull()
    assert [one.problems[0].reason for one in done.entities[1].refused] == [Reason.CLIENT]
    assert done.entities[3].refused == []
    assert house.events()[ref(300)].client_id is None
    house.onec.hidden = set()
    house.tools.clock.advance(timedelta(minutes=10))
    house.pull()
    assert house.events()[ref(300)].client_id == house.clients()[ref(1)].id
    assert set(house.contacts()) == {ref(100)}
    assert not [one for one in house.things() if one.state == ThingState.REFUSED]


def test_a_try_tells_all_and_keeps_nothing(house: OnecHouse) -> None:
    _fill(house, clients=4)
    house.onec.put(PEOPLE, ref(101), Description="Чужой", Владелец=ZERO, Владелец_Type="")
    house.add()
    done = house.pull(is_dry=True)
    assert counts(done, CLIENTS)["taken"] == 4
    # The clients of the same reading are there for what belongs to them.
    assert counts(done, CALLS) == {"taken": 1}
    assert [one.problems[0].reason for one in done.entities[1].refused] == [Reason.CELL_MISSING]
    assert house.clients() == {}
    assert house.things() == []
    assert house.source().pulled_at is None
    assert counts(house.pull(), CLIENTS)["taken"] == 4


def test_two_do_not_read_one_source_at_once(house: OnecHouse) -> None:
    _fill(house)
    house.add()
    tried: list[int] = []

    def meanwhile(_: Asked) -> None:
        if not tried:
            tried.append(1)
            with pytest.raises(OnecBusy):
                house.pull()

    house.onec.before = meanwhile
    assert house.pull().fault is None
    assert tried


def test_an_inner_address_is_spoken_to_only_where_it_is_allowed(house: OnecHouse) -> None:
    _fill(house)
    house.add()
    strict = house.tools.settings.model_copy(update={"outbound_networks": None})
    tools = type(house.tools)(
        settings=strict, database=house.tools.database, clock=house.tools.clock
    )
    done = pulling.pull(tools, "base")
    assert done.fault == Fault.ADDRESS
    assert house.onec.asked == []
    assert house.source().fault == "address"


def test_another_mapping_is_read_at_once(house: OnecHouse) -> None:
    _fill(house)
    house.add()
    house.pull()
    text = MAPPING.replace('fields.tax_id = "ИНН"', 'fields.tax_id = { constant = "77" }')
    with house.tools.database.transaction() as session:
        service.change(
            session,
            ACTOR,
            "base",
            infobase=mapping.parse(text),
            login=None,
            at=house.tools.clock.now(),
        )
    assert pulling.handle_pull(house.tools) == 1
    assert house.clients()[ref(1)].tax_id == "77"
