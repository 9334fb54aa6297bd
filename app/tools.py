"""What jobs and routes are given to work with."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.clock import Clock
from app.core.db import Database
from app.core.errors import Unavailable
from app.custody.checkpoints import LogTools
from app.custody.ledger import DetailCipher
from app.inspection.references import Shelf
from app.inspection.sandbox import Sandbox
from app.settings import Settings
from storage.errors import StoreUnavailable
from storage.sealed import SealedStore

AWAY: tuple[type[Exception], ...] = (Unavailable, StoreUnavailable)
"""What passes by itself, when the database, the store or another server is back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Built once per process. `release` is the store of the copies that left the archive.

    `log` signs and stamps the tree of the ledger.
    """

    settings: Settings
    clock: Clock
    database: Database
    cipher: DetailCipher
    log: LogTools
    archive: SealedStore
    release: SealedStore
    sandbox: Sandbox
    shelf: Shelf
