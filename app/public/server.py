"""Starting the process of the public links from its settings alone."""

from __future__ import annotations

from pathlib import Path

from app.core.clock import Clock, SystemClock
from app.core.db import Database
from app.public.main import PublicTools
from app.settings import Settings, SettingsInvalid
from storage.folder import FolderStore
from storage.keys import MasterKeys
from storage.ports import Store
from storage.s3 import S3Store
from storage.s3_client import S3Settings
from storage.sealed import SealedStore

ROLE = "audiatur_public"
DATABASE_URL_FILE = "database-url"
STORE_FOLDER = "release"


def tools_of(settings: Settings, *, clock: Clock | None = None) -> PublicTools:
    """Return the tools of the public links; nothing of the archive is read or needed.

    Raises:
        SettingsInvalid: says which setting is missing.
    """
    keys = MasterKeys.load(settings.release_key_path)
    return PublicTools(
        database=Database(_database_url(settings), role=ROLE, pool_size=settings.database_pool),
        release=SealedStore(_store(settings), keys),
        clock=clock or SystemClock(),
        is_secure=(settings.public_url or "").startswith("https:"),
    )


def _database_url(settings: Settings) -> str:
    if settings.public_database_url is not None:
        return settings.public_database_url.get_secret_value()
    path = settings.public_dir / DATABASE_URL_FILE
    if not path.exists():
        raise SettingsInvalid(f"AUDIATUR_PUBLIC_DATABASE_URL: not set, and {path} is not there")
    return path.read_text(encoding="utf-8").strip()


def _store(settings: Settings) -> Store:
    if settings.release_s3_bucket is None:
        return FolderStore(settings.public_dir / STORE_FOLDER)
    access_key = settings.release_s3_access_key_id
    secret_key = settings.release_s3_secret_access_key
    if access_key is None or secret_key is None:
        raise SettingsInvalid(
            "AUDIATUR_RELEASE_S3_ACCESS_KEY_ID and AUDIATUR_RELEASE_S3_SECRET_ACCESS_KEY: not set"
        )
    spool: Path = settings.public_dir / "spool"
    spool.mkdir(parents=True, exist_ok=True)
    return S3Store(
        S3Settings(
            endpoint_url=settings.release_s3_endpoint_url,
            bucket=settings.release_s3_bucket,
            access_key=access_key.get_secret_value(),
            secret_key=secret_key.get_secret_value(),
            spool_folder=spool,
            region=settings.s3_region,
        )
    )
