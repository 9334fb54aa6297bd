"""What an S3 server does when asked, as against what it says: each thing is tried in the bucket."""

from __future__ import annotations

import base64
import hashlib
import secrets
from contextlib import suppress
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from storage.ports import PROBE_PREFIX, Capabilities, Support
from storage.s3_client import code_of, status_of

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_LOCK_FOR = timedelta(seconds=10)
_HTTP_FORBIDDEN = 403


def probe(client: S3Client, bucket: str) -> Capabilities:
    """Try the four things in `bucket`; errors of boto3 are the caller's to translate."""
    notes: list[str] = []
    versions = _try_versions(client, bucket)
    conditional = _try_conditional(client, bucket)
    if conditional is not Support.VERIFIED:
        notes.append(
            "If-None-Match is not honoured here; a put looks first whether the key is free. "
            + ("Some servers ignore it in buckets with versions." * (versions is Support.VERIFIED))
        )
    checksums, md5 = _try_checksums(client, bucket)
    if checksums is not Support.VERIFIED:
        notes.append("A wrong SHA-256 checksum is accepted; Content-MD5 and the seal stand in.")
    if md5 is not Support.VERIFIED:
        notes.append("A wrong Content-MD5 is accepted: damage on the way shows at reading only.")
    lock = _try_lock(client, bucket)
    if lock is not Support.VERIFIED:
        notes.append("No object lock: whoever has these credentials can delete objects.")
    return Capabilities(
        conditional_put=conditional,
        checksums=checksums,
        versions=versions,
        object_lock=lock,
        notes=tuple(note.strip() for note in notes),
    )


def _new_key() -> str:
    return PROBE_PREFIX + secrets.token_hex(8)


def _remove(client: S3Client, bucket: str, key: str) -> None:
    """Remove all versions of a probe; what cannot be removed is left for the sweep."""
    with suppress(ClientError):
        found = client.list_object_versions(Bucket=bucket, Prefix=key)
        for version in (*found.get("Versions", []), *found.get("DeleteMarkers", [])):
            client.delete_object(Bucket=bucket, Key=key, VersionId=version["VersionId"])
    with suppress(ClientError):
        client.head_object(Bucket=bucket, Key=key)
        client.delete_object(Bucket=bucket, Key=key)


def _try_conditional(client: S3Client, bucket: str) -> Support:
    key = _new_key()
    try:
        # Without a condition: a store that cannot even do this is away, not lacking something.
        client.put_object(Bucket=bucket, Key=key, Body=b"first")
        try:
            client.put_object(Bucket=bucket, Key=key, Body=b"second", IfNoneMatch="*")
        except ClientError as exc:
            if code_of(exc) not in {"PreconditionFailed", "412"}:
                return Support.REFUSED
        else:
            return Support.UNSUPPORTED
        free = _new_key()
        try:
            client.put_object(Bucket=bucket, Key=free, Body=b"first", IfNoneMatch="*")
        except ClientError:
            return Support.REFUSED
        finally:
            _remove(client, bucket, free)
        return Support.VERIFIED
    finally:
        _remove(client, bucket, key)


def _try_checksums(client: S3Client, bucket: str) -> tuple[Support, Support]:
    """Return whether a wrong SHA-256 checksum and a wrong Content-MD5 are noticed."""
    key = _new_key()
    sha256 = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    md5 = base64.b64encode(hashlib.md5(b"other", usedforsecurity=False).digest()).decode()
    results = []
    for wrong in ({"ChecksumSHA256": sha256}, {"ContentMD5": md5}):
        try:
            client.put_object(Bucket=bucket, Key=key, Body=b"this", **wrong)  # type: ignore[arg-type]  # One of two names, each with text.
            results.append(Support.UNSUPPORTED)
        except ClientError as exc:
            is_unknown = status_of(exc) >= 500 or code_of(exc) == "NotImplemented"  # noqa: PLR2004 - server errors.
            results.append(Support.REFUSED if is_unknown else Support.VERIFIED)
        finally:
            _remove(client, bucket, key)
    return results[0], results[1]


def _try_versions(client: S3Client, bucket: str) -> Support:
    try:
        status = client.get_bucket_versioning(Bucket=bucket).get("Status")
    except ClientError as exc:
        is_forbidden = status_of(exc) == _HTTP_FORBIDDEN
        return Support.REFUSED if is_forbidden else Support.UNSUPPORTED
    if status != "Enabled":
        return Support.UNSUPPORTED
    key = _new_key()
    try:
        kept = {
            client.put_object(Bucket=bucket, Key=key, Body=body).get("VersionId")
            for body in (b"first", b"second")
        }
        return Support.VERIFIED if len(kept - {None}) == len(kept) > 1 else Support.UNSUPPORTED
    finally:
        _remove(client, bucket, key)


def _try_lock(client: S3Client, bucket: str) -> Support:
    """Lock a version for seconds and try to delete it; the sweep removes it when it is free."""
    try:
        found = client.get_object_lock_configuration(Bucket=bucket)
    except ClientError as exc:
        is_forbidden = status_of(exc) == _HTTP_FORBIDDEN
        return Support.REFUSED if is_forbidden else Support.UNSUPPORTED
    if found.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") != "Enabled":
        return Support.UNSUPPORTED
    key = _new_key()
    answer = client.put_object(Bucket=bucket, Key=key, Body=b"locked")
    version = answer["VersionId"]
    # The server's own clock: a lock that ends in its past would be refused.
    server_now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    try:
        client.put_object_retention(
            Bucket=bucket,
            Key=key,
            VersionId=version,
            Retention={"Mode": "GOVERNANCE", "RetainUntilDate": server_now + _LOCK_FOR},
        )
        client.delete_object(Bucket=bucket, Key=key, VersionId=version)
    except ClientError as exc:
        is_locked = status_of(exc) == _HTTP_FORBIDDEN
        return Support.VERIFIED if is_locked else Support.REFUSED
    else:
        return Support.UNSUPPORTED
    finally:
        with suppress(ClientError):
            client.delete_object(
                Bucket=bucket, Key=key, VersionId=version, BypassGovernanceRetention=True
            )
