"""The log of a test: keys in a folder, no authority outside unless one is given."""

from __future__ import annotations

from pathlib import Path

from app.core.clock import Clock
from app.core.db import Database
from app.custody import signing
from app.custody.checkpoints import LogTools
from app.custody.timestamps import Authorities

ORIGIN = "rec.example/log1"


def log_tools(
    folder: Path, database: Database, clock: Clock, authorities: Authorities | None = None
) -> LogTools:
    """Return the tools of a log whose keys are made in `folder`."""
    ring = signing.ensure(folder / "keys" / "ledger.key", folder / "ledger-key.json", origin=ORIGIN)
    return LogTools(
        database=database,
        ring=ring,
        clock=clock,
        authorities=authorities or Authorities((), ()),
    )
