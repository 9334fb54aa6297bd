"""Objects are looked at when it is time, and what is found has consequences."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import select, text, update

from app.custody.models import CustodyEntry
from app.fixity import checks, queries, service
from app.fixity.models import Occasion, Outcome
from app.fixity.service import CheckNotPossible, RecordingDamaged
from app.identity.actor import Actor
from app.recordings.models import Leg, Recording
from storage.folder import FolderStore
from storage.keys import MasterKeys
from storage.sealed import SealedStore
from tests.fixity.conftest import Keeper

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SYSTEM = Actor.system("tests")


def release_check(keeper: Keeper, recording: Recording) -> None:
    checks.before_release(
        keeper.database, keeper.archive, keeper.clock, [recording.id], actor=SYSTEM
    )


def test_an_object_is_read_back_after_a_day_and_every_quarter(keeper: Keeper) -> None:
    recording, object_id = keeper.recording()
    assert checks.check_due(keeper) == 1
    assert checks.check_due(keeper) == 0
    keeper.clock.advance(DAY - HOUR)
    assert checks.check_due(keeper) == 0
    keeper.clock.advance(HOUR)
    assert checks.check_due(keeper) == 1
    keeper.clock.advance(89 * DAY)
    assert checks.check_due(keeper) == 0
    keeper.clock.advance(DAY)
    assert checks.check_due(keeper) == 1
    assert keeper.checks(object_id) == [
        ("ingest", "plaintext", "success"),
        ("day", "plaintext", "success"),
        ("quarter", "plaintext", "success"),
    ]
    assert keeper.entries(recording.id) == [
        ("fixity.checked", "success", occasion) for occasion in ("ingest", "day", "quarter")
    ]


def test_the_seal_s_digest_is_noted_with_the_first_reading(keeper: Keeper) -> None:
    _, object_id = keeper.recording()
    checks.check_due(keeper)
    with keeper.database.transaction() as session:
        noted = queries.seal_of(session, object_id)
    assert noted == hashlib.sha256(keeper.file(object_id).read_bytes()).digest()


@pytest.mark.parametrize("how", ["ruined", "gone"])
def test_damage_puts_the_recording_apart(keeper: Keeper, how: str) -> None:
    recording, object_id = keeper.recording()
    well, _ = keeper.recording()
    epoch = keeper.seen(recording.id).consent_epoch
    if how == "ruined":
        keeper.ruin(object_id)
    else:
        keeper.file(object_id).unlink()
    assert checks.check_due(keeper) == 2
    outcome = "damaged" if how == "ruined" else "missing"
    assert keeper.checks(object_id) == [("ingest", "plaintext", outcome)]
    assert keeper.entries(recording.id) == [("fixity.checked", "failed", "ingest")]
    seen = keeper.seen(recording.id)
    assert seen.integrity_failed_at == keeper.clock.now()
    assert seen.consent_epoch > epoch
    assert keeper.seen(well.id).integrity_failed_at is None
    with keeper.database.transaction() as session:
        (found,) = queries.damages(session)
        jobs = session.execute(
            text("SELECT task_name, args->>'recording_id' FROM procrastinate_jobs")
        ).all()
        figures = queries.figures(session)
    assert (found.object_id, found.outcome, found.subject.recording_id) == (
        object_id,
        outcome,
        recording.id,
    )
    assert ("consent.refresh_flag", str(recording.id)) in {tuple(job) for job in jobs}
    assert figures.damaged == 1


def test_bytes_of_another_object_are_damage(keeper: Keeper) -> None:
    _, one = keeper.recording()
    _, other = keeper.recording()
    keeper.file(one).write_bytes(keeper.file(other).read_bytes())
    checks.check_due(keeper)
    assert keeper.checks(one) == [("ingest", "plaintext", "damaged")]
    assert keeper.checks(other) == [("ingest", "plaintext", "success")]


def test_a_store_that_is_away_has_told_nothing(keeper: Keeper) -> None:
    recording, object_id = keeper.recording()
    folder = keeper.folder / "archive"
    folder.rename(keeper.folder / "unmounted")
    assert checks.check_due(keeper) == 0
    with pytest.raises(CheckNotPossible):
        release_check(keeper, recording)
    assert keeper.checks(object_id) == []
    assert keeper.seen(recording.id).integrity_failed_at is None
    (keeper.folder / "unmounted").rename(folder)
    assert checks.check_due(keeper) == 0
    keeper.clock.advance(HOUR)
    assert checks.check_due(keeper) == 1
    assert keeper.checks(object_id) == [("ingest", "plaintext", "success")]


def test_another_key_file_condemns_nothing(keeper: Keeper) -> None:
    recording, object_id = keeper.recording()
    keeper.archive = SealedStore(
        FolderStore(keeper.folder / "archive"), MasterKeys([secrets.token_bytes(32)])
    )
    assert checks.check_due(keeper) == 0
    assert keeper.checks(object_id) == []
    assert keeper.seen(recording.id).integrity_failed_at is None


def test_what_is_erased_is_not_missed(keeper: Keeper) -> None:
    recording, object_id = keeper.recording()
    keeper.destroy_key(object_id)
    keeper.archive.delete(object_id)
    assert checks.check_due(keeper) == 0
    found = service.Found(object_id=object_id, occasion=Occasion.QUARTER, outcome=Outcome.MISSING)
    with keeper.database.transaction() as session:
        # The look began before the erasure and ended after it.
        assert service.write_down(session, found, at=keeper.clock.now()) is None
    assert keeper.checks(object_id) == []
    assert keeper.seen(recording.id).integrity_failed_at is None


def test_a_sample_is_drawn_over_the_seals_and_has_one_entry(keeper: Keeper) -> None:
    made = [keeper.recording() for _ in range(4)]
    checks.check_due(keeper)
    _, ruined = made[0]
    keeper.ruin(ruined)
    checks.check_sample(keeper)
    for place, (_, object_id) in enumerate(made):
        assert keeper.checks(object_id)[-1] == (
            "sample",
            "seal",
            "damaged" if place == 0 else "success",
        )
    recording = made[0][0]
    assert keeper.entries(recording.id)[-1] == ("fixity.checked", "failed", "sample")
    assert keeper.entries(made[1][0].id) == [("fixity.checked", "success", "ingest")]
    with keeper.database.transaction() as session:
        (entry,) = session.scalars(select(CustodyEntry).where(CustodyEntry.object_kind == "sample"))
    listed = hashlib.sha256(b"".join(sorted(one.bytes for _, one in made))).hexdigest()
    assert entry.facts == {
        "occasion": "sample",
        "wanted": 4,
        "checked": 4,
        "failed": 1,
        "objects_sha256": listed,
    }


def test_a_sample_is_a_hundredth_and_at_least_so_many(keeper: Keeper) -> None:
    for _ in range(6):
        keeper.recording()
    with keeper.database.transaction() as session:
        assert len(queries.drawn(session, percent=1, least=2)) == 2
        assert len(queries.drawn(session, percent=50, least=1)) == 3
        assert len(queries.drawn(session, percent=1, least=50)) == 6


def test_what_is_about_to_leave_is_read_first(keeper: Keeper) -> None:
    recording, object_id = keeper.recording()
    release_check(keeper, recording)
    assert keeper.entries(recording.id) == [("fixity.checked", "success", "release")]
    keeper.ruin(object_id)
    with pytest.raises(RecordingDamaged) as caught:
        release_check(keeper, recording)
    assert caught.value.facts["recording"] == str(recording.id)
    assert keeper.seen(recording.id).integrity_failed_at is not None
    assert keeper.entries(recording.id)[-1] == ("fixity.checked", "failed", "release")


def test_everything_is_read_after_a_restore(keeper: Keeper) -> None:
    made = [keeper.recording() for _ in range(3)]
    keeper.file(made[1][1]).unlink()
    assert checks.check_all(keeper) == (3, 1)
    assert [keeper.checks(one)[0][2] for _, one in made] == ["success", "missing", "success"]
    assert {keeper.checks(one)[0][0] for _, one in made} == {"restore"}


def test_a_damaged_copy_condemns_no_original(keeper: Keeper) -> None:
    recording, _ = keeper.recording()
    with keeper.making() as make:
        copy_id = make.sealed(b"playable")
        make.session.execute(
            update(Leg).where(Leg.recording_id == recording.id).values(playable_object_id=copy_id)
        )
    keeper.ruin(copy_id)
    checks.check_due(keeper)
    assert keeper.seen(recording.id).integrity_failed_at is None
    with keeper.database.transaction() as session:
        (found,) = queries.damages(session)
    assert (found.subject.kind, found.subject.recording_id) == ("derived", recording.id)


@pytest.mark.parametrize("change", ["UPDATE fixity_checks SET outcome = 'success'", "DELETE"])
def test_the_database_keeps_what_was_found(keeper: Keeper, change: str) -> None:
    _, object_id = keeper.recording()
    keeper.ruin(object_id)
    checks.check_due(keeper)
    statement = change if change != "DELETE" else "DELETE FROM fixity_checks"
    with psycopg.connect(keeper.owner_url) as connection, pytest.raises(psycopg.Error):
        connection.execute(statement)
    assert keeper.checks(object_id) == [("ingest", "plaintext", "damaged")]


def test_an_old_object_s_first_look_is_no_read_back(keeper: Keeper) -> None:
    _, object_id = keeper.recording()
    keeper.clock.advance(30 * DAY)
    checks.check_due(keeper)
    assert keeper.checks(object_id) == [("quarter", "plaintext", "success")]
