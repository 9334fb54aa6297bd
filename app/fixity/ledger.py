"""The ledger recounted each night, so that a change of it is told of without anybody asking."""

from __future__ import annotations

from typing import Protocol

import structlog

from app.core.clock import Clock
from app.core.db import Database
from app.custody import verification
from app.custody.checkpoints import LogTools
from app.custody.ledger import DetailCipher
from app.fixity import service

_log = structlog.get_logger()


class Tools(Protocol):
    """What this job needs of the worker's tools."""

    @property
    def database(self) -> Database: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def cipher(self) -> DetailCipher: ...
    @property
    def log(self) -> LogTools: ...


def handle_recount(tools: Tools) -> None:
    """Recount the whole ledger; administrators are told if anything is not as it was signed."""
    report = verification.verify(tools.log, tools.cipher)
    if report.is_whole:
        return
    _log.error("ledger.differs", found=dict(report.found))
    with tools.database.transaction() as session:
        service.alarm(session, at=tools.clock.now())
