"""Putting the parts together: which database, which stores, which keys."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.core import traces
from app.core.clock import SystemClock
from app.core.db import APP_ROLE, Database
from app.core.errors import Invalid
from app.core.waking import Waker
from app.custody import signing
from app.custody.checkpoints import LogTools
from app.custody.ledger import DetailCipher
from app.custody.signing import KeyRing
from app.custody.timestamps import Authorities
from app.embedded.postgres import EmbeddedPostgres, grant_roles
from app.inspection.references import Shelf
from app.inspection.sandbox import Sandbox
from app.migrate import migrate
from app.settings import Settings
from app.tools import Tools
from app.traced_store import TracedStore
from storage.folder import FolderStore
from storage.keys import KeyId, MasterKeys
from storage.ports import Store
from storage.s3 import S3Store
from storage.s3_client import S3Settings
from storage.sealed import SealedStore

_DETAIL_LABEL = "ledger-detail"


class MasterKeyMissing(Invalid):
    """The master key of this installation is missing.

    Without it nothing that is kept can be read. Put the file back from its backup; a new key is
    never made for a store that was sealed with another.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Urls:
    """How each part reaches the database; `link` is None where the public links are elsewhere."""

    owner: str = field(repr=False)
    web: str = field(repr=False)
    link: str | None = field(repr=False)


def embedded(settings: Settings) -> EmbeddedPostgres | None:
    """Return the Postgres of the data folder, or None where a server is configured."""
    if settings.database_url is not None:
        return None
    return EmbeddedPostgres(settings.data / "postgres")


def configured_urls(settings: Settings) -> Urls:
    """Return the URLs of the configured server."""
    if settings.database_url is None:
        raise TypeError("No server is configured.")
    web = settings.database_url.get_secret_value()
    owner = settings.database_owner_url
    link = settings.public_database_url
    return Urls(
        owner=owner.get_secret_value() if owner else web,
        web=web,
        link=link.get_secret_value() if link else None,
    )


@contextmanager
def database_urls(settings: Settings) -> Iterator[Urls]:
    """Give the URLs, with the embedded Postgres running for as long as they are needed."""
    server = embedded(settings)
    if server is None:
        yield configured_urls(settings)
        return
    make_data_folder(settings)
    cluster = server.hold()
    try:
        yield Urls(owner=cluster.owner_url, web=cluster.web_url, link=cluster.link_url)
    finally:
        server.release_and_maybe_stop()


class RestoreUnfinished(Invalid):
    """A restore was begun and is not through; run it again before anything is served."""


def restoring_mark(settings: Settings) -> Path:
    """Return the file that stands while a restore is not through."""
    return settings.data / "restoring"


def prepare(settings: Settings, urls: Urls, *, is_restoring: bool = False) -> None:
    """Bring the database up to date and lay out what the link process may see.

    Raises:
        RestoreUnfinished: what was erased may have come back and is not erased again yet.
    """
    if restoring_mark(settings).exists() and not is_restoring:
        raise RestoreUnfinished
    make_data_folder(settings)
    migrate(urls.owner)
    server = embedded(settings)
    if server is not None:
        grant_roles(server.ensure())
    settings.public_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if server is not None and urls.link is not None:
        write_private(settings.public_dir / "database-url", urls.link)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all.

    Several may write it at once, as commands beside a running archive do: each has its own draft.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def make_data_folder(settings: Settings) -> None:
    """Make the data folder, closed to others."""
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)


def archive_store(settings: Settings) -> Store:
    """Return the store of the archive: a bucket where one is configured, else a folder."""
    if settings.s3_bucket is None:
        return FolderStore(settings.data / "archive")
    if settings.s3_access_key_id is None or settings.s3_secret_access_key is None:
        raise TypeError("Settings with a bucket have its credentials.")
    store = S3Store(
        S3Settings(
            endpoint_url=settings.s3_endpoint_url,
            bucket=settings.s3_bucket,
            access_key=settings.s3_access_key_id.get_secret_value(),
            secret_key=settings.s3_secret_access_key.get_secret_value(),
            spool_folder=_spool(settings),
            region=settings.s3_region,
        )
    )
    store.probe()
    return store


