"""Originals are locked on a real server, and what the store has is compared with what it said."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import select, text

from app.custody.models import CustodyEntry
from app.fixity import checks, locks, queries
from app.fixity.locks import LockShortened
from app.fixity.models import ObjectLock
from storage.errors import StoreRefused
from storage.ports import LockMode
from storage.s3 import S3Store
from storage.sealed import SealedStore
from tests.fixity.conftest import Keeper
from tests.s3_server import S3Server

DAY = timedelta(days=1)


@pytest.fixture
def locking(keeper: Keeper, s3_server: S3Server) -> Keeper:
    """Give an archive over a bucket with object lock."""
    store = S3Store(s3_server.settings(s3_server.new_bucket(has_lock=True)))
    store.probe()
    return replace(keeper, archive=SealedStore(store, keeper.keys))


def row_of(keeper: Keeper, object_id: UUID) -> ObjectLock:
    with keeper.database.transaction() as session:
        return session.get_one(ObjectLock, object_id)


def work(keeper: Keeper) -> None:
    """Do the jobs that ask the store."""
    with keeper.database.transaction() as session:
        found = session.scalars(
            text(
                "SELECT args->>'object_id' FROM procrastinate_jobs"
                " WHERE task_name = 'fixity.apply_lock' AND status = 'todo'"
            )
        ).all()
        session.execute(text("UPDATE procrastinate_jobs SET status = 'succeeded'"))
    for object_id in found:
        locks.apply(keeper, object_id)


def bucket_of(keeper: Keeper) -> str:
    return str(keeper.archive._store._bucket)  # type: ignore[attr-defined]  # A bucket's store.


def delete_version(server: S3Server, keeper: Keeper, object_id: UUID) -> None:
    """Delete by version as a thief of the archive's credentials would."""
    client, key = server.client(), SealedStore.key_for(object_id)
    version = client.head_object(Bucket=bucket_of(keeper), Key=key)["VersionId"]
    client.delete_object(Bucket=bucket_of(keeper), Key=key, VersionId=version)


def differences(keeper: Keeper) -> list[str]:
    with keeper.database.transaction() as session:
        entries = session.scalars(
            select(CustodyEntry)
            .where(CustodyEntry.act == "lock.differed")
            .order_by(CustodyEntry.position)
        )
        return [str(entry.facts["difference"]) for entry in entries]


@pytest.mark.parametrize("mode", LockMode)
def test_an_original_that_was_read_back_cannot_be_deleted(
    locking: Keeper, s3_server: S3Server, mode: LockMode
) -> None:
    locking.settings = locking.settings.model_copy(
        update={"s3_object_lock": mode.value.lower(), "s3_object_lock_days": 10}
    )
    _, object_id = locking.recording()
    checks.check_due(locking)
    with locking.database.transaction() as session:
        assert locks.state(session, object_id).mode is None
    work(locking)
    row = row_of(locking, object_id)
    until = locking.clock.now() + 10 * DAY
    assert (row.mode, row.locked_until) == (mode, until.replace(microsecond=0))
    with pytest.raises(ClientError, match="AccessDenied"):
        delete_version(s3_server, locking, object_id)
    with pytest.raises(StoreRefused):
        locking.archive.delete(object_id)
    assert checks.check_all(locking) == (1, 0)


def test_a_lock_is_extended_and_not_shortened(locking: Keeper) -> None:
    _, object_id = locking.recording()
    until = (locking.clock.now() + 20 * DAY).replace(microsecond=0)
    for wanted in (until, until + DAY):
        with locking.database.transaction() as session:
            locks.lock(session, object_id, wanted)
        work(locking)
        assert row_of(locking, object_id).locked_until == wanted
    with locking.database.transaction() as session, pytest.raises(LockShortened):
        locks.lock(session, object_id, until)
    with pytest.raises(StoreRefused):
        locking.archive.lock(object_id, mode=LockMode.GOVERNANCE, until=until)
    assert locking.archive.lock_state(object_id).until == until + DAY


def test_a_hold_is_mirrored_and_lifted(locking: Keeper, s3_server: S3Server) -> None:
    _, object_id = locking.recording()
    with locking.database.transaction() as session:
        locks.hold(session, object_id)
    work(locking)
    assert row_of(locking, object_id).is_held
    with pytest.raises(ClientError, match="AccessDenied"):
        delete_version(s3_server, locking, object_id)
    with locking.database.transaction() as session:
        locks.release_hold(session, object_id)
    work(locking)
    assert not row_of(locking, object_id).is_held
    locking.archive.delete(object_id)


