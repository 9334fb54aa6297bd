"""The way back: the addresses of recordings stand in 1C's document, and nothing else of ours."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import psycopg
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app.clients.models import Event
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.custody.sequencer import Sequencer
from app.identity.models import Device
from app.onec import returning, service
from app.onec.models import Fault, ReturnState
from app.recordings import service as recordings
from app.recordings.models import LinkedBy, Recording
from app.system.onec_figures import OnecCollector
from tests.onec.house import ACTOR, CALLS, MAPPING, OnecHouse
from tests.onec.standin import Asked, ref

FIELD = "СсылкиНаЗаписи"
SERVICE = MAPPING.replace('field = "СсылкиНаЗаписи"', 'service = "audiatur/recordings"')


def _call(house: OnecHouse, number: int = 300) -> UUID:
    """Let 1C have a call of a client and the archive read it; return the event's id."""
    onec = house.onec
    onec.put("Catalog_Контрагенты", ref(1), Description="Клиент", ИНН="", IsFolder=False)
    onec.put(
        CALLS,
        ref(number),
        Date="2026-11-27T15:30:00",
        Абонент_Key=ref(1),
        Тема="Звонок",
        ДатаИзменения="2026-11-27T15:40:00",
        СсылкиНаЗаписи="",
    )
    for name in ("Catalog_КонтактныеЛица", "Catalog_ДоговорыКонтрагентов"):
        onec.entities.setdefault(name, [])
    house.pull()
    onec.asked.clear()
    return house.events()[ref(number)].id


def _record(house: OnecHouse, event_id: UUID) -> UUID:
    """Tie a recording to an event, as the way in does, and let the ledger tell of it."""
    recording_id, at = new_id(), house.tools.clock.now()
    with house.tools.database.transaction() as session:
        device = session.scalar(select(Device)) or Device(id=new_id(), name="phone", created_at=at)
        session.add(device)
        session.flush()
        session.add(
            Recording(
                id=recording_id,
                device_id=device.id,
                source_call_id=str(recording_id),
                started_at=at,
                received_at=at,
                direction="inbound",
                capture="softphone",
                event_id=event_id,
                linked_by=LinkedBy.NUMBER,
            )
        )
        session.flush()
        ledger.append(
            session, ACTOR, Act.RECORDING_INGESTED, ("recording", recording_id), at=at, facts={}
        )
    return recording_id


def _work(house: OnecHouse) -> None:
    Sequencer(house.tools.database, "rec.example/log1").catch_up()
    returning.handle_return(house.tools)


def _stands(house: OnecHouse, number: int = 300) -> str:
    return next(
        str(row[FIELD]) for row in house.onec.entities[CALLS] if row["Ref_Key"] == ref(number)
    )


def _address(recording_id: UUID) -> str:
    return f"https://rec.example.com/recordings/{recording_id}"


def test_the_address_of_a_recording_is_written_into_its_document(house: OnecHouse) -> None:
    house.add()
    recording_id = _record(house, _call(house))
    _work(house)
    assert _stands(house) == _address(recording_id)
    patch = next(one for one in house.onec.asked if one.method == "PATCH")
    assert patch.headers["if-match"]
    assert patch.body.decode().count(str(recording_id)) == 1
    # Nothing but that field is written.
    assert patch.body.decode() == f'{{"{FIELD}": "{_address(recording_id)}"}}'
    (row,) = house.returns()
    assert (row.state, row.written_at) == (ReturnState.WRITTEN, house.tools.clock.now())
    # Our own write makes another version of the document, and nothing new here.
    done = house.pull()
    assert done.entities[3].counts == {"unchanged": 1}
    house.onec.asked.clear()
    _work(house)
    assert house.onec.asked == []


