"""A house that providers send to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.inspection.sandbox import Sandbox
from tests.conftest import Urls
from tests.live import live_archive
from tests.providers.house import ProviderHouse, media_stand_in


@pytest.fixture
def house(own_database: Urls, tmp_path: Path, sandbox: Sandbox) -> Iterator[ProviderHouse]:
    """Give an archive that may fetch from loopback, and a stand-in for a media host."""
    settings = {"outbound_http": True, "outbound_networks": "127.0.0.0/8"}
    with (
        media_stand_in() as media,
        live_archive(tmp_path, own_database.web, sandbox, None, **settings) as live,
    ):
        yield ProviderHouse(live, media)
