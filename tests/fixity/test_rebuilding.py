"""The database is lost; the store and the master key bring its facts back."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from app.core.db import APP_ROLE, Database
from app.embedded.postgres import Cluster
from app.fixity import checks, notes, rebuilding
from app.fixity.rebuilding import ArchiveNotEmpty
from app.identity import service as identity
from app.identity.actor import Actor
from app.main import create_app
from app.recordings.models import Flag, Leg, Recording
from app.recordings.stages import Measured
from tests.conftest import new_database
from tests.factories import wav
from tests.live import Live, metadata, running

ACTOR = Actor.system("tests")
_PICTURE = Path(__file__).parents[2] / "scripts" / "demo_company" / "screenshots"
_SHOT = (
    {"captured_at": "2026-11-20T10:05:00+03:00", "agent": "106"},
    (_PICTURE / "screenshot_1c.png").read_bytes(),
)


def filled(live: Live) -> list[dict[str, Any]]:
    """Send calls of a known and of an unknown caller, one of two legs; return their answers."""
    live.put_client("C-1", "+74950008414")
    live.put_event("E-1", "C-1", "2026-11-20T09:00:00+03:00")
    sent = [
        live.send(metadata("one", event={"external_id": "E-1"}), wav(1.0)),
        live.send(metadata("two", leg="sent"), wav(1.5)),
        live.send(metadata("two", leg="received"), wav(1.5, rate_hz=16000)),
        live.send(metadata("three", **{"from": "8 (499) 111-22-33"}), wav(2.0)),
    ]
    assert [answer.status_code for answer in sent] == [201] * 4
    live.work()
    with live.tools.database.transaction() as session:
        session.execute(update(Recording).values(flag=Flag.CONSENTED))
    checks.check_due(live.tools)
    return [answer.json() for answer in sent]


def told(live: Live, recording_id: str) -> dict[str, Any]:
    answer = live.call("GET", f"/v1/recordings/{recording_id}", who="reviewer")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_every_recording_comes_back_and_plays(live: Live, cluster: Cluster) -> None:
    sent = filled(live)
    shot = live.send(*_SHOT, name="screen.png", path="/v1/screenshots")
    assert shot.status_code == 201, shot.text
    checks.check_due(live.tools)
    ids = {one["id"] for one in sent}
    assert len(ids) == 3
    before = {one: told(live, one) for one in ids}
    with new_database(cluster) as urls:
        info = {"detail_cipher": live.tools.cipher}
        database = Database(urls.web, role=APP_ROLE, info=info)
        tools = dataclasses.replace(live.tools, database=database)
        done = rebuilding.rebuild(tools, ACTOR)
        assert (done.recordings, done.unreadable, done.erased) == (3, (), 0)
        assert done.screenshots == 1
        with database.transaction() as session:
            assert set(session.scalars(select(Recording.flag))) == {Flag.UNKNOWN}
        with running(create_app(tools, stages=Measured())) as url:
            again = Live(tools=tools, url=url, database_url=urls.web)
            again.work()
            for one in ids:
                _is_as_before(before[one], told(again, one))
                _sounds_as_before(live, again, one, [leg["leg"] for leg in before[one]["legs"]])
            _is_a_repeat(again, sent[0])
            with pytest.raises(ArchiveNotEmpty):
                rebuilding.rebuild(tools, ACTOR)
        assert checks.check_all(tools)[1] == 0
        database.close()


def _is_a_repeat(again: Live, sent: dict[str, Any]) -> None:
    """Send again what is here, as a telephone that has a new key."""
    with again.tools.database.transaction() as session:
        key = identity.rotate_device(session, ACTOR, "phone", at=again.tools.clock.now())
    again.keys["phone"] = key
    repeat = again.send(metadata("one", event={"external_id": "E-1"}), wav(1.0))
    assert (repeat.status_code, repeat.json()["id"]) == (200, sent["id"])
    assert repeat.json()["receipt"]
    shot = again.send(*_SHOT, name="screen.png", path="/v1/screenshots")
    assert shot.status_code == 200, shot.text


def _is_as_before(was: dict[str, Any], now: dict[str, Any]) -> None:
    for name, value in was.items():
        if name not in {"links", "consent"}:
            assert now[name] == value, name
    assert now["consent"]["flag"] == "unknown"


def _sounds_as_before(live: Live, again: Live, recording_id: str, legs: list[str]) -> None:
    for leg in legs:
        path = f"/v1/recordings/{recording_id}/audio?form=original&leg={leg}"
        was, now = (one.call("GET", path, who="reviewer") for one in (live, again))
        assert now.status_code == 200, now.text
        assert now.content == was.content


def test_what_was_erased_does_not_come_back(live: Live, cluster: Cluster) -> None:
    sent = filled(live)
    erased = UUID(sent[0]["id"])
    shot = live.send(*_SHOT, name="screen.png", path="/v1/screenshots")
    checks.check_due(live.tools)
    with new_database(cluster) as urls:
        info = {"detail_cipher": live.tools.cipher}
        database = Database(urls.web, role=APP_ROLE, info=info)
        tools = dataclasses.replace(live.tools, database=database)
        done = rebuilding.rebuild(tools, ACTOR, erased={erased, UUID(shot.json()["id"])})
        assert (done.recordings, done.screenshots, done.erased) == (2, 0, 2)
        database.close()


def test_a_note_goes_with_its_object_and_follows_a_corrected_link(live: Live) -> None:
    sent = filled(live)
    with live.tools.database.transaction() as session:
        leg = session.scalars(select(Leg).where(Leg.recording_id == UUID(sent[3]["id"]))).one()
    before = live.tools.archive.notes.read(leg.object_id)
    answer = live.call(
        "POST",
        f"/v1/recordings/{sent[3]['id']}/link",
        who="manager",
        json={"event": {"external_id": "E-1"}, "reason": "Звонил директор."},
    )
    assert answer.status_code == 200, answer.text
    notes.write_missing(live.tools)
    after = live.tools.archive.notes.read(leg.object_id)
    assert after != before
    assert b'"E-1"' in after
    live.tools.archive.delete(leg.object_id)
    assert leg.object_id not in set(live.tools.archive.notes.objects())


def test_a_note_that_was_changed_is_told_of_and_brings_nothing(
    live: Live, cluster: Cluster
) -> None:
    sent = filled(live)
    with live.tools.database.transaction() as session:
        leg = session.scalars(select(Leg).where(Leg.recording_id == UUID(sent[0]["id"]))).one()
    folder = live.tools.settings.data / "archive"
    (note,) = folder.rglob(f"{leg.object_id.hex}.note")
    body = bytearray(note.read_bytes())
    body[-1] ^= 1
    note.write_bytes(body)
    with new_database(cluster) as urls:
        info = {"detail_cipher": live.tools.cipher}
        database = Database(urls.web, role=APP_ROLE, info=info)
        tools = dataclasses.replace(live.tools, database=database)
        done = rebuilding.rebuild(tools, ACTOR)
        assert (done.recordings, done.unreadable) == (2, (leg.object_id,))
        database.close()
