"""Backups: the database in one snapshot, then the objects; the master keys never.

What is in the folder: `database.dump` (pg_dump's own form), `objects.jsonl` (every object with its
digest), `archive/` and `release/` where those stores are folders, the notes of which keys belong
here, and `manifest.json`, written last: a folder without it is no backup.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from app.core.errors import Invalid
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.embedded.postgres import program
from app.identity.actor import Actor
from app.migrate import revisions
from app.settings import Settings
from app.tools import Tools
from app.wiring import Urls, archive_store, release_store, write_private
from storage.folder import FolderStore
from storage.ports import Store

FORM = "audiatur-backup-v1"
DUMP, OBJECTS, MANIFEST = "database.dump", "objects.jsonl", "manifest.json"
_ACTOR = Actor.system("command line")


class BackupFolderInUse(Invalid):
    """The folder for the backup is not empty."""


class DumpFailed(Invalid):
    """The database could not be dumped or restored; the program's last words say why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a backup holds."""

    objects: int
    copied: int
    size_bytes: int


def stores(settings: Settings) -> dict[str, Store]:
    """Return both stores by name."""
    return {"archive": archive_store(settings), "release": release_store(settings)}


def markers(settings: Settings) -> list[Path]:
    """Return the notes that say which keys belong to this installation."""
    return sorted(settings.data.glob("*-key.json"))


def key_files(settings: Settings) -> list[Path]:
    """Return every key file of the installation, and the journal of erasures beside them."""
    names = sorted(name for name in dir(type(settings)) if name.endswith("_key_path"))
    return [*(getattr(settings, name) for name in names), settings.tombstones_path]


def create(tools: Tools, urls: Urls, folder: Path) -> Made:
    """Write a backup into an empty folder.

    Raises:
        BackupFolderInUse: there is something in it.
        DumpFailed: pg_dump gave up.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise BackupFolderInUse(f"{folder} is not empty; name a new folder.")
    began = tools.clock.now()
    dump(urls.owner, folder / DUMP)
    # The objects come after the snapshot, so that no row of it names one that is not copied.
    made = _copy(stores(tools.settings), folder)
    for marker in markers(tools.settings):
        write_private(folder / marker.name, marker.read_text(encoding="utf-8"))
    _tell(tools, made, at=tools.clock.now())
    at, _ = revisions(urls.owner)
    files = [folder / DUMP, folder / OBJECTS]
    manifest = {
        "form": FORM,
        "began_at": began.isoformat(),
        "revision": at,
        "objects": made.objects,
        "copied": made.copied,
        "master_keys": "not included; audiatur keys backup copies them to another place",
        "sha256": {path.name: digest_of(path) for path in files},
    }
    write_private(folder / MANIFEST, json.dumps(manifest, indent=2))
    return made


def dump(url: str, path: Path) -> None:
    """Dump the database at `url`, in one snapshot.

    Raises:
        DumpFailed: pg_dump gave up.
    """
    run(
        "pg_dump",
        url,
        ["--format=custom", "--no-owner", "--no-large-objects", f"--file={path}"],
    )


def run(name: str, url: str, options: list[str]) -> None:
    """Run one of Postgres' programs on the database at `url`; the password is on no command line.

    Raises:
        DumpFailed: it gave up.
    """
    parts = make_url(url)
    environment = {"PATH": os.defpath, "LC_ALL": "C", "PGPASSWORD": parts.password or ""}
    place = [f"--host={parts.host}", f"--username={parts.username}", f"--dbname={parts.database}"]
    place += [f"--port={parts.port}"] if parts.port else []
    done = subprocess.run(  # noqa: S603 - Postgres' own program, no shell.
        [str(program(name)), *place, "--no-password", *options],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise DumpFailed(f"{name}: {last[0]}")


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listed(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what a backup says of each object."""
    with (folder / OBJECTS).open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _copy(from_stores: dict[str, Store], folder: Path) -> Made:
    objects = copied = size_bytes = 0
    with (folder / OBJECTS).open("w", encoding="utf-8") as out:
        for name, store in from_stores.items():
            is_copied = isinstance(store, FolderStore)
            for found in store.keys(prefix=""):
                told: dict[str, Any] = {"store": name, "key": found.key, "size": found.size_bytes}
                if is_copied:
                    told["sha256"] = _keep(store, found.key, folder / name / found.key)
                out.write(json.dumps(told) + "\n")
                objects += 1
                copied += is_copied
                size_bytes += found.size_bytes
    return Made(objects=objects, copied=copied, size_bytes=size_bytes)


def _keep(store: Store, key: str, path: Path) -> str:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    sha256 = hashlib.sha256()
    with path.open("wb") as out:
        for piece in store.stream(key):
            sha256.update(piece)
            out.write(piece)
    return sha256.hexdigest()


def _tell(tools: Tools, made: Made, *, at: datetime) -> None:
    facts: dict[str, str | int | bool | None] = {"objects": made.objects, "copied": made.copied}
    with tools.database.transaction() as session:
        ledger.append(session, _ACTOR, Act.BACKUP_CREATED, ("backup", new_id()), at=at, facts=facts)
