"""Remembering attempts that were refused: the refusal rolled their own transaction back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from app.core.db import Database
from app.custody import ledger
from app.custody.ledger import Act, Doer, Outcome


def remember(
    database: Database,
    actor: Doer,
    act: Act,
    about: tuple[str, UUID],
    *,
    at: datetime,
    facts: Mapping[str, str | int | bool | None] | None = None,
) -> None:
    """Tell the ledger, in a transaction of its own, that `actor` was denied `act`."""
    with database.transaction() as session:
        ledger.append(session, actor, act, about, at=at, outcome=Outcome.DENIED, facts=facts)
