"""Stores under test, and the S3 server behind one of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.folder import FolderStore
from storage.keys import MasterKeys
from storage.ports import Store
from storage.s3 import S3Store
from tests.s3_server import S3Server, running_s3_server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    with running_s3_server() as server:
        yield server


@pytest.fixture(scope="session")
def s3_store(s3_server: S3Server) -> S3Store:
    """Return the store of a plain bucket, shared by all tests: a client takes long to make."""
    store = S3Store(s3_server.settings(s3_server.new_bucket()))
    store.probe()
    return store


@pytest.fixture(scope="session")
def versioned_s3_store(s3_server: S3Server) -> S3Store:
    """Return the store of a bucket that keeps versions."""
    bucket = s3_server.new_bucket()
    s3_server.client().put_bucket_versioning(
        Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    store = S3Store(s3_server.settings(bucket))
    store.probe()
    return store


@pytest.fixture(params=["folder", "folder with named drafts", "s3", "s3 with versions"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Return each kind of store in turn, empty."""
    if request.param == "folder":
        yield FolderStore(tmp_path / "store")
        return
    if request.param == "folder with named drafts":
        yield FolderStore(tmp_path / "store", unnamed_drafts=False)
        return
    name = "s3_store" if request.param == "s3" else "versioned_s3_store"
    s3: S3Store = request.getfixturevalue(name)
    yield s3
    for listed in list(s3.keys()):
        s3.delete(listed.key)


@pytest.fixture
def keys(tmp_path: Path) -> MasterKeys:
    return MasterKeys.create(tmp_path / "master.keys")