def test_a_second_recording_stands_below_the_first_and_an_erased_one_no_more(
    house: OnecHouse,
) -> None:
    house.add()
    event_id = _call(house)
    first = _record(house, event_id)
    house.tools.clock.advance(timedelta(minutes=1))
    second = _record(house, event_id)
    _work(house)
    assert _stands(house).split("\n") == [_address(first), _address(second)]
    with psycopg.connect(house.owner) as owner:
        # The database lets only an erasure say so, which is shown elsewhere.
        owner.execute("ALTER TABLE recordings DISABLE TRIGGER USER")
        owner.execute("UPDATE recordings SET erased_at = now() WHERE id = %s", [first])
    with house.tools.database.transaction() as session:
        at = house.tools.clock.now()
        ledger.append(session, ACTOR, Act.ERASURE_EXECUTED, ("recording", first), at=at, facts={})
    _work(house)
    assert _stands(house) == _address(second)


def test_a_recording_that_is_moved_is_moved_in_1c_too(house: OnecHouse) -> None:
    house.add()
    recording_id = _record(house, _call(house))
    _work(house)
    house.onec.put(
        CALLS,
        ref(301),
        Date="2026-11-27T16:30:00",
        Абонент_Key=ref(1),
        Тема="Другой",
        ДатаИзменения="2026-11-27T16:40:00",
        СсылкиНаЗаписи="",
    )
    house.tools.clock.advance(timedelta(minutes=10))
    house.pull()
    with house.tools.database.transaction() as session:
        event = session.get_one(Event, house.events()[ref(301)].id)
        loaded = [selectinload(Recording.parties)]
        recording = session.get_one(Recording, recording_id, options=loaded)
        recordings.tie(
            session,
            ACTOR,
            recording,
            event,
            linked_by=LinkedBy.MANUAL,
            at=house.tools.clock.now(),
        )
    _work(house)
    assert (_stands(house), _stands(house, 301)) == ("", _address(recording_id))


def test_an_event_that_1c_tells_after_its_recording_is_written_too(house: OnecHouse) -> None:
    house.add()
    with house.tools.database.transaction() as session:
        at = house.tools.clock.now()
        event = Event(
            id=new_id(),
            external_id=ref(300),
            kind="call",
            origin="awaited",
            occurred_at=at,
            subject="Звонок",
            agents=[],
            created_at=at,
            updated_at=at,
        )
        session.add(event)
    recording_id = _record(house, event.id)
    _work(house)
    assert house.returns() == []
    assert _call(house) == event.id
    _work(house)
    assert _stands(house) == _address(recording_id)


def test_a_document_that_somebody_writes_meanwhile_is_read_again(house: OnecHouse) -> None:
    house.add()
    recording_id = _record(house, _call(house))
    written: list[object] = []

    def meanwhile(asked: Asked) -> None:
        if asked.method == "PATCH" and not written:
            written.append(house.onec.put(CALLS, ref(300), Тема="Правка оператора"))

    house.onec.before = meanwhile
    _work(house)
    assert [one.method for one in house.onec.asked] == ["GET", "PATCH", "GET", "PATCH"]
    assert _stands(house) == _address(recording_id)
    row = house.onec.entities[CALLS][0]
    assert row["Тема"] == "Правка оператора"


def test_who_writes_at_each_try_makes_it_wait(house: OnecHouse) -> None:
    house.add()
    _record(house, _call(house))

    def always(asked: Asked) -> None:
        if asked.method == "PATCH":
            house.onec.put(CALLS, ref(300), Тема="Правка")

    house.onec.before = always
    _work(house)
    (row,) = house.returns()
    assert (row.state, row.fault, row.attempts) == (ReturnState.WAITING, Fault.CHANGED, 1)
    assert row.next_at == house.tools.clock.now() + timedelta(seconds=5)


def test_an_http_service_is_posted_to(house: OnecHouse) -> None:
    house.add(SERVICE)
    recording_id = _record(house, _call(house))
    _work(house)
    assert house.onec.served == [
        (
            "audiatur/recordings",
            {"ref": ref(300), "entity": CALLS, "links": [_address(recording_id)]},
        )
    ]


