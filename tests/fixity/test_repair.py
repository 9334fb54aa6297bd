"""A damaged recording is put right from the same bytes, and from nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text, update

from app.fixity import checks, queries
from app.fixity.repair import NothingToRepair, OtherFile, StillDamaged, repair
from app.identity.actor import Actor
from app.recordings.models import InspectionState, Leg, SealedRow
from storage.sealed import SealedRef
from tests.factories import wav
from tests.fixity.conftest import Keeper

ACTOR = Actor.system("tests")


def body_of(keeper: Keeper, object_id: object) -> bytes:
    with keeper.database.transaction() as session:
        row = session.get_one(SealedRow, object_id)
    ref = SealedRef(
        object_id=row.object_id, wrapped_key=row.wrapped_key or b"", size_bytes=row.size_bytes
    )
    return b"".join(keeper.archive.stream(ref))


@pytest.mark.parametrize("how", ["ruined", "gone"])
def test_the_same_bytes_put_it_right(keeper: Keeper, tmp_path: Path, how: str) -> None:
    recording, object_id = keeper.recording(wav(2.0))
    checks.check_due(keeper)
    if how == "ruined":
        keeper.ruin(object_id)
    else:
        keeper.file(object_id).unlink()
    checks.check_all(keeper)
    assert keeper.seen(recording.id).integrity_failed_at is not None
    copy = tmp_path / "copy.wav"
    copy.write_bytes(wav(2.0))
    assert repair(keeper, ACTOR, recording.id, file=copy).mended == ("mixed",)
    assert body_of(keeper, object_id) == wav(2.0)
    assert keeper.seen(recording.id).integrity_failed_at is None
    assert keeper.entries(recording.id)[-2:] == [
        ("fixity.checked", "success", "repair"),
        ("recording.repaired", "success", None),
    ]
    with keeper.database.transaction() as session:
        assert queries.damages(session) == []
    checks.check_sample(keeper)
    assert keeper.checks(object_id)[-1] == ("sample", "seal", "success")


def test_other_bytes_change_nothing(keeper: Keeper, tmp_path: Path) -> None:
    recording, object_id = keeper.recording(wav(2.0))
    keeper.ruin(object_id)
    checks.check_due(keeper)
    ruined = keeper.file(object_id).read_bytes()
    copy = tmp_path / "copy.wav"
    copy.write_bytes(wav(2.0) + b"\0")
    with pytest.raises(OtherFile):
        repair(keeper, ACTOR, recording.id, file=copy)
    assert keeper.file(object_id).read_bytes() == ruined
    assert keeper.seen(recording.id).integrity_failed_at is not None


def test_without_a_copy_it_stays_apart(keeper: Keeper) -> None:
    recording, object_id = keeper.recording()
    keeper.ruin(object_id)
    checks.check_due(keeper)
    with pytest.raises(StillDamaged, match="mixed"):
        repair(keeper, ACTOR, recording.id)
    assert keeper.seen(recording.id).integrity_failed_at is not None
    with keeper.database.transaction() as session:
        assert len(queries.damages(session)) == 1


def test_what_came_back_by_itself_is_looked_at_again(keeper: Keeper) -> None:
    recording, object_id = keeper.recording()
    file = keeper.file(object_id)
    body = file.read_bytes()
    file.unlink()
    checks.check_due(keeper)
    file.write_bytes(body)
    assert keeper.seen(recording.id).integrity_failed_at is not None
    assert repair(keeper, ACTOR, recording.id).mended == ()
    assert keeper.seen(recording.id).integrity_failed_at is None


def test_a_damaged_copy_is_made_anew_from_the_original(keeper: Keeper) -> None:
    recording, _ = keeper.recording()
    with keeper.making() as make:
        copy_id = make.sealed(b"playable")
        make.session.execute(
            update(Leg).where(Leg.recording_id == recording.id).values(playable_object_id=copy_id)
        )
    keeper.ruin(copy_id)
    checks.check_due(keeper)
    assert repair(keeper, ACTOR, recording.id).made_anew == ("mixed",)
    with keeper.database.transaction() as session:
        assert queries.damages(session) == []
        jobs = session.scalars(text("SELECT task_name FROM procrastinate_jobs")).all()
    assert "inspection.inspect" in jobs
    assert keeper.seen(recording.id).inspection_state == InspectionState.PENDING


def test_an_erased_recording_is_not_put_right(keeper: Keeper, tmp_path: Path) -> None:
    recording, object_id = keeper.recording()
    keeper.destroy_key(object_id)
    copy = tmp_path / "copy.wav"
    copy.write_bytes(wav())
    with pytest.raises(NothingToRepair):
        repair(keeper, ACTOR, recording.id, file=copy)
