"""The background job of disputes: what was promised is noted before it is forgotten."""

from __future__ import annotations

from typing import Protocol

import structlog

from app.core.clock import Clock
from app.core.db import Database
from app.disputes import reminders

_log = structlog.get_logger()


class Tools(Protocol):
    """What this job needs of the worker's tools."""

    @property
    def database(self) -> Database: ...
    @property
    def clock(self) -> Clock: ...


def handle_remind(tools: Tools) -> None:
    """Note the deadlines that are near or over, and let those who promised be told by mail."""
    with tools.database.transaction() as session:
        noted = reminders.note_due(session, at=tools.clock.now())
        reminders.tell(session, at=tools.clock.now())
    if noted:
        _log.info("disputes.reminded", noted=noted)
