"""What a change of packs does: what would flip while it is proposed, what did once in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.consent import flips, policy
from app.consent.flips import Change, Page, Place
from app.consent.policy import Kept
from app.identity.actor import Actor
from app.releases.models import Release
from app.review import queries


@dataclass(frozen=True, slots=True, kw_only=True)
class Flipped:
    """A page of what flips by a version of a pack; `ended` are releases that it has closed."""

    kept: Kept
    page: Page
    ended: Sequence[Release]


def flipped(  # noqa: PLR0913 - which pack, and the three bounds; all named.
    session: Session,
    actor: Actor,
    jurisdiction: str,
    version: int,
    *,
    start: Place,
    limit: int,
    last: int,
    at: datetime,
) -> Flipped:
    """Return the decisions that flip by a version, in both directions. Nothing is changed.

    Of one that is in force, or was, against the version that it replaced.

    Raises:
        PackNotFound: there is none.
    """
    kept = policy.find(session, jurisdiction, version)
    activated_at = kept.row.activated_at if kept.row else None
    if activated_at is None:
        change = Change.to(session, kept.pack)
    else:
        change = Change.by(session, kept.pack, policy.replaced(session, kept))
    page = flips.flipping(session, actor, change, start=start, limit=limit, last=last, at=at)
    ended: Sequence[Release] = ()
    if activated_at is not None and start == Place():
        ended = queries.ended_by_packs(session, activated_at)
    return Flipped(kept=kept, page=page, ended=ended)
