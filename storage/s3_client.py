"""How S3 is spoken to: settings, clients with a deadline on every wait, and errors of our own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import urllib3.exceptions
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from storage.errors import (
    ObjectDamaged,
    ObjectExists,
    ObjectMissing,
    StoreError,
    StoreRefused,
    StoreUnavailable,
    unavailable,
)

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_MISSING = frozenset({"NoSuchKey", "NoSuchVersion", "404", "NotFound"})
_TAKEN = frozenset({"PreconditionFailed", "412"})
_OUT_OF_RANGE = frozenset({"InvalidRange", "416"})
_HTTP_FORBIDDEN = 403
_QUICK_CONNECT_SECONDS = 2.0
_QUICK_READ_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Settings:
    """Where a bucket is and how it is reached.

    `endpoint_url` is None for AWS itself. Sealed objects on their way wait in `spool_folder`,
    as files without a name. Each bucket has credentials of its own.
    """

    endpoint_url: str | None
    bucket: str
    access_key: str
    secret_key: str = field(repr=False)
    spool_folder: Path
    region: str = "us-east-1"
    is_path_style: bool = True
    ca_file: Path | None = None
    max_connections: int = 16
    connect_timeout_seconds: float = 3
    read_timeout_seconds: float = 30
    max_attempts: int = 3


def make_clients(settings: S3Settings) -> tuple[S3Client, S3Client]:
    """Return a client for the work and a quick one, which asks once and waits little."""
    # A session of our own: credentials come from the settings alone, never from the surroundings.
    # One for both, as the description of S3 it reads takes a good part of a second.
    session = boto3.session.Session(
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        region_name=settings.region,
    )
    quick = replace(
        settings,
        max_attempts=1,
        max_connections=1,
        connect_timeout_seconds=min(_QUICK_CONNECT_SECONDS, settings.connect_timeout_seconds),
        read_timeout_seconds=min(_QUICK_READ_SECONDS, settings.read_timeout_seconds),
    )
    return _make_client(session, settings), _make_client(session, quick)


def _make_client(session: boto3.session.Session, settings: S3Settings) -> S3Client:
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if settings.is_path_style else "virtual"},
        connect_timeout=settings.connect_timeout_seconds,
        read_timeout=settings.read_timeout_seconds,
        retries={"mode": "standard", "total_max_attempts": settings.max_attempts},
        max_pool_connections=settings.max_connections,
        tcp_keepalive=True,
        # The default, a checksum as a trailer of every upload, is refused by many servers over
        # TLS (411) and unchecked by others. Content-MD5 is sent instead, which all check.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    client = session.client(
        "s3",
        endpoint_url=settings.endpoint_url,
        config=config,
        verify=str(settings.ca_file) if settings.ca_file else None,
    )
    client.meta.events.register_last("before-call.s3", _without_expecting)
    return client


def _without_expecting(params: dict[str, Any], **_: object) -> None:
    """Let no upload wait for "100 Continue".

    The library reads that answer in a loop that has no end where the line breaks off inside of it.
    """
    params["headers"].pop("Expect", None)


def code_of(exc: ClientError) -> str:
    """Return the server's word for what went wrong."""
    return exc.response.get("Error", {}).get("Code", "")


def status_of(exc: ClientError) -> int:
    """Return the HTTP status of the server's refusal."""
    return exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def was_retried(exc: ClientError) -> bool:
    """Tell whether an earlier attempt of the same call may have done the work already."""
    return exc.response.get("ResponseMetadata", {}).get("RetryAttempts", 0) > 0


@contextmanager
def translated(key: str = "") -> Iterator[None]:
    """Turn whatever boto3 and the network raise into errors of the store."""
    try:
        yield
    except ClientError as exc:
        raise _from_answer(exc, key) from exc
    except (BotoCoreError, urllib3.exceptions.HTTPError) as exc:
        raise StoreUnavailable(f"The S3 server does not answer: {type(exc).__name__}.") from exc
    except OSError as exc:
        raise unavailable(exc) from exc


def _from_answer(exc: ClientError, key: str) -> StoreError:
    code = code_of(exc)
    if code in _MISSING:
        return ObjectMissing(f"No object {key}.")
    if code in _TAKEN:
        return ObjectExists(f"There is an object {key} already.")
    if code in _OUT_OF_RANGE:
        return ObjectDamaged(f"{key} is shorter than the range asked for.")
    if status_of(exc) == _HTTP_FORBIDDEN:
        return StoreRefused(f"The S3 server forbids this: {code}.")
    return StoreUnavailable(f"The S3 server cannot do this now: {code}.")
