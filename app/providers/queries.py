"""Looking at what providers told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import desc, func, select
from sqlalchemy.orm import Session

from app.providers.models import NoticeState, ProviderCall, ProviderMedia, ProviderNotice
from app.providers.told import MediaState


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """How an account does: its last message, and why recordings did not come, by reason."""

    last_notice_at: datetime | None
    refused: Mapping[str, int]


def stand(session: Session, account_id: UUID) -> Stand:
    """Return how an account does."""
    last = session.scalar(
        select(func.max(ProviderNotice.received_at)).where(ProviderNotice.account_id == account_id)
    )
    rows = session.execute(
        select(ProviderMedia.reason, func.count())
        .where(
            ProviderMedia.account_id == account_id,
            ProviderMedia.state.in_((MediaState.REFUSED, MediaState.LOST)),
        )
        .group_by(ProviderMedia.reason)
        .order_by(desc(func.count()))
    )
    return Stand(last_notice_at=last, refused={reason or "": count for reason, count in rows})


def notices(
    session: Session, account_id: UUID, *, state: NoticeState | None, limit: int
) -> list[ProviderNotice]:
    """Return the newest messages of an account."""
    asked = select(ProviderNotice).where(ProviderNotice.account_id == account_id)
    if state is not None:
        asked = asked.where(ProviderNotice.state == state)
    return list(session.scalars(asked.order_by(desc(ProviderNotice.received_at)).limit(limit)))


def media(
    session: Session, account_id: UUID, *, state: MediaState | None, limit: int
) -> list[tuple[ProviderMedia, str]]:
    """Return the newest recordings of an account, each with the name of its call."""
    asked = (
        select(ProviderMedia, ProviderCall.call)
        .join(ProviderCall, ProviderCall.id == ProviderMedia.call_id)
        .where(ProviderMedia.account_id == account_id)
    )
    if state is not None:
        asked = asked.where(ProviderMedia.state == state)
    rows = session.execute(asked.order_by(desc(ProviderMedia.id)).limit(limit))
    return [(row[0], row[1]) for row in rows]
