"""An archive as it is deployed: processes, two buckets of an S3 server, a Postgres of others."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import httpx
import psycopg

from app.embedded.postgres import Cluster
from app.settings import Settings
from app.wiring import configured_urls, open_tools
from tests.conftest import Urls
from tests.live import Live
from tests.s3_server import S3Account, S3Server

ROOT = Path(__file__).parents[2]
_START_SECONDS = 120
_STOP_SECONDS = 40
_ADDRESS = re.compile(r"(?:listens on|are served on) (http://\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A bucket and the user it belongs to."""

    name: str
    account: S3Account

    def settings(self, prefix: str, endpoint_url: str) -> dict[str, str]:
        return {
            f"{prefix}ENDPOINT_URL": endpoint_url,
            f"{prefix}BUCKET": self.name,
            f"{prefix}ACCESS_KEY_ID": self.account.access_key,
            f"{prefix}SECRET_ACCESS_KEY": self.account.secret_key,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A process that answers."""

    process: subprocess.Popen[bytes]
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The archive's side, running; `live` sends to it."""

    folder: Path
    s3: S3Server
    archive: Bucket
    release: Bucket
    reader: S3Account
    urls: Urls
    environment: dict[str, str]
    live: Live

    @property
    def data(self) -> Path:
        return self.folder / "data"


def run(words: list[str], settings: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of the product with these settings and no others."""
    return subprocess.run(  # noqa: S603 - our own program with words of our own.
        [sys.executable, "-P", "-m", "app.cli", *words],
        cwd=cwd,
        env=_environment(settings),
        capture_output=True,
        text=True,
        timeout=_START_SECONDS,
        check=False,
    )


@contextmanager
def serving(words: list[str], settings: dict[str, str], cwd: Path) -> Iterator[Serving]:
    """Run a serving command until the end of the block, ready when the block begins."""
    log = cwd / f"{secrets.token_hex(4)}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 - our own program with words of our own.
            [sys.executable, "-P", "-m", "app.cli", *words],
            cwd=cwd,
            env=_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Serving(process=process, address=_ready(process, log))
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        finally:
            process.kill()
            process.wait()


def _environment(settings: dict[str, str]) -> dict[str, str]:
    path = os.environ.get("PATH", os.defpath)
    return {"PATH": path, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **settings}


def _ready(process: subprocess.Popen[bytes], log: Path) -> str:
    give_up_at = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        found = _ADDRESS.search(log.read_text())
        if found and _answers(found[1]):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(f"it does not start: {log.read_text()[-2000:]}")


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=10).is_success
    except httpx.HTTPError:
        return False


@contextmanager
def fresh_database(cluster: Cluster) -> Iterator[Urls]:
    """Give a migrated database that lasts as long as the block."""
    password = (cluster.directory / "passwords" / "postgres").read_text()
    superuser = f"postgresql://postgres:{password}@127.0.0.1:{cluster.port}/postgres"
    name = f"t_{secrets.token_hex(6)}"
    owner, web, link = (
        url.rsplit("/", 1)[0] + "/" + name
        for url in (cluster.owner_url, cluster.web_url, cluster.link_url)
    )
    with psycopg.connect(superuser, autocommit=True) as maker:
        maker.execute(f'CREATE DATABASE "{name}" TEMPLATE pristine OWNER audiatur_owner')
    try:
        yield Urls(owner=owner, web=web, link=link)
    finally:
        with psycopg.connect(superuser, autocommit=True) as maker:
            maker.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def deployed(
    s3: S3Server, cluster: Cluster, folder: Path, more: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Deployment]:
    """Run an archive whose database and buckets are elsewhere, each with a user of its own.

    The database is migrated already, so the owner's log-in is given to no process. `more` is added
    to the environment.
    """
    # The server outlives a deployment, and a name of a user is taken once.
    mark = secrets.token_hex(4)
    reading = f"reader-{mark}"
    releaser, reader = s3.account(f"releaser-{mark}"), s3.account(reading)
    archive = Bucket(name=s3.new_bucket(), account=s3.owner)
    release = Bucket(name=s3.new_bucket(account=releaser), account=releaser)
    _let_read(s3, release, reading)
    with ExitStack() as stack:
        urls = stack.enter_context(fresh_database(cluster))
        environment = {
            "AUDIATUR_DATA": str(folder / "data"),
            "AUDIATUR_DATABASE_URL": urls.web,
            "AUDIATUR_PUBLIC_URL": "https://links.example",
            **archive.settings("AUDIATUR_S3_", s3.endpoint_url),
            **release.settings("AUDIATUR_RELEASE_S3_", s3.endpoint_url),
            **more,
        }
        found = stack.enter_context(serving(["serve", "--port", "0"], environment, folder))
        # The same parts once more, to make people and devices known.
        names = {name.removeprefix("AUDIATUR_").lower(): v for name, v in environment.items()}
        settings = Settings.model_validate(names)
        tools = stack.enter_context(open_tools(settings, configured_urls(settings)))
        yield Deployment(
            folder=folder,
            s3=s3,
            archive=archive,
            release=release,
            reader=reader,
            urls=urls,
            environment=environment,
            live=Live(tools=tools, url=found.address, database_url=urls.web),
        )


def _let_read(s3: S3Server, bucket: Bucket, user: str) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": [f"arn:aws:iam:::user/{user}"]},
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{bucket.name}", f"arn:aws:s3:::{bucket.name}/*"],
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    s3.client(account=bucket.account).put_bucket_policy(Bucket=bucket.name, Policy=policy)


@contextmanager
def links_served(deployment: Deployment) -> Iterator[tuple[Serving, dict[str, str]]]:
    """Run the process of the links with what `docs/deploy.md` gives it, and no more."""
    place = deployment.folder / "elsewhere"
    place.mkdir()
    key = place / "release.key"
    shutil.copyfile(deployment.data / "public" / "release.key", key)
    key.chmod(0o600)
    bucket = Bucket(name=deployment.release.name, account=deployment.reader)
    settings = {
        "AUDIATUR_DATA": str(place / "data"),
        "AUDIATUR_PUBLIC_DATABASE_URL": deployment.urls.link,
        "AUDIATUR_RELEASE_KEY_FILE": str(key),
        **bucket.settings("AUDIATUR_RELEASE_S3_", deployment.s3.endpoint_url),
    }
    with serving(["serve", "--public", "--port", "0"], settings, place) as found:
        yield found, settings