def test_what_fails_is_tried_again_then_given_up_seen_and_asked_for_again(
    house: OnecHouse,
) -> None:
    house.add()
    recording_id = _record(house, _call(house))
    Sequencer(house.tools.database, "rec.example/log1").catch_up()
    house.onec.laid = [(503, {"Retry-After": "600"}, b"")]
    returning.handle_return(house.tools)
    (row,) = house.returns()
    assert (row.fault, row.next_at) == (
        "broken",
        house.tools.clock.now() + timedelta(minutes=10),
    )
    for _ in range(20):
        (row,) = house.returns()
        if row.next_at is None:
            break
        house.tools.clock.advance(row.next_at - house.tools.clock.now())
        house.onec.laid = [(500, {}, b"")]
        returning.handle_return(house.tools)
    assert row.state == ReturnState.DEAD
    with house.tools.database.transaction() as session:
        (seen,) = service.seen(session)
        assert seen.returns == {"waiting": 0, "written": 0, "dead": 1}
        assert returning.ask_again(session, seen.source.id, at=house.tools.clock.now()) == 1
    house.onec.laid = []
    returning.handle_return(house.tools)
    assert _stands(house) == _address(recording_id)


def _figures(house: OnecHouse) -> dict[tuple[str, ...], float]:
    """Return the figures of the only source, by their names and states."""
    found = OnecCollector(house.tools.database, house.tools.clock).collect()
    return {
        (family.name, *(one.labels[key] for key in sorted(one.labels) if key != "source")): (
            one.value
        )
        for family in found
        for one in family.samples
    }


def test_what_waits_fails_and_was_given_up_is_counted_with_its_age(house: OnecHouse) -> None:
    house.add()
    _record(house, _call(house))
    Sequencer(house.tools.database, "rec.example/log1").catch_up()
    returning.follow(house.tools.database, at=house.tools.clock.now())
    returns, oldest = "audiatur_onec_returns", ("audiatur_onec_oldest_return_seconds",)
    assert _figures(house) == {
        (returns, "waiting"): 1,
        (returns, "failing"): 0,
        (returns, "dead"): 0,
        oldest: 0,
        ("audiatur_onec_refused",): 0,
    }
    house.onec.laid = [(500, {}, b"")]
    returning.handle_return(house.tools)
    house.tools.clock.advance(timedelta(seconds=30))
    found = _figures(house)
    assert (found[returns, "waiting"], found[returns, "failing"], found[oldest]) == (1, 1, 30)
    with psycopg.connect(house.owner) as owner:
        owner.execute("UPDATE onec_returns SET state = 'dead', next_at = NULL")
    found = _figures(house)
    assert (found[returns, "waiting"], found[returns, "dead"], found[oldest]) == (0, 1, 0)


def test_a_change_during_a_write_is_written_after_it(house: OnecHouse) -> None:
    house.add()
    event_id = _call(house)
    first = _record(house, event_id)
    found: list[UUID] = []

    def meanwhile(asked: Asked) -> None:
        if asked.method == "PATCH" and not found:
            found.append(_record(house, event_id))
            Sequencer(house.tools.database, "rec.example/log1").catch_up()
            returning.follow(house.tools.database, at=house.tools.clock.now())

    house.onec.before = meanwhile
    _work(house)
    assert set(_stands(house).split("\n")) == {_address(first), _address(found[0])}


def test_a_source_that_wants_nothing_back_is_told_nothing(house: OnecHouse) -> None:
    house.add(MAPPING.partition("[back]")[0])
    _record(house, _call(house))
    _work(house)
    assert house.onec.asked == []
    assert house.returns() == []


def test_a_removed_source_is_told_nothing_and_its_log_in_is_gone(house: OnecHouse) -> None:
    house.add()
    _record(house, _call(house))
    with house.tools.database.transaction() as session:
        service.remove(session, ACTOR, "base", at=house.tools.clock.now())
    _work(house)
    assert house.onec.asked == []
    assert house.source().login is None
