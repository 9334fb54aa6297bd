"""An archive whose checks are run by hand, at moments that a test chooses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import select

from app.core.clock import SetClock
from app.core.db import Database
from app.custody.models import CustodyEntry
from app.fixity.models import FixityCheck
from app.recordings.models import Leg, Recording
from app.settings import Settings
from storage.folder import FolderStore
from storage.keys import MasterKeys
from storage.sealed import SealedStore
from tests.conftest import Urls
from tests.factories import Make, wav
from tests.s3_server import S3Server, running_s3_server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    with running_s3_server() as server:
        yield server


@dataclass(kw_only=True)
class Keeper:
    """What the jobs are given, and what a test asks of it."""

    settings: Settings
    clock: SetClock
    database: Database
    archive: SealedStore
    keys: MasterKeys
    folder: Path
    owner_url: str

    @contextmanager
    def making(self) -> Iterator[Make]:
        with self.database.transaction() as session:
            yield Make(session, self.clock, self.archive)

    def recording(self, body: bytes | None = None) -> tuple[Recording, UUID]:
        """Return a recording of one leg, and the object of its bytes."""
        with self.making() as make:
            made = make.recording(body=body or wav())
            leg = make.session.scalars(select(Leg).where(Leg.recording_id == made.id)).one()
            return made, leg.object_id

    def file(self, object_id: UUID) -> Path:
        return self.folder / "archive" / SealedStore.key_for(object_id)

    def ruin(self, object_id: UUID) -> None:
        """Change one byte in the middle of an object."""
        body = bytearray(self.file(object_id).read_bytes())
        body[len(body) // 2] ^= 1
        self.file(object_id).write_bytes(body)

    def destroy_key(self, object_id: UUID) -> None:
        """Do what an erasure does first."""
        with psycopg.connect(self.owner_url) as connection:
            connection.execute(
                "UPDATE sealed_objects SET wrapped_key = NULL WHERE object_id = %s", [object_id]
            )

    def checks(self, object_id: UUID) -> list[tuple[str, str, str]]:
        """Return what was found of an object: why, how, what."""
        with self.database.transaction() as session:
            rows = session.scalars(
                select(FixityCheck)
                .where(FixityCheck.object_id == object_id)
                .order_by(FixityCheck.id)
            )
            return [(row.occasion, row.over, row.outcome) for row in rows]

    def entries(self, subject: object) -> list[tuple[str, str, object]]:
        """Return the ledger's entries on something: act, outcome and occasion."""
        with self.database.transaction() as session:
            rows = session.scalars(
                select(CustodyEntry)
                .where(CustodyEntry.object_id == subject)
                .order_by(CustodyEntry.position)
            )
            return [(row.act, row.outcome, row.facts.get("occasion")) for row in rows]

    def seen(self, recording_id: UUID) -> Recording:
        with self.database.transaction() as session:
            return session.get_one(Recording, recording_id)


@pytest.fixture
def keeper(own_db: Database, own_database: Urls, tmp_path: Path) -> Keeper:
    keys = MasterKeys.create(tmp_path / "archive.key")
    return Keeper(
        settings=Settings(data=tmp_path, _env_file=None),
        # What the database calls now must have come.
        clock=SetClock(datetime.now(UTC) + timedelta(minutes=1)),
        database=own_db,
        archive=SealedStore(FolderStore(tmp_path / "archive"), keys),
        keys=keys,
        folder=tmp_path,
        owner_url=own_database.owner,
    )
