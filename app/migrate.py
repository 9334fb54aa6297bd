"""Bringing the database's tables up to date, as its owner."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

ALEMBIC_INI = Path(__file__).resolve().parents[1] / "alembic.ini"


def alembic_config(owner_url: str) -> Config:
    """Return Alembic's configuration for the database at `owner_url`."""
    config = Config(str(ALEMBIC_INI))
    config.set_main_option("sqlalchemy.url", owner_url.replace("%", "%%"))
    return config


def migrate(owner_url: str) -> None:
    """Apply the migrations that are missing; processes that start together take turns."""
    command.upgrade(alembic_config(owner_url), "head")
