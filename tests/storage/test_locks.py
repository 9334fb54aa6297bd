"""Locks that a real server keeps: what is locked stays, whoever asks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from storage.errors import LocksUnsupported, StoreRefused
from storage.folder import FolderStore
from storage.ports import LockMode
from storage.s3 import S3Store
from tests.s3_server import S3Server

KEY = "ab/object"
MIB = 1 << 20
DAY = timedelta(days=1)


def put(store: S3Store, content: bytes, *, times: int = 1) -> None:
    draft = store.begin(KEY)
    for _ in range(times):
        draft.write(content)
    draft.keep()


@pytest.fixture
def locking(s3_server: S3Server) -> S3Store:
    """Give the store of a bucket with object lock, probed."""
    store = S3Store(s3_server.settings(s3_server.new_bucket(has_lock=True)))
    store.probe()
    return store


def _delete_version(server: S3Server, store: S3Store) -> None:
    """Delete by version as somebody would who holds the archive's credentials."""
    client = server.client()
    version = client.head_object(Bucket=store._bucket, Key=KEY)["VersionId"]
    client.delete_object(Bucket=store._bucket, Key=KEY, VersionId=version)


@pytest.mark.parametrize("mode", LockMode)
@pytest.mark.parametrize("times", [1, 66], ids=["one request", "in parts"])
def test_a_locked_version_is_not_deleted_extends_and_does_not_shrink(
    locking: S3Store, s3_server: S3Server, mode: LockMode, times: int
) -> None:
    put(locking, bytes(MIB), times=times)
    until = datetime.now(UTC).replace(microsecond=0) + DAY
    assert locking.lock_state(KEY).until is None
    locking.lock(KEY, mode=mode, until=until)
    found = locking.lock_state(KEY)
    assert (found.mode, found.until, found.is_held) == (mode, until, False)
    with pytest.raises(ClientError, match="AccessDenied"):
        _delete_version(s3_server, locking)
    with pytest.raises(StoreRefused):
        locking.delete(KEY)
    locking.lock(KEY, mode=mode, until=until + DAY)
    assert locking.lock_state(KEY).until == until + DAY
    with pytest.raises(StoreRefused):
        locking.lock(KEY, mode=mode, until=until)
    assert locking.lock_state(KEY).until == until + DAY
    assert locking.size(KEY) == times * MIB


def test_a_hold_stands_by_itself_until_it_is_lifted(locking: S3Store, s3_server: S3Server) -> None:
    put(locking, b"evidence")
    locking.hold(KEY, is_held=True)
    assert locking.lock_state(KEY).is_held
    with pytest.raises(ClientError, match="AccessDenied"):
        _delete_version(s3_server, locking)
    with pytest.raises(StoreRefused):
        locking.delete(KEY)
    locking.hold(KEY, is_held=False)
    assert not locking.lock_state(KEY).is_held
    locking.delete(KEY)
    assert list(locking.keys()) == []


def test_what_replaces_a_locked_object_leaves_the_locked_version(
    locking: S3Store, s3_server: S3Server
) -> None:
    put(locking, b"damaged")
    locking.lock(KEY, mode=LockMode.GOVERNANCE, until=datetime.now(UTC) + DAY)
    draft = locking.begin(KEY, replaces=True)
    draft.write(b"mended")
    draft.keep()
    assert locking.read(KEY, start=0, length=6) == b"mended"
    versions = s3_server.client().list_object_versions(Bucket=locking._bucket, Prefix=KEY)
    assert len(versions["Versions"]) == 2


def test_nothing_is_claimed_of_a_bucket_without_locks(s3_store: S3Store) -> None:
    put(s3_store, b"evidence")
    try:
        assert not s3_store.can_lock
        with pytest.raises(LocksUnsupported):
            s3_store.lock(KEY, mode=LockMode.GOVERNANCE, until=datetime.now(UTC) + DAY)
        with pytest.raises(LocksUnsupported):
            s3_store.hold(KEY, is_held=True)
        with pytest.raises(LocksUnsupported):
            s3_store.lock_state(KEY)
    finally:
        s3_store.delete(KEY)


def test_nothing_is_claimed_before_the_probe(s3_server: S3Server) -> None:
    store = S3Store(s3_server.settings(s3_server.new_bucket(has_lock=True)))
    put(store, b"evidence")
    with pytest.raises(LocksUnsupported):
        store.lock(KEY, mode=LockMode.GOVERNANCE, until=datetime.now(UTC) + DAY)


def test_nothing_is_claimed_of_a_folder(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert not store.can_lock
    with pytest.raises(LocksUnsupported):
        store.lock(KEY, mode=LockMode.GOVERNANCE, until=datetime.now(UTC) + DAY)
    with pytest.raises(LocksUnsupported):
        store.hold(KEY, is_held=True)
    with pytest.raises(LocksUnsupported):
        store.lock_state(KEY)
