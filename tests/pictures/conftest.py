"""A running archive in which pictures come in."""

from __future__ import annotations

import pytest

from tests.conftest import Urls
from tests.live import Live
from tests.retention.conftest import Keeping


@pytest.fixture
def keeping(live: Live, own_database: Urls) -> Keeping:
    return Keeping(live=live, owner_url=own_database.owner)
