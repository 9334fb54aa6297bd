"""What the tests of imports share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Urls
from tests.imports.archive import Old
from tests.live import Live


@pytest.fixture
def old(live: Live, own_database: Urls, tmp_path: Path) -> Old:
    """Give an archive and an empty folder beside it."""
    return Old(live, own_database, tmp_path, tmp_path / "old")
