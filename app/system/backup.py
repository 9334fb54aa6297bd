"""Backups: the database in one snapshot, then the objects; the master keys never.

What is in the folder: `database.dump` (pg_dump's own form), `objects.jsonl` (every object with its
digest), `archive/` and `release/` with the sealed bytes as the stores have them, the notes of which
keys belong here, and `manifest.json`, written last: a folder without it is no backup. One that was
broken off is gone on with: `unfinished` says that it is ours, and what is whole is not read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg.conninfo import make_conninfo

from app.core.db import libpq_parameters
from app.core.errors import Invalid
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.embedded.postgres import program
from app.fixity import queries as fixity
from app.identity.actor import Actor
from app.migrate import revisions
from app.recordings.models import SealedRow
from app.settings import Settings
from app.tools import Tools
from app.wiring import Urls, archive_store, release_store, write_private
from storage.errors import ObjectDamaged, ObjectMissing
from storage.ports import Store
from storage.sealed import SealedRef

FORM = "audiatur-backup-v1"
DUMP, OBJECTS, MANIFEST = "database.dump", "objects.jsonl", "manifest.json"
UNFINISHED = "unfinished"
_ACTOR = Actor.system("command line")
# What no bytes come to: of an object that is not what its row says.
_NEVER = b""


class BackupFolderInUse(Invalid):
    """The folder for the backup is not empty, and holds no backup that was broken off."""


class DumpFailed(Invalid):
    """The database could not be dumped or restored; the program's last words say why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a backup holds: of how many objects the bytes, and which are not what came in.

    `reused` are those that an earlier try had copied.
    """

    objects: int = 0
    copied: int = 0
    reused: int = 0
    size_bytes: int = 0
    damaged: tuple[str, ...] = ()


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


def create(tools: Tools, urls: Urls, folder: Path, *, with_objects: bool = True) -> Made:
    """Write a backup into an empty folder, or go on with one that was broken off.

    Without `with_objects` the objects are listed, and their store is backed up by its own means.

    Raises:
        BackupFolderInUse: there is something else in it.
        DumpFailed: pg_dump gave up.
        StoreUnavailable: the store went away; run it again.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    is_again = (folder / UNFINISHED).exists() and not (folder / MANIFEST).exists()
    if any(folder.iterdir()) and not is_again:
        raise BackupFolderInUse(f"{folder} is not empty; name a new folder.")
    write_private(folder / UNFINISHED, "A backup was begun and is not whole.\n")
    began = tools.clock.now()
    dump(urls.owner, folder / DUMP)
    # The objects come after the snapshot, so that no row of it names one that is not copied.
    made = _copy(tools, folder, with_objects=with_objects)
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
        "damaged": list(made.damaged),
        "master_keys": "not included; audiatur keys backup copies them to another place",
        "sha256": {path.name: digest_of(path) for path in files},
    }
    write_private(folder / MANIFEST, json.dumps(manifest, indent=2))
    (folder / UNFINISHED).unlink()
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
    told = libpq_parameters(url)
    environment = {"PATH": os.defpath, "LC_ALL": "C", "PGPASSWORD": told.pop("password", "")}
    # All of it, as which certificate the server must have and which of several hosts is meant.
    place = f"--dbname={make_conninfo(**told)}"
    done = subprocess.run(  # noqa: S603 - Postgres' own program, no shell.
        [str(program(name)), place, "--no-password", *options],
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


def _copy(tools: Tools, folder: Path, *, with_objects: bool) -> Made:
    made = Made()
    damaged: list[str] = []
    with (folder / OBJECTS).open("w", encoding="utf-8") as out:
        for name, store in stores(tools.settings).items():
            for found in store.keys(prefix=""):
                told: dict[str, Any] = {"store": name, "key": found.key, "size": found.size_bytes}
                is_reused = False
                if with_objects:
                    seal = _seal(tools, found.key) if name == "archive" else None
                    path = folder / name / found.key
                    is_reused = seal is not None and path.exists() and _sha256(path) == seal
                    if not is_reused and not _keep(store, found.key, path):
                        continue  # It was erased, or its release ended, since it was listed.
                    told["sha256"] = (seal if is_reused and seal else _sha256(path)).hex()
                    if seal is not None and told["sha256"] != seal.hex():
                        damaged.append(f"{name}/{found.key}")
                out.write(json.dumps(told) + "\n")
                made = replace(
                    made,
                    objects=made.objects + 1,
                    copied=made.copied + with_objects,
                    reused=made.reused + is_reused,
                    size_bytes=made.size_bytes + found.size_bytes,
                )
    return replace(made, damaged=tuple(damaged))


def _seal(tools: Tools, key: str) -> bytes | None:
    """Return the digest that the sealed bytes of an archived object must have.

    It was noted by a reading that proved the row's own digest; where none was, that is done now.
    Of what has no row or no key any more there is none.
    """
    try:
        object_id = UUID(hex=key.rsplit("/", 1)[-1])
    except ValueError:
        return None  # A note, or a draft.
    with tools.database.transaction() as session:
        row = session.get(SealedRow, object_id)
        if row is None or row.wrapped_key is None:
            return None
        known = fixity.seal_of(session, object_id)
        ref = SealedRef(object_id=object_id, wrapped_key=row.wrapped_key, size_bytes=row.size_bytes)
        sha256 = row.sha256
    if known is not None:
        return known
    try:
        examined = tools.archive.examine(ref, with_seal=True)
    except (ObjectDamaged, ObjectMissing):
        return _NEVER
    return examined.sealed_sha256 if examined.sha256 == sha256 else _NEVER


def _keep(store: Store, key: str, path: Path) -> bool:
    """Copy the bytes as they are stored; a file has its name once it is whole."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as out:
            for piece in store.stream(key):
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())
    except ObjectMissing:
        part.unlink()
        return False
    part.rename(path)
    return True


def _sha256(path: Path) -> bytes:
    return bytes.fromhex(digest_of(path))


def _tell(tools: Tools, made: Made, *, at: datetime) -> None:
    facts: dict[str, str | int | bool | None] = {"objects": made.objects, "copied": made.copied}
    with tools.database.transaction() as session:
        ledger.append(session, _ACTOR, Act.BACKUP_CREATED, ("backup", new_id()), at=at, facts=facts)
