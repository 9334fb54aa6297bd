"""Runs the migrations as the owner of the database, under a lock so that only one process does."""

from __future__ import annotations

import importlib.util
import os
import pkgutil

from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.schema import SchemaItem

import app
from app.core.db import Base, psycopg_url

_LOCK = 0x617564696174  # An advisory lock of our own, so that two starting servers take turns.


def import_models() -> None:
    """Import the models of every room, so that the metadata is whole."""
    for room in pkgutil.iter_modules(app.__path__):
        if room.ispkg and importlib.util.find_spec(f"app.{room.name}.models"):
            importlib.import_module(f"app.{room.name}.models")


def is_ours(_: SchemaItem, name: str | None, *rest: object) -> bool:
    """Leave the queue's own tables to the queue."""
    del rest
    return not (name or "").startswith(("procrastinate_", "idx_procrastinate"))


def main() -> None:
    import_models()
    url = context.config.get_main_option("sqlalchemy.url") or os.environ["AUDIATUR_DATABASE_URL"]
    engine = create_engine(psycopg_url(url))
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            include_object=is_ours,
            compare_server_default=False,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
        connection.commit()
    engine.dispose()


main()
