"""A receiver, and what tells it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.db import Database
from tests.webhooks.office import Office, Part, clock_of_now, receiving, settings_of


@pytest.fixture
def office(own_db: Database, tmp_path: Path) -> Iterator[Office]:
    with receiving() as receiver:
        yield Office(
            tools=Part(settings=settings_of(tmp_path), database=own_db, clock=clock_of_now()),
            receiver=receiver,
        )
