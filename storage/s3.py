"""A bucket of an S3 server as an object store.

A draft waits in an unnamed file of this machine until it is whole, then goes in one request, or in
parts above 64 MiB. Each request carries a Content-MD5, which every server checks, and the size is
compared afterwards. Where the server honours `If-None-Match`, it refuses to overwrite; elsewhere we
look first, which is second best: keys are random, so two writers of one key are no accident.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from storage import s3_locks, s3_probe
from storage.errors import (
    LocksUnsupported,
    ObjectDamaged,
    ObjectExists,
    ObjectMissing,
    StoreError,
    StoreRefused,
    StoreUnavailable,
)
from storage.ports import (
    PROBE_PREFIX,
    Capabilities,
    Listed,
    LockMode,
    LockState,
    Support,
    check_range,
    checked_key,
    is_key,
)
from storage.s3_client import S3Settings, code_of, make_clients, translated, was_retried
from storage.spool import Window

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

_SINGLE_MAX_BYTES = 64 << 20
_PART_BYTES = 16 << 20
_FIRST_PIECE_BYTES = 512 << 10
_PIECE_BYTES = 4 << 20
_IN_MEMORY_BYTES = 8 << 20
_WAIT_FOR_TURN_SECONDS = 60.0
_SETTLING_SECONDS = (0.1, 0.4)
_READ_ATTEMPTS = 3
_BLOCK_BYTES = 1 << 20


class S3Store:
    """Objects of one bucket, which must exist. Call `probe` once at start: puts depend on it."""

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        self._bucket = settings.bucket
        self._client, self._quick = make_clients(settings)
        self._turns = threading.BoundedSemaphore(settings.max_connections)
        self._has_conditional_put = False
        self._can_lock = False
        self._is_in_doubt = False

    def begin(self, key: str, *, replaces: bool = False) -> S3Draft:
        checked_key(key)
        self._settle_doubt()
        with translated():
            spool = os.fspath(self._settings.spool_folder)
            return S3Draft(self, key, spool, replaces=replaces)

    def size(self, key: str) -> int:
        return self._head(checked_key(key))[0]

    def read(self, key: str, *, start: int, length: int) -> bytes:
        check_range(start, length)
        checked_key(key)
        for attempt in range(1, _READ_ATTEMPTS + 1):
            try:
                self._settle_doubt()
                return self._read_once(key, start, length)
            except StoreUnavailable:
                # boto3 repeats a request, yet not an answer that broke off half-way.
                if attempt == _READ_ATTEMPTS:
                    raise
        raise AssertionError

    def stream(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        check_range(start, length)
        if length is None:
            size = self.size(key)
            if start > size:
                raise ObjectDamaged(f"{key} ends at byte {size}.")
            length = size - start
        # A request for each piece: no connection waits for a slow listener.
        end, piece_bytes = start + length, _FIRST_PIECE_BYTES
        while start < end:
            piece = self.read(key, start=start, length=min(piece_bytes, end - start))
            yield piece
            start += len(piece)
            piece_bytes = _PIECE_BYTES

    def keys(self, *, prefix: str = "") -> Iterator[Listed]:
        token: dict[str, Any] = {}
        while True:
            with self.turn(), translated():
                page = self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, **token)
            for found in page.get("Contents", []):
                if is_key(found["Key"]):
                    yield Listed(
                        key=found["Key"],
                        size_bytes=found["Size"],
                        modified_at=found["LastModified"],
                    )
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def remains(self, key: str) -> bool:
        checked_key(key)
        with self.turn(), translated(key):
            versions = self._versions(key)
        if versions is not None:
            return bool(versions)
        try:
            self._head(key)
        except ObjectMissing:
            return False
        return True

    def delete(self, key: str) -> None:
        checked_key(key)
        with self.turn(), translated(key):
            versions = self._versions(key)
            refused: ClientError | None = None
            for version in versions or ():
                # In a bucket with versions a plain delete would only hide the object.
                try:
                    self._client.delete_object(Bucket=self._bucket, Key=key, VersionId=version)
                except ClientError as exc:
                    refused = exc
            if refused is not None:
                raise refused
            if versions is None:
                # Only where there is no list: with versions it would hide what is not there.
                self._client.delete_object(Bucket=self._bucket, Key=key)

    def sweep_drafts(self, older_than: datetime) -> int:
        swept = 0
        with self.turn(), translated():
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket
            )
            for page in pages:
                for upload in page.get("Uploads", []):
                    if upload["Initiated"] < older_than:
                        self._abort(upload["Key"], upload["UploadId"])
                        swept += 1
        for listed in self.keys(prefix=PROBE_PREFIX):
            if listed.modified_at < older_than:
                self.delete(listed.key)
                swept += 1
        return swept

    def probe(self) -> Capabilities:
        with self.turn(), translated():
            found = s3_probe.probe(self._client, self._bucket)
        self._has_conditional_put = found.conditional_put is Support.VERIFIED
        self._can_lock = found.object_lock is Support.VERIFIED
        return found

    @property
    def can_lock(self) -> bool:
        return self._can_lock

    def lock(self, key: str, *, mode: LockMode, until: datetime) -> None:
        with self._locking(key):
            s3_locks.lock(self._client, self._bucket, key, mode=mode, until=until)

    def hold(self, key: str, *, is_held: bool) -> None:
        with self._locking(key):
            s3_locks.hold(self._client, self._bucket, key, is_held=is_held)

    def lock_state(self, key: str) -> LockState:
        with self._locking(key):
            return s3_locks.state(self._client, self._bucket, key)

    @contextmanager
    def _locking(self, key: str) -> Iterator[None]:
        checked_key(key)
        if not self._can_lock:
            raise LocksUnsupported("This bucket was not seen to keep a locked object.")
        with self.turn(), translated(key):
            yield

    def check(self) -> None:
        with translated():
            try:
                self._quick.head_bucket(Bucket=self._bucket)
            except ClientError as exc:
                if code_of(exc) in {"404", "NoSuchBucket"}:
                    raise StoreUnavailable(f"There is no bucket {self._bucket}.") from exc
                raise

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold one of the connections; wait for one at most a minute."""
        if not self._turns.acquire(timeout=_WAIT_FOR_TURN_SECONDS):
            raise StoreUnavailable("All connections to the S3 server are busy.")
        try:
            yield
        except StoreUnavailable as exc:
            # A server that forbids has answered.
            self._is_in_doubt = not isinstance(exc, StoreRefused)
            raise
        finally:
            self._turns.release()

    def _settle_doubt(self) -> None:
        """After a failure ask briefly first, so that senders do not wait for a server that hangs.

        Without it each of them, and each connection, would be held for all attempts' time.
        """
        if self._is_in_doubt:
            self.check()
            self._is_in_doubt = False

    def upload(self, key: str, fd: int, size: int, *, replaces: bool = False) -> None:
        """Put the first `size` bytes of the file `fd` under `key`, durable or raising."""
        if not self._has_conditional_put and not replaces:
            with suppress(ObjectMissing):
                self._head(key)
                raise ObjectExists(f"There is an object {key} already.")
        if size <= _SINGLE_MAX_BYTES:
            self._put(key, fd, size, replaces=replaces)
        else:
            self._put_parts(key, fd, size, replaces=replaces)
        kept = self._size_kept(key)
        if kept != size:
            raise ObjectDamaged(f"The S3 server kept {kept} of {size} bytes of {key}.")

    def _size_kept(self, key: str) -> int:
        """Return the size of what was just put; a server may need a moment to settle on a version.

        Racing writers of one key in a bucket with versions leave radosgw without a current one.
        """
        for pause in _SETTLING_SECONDS:
            with suppress(ObjectMissing):
                return self._head(key)[0]
            time.sleep(pause)
        return self._head(key)[0]

    def _condition(self, *, replaces: bool) -> dict[str, Any]:
        return {"IfNoneMatch": "*"} if self._has_conditional_put and not replaces else {}

    def _put(self, key: str, fd: int, size: int, *, replaces: bool) -> None:
        md5 = _md5_of(fd, 0, size)
        with self.turn(), translated(key):
            try:
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=_body(fd, 0, size),
                    ContentLength=size,
                    ContentMD5=base64.b64encode(md5).decode(),
                    ContentType="application/octet-stream",
                    **self._condition(replaces=replaces),
                )
            except ClientError as exc:
                if not self._is_ours(exc, key, md5.hex()):
                    raise

    def _put_parts(self, key: str, fd: int, size: int, *, replaces: bool) -> None:
        with self.turn(), translated(key):
            upload_id = self._client.create_multipart_upload(
                Bucket=self._bucket, Key=key, ContentType="application/octet-stream"
            )["UploadId"]
            try:
                self._complete(key, fd, size, upload_id, replaces=replaces)
            except BaseException:
                # Parts nobody completes cost money; what cannot be aborted now is swept later.
                with suppress(StoreError), translated():
                    self._abort(key, upload_id)
                raise

    def _complete(self, key: str, fd: int, size: int, upload_id: str, *, replaces: bool) -> None:
        parts: list[CompletedPartTypeDef] = []
        digests = b""
        for number, start in enumerate(range(0, size, _PART_BYTES), start=1):
            length = min(_PART_BYTES, size - start)
            md5 = _md5_of(fd, start, length)
            answer = self._client.upload_part(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                Body=_body(fd, start, length),
                ContentLength=length,
                ContentMD5=base64.b64encode(md5).decode(),
            )
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
            digests += md5
        try:
            self._client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={"Parts": parts},
                **self._condition(replaces=replaces),
            )
        except ClientError as exc:
            whole = hashlib.md5(digests, usedforsecurity=False).hexdigest()
            if not self._is_ours(exc, key, f"{whole}-{len(parts)}"):
                raise

    def _is_ours(self, exc: ClientError, key: str, etag: str) -> bool:
        """Tell whether a refusal is about our own bytes, whose first answer was lost on its way."""
        if not was_retried(exc):
            return False
        with suppress(StoreError, ClientError):
            found = self._client.head_object(Bucket=self._bucket, Key=key)
            return found["ETag"].strip('"') == etag
        return False

    def _abort(self, key: str, upload_id: str) -> None:
        with suppress(self._client.exceptions.NoSuchUpload):
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)

    def _head(self, key: str) -> tuple[int, str]:
        try:
            with self.turn(), translated(key):
                found = self._client.head_object(Bucket=self._bucket, Key=key)
        except ObjectMissing:
            # An answer without a body does not tell a missing object from a missing bucket.
            self.check()
            raise
        return found["ContentLength"], found["ETag"]

    def _read_once(self, key: str, start: int, length: int) -> bytes:
        with self.turn(), translated(key):
            answer = self._client.get_object(
                Bucket=self._bucket, Key=key, Range=f"bytes={start}-{start + length - 1}"
            )
            with answer["Body"] as body:
                content = body.read()
        if len(content) != length:
            raise ObjectDamaged(f"{key} is shorter than the range asked for.")
        return content

    def _versions(self, key: str) -> list[str] | None:
        """Return the ids of all versions and delete markers; None where the server has no list."""
        try:
            pages = self._client.get_paginator("list_object_versions").paginate(
                Bucket=self._bucket, Prefix=key
            )
            return [
                found["VersionId"]
                for page in pages
                for found in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
                if found["Key"] == key
            ]
        except ClientError as exc:
            if code_of(exc) in {"NotImplemented", "MethodNotAllowed"}:
                return None
            raise


