"""Forgetting: what messages said of people is not kept longer than it is of use."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import exists, update
from sqlalchemy.orm import Session

from app.core.clock import Clock
from app.core.db import Database
from app.providers.models import NoticeState, ProviderCall, ProviderMedia, ProviderNotice

KEPT_FOR = timedelta(days=30)
"""How long a message is kept as it came after it was read, and what is known of its call."""


class ForgettingTools(Protocol):
    """What forgetting needs."""

    @property
    def clock(self) -> Clock: ...
    @property
    def database(self) -> Database: ...


def handle_forget(tools: ForgettingTools) -> int:
    """Forget what is over since a month; return how many messages that were.

    Digests of messages stay, so that an old one that comes again is still known.
    """
    before = tools.clock.now() - KEPT_FOR
    with tools.database.transaction() as session:
        forgotten = session.scalars(
            update(ProviderNotice)
            .where(
                ProviderNotice.state != NoticeState.WAITING,
                ProviderNotice.settled_at < before,
                ProviderNotice.sealed.is_not(None),
            )
            .values(sealed=None)
            .returning(ProviderNotice.id)
        ).all()
        _forget_facts(session, before)
    return len(forgotten)


def _forget_facts(session: Session, before: datetime) -> None:
    """Forget facts of calls whose recordings are over; the reconciliation has its own."""
    waits = exists().where(
        ProviderMedia.call_id == ProviderCall.id, ProviderMedia.link.is_not(None)
    )
    session.execute(
        update(ProviderCall).where(ProviderCall.changed_at < before, ~waits).values(facts={})
    )