def release_store(settings: Settings) -> Store:
    """Return the store of released copies, with credentials of its own."""
    if settings.release_s3_bucket is None:
        return FolderStore(settings.public_dir / "release")
    if settings.release_s3_access_key_id is None or settings.release_s3_secret_access_key is None:
        raise TypeError("Settings with a bucket have its credentials.")
    store = S3Store(
        S3Settings(
            endpoint_url=settings.release_s3_endpoint_url or settings.s3_endpoint_url,
            bucket=settings.release_s3_bucket,
            access_key=settings.release_s3_access_key_id.get_secret_value(),
            secret_key=settings.release_s3_secret_access_key.get_secret_value(),
            spool_folder=_spool(settings),
            region=settings.s3_region,
        )
    )
    store.probe()
    return store


def _told(store: Store) -> Store:
    return TracedStore(store) if traces.is_sent() else store


def _spool(settings: Settings) -> Path:
    settings.spool_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return settings.spool_dir


def master_keys(settings: Settings, name: str, path: Path) -> tuple[MasterKeys, str]:
    """Return the keys of `path`, made at the very first start and never again, and the first id.

    Raises:
        MasterKeyMissing: this installation had a key and the file is gone, or is another's.
    """
    marker = settings.data / f"{name}-key.json"
    known = json.loads(marker.read_text())["key_id"] if marker.exists() else None
    if known is None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys = MasterKeys.ensure(path)
        make_data_folder(settings)
        write_private(marker, json.dumps({"key_id": keys.current_id}))
        return keys, keys.current_id
    if not path.exists():
        raise MasterKeyMissing(f"{path} is missing; it holds the key {known}.", path=str(path))
    keys = MasterKeys.load(path)
    if known not in keys.ids:
        raise MasterKeyMissing(f"{path} does not hold the key {known}.", path=str(path))
    return keys, known


def signing_keys(settings: Settings) -> KeyRing:
    """Return the keys that sign, made at the very first start and never again.

    Raises:
        SigningKeyMissing, SigningKeyInvalid: the file of this installation is gone or wrong.
    """
    make_data_folder(settings)
    return signing.ensure(
        settings.ledger_key_path,
        settings.ledger_key_marker,
        origin=settings.ledger_origin,
    )


def authorities(settings: Settings) -> Authorities:
    """Return the time stamp authorities that are configured.

    Raises:
        RootsInvalid: their certificates cannot be read.
    """
    return Authorities.configured(settings.tsa_urls, settings.tsa_roots_file)


def detail_cipher(settings: Settings) -> DetailCipher:
    """Return what opens the private details of the ledger."""
    keys, first = master_keys(settings, "archive", settings.archive_key_path)
    return DetailCipher(keys.derive(_DETAIL_LABEL, key_id=KeyId(first)))


@contextmanager
def open_tools(settings: Settings, urls: Urls) -> Iterator[Tools]:
    """Give the tools of one process of the archive."""
    keys, _ = master_keys(settings, "archive", settings.archive_key_path)
    release_keys, _ = master_keys(settings, "release", settings.release_key_path)
    cipher = detail_cipher(settings)
    ring, stampers = signing_keys(settings), authorities(settings)
    database = Database(
        urls.web,
        role=APP_ROLE,
        pool_size=settings.database_pool,
        info={"detail_cipher": cipher, "jurisdiction": settings.jurisdiction},
    )
    waker = Waker(database)
    database.after_jobs = waker.wake
    try:
        archive = SealedStore(_told(archive_store(settings)), keys)
        sandbox = Sandbox.detect()
        clock = SystemClock()
        yield Tools(
            settings=settings,
            clock=clock,
            database=database,
            cipher=cipher,
            log=LogTools(database=database, ring=ring, clock=clock, authorities=stampers),
            archive=archive,
            release=SealedStore(_told(release_store(settings)), release_keys),
            sandbox=sandbox,
            shelf=Shelf(archive=archive, sandbox=sandbox, spool=settings.spool_dir),
        )
    finally:
        waker.close()
        database.close()
