"""A running archive with the rooms of review."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.core.clock import SetClock
from app.inspection.sandbox import Sandbox
from tests.conftest import Urls
from tests.review.house import House, opened


@pytest.fixture
def house(own_database: Urls, tmp_path: Path, sandbox: Sandbox) -> Iterator[House]:
    clock = SetClock(datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
    with opened(
        tmp_path,
        web_url=own_database.web,
        owner_url=own_database.owner,
        sandbox=sandbox,
        clock=clock,
    ) as made:
        yield made