class S3Draft:
    """Bytes waiting in an unnamed file of this machine for `keep` to send them."""

    def __init__(
        self, store: S3Store, key: str, spool_folder: str, *, replaces: bool = False
    ) -> None:
        self._store = store
        self._replaces = replaces
        self._key = key
        self._size = 0
        # Ended by `keep` or `discard`, so no block can hold it open.
        self._file = tempfile.TemporaryFile(dir=spool_folder, buffering=0)  # noqa: SIM115

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        self._require_open()
        with translated():
            rest = memoryview(chunk)
            while rest:
                written = os.write(self._file.fileno(), rest)
                self._size += written
                rest = rest[written:]

    def keep(self) -> None:
        self._require_open()
        try:
            self._store.upload(self._key, self._file.fileno(), self._size, replaces=self._replaces)
        finally:
            self.discard()

    def discard(self) -> None:
        self._file.close()

    def _require_open(self) -> None:
        if self._file.closed:
            raise ValueError("This draft is over.")


def _md5_of(fd: int, start: int, length: int) -> bytes:
    md5 = hashlib.md5(usedforsecurity=False)
    end = start + length
    while start < end:
        block = os.pread(fd, min(_BLOCK_BYTES, end - start), start)
        if not block:
            raise StoreUnavailable("The spooled draft is shorter than what was written to it.")
        md5.update(block)
        start += len(block)
    return md5.digest()


def _body(fd: int, start: int, length: int) -> Any:  # noqa: ANN401 - boto3 takes bytes or a file.
    if length <= _IN_MEMORY_BYTES:
        return os.pread(fd, length, start)
    return Window(fd, start, length)
