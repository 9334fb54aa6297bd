"""The background job of review: there is always a seed that is older than what it draws from."""

from __future__ import annotations

from typing import Protocol

from app.core.clock import Clock
from app.core.db import Database
from app.review import sampling


class Tools(Protocol):
    """What this job needs of the worker's tools."""

    @property
    def database(self) -> Database: ...
    @property
    def clock(self) -> Clock: ...


def handle_seed(tools: Tools) -> None:
    """Publish the coming week's seed, once."""
    with tools.database.transaction() as session:
        sampling.publish_next_week(session, at=tools.clock.now())
