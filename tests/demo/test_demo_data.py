"""Demo data in an installation: what comes, what is refused, what goes, and what is never mixed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.clients import queries as clients
from app.clients.queries import WantedEvents
from app.core.clock import SetClock
from app.core.ids import DisputeId, RecordingId, new_id
from app.demo import loading, queries, service
from app.demo.queries import Hindrance
from app.demo.refusals import (
    DemoGoing,
    DemoHindered,
    DemoLoadedAlready,
    DemoNotLoaded,
    RealRecordingsThere,
)
from app.disputes import queries as dispute_queries
from app.disputes import service as disputes
from app.disputes.queries import Wanted as All
from app.disputes.service import Clip
from app.identity.actor import Actor
from app.inspection.sandbox import Sandbox
from app.recordings import finding
from app.recordings import service as recordings
from app.recordings.demo import DemoNotMixed
from app.recordings.finding import Sought
from app.retention import erasures, holds, subjects
from app.retention.holds import Wanted
from app.worker import loop
from tests.conftest import Urls
from tests.review.house import House, opened

_SYSTEM = Actor.system("tests")
_LEFT = (
    "SELECT (SELECT count(*) FROM recordings WHERE erased_at IS NULL),"
    " (SELECT count(*) FROM sealed_objects WHERE wrapped_key IS NOT NULL)"
)


@pytest.fixture
def empty(own_database: Urls, tmp_path: Path, sandbox: Sandbox) -> Iterator[House]:
    """Give an archive with people, and nothing else."""
    clock = SetClock(datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
    web, owner = own_database.web, own_database.owner
    with opened(tmp_path, web_url=web, owner_url=owner, sandbox=sandbox, clock=clock) as made:
        yield made


def _load(house: House) -> UUID:
    with house.database.transaction() as session:
        row = service.ask_load(
            session, house.people["admin"], language="en", at=house.clock.now(), by_job=True
        )
        return row.id


def _ask_unload(house: House) -> None:
    with house.database.transaction() as session:
        service.ask_unload(session, house.people["admin"], at=house.clock.now(), by_job=True)


def _work(house: House, urls: Urls) -> None:
    """Do the jobs, and those that they have asked for."""
    for _ in range(3):
        loop.drain(house.tools, urls.web)


def _rows(house: House, sql: str, **values: object) -> list[tuple[object, ...]]:
    with house.database.transaction() as session:
        return [tuple(row) for row in session.execute(text(sql), values)]


def _seen(house: House) -> tuple[int, int, int, int]:
    """Return how many clients, disputes, recordings and events a manager sees."""
    manager = house.people["manager"]
    with house.database.transaction() as session:
        return (
            len(clients.names(session, manager)),
            len(dispute_queries.page(session, manager, All(), after=None, limit=50)),
            len(finding.ids(session, manager, Sought(), most=50)),
            len(clients.events(session, manager, WantedEvents(), after=None, limit=50)),
        )


def test_it_comes_is_seen_and_goes_and_may_come_again(empty: House, own_database: Urls) -> None:
    before = _rows(empty, _LEFT)
    _load(empty)
    _work(empty, own_database)
    with empty.database.transaction() as session:
        row = queries.here(session)
        assert row is not None
        assert row.loaded_at is not None
        assert queries.counts(session, row.device_id) == {
            "clients": 2,
            "recordings": 5,
            "disputes": 1,
        }
        with pytest.raises(DemoLoadedAlready):
            service.ask_load(
                session, empty.people["admin"], language="ru", at=empty.clock.now(), by_job=True
            )
    assert _rows(empty, "SELECT DISTINCT inspection_state FROM recordings") == [("done",)]
    assert _rows(empty, "SELECT count(*) FROM recordings WHERE linked_by = 'created'") == [(1,)]
    names = [
        name for (name,) in _rows(empty, "SELECT name FROM clients UNION SELECT name FROM contacts")
    ]
    assert all(str(name).startswith("Demo: ") for name in names)
    assert _seen(empty) == (2, 1, 5, 5)

    _ask_unload(empty)
    with empty.database.transaction() as session, pytest.raises(DemoGoing):
        service.ask_unload(session, empty.people["admin"], at=empty.clock.now(), by_job=True)
    _work(empty, own_database)
    assert _rows(empty, _LEFT) == before
    assert _seen(empty) == (0, 0, 0, 0)
    assert _rows(empty, "SELECT DISTINCT subject FROM events") == [("-",)]
    left = _rows(empty, "SELECT name FROM clients UNION SELECT name FROM contacts")
    assert left == [("—",)]
    assert _rows(empty, "SELECT count(*) FROM contact_phones") == [(0,)]
    stones = "SELECT ground, count(*) FROM erasures WHERE executed_at IS NOT NULL GROUP BY 1"
    assert _rows(empty, stones) == [("demo", 5)]
    empty.clock.advance(timedelta(minutes=5))
    _work(empty, own_database)
    assert _rows(empty, "SELECT count(*) FROM erasures WHERE alarm IS NOT NULL") == [(0,)]
    acts = _rows(
        empty, "SELECT act FROM custody_entries WHERE object_kind = 'demo' ORDER BY position"
    )
    assert acts == [("demo.loaded",), ("demo.unload_asked",), ("demo.unloaded",)]
    with empty.database.transaction() as session, pytest.raises(DemoNotLoaded):
        service.ask_unload(session, empty.people["admin"], at=empty.clock.now(), by_job=True)

    _load(empty)
    _work(empty, own_database)
    assert _rows(empty, "SELECT count(*) FROM recordings WHERE erased_at IS NULL") == [(5,)]


def test_a_loading_that_was_broken_off_is_begun_anew(empty: House) -> None:
    set_id = _load(empty)
    loading.load(empty.tools, set_id)
    loading.load(empty.tools, set_id)
    assert _rows(empty, "SELECT count(*) FROM recordings") == [(5,)]
    assert _rows(empty, "SELECT count(*) FROM disputes") == [(1,)]
    _ask_unload(empty)
    loading.load(empty.tools, set_id)
    assert loading.unload(empty.tools, set_id)
    assert not loading.unload(empty.tools, set_id)
    loading.load(empty.tools, set_id)
    assert _rows(empty, "SELECT count(*) FROM recordings WHERE erased_at IS NULL") == [(0,)]


def test_it_is_not_loaded_where_something_real_is_or_nobody(empty: House) -> None:
    with empty.making() as make:
        make.recording()
    with empty.database.transaction() as session:
        with pytest.raises(RealRecordingsThere):
            service.ask_load(session, _SYSTEM, language="ru", at=empty.clock.now(), by_job=False)
        session.execute(text("UPDATE users SET disabled_at = now()"))
        assert queries.owner(session, None) is None
    with empty.database.transaction() as session:
        session.execute(text("UPDATE users SET disabled_at = NULL"))


def test_what_is_held_stays_and_nothing_with_it(empty: House) -> None:
    set_id = _load(empty)
    loading.load(empty.tools, set_id)
    ((held,),) = _rows(empty, "SELECT id FROM recordings ORDER BY started_at LIMIT 1")
    legal = empty.people["legal"]
    wanted = Wanted(
        matter="A1",
        reason="Court.",
        named=(subjects.recording(UUID(str(held))),),
        dispute_id=None,
    )
    with empty.database.transaction() as session:
        hold = holds.place(
            session, legal, wanted, zone=empty.tools.settings.zone, at=empty.clock.now()
        )
        hold_id = hold.id
    with empty.database.transaction() as session, pytest.raises(DemoHindered) as refused:
        service.ask_unload(session, empty.people["admin"], at=empty.clock.now(), by_job=False)
    assert refused.value.facts["because"] == {"held": 1}
    with empty.database.transaction() as session:
        session.execute(
            text(
                "UPDATE legal_holds SET released_at = now(), released_by = :who,"
                " release_reason = 'over' WHERE id = :id"
            ),
            {"who": empty.people["approver"].id, "id": hold_id},
        )
    _ask_unload(empty)
    with empty.database.transaction() as session:
        holds.place(session, legal, wanted, zone=empty.tools.settings.zone, at=empty.clock.now())
    assert not loading.unload(empty.tools, set_id)
    with empty.database.transaction() as session:
        row = queries.here(session)
        assert row is not None
        assert row.unload_at is None
        assert queries.recordings(session, row.device_id) == [held]
        assert queries.hindrances(session) == {Hindrance.HELD: 1}


def test_it_is_never_mixed_with_what_is_real(empty: House) -> None:
    set_id = _load(empty)
    loading.load(empty.tools, set_id)
    with empty.making() as make:
        client = make.client()
        make.event(client, external_id="real-1")
        real = make.recording(client=client)
        real_id = real.id
    ((demo_id, demo_event),) = _rows(
        empty,
        "SELECT r.id, e.external_id FROM recordings r JOIN events e ON e.id = r.event_id"
        " JOIN devices d ON d.id = r.device_id WHERE d.is_demo AND e.external_id LIKE '%-till'",
    )
    manager = empty.people["manager"]
    at = empty.clock.now()
    for recording, name in ((real_id, str(demo_event)), (demo_id, "real-1")):
        with empty.database.transaction() as session, pytest.raises(DemoNotMixed):
            recordings.relink(
                session, manager, UUID(str(recording)), event=name, reason="so", at=at
            )
    ((dispute_id,),) = _rows(empty, "SELECT id FROM disputes")
    clip = Clip(recording_id=RecordingId(real_id), from_ms=0, to_ms=None, note=None)
    with empty.database.transaction() as session, pytest.raises(DemoNotMixed):
        disputes.add_exhibit(session, manager, DisputeId(UUID(str(dispute_id))), clip, at=at)
    # Somebody's exchange shows a number of the drama's range: the real call is kept, and hinders.
    with empty.database.transaction() as session:
        session.execute(
            text(
                "UPDATE recordings SET event_id = (SELECT id FROM events WHERE external_id = :name)"
                " WHERE id = :id"
            ),
            {"name": demo_event, "id": real_id},
        )
    with empty.database.transaction() as session, pytest.raises(DemoHindered) as refused:
        service.ask_unload(session, empty.people["admin"], at=at, by_job=False)
    assert refused.value.facts["because"] == {"mixed": 1}
    with empty.database.transaction() as session:
        recordings.relink(session, manager, real_id, event="real-1", reason="back", at=at)
    _ask_unload(empty)
    assert loading.unload(empty.tools, set_id)
    assert _rows(empty, "SELECT id FROM recordings WHERE erased_at IS NULL") == [(real_id,)]
    names = "SELECT name FROM clients WHERE removed_at IS NULL"
    assert len(_rows(empty, names)) == 1


def test_nothing_becomes_demo_data_and_the_database_destroys_nothing_else(empty: House) -> None:
    with empty.making() as make:
        real = make.recording()
        real_id, device_id = real.id, real.device_id
    with empty.database.transaction() as session:
        with pytest.raises(DBAPIError, match="nothing else becomes it"):
            session.execute(
                text("UPDATE devices SET is_demo = true WHERE id = :id"), {"id": device_id}
            )
        session.rollback()
    with empty.database.transaction() as session:
        row = erasures.demo_of(session, _SYSTEM, subjects.recording(real_id), at=empty.clock.now())
        with pytest.raises(DBAPIError, match="approved before anything is destroyed"):
            session.execute(text("SELECT execute_erasure(:id)"), {"id": row.id})
        session.rollback()


def test_it_is_handed_to_nobody(empty: House) -> None:
    loading.load(empty.tools, _load(empty))
    ((contact,),) = _rows(empty, "SELECT id FROM contacts WHERE is_management LIMIT 1")
    ((recording,),) = _rows(empty, "SELECT id FROM recordings LIMIT 1")
    body = {
        "contact_id": str(contact),
        "purpose": "dispute_client",
        "items": [{"recording_id": str(recording)}],
    }
    answer = empty.call("manager", "POST", "/v1/releases", json=body)
    assert answer.status_code == 409, answer.text
    assert answer.json()["type"].endswith("demo-not-released")
    insert = "INSERT INTO release_items (id, release_id, recording_id) VALUES (:id, :id, :of)"
    with empty.database.transaction() as session:
        with pytest.raises(DBAPIError, match="demo data is handed to nobody"):
            session.execute(text(insert), {"id": new_id(), "of": recording})
        session.rollback()
