"""Locks on objects of a bucket: retention until a date, and legal holds without one.

They are set after an object is complete: lock headers on an upload in parts do nothing on some
servers. A retention lies on the newest version, a hold on each: what a repair has replaced is held
too.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from storage.ports import LockMode, LockState
from storage.s3_client import code_of

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import ObjectLockLegalHoldTypeDef

_NONE = frozenset({"NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"})


def lock(client: S3Client, bucket: str, key: str, *, mode: LockMode, until: datetime) -> None:
    """Keep the object until `until`, to the second; the server refuses to shorten a lock."""
    client.put_object_retention(
        Bucket=bucket,
        Key=key,
        Retention={"Mode": mode.value, "RetainUntilDate": until.replace(microsecond=0)},
    )


def hold(client: S3Client, bucket: str, key: str, *, is_held: bool) -> None:
    """Set or lift the legal hold of every version."""
    wanted: ObjectLockLegalHoldTypeDef = {"Status": "ON" if is_held else "OFF"}
    for version in _versions(client, bucket, key):
        client.put_object_legal_hold(Bucket=bucket, Key=key, VersionId=version, LegalHold=wanted)


def state(client: S3Client, bucket: str, key: str) -> LockState:
    """Return what the server says of the newest version, and of the holds of all."""
    mode: LockMode | None = None
    until: datetime | None = None
    try:
        found = client.get_object_retention(Bucket=bucket, Key=key).get("Retention", {})
        until = found.get("RetainUntilDate")
        mode = LockMode(found["Mode"]) if "Mode" in found else None
    except ClientError as exc:
        if code_of(exc) not in _NONE:
            raise
    held = [_is_held(client, bucket, key, one) for one in _versions(client, bucket, key)]
    return LockState(
        mode=mode,
        until=until.astimezone(UTC) if until else None,
        is_held=bool(held) and all(held),
        is_partly_held=any(held) and not all(held),
    )


def _versions(client: S3Client, bucket: str, key: str) -> list[str]:
    """Return the ids of the versions that have bytes."""
    pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key)
    return [
        found["VersionId"]
        for page in pages
        for found in page.get("Versions", [])
        if found["Key"] == key
    ]


def _is_held(client: S3Client, bucket: str, key: str, version: str) -> bool:
    try:
        found = client.get_object_legal_hold(Bucket=bucket, Key=key, VersionId=version)
    except ClientError as exc:
        if code_of(exc) in _NONE:
            return False
        raise
    return found.get("LegalHold", {}).get("Status") == "ON"
