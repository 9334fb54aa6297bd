"""A recording's client is its event's, whichever of the two is changed, and by whom."""

from __future__ import annotations

from uuid import UUID

import psycopg
import pytest
from psycopg.errors import LockNotAvailable
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from app.clients.models import EventOrigin
from app.core.clock import SetClock
from app.core.db import Database
from app.recordings.models import Recording
from storage.sealed import SealedStore
from tests.conftest import Urls
from tests.factories import Make


def _client_of(session: Session, recording: Recording) -> UUID | None:
    session.flush()
    session.refresh(recording, ["client_id"])
    return recording.client_id


def test_a_recording_has_the_client_of_its_event(make: Make) -> None:
    client = make.client()
    assert _client_of(make.session, make.recording(client=client)) == client.id


def test_it_follows_to_another_event(make: Make) -> None:
    recording, other = make.recording(), make.client()
    recording.event_id = make.event(other).id
    assert _client_of(make.session, recording) == other.id
    recording.event_id = make.event(None, origin=EventOrigin.TRIAGE).id
    assert _client_of(make.session, recording) is None


def test_it_follows_when_its_event_becomes_another_clients(make: Make) -> None:
    recording, other = make.recording(), make.client()
    event = make.event(None, origin=EventOrigin.TRIAGE)
    recording.event_id = event.id
    assert _client_of(make.session, recording) is None
    event.client_id = other.id
    assert _client_of(make.session, recording) == other.id


def test_nobody_else_sets_it(make: Make) -> None:
    recording, other = make.recording(), make.client()
    make.session.flush()
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        make.session.begin_nested(),
    ):
        make.session.execute(
            text("UPDATE recordings SET client_id = :other WHERE id = :id"),
            {"other": other.id, "id": recording.id},
        )


def test_who_ties_waits_for_who_changes_the_events_client(
    own_database: Urls, own_db: Database, clock: SetClock, store: SealedStore
) -> None:
    # Otherwise the one would tie to the client that was, and the other not see what was tied.
    with own_db.transaction() as session:
        make = Make(session, clock, store)
        other, recording = make.client().id, make.recording().id
        event = make.event(None, origin=EventOrigin.TRIAGE).id
    tie = "UPDATE recordings SET event_id = %s WHERE id = %s RETURNING client_id"
    with psycopg.connect(own_database.web) as changing, psycopg.connect(own_database.web) as tying:
        for connection in (changing, tying):
            connection.execute("SET ROLE audiatur_app")
            connection.execute("SET lock_timeout = '100ms'")
            connection.commit()
        changing.execute("UPDATE events SET client_id = %s WHERE id = %s", [other, event])
        with pytest.raises(LockNotAvailable):
            tying.execute(tie, [event, recording])
        tying.rollback()
        changing.commit()
        assert tying.execute(tie, [event, recording]).fetchone() == (other,)
