"""Who asks inside the house, and for what: the same for listening and for a preview."""

from __future__ import annotations

from typing import Annotated, cast
from uuid import UUID

from fastapi import Query

from app.consent.purposes import Purpose, RecipientClass
from app.consent.rules import ConsentRefused
from app.core.clock import Clock
from app.core.db import Database
from app.custody import refusals
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.identity.permissions import Role
from app.recordings.service import RecordingNotFound

Place = Annotated[int, Query(ge=0, le=1_000_000_000)]
"""A moment of a recording, in milliseconds."""

_COMPLIANCE = frozenset({Role.REVIEWER, Role.APPROVER, Role.LEGAL})


def question_of(actor: Actor, purpose: Purpose | None) -> tuple[Purpose, RecipientClass, UUID]:
    """Return for what, as whom and by whom is asked: compliance reviews, others look after quality.

    Raises:
        RecordingNotFound: it is nobody who could listen.
    """
    if actor.id is None:
        raise RecordingNotFound
    if actor.role in _COMPLIANCE:
        return purpose or Purpose.CONSENT_REVIEW, RecipientClass.OWN_COMPLIANCE, actor.id
    return purpose or Purpose.INTERNAL_QUALITY, RecipientClass.OWN_STAFF_MANAGER, actor.id


def remember(
    database: Database,
    actor: Actor,
    about: tuple[str, UUID],
    refused: ConsentRefused,
    clock: Clock,
) -> None:
    """Write a refusal down in a transaction of its own; that of the question is rolled back."""
    refusals.remember(
        database,
        actor,
        Act.ACCESS_DENIED,
        about,
        at=clock.now(),
        facts={"reasons": " ".join(cast("list[str]", refused.facts["reasons"]))},
    )
    refused.is_told = True
