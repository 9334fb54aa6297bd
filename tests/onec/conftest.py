"""An archive beside a stand-in for 1C."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.core.clock import SetClock
from app.core.db import Database
from tests.conftest import Urls
from tests.onec.house import OnecHouse, Part, settings_of
from tests.onec.standin import standing_in


@pytest.fixture
def house(own_database: Urls, own_db: Database, tmp_path: Path) -> Iterator[OnecHouse]:
    clock = SetClock(datetime(2026, 11, 30, 9, 0, tzinfo=UTC))
    with standing_in() as onec:
        tools = Part(settings=settings_of(tmp_path), database=own_db, clock=clock)
        yield OnecHouse(tools=tools, onec=onec, owner=own_database.owner)