def test_a_hold_that_somebody_lifted_is_an_incident_and_put_right(
    locking: Keeper, s3_server: S3Server
) -> None:
    _, object_id = locking.recording()
    with locking.database.transaction() as session:
        locks.hold(session, object_id)
    work(locking)
    assert locks.reconcile(locking) == 0
    s3_server.client().put_object_legal_hold(
        Bucket=bucket_of(locking),
        Key=SealedStore.key_for(object_id),
        LegalHold={"Status": "OFF"},
    )
    assert locks.reconcile(locking) == 1
    assert differences(locking) == ["hold_missing"]
    with locking.database.transaction() as session:
        assert queries.figures(session).lock_differences == 1
    work(locking)
    assert locking.archive.lock_state(object_id).is_held
    assert locks.reconcile(locking) == 0
    with locking.database.transaction() as session:
        (shown,) = queries.differing(session, since=locking.clock.now() - DAY)
    assert (shown.difference, shown.differed_at) == (None, locking.clock.now())
    assert differences(locking) == ["hold_missing"]


def test_a_hold_that_nobody_here_wants_is_told_of_and_stays(
    locking: Keeper, s3_server: S3Server
) -> None:
    _, object_id = locking.recording()
    with locking.database.transaction() as session:
        locks.hold(session, object_id)
    work(locking)
    with locking.database.transaction() as session:
        locks.release_hold(session, object_id)
    work(locking)
    s3_server.client().put_object_legal_hold(
        Bucket=bucket_of(locking), Key=SealedStore.key_for(object_id), LegalHold={"Status": "ON"}
    )
    assert locks.reconcile(locking) == 1
    work(locking)
    assert locks.reconcile(locking) == 1
    assert differences(locking) == ["hold_unknown"]
    assert locking.archive.lock_state(object_id).is_held


def test_a_hold_on_what_the_rows_know_nothing_of_is_told_of_and_stays(
    locking: Keeper, s3_server: S3Server
) -> None:
    """After the database was built anew from the store, no row says who wanted a hold."""
    _, object_id = locking.recording()
    s3_server.client().put_object_legal_hold(
        Bucket=bucket_of(locking), Key=SealedStore.key_for(object_id), LegalHold={"Status": "ON"}
    )
    checks.check_due(locking)
    work(locking)
    assert locking.archive.lock_state(object_id).is_held
    row = row_of(locking, object_id)
    assert (row.is_held, row.difference) == (False, "hold_unknown")
    locks.apply(locking, str(object_id))
    assert locking.archive.lock_state(object_id).is_held
    assert differences(locking) == ["hold_unknown"]


def test_locks_of_what_is_kept_are_extended(locking: Keeper) -> None:
    _, object_id = locking.recording()
    checks.check_due(locking)
    work(locking)
    before = row_of(locking, object_id).locked_until
    locking.clock.advance(14 * DAY)
    locks.reconcile(locking)
    work(locking)
    assert row_of(locking, object_id).locked_until == before
    locking.clock.advance(2 * DAY)
    locks.reconcile(locking)
    work(locking)
    after = row_of(locking, object_id).locked_until
    assert before is not None
    assert after == before + 16 * DAY
    assert differences(locking) == []


def test_nothing_is_claimed_where_no_lock_holds(keeper: Keeper) -> None:
    _, object_id = keeper.recording()
    checks.check_due(keeper)
    with keeper.database.transaction() as session:
        assert session.get(ObjectLock, object_id) is None
        locks.hold(session, object_id)
    work(keeper)
    with keeper.database.transaction() as session:
        found = locks.state(session, object_id)
    assert (found.mode, found.is_held, found.seen_at) == (None, False, None)
    assert locks.reconcile(keeper) == 0


def test_nothing_is_locked_where_locks_are_off(locking: Keeper) -> None:
    locking.settings = locking.settings.model_copy(update={"s3_object_lock": "off"})
    _, object_id = locking.recording()
    checks.check_due(locking)
    work(locking)
    assert locking.archive.lock_state(object_id).until is None
    locking.archive.delete(object_id)
