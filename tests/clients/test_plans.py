"""Lists read what they show and not the whole table: the plans of queries that pages stand on."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.clients.models import Event, EventKind
from app.core.ids import new_id
from app.identity.models import Device
from app.recordings import queries
from app.recordings.models import Recording
from tests.factories import DAY, Make

MANY = 5000


def _many_events(make: Make) -> None:
    at = make.clock.now()
    one = make.event(make.client(), at=at)
    make.session.flush()
    make.session.execute(
        text(
            "INSERT INTO events SELECT r.* FROM events e CROSS JOIN generate_series(1, :many) i"
            " CROSS JOIN LATERAL jsonb_populate_record(NULL::events, to_jsonb(e) ||"
            " jsonb_build_object('id', md5('e' || i)::uuid, 'external_id', 'e' || i,"
            " 'occurred_at', e.occurred_at - i * interval '1 hour',"
            " 'kind', CASE WHEN i % 50 = 0 THEN 'complaint' ELSE 'ticket' END)) r WHERE e.id = :id"
        ),
        {"many": MANY, "id": one.id},
    )
    make.session.execute(text("ANALYZE events"))


def _plan(session: Session, query: object) -> str:
    compiled = query.compile(session.get_bind(), compile_kwargs={"literal_binds": True})  # type: ignore[attr-defined]
    rows = session.execute(text(f"EXPLAIN {compiled}".replace(":", r"\:")))
    return "\n".join(row[0] for row in rows)


def test_the_newest_events_are_found_by_their_time(make: Make) -> None:
    _many_events(make)
    newest = select(Event.id).order_by(Event.occurred_at.desc(), Event.id.desc()).limit(51)
    assert "ix_events_time" in _plan(make.session, newest)


def test_events_near_a_call_are_found_by_their_time(make: Make) -> None:
    _many_events(make)
    at = make.clock.now() - 30 * DAY
    near = select(Event.subject).where(
        Event.occurred_at.between(at - timedelta(days=3), at + timedelta(days=3))
    )
    assert "ix_events_time" in _plan(make.session, near)


def test_complaints_of_a_quarter_are_found_by_kind_and_time(make: Make) -> None:
    _many_events(make)
    at = make.clock.now() - 90 * DAY
    complaints = select(Event.id).where(
        Event.kind == EventKind.COMPLAINT,
        Event.occurred_at >= at,
        Event.occurred_at < at + 60 * DAY,
    )
    assert "ix_events_kind" in _plan(make.session, complaints)


def test_a_devices_newest_recording_is_found_by_the_device(make: Make) -> None:
    one = make.recording()
    make.session.flush()
    make.session.execute(
        text(
            "INSERT INTO recordings SELECT r.* FROM recordings e"
            " CROSS JOIN generate_series(1, :many) i"
            " CROSS JOIN LATERAL jsonb_populate_record(NULL::recordings, to_jsonb(e) ||"
            " jsonb_build_object('id', md5('r' || i)::uuid, 'source_call_id', 'r' || i,"
            " 'received_at', e.received_at - i * interval '1 hour')) r WHERE e.id = :id"
        ),
        {"many": MANY, "id": one.id},
    )
    make.session.execute(text("ANALYZE recordings"))
    newest = (
        select(Recording.received_at)
        .where(Recording.device_id == one.device_id)
        .order_by(Recording.received_at.desc())
        .limit(1)
    )
    assert "ix_recordings_received" in _plan(make.session, newest)
    session = make.session
    idle = Device(id=new_id(), name="idle", created_at=make.clock.now())
    session.add(idle)
    session.flush()
    found = queries.last_received(session)
    assert found[one.device_id] == one.received_at
    assert idle.id not in found
