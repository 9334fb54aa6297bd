"""What the S3 store owes beyond the contract: parts, locks, credentials, outages."""

from __future__ import annotations

import resource
import secrets
import socket
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import botocore.exceptions
import pytest

from storage.errors import (
    ObjectExists,
    StoreRefused,
    StoreUnavailable,
)
from storage.ports import Store, Support
from storage.s3 import S3Store
from storage.spool import Window
from tests.s3_server import S3Server

KEY = "ab/object"
MIB = 1 << 20
HOUR = timedelta(hours=1)


def put(store: Store, key: str, content: bytes) -> None:
    draft = store.begin(key)
    try:
        draft.write(content)
        draft.keep()
    finally:
        draft.discard()


@pytest.fixture
def plain(s3_store: S3Store) -> Iterator[S3Store]:
    yield s3_store
    for listed in list(s3_store.keys(prefix="")):
        s3_store.delete(listed.key)


@contextmanager
def silent_port() -> Iterator[int]:
    """Listen and never answer."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield int(listener.getsockname()[1])


def test_a_large_object_goes_in_parts_without_growing_memory(plain: S3Store) -> None:
    piece = secrets.token_bytes(MIB)
    put(plain, "ab/warm", piece)
    peak_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    draft = plain.begin(KEY)
    for _ in range(256):
        draft.write(piece)
    draft.write(b"end")
    draft.keep()
    _, traced_peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_before) * 1024
    print(f"256 MiB: {traced_peak=} {grown=}")  # noqa: T201 - the figure is of interest.
    assert plain.size(KEY) == 256 * MIB + 3
    assert plain.read(KEY, start=256 * MIB - 4, length=7) == piece[-4:] + b"end"
    assert plain.read(KEY, start=16 * MIB - 2, length=4) == piece[-2:] + piece[:2]
    assert traced_peak < 40 * MIB
    assert grown < 40 * MIB
    with pytest.raises(ObjectExists):
        put(plain, KEY, b"again")


def test_parts_that_were_left_are_swept(plain: S3Store, s3_server: S3Server) -> None:
    client = s3_server.client()
    bucket = plain._bucket
    client.create_multipart_upload(Bucket=bucket, Key=KEY)
    now = datetime.now(UTC)
    assert plain.sweep_drafts(now - HOUR) == 0
    assert len(client.list_multipart_uploads(Bucket=bucket)["Uploads"]) == 1
    assert plain.sweep_drafts(now + HOUR) == 1
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)


def test_a_large_object_that_fails_leaves_no_parts(plain: S3Store, s3_server: S3Server) -> None:
    draft = plain.begin(KEY)
    for _ in range(66):
        draft.write(bytes(MIB))
    # The spool ends early, after the first parts were sent.
    draft._file.truncate(20 * MIB)
    with pytest.raises(StoreUnavailable, match="shorter"):
        draft.keep()
    assert "Uploads" not in s3_server.client().list_multipart_uploads(Bucket=plain._bucket)
    assert list(plain.keys(prefix="")) == []


def test_the_credentials_of_one_store_open_no_other(s3_server: S3Server) -> None:
    archive = S3Store(s3_server.settings(s3_server.new_bucket()))
    put(archive, KEY, b"evidence")
    release_account = s3_server.account("release")
    release = S3Store(
        s3_server.settings(s3_server.new_bucket(account=release_account), account=release_account)
    )
    put(release, KEY, b"copy")
    trespasser = S3Store(s3_server.settings(archive._bucket, account=release_account))
    with pytest.raises(StoreRefused):
        trespasser.read(KEY, start=0, length=1)
    with pytest.raises(StoreRefused):
        trespasser.size(KEY)
    with pytest.raises(StoreRefused):
        list(trespasser.keys(prefix=""))
    with pytest.raises(StoreRefused):
        trespasser.delete(KEY)
    with pytest.raises(StoreRefused):
        put(trespasser, "ab/planted", b"forged")
    with pytest.raises(StoreRefused):
        trespasser.check()
    assert archive.read(KEY, start=0, length=8) == b"evidence"
    assert release.read(KEY, start=0, length=4) == b"copy"


def test_a_wrong_secret_is_refused(s3_server: S3Server, plain: S3Store) -> None:
    settings = replace(s3_server.settings(plain._bucket), secret_key="wrong")
    with pytest.raises(StoreRefused, match="SignatureDoesNotMatch"):
        S3Store(settings).read(KEY, start=0, length=1)


def test_a_missing_bucket_is_no_missing_object(s3_server: S3Server) -> None:
    store = S3Store(s3_server.settings("no-such-bucket"))
    with pytest.raises(StoreUnavailable):
        store.size(KEY)
    with pytest.raises(StoreUnavailable):
        store.read(KEY, start=0, length=1)
    with pytest.raises(StoreUnavailable):
        put(store, KEY, b"content")
    with pytest.raises(StoreUnavailable, match="no bucket"):
        store.check()


def test_a_lock_is_verified_by_trying_and_holds(s3_server: S3Server) -> None:
    store = S3Store(s3_server.settings(s3_server.new_bucket(has_lock=True)))
    found = store.probe()
    assert found.object_lock is Support.VERIFIED
    assert found.versions is Support.VERIFIED
    assert found.conditional_put is not Support.VERIFIED
    put(store, KEY, b"evidence")
    client = s3_server.client()
    client.put_object_legal_hold(Bucket=store._bucket, Key=KEY, LegalHold={"Status": "ON"})
    with pytest.raises(StoreRefused):
        store.delete(KEY)
    assert store.read(KEY, start=0, length=8) == b"evidence"
    client.put_object_legal_hold(Bucket=store._bucket, Key=KEY, LegalHold={"Status": "OFF"})
    store.delete(KEY)
    found_versions = client.list_object_versions(Bucket=store._bucket, Prefix=KEY)
    assert "Versions" not in found_versions
    assert "DeleteMarkers" not in found_versions


def test_nobody_listening_is_unavailable(s3_server: S3Server) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        settings = replace(
            s3_server.settings("any"), endpoint_url=f"http://127.0.0.1:{port}", max_attempts=1
        )
        store = S3Store(settings)
        for attempt in (
            store.check,
            store.probe,
            lambda: store.size(KEY),
            lambda: store.delete(KEY),
            lambda: put(store, KEY, b"content"),
            lambda: list(store.keys(prefix="")),
            lambda: store.sweep_drafts(datetime.now(UTC)),
        ):
            with pytest.raises(StoreUnavailable) as caught:
                attempt()
            assert not isinstance(caught.value, botocore.exceptions.BotoCoreError)


def test_a_server_that_never_answers_is_given_up(s3_server: S3Server) -> None:
    with silent_port() as port:
        settings = replace(
            s3_server.settings("any"),
            endpoint_url=f"http://127.0.0.1:{port}",
            read_timeout_seconds=0.2,
            max_attempts=2,
        )
        store = S3Store(settings)
        with pytest.raises(StoreUnavailable, match="does not answer"):
            store.check()
        with pytest.raises(StoreUnavailable, match="does not answer"):
            put(store, KEY, b"content")


def test_a_spool_that_is_gone_is_unavailable(s3_server: S3Server, tmp_path: Path) -> None:
    settings = replace(s3_server.settings("any"), spool_folder=tmp_path / "gone")
    with pytest.raises(StoreUnavailable):
        S3Store(settings).begin(KEY)


def test_a_spool_that_was_cut_is_noticed(plain: S3Store) -> None:
    draft = plain.begin(KEY)
    draft.write(b"content")
    draft._size = 8
    with pytest.raises(StoreUnavailable, match="shorter"):
        draft.keep()
    assert list(plain.keys(prefix="")) == []


def test_no_secret_shows_when_settings_are_printed(s3_server: S3Server) -> None:
    settings = s3_server.settings("any")
    assert settings.secret_key not in repr(settings)


def test_a_window_reads_its_part_and_no_more(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789")
    with file.open("rb") as opened:
        window = Window(opened.fileno(), 2, 5)
        assert window.read() == b"23456"
        assert window.read(1) == b""
        assert window.seek(-2, 2) == 3
        assert window.read(10) == b"56"
        assert window.tell() == 5
        assert window.seek(1) == 1
        assert window.read(2) == b"34"
        assert window.seek(1, 1) == 4
        with pytest.raises(ValueError, match="before the beginning"):
            window.seek(-1)
