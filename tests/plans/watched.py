"""The plans of whatever is asked through a door, as the server itself tells them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.errors import Diagnostic
from sqlalchemy import event

from app.core.db import Database

_SETTINGS = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off",
    # What a function of the database asks has a plan of its own.
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_format": "json",
    "auto_explain.log_level": "notice",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A node of a plan that was run: what it is, what of, and how many rows it looked at."""

    kind: str
    table: str
    index: str
    read: int
    given: int


@dataclass(slots=True)
class Plans:
    """The steps of all statements since `clear`."""

    steps: list[Step] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def take(self, told: Diagnostic) -> None:
        """Take a notice of the server."""
        message = told.message_primary or ""
        if "plan:" in message:
            plan = json.loads(message[message.index("{") :])
            self.said.append(message)
            self.steps += _steps(plan["Plan"])

    def clear(self) -> None:
        """Forget what was told."""
        self.steps.clear()
        self.said.clear()


def watch_database(superuser: str, name: str) -> None:
    """Let a database tell the plans of connections to come."""
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute("LOAD 'auto_explain'")
        for setting, value in _SETTINGS.items():
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                    sql.Identifier(name),
                    sql.SQL(".").join(map(sql.Identifier, setting.split("."))),
                    sql.Literal(value),
                )
            )


@contextmanager
def watching(database: Database) -> Iterator[Plans]:
    """Give the plans of what is asked through `database`, which nobody has used yet."""
    plans = Plans()

    def connected(connection: psycopg.Connection[Any], _record: object) -> None:
        connection.add_notice_handler(plans.take)

    for engine in (database.engine, database._statements):
        event.listen(engine, "connect", connected)
    yield plans


def _steps(node: dict[str, Any]) -> Iterator[Step]:
    loops = node.get("Actual Loops", 0)
    if loops:
        given = node.get("Actual Rows", 0) * loops
        passed = sum(value for name, value in node.items() if name.startswith("Rows Removed by"))
        below = sum(
            one.get("Actual Rows", 0) * one.get("Actual Loops", 0)
            for one in node.get("Plans", [])
            if one["Parent Relationship"] == "Outer"
        )
        is_scan = "Scan" in node["Node Type"]
        yield Step(
            kind=node["Node Type"],
            table=node.get("Relation Name", ""),
            index=node.get("Index Name", ""),
            read=round(given + passed * loops if is_scan else below),
            given=round(given),
        )
    for child in node.get("Plans", []):
        yield from _steps(child)
