"""Locks on objects of a bucket: retention until a date, and legal holds without one.

They are set on the newest version after it is complete: lock headers on an upload in parts do
nothing on some servers.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from storage.ports import LockMode, LockState
from storage.s3_client import code_of

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_NONE = frozenset({"NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"})


def lock(client: S3Client, bucket: str, key: str, *, mode: LockMode, until: datetime) -> None:
    """Keep the object until `until`, to the second; the server refuses to shorten a lock."""
    client.put_object_retention(
        Bucket=bucket,
        Key=key,
        Retention={"Mode": mode.value, "RetainUntilDate": until.replace(microsecond=0)},
    )


def hold(client: S3Client, bucket: str, key: str, *, is_held: bool) -> None:
    """Set or lift the legal hold."""
    client.put_object_legal_hold(
        Bucket=bucket, Key=key, LegalHold={"Status": "ON" if is_held else "OFF"}
    )


def state(client: S3Client, bucket: str, key: str) -> LockState:
    """Return what the server says of the newest version."""
    mode: LockMode | None = None
    until: datetime | None = None
    try:
        found = client.get_object_retention(Bucket=bucket, Key=key).get("Retention", {})
        until = found.get("RetainUntilDate")
        mode = LockMode(found["Mode"]) if "Mode" in found else None
    except ClientError as exc:
        if code_of(exc) not in _NONE:
            raise
    return LockState(
        mode=mode,
        until=until.astimezone(UTC) if until else None,
        is_held=_is_held(client, bucket, key),
    )


def _is_held(client: S3Client, bucket: str, key: str) -> bool:
    try:
        found = client.get_object_legal_hold(Bucket=bucket, Key=key)
    except ClientError as exc:
        if code_of(exc) in _NONE:
            return False
        raise
    return found.get("LegalHold", {}).get("Status") == "ON"
