"""A release store, and a world in which a release is made by rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from app.core.clock import SetClock
from app.core.db import Database
from storage.folder import FolderStore
from storage.keys import MasterKeys
from storage.sealed import SealedStore
from tests.factories import Make
from tests.releases.house import House, opened
from tests.releases.world import World


@pytest.fixture
def clock() -> SetClock:
    """Give a clock that agrees with the database's own, by which links open and end."""
    return SetClock(datetime.now(UTC))


@pytest.fixture
def release_store(tmp_path: Path) -> SealedStore:
    keys = MasterKeys.create(tmp_path / "release.key")
    return SealedStore(FolderStore(tmp_path / "release"), keys)


@pytest.fixture
def world(session: Session, make: Make, clock: SetClock, release_store: SealedStore) -> World:
    return World.new(session, make, clock, release_store)


@pytest.fixture
def house(
    own_db: Database,
    clock: SetClock,
    store: SealedStore,
    release_store: SealedStore,
    tmp_path: Path,
) -> Iterator[House]:
    made = House(
        database=own_db,
        clock=clock,
        archive=store,
        release=release_store,
        spool=tmp_path / "spool",
    )
    made.staff()
    with opened(made):
        yield made
