"""What routes are given: the database's session, the clock and the tools built in `main`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from app.core.clock import Clock
from app.core.db import Database

# What waits for nothing is asked on the event loop: a thread would cost more than the answer.


async def _database(request: Request) -> Database:
    return cast("Database", request.app.state.database)


async def _clock(request: Request) -> Clock:
    return cast("Clock", request.app.state.clock)


DatabaseDep = Annotated[Database, Depends(_database)]
ClockDep = Annotated[Clock, Depends(_clock)]


def _session(database: DatabaseDep) -> Iterator[Session]:
    with database.transaction() as session:
        yield session


SessionDep = Annotated[Session, Depends(_session, scope="function")]
"""A transaction that is committed before the answer leaves, so that 201 is never told of a
write that failed."""
