"""Looking at what providers told."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import desc, select
from sqlalchemy.orm import Session

from app.providers.models import ProviderCall, ProviderMedia
from app.providers.told import MediaState


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
