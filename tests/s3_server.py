"""A real S3 server for tests, started by `scripts/s3-server` and stopped with the session.

A conftest wires it:

    @pytest.fixture(scope="session")
    def s3_server() -> Iterator[S3Server]:
        with running_s3_server() as server:
            yield server
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from storage.s3_client import S3Settings, make_clients

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_SCRIPT = Path(__file__).parents[1] / "scripts" / "s3-server"
_PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool")
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Account:
    """Credentials of one user of the server."""

    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """A running server and its first user. `account` makes another user."""

    folder: Path
    endpoint_url: str
    owner: S3Account

    def account(self, name: str) -> S3Account:
        return _account_in(_run("user", str(self.folder / "node"), name))

    def settings(self, bucket: str, *, account: S3Account | None = None) -> S3Settings:
        """Return settings for `bucket`, with the first user's credentials unless told."""
        used = account or self.owner
        spool = self.folder / "spool"
        spool.mkdir(exist_ok=True)
        return S3Settings(
            endpoint_url=self.endpoint_url,
            bucket=bucket,
            access_key=used.access_key,
            secret_key=used.secret_key,
            spool_folder=spool,
        )

    def client(self, *, account: S3Account | None = None) -> S3Client:
        return make_clients(self.settings("unused", account=account))[0]

    def new_bucket(self, *, account: S3Account | None = None, has_lock: bool = False) -> str:
        """Make an empty bucket and return its name."""
        name = f"test-{uuid.uuid4().hex}"
        self.client(account=account).create_bucket(Bucket=name, ObjectLockEnabledForBucket=has_lock)
        return name


@contextmanager
def running_s3_server() -> Iterator[S3Server]:
    """Start a server in a new folder on a free port and stop it at the end.

    Where its packages are missing, tests are skipped with a warning, and fail under `CI=true`.
    """
    missing = [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]
    if missing:
        _give_up(f"No S3 server: {', '.join(missing)} missing; run scripts/s3-server install.")
    folder = Path(tempfile.mkdtemp(prefix="audiatur-s3-"))
    node = folder / "node"
    try:
        words = _run("start", str(node))
        yield S3Server(folder=folder, endpoint_url=words["S3_ENDPOINT"], owner=_account_in(words))
    finally:
        if (node / "ceph.conf").exists():
            _run("stop", str(node))
        shutil.rmtree(folder)


def _give_up(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.warn(reason, stacklevel=2)
    pytest.skip(reason)


def _run(*words: str) -> dict[str, str]:
    """Run the script and return the shell assignments it printed."""
    done = subprocess.run(  # noqa: S603 - our own script with words of our own.
        [str(_SCRIPT), *words], capture_output=True, text=True, check=False, timeout=180
    )
    if done.returncode:
        pytest.fail(f"scripts/s3-server {words[0]}: {done.stderr.strip()}")
    return dict(word.split("=", 1) for word in done.stdout.split())


def _account_in(words: dict[str, str]) -> S3Account:
    return S3Account(access_key=words["S3_ACCESS"], secret_key=words["S3_SECRET"])
