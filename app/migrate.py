"""Bringing the database's tables up to date, as its owner."""

from __future__ import annotations

from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from app.core.db import psycopg_url

_log = structlog.get_logger()

ALEMBIC_INI = Path(__file__).resolve().parents[1] / "alembic.ini"


def alembic_config(owner_url: str) -> Config:
    """Return Alembic's configuration for the database at `owner_url`."""
    config = Config(str(ALEMBIC_INI))
    config.set_main_option("sqlalchemy.url", owner_url.replace("%", "%%"))
    return config


def revisions(owner_url: str) -> tuple[str | None, str | None]:
    """Return the revision that the database is at, and the newest one of this code."""
    engine = create_engine(psycopg_url(owner_url))
    try:
        with engine.connect() as connection:
            at = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    return at, ScriptDirectory.from_config(alembic_config(owner_url)).get_current_head()


def is_from_newer_code(owner_url: str) -> bool:
    """Say whether the database was migrated by code newer than this: after a roll-back."""
    at, _ = revisions(owner_url)
    known = ScriptDirectory.from_config(alembic_config(owner_url)).walk_revisions()
    return at is not None and at not in {script.revision for script in known}


def migrate(owner_url: str) -> None:
    """Apply the migrations that are missing; processes that start together take turns.

    A database that newer code has migrated is left as it is: each migration works with the code
    before it.
    """
    if is_from_newer_code(owner_url):
        _log.warning("database.newer_than_code")
        return
    command.upgrade(alembic_config(owner_url), "head")
