"""Telephony services: one that told of recordings of each end, and a message nobody could read."""

from __future__ import annotations

from datetime import timedelta

from app.core.ids import new_id
from app.identity.actor import Actor
from app.identity.permissions import Role
from app.providers import service
from app.providers.models import (
    Kind,
    NoticeState,
    ProviderCall,
    ProviderMedia,
    ProviderNotice,
)
from app.providers.schemas import ProviderWrite
from app.providers.told import MediaState
from tests.review.house import House

ADMINS = frozenset({Role.ADMIN})
PAGES = dict.fromkeys(("/providers", "/providers/{provider_id}"), ADMINS)
FORMS = dict.fromkeys(
    (
        "/providers",
        "/providers/{provider_id}",
        "/providers/{provider_id}/rotate",
        "/providers/{provider_id}/remove",
        "/providers/{provider_id}/media/{media_id}/again",
    ),
    ADMINS,
)


def fill(house: House) -> dict[str, str]:
    """Add a connection with messages and recordings of several ends."""
    at = house.clock.now()
    with house.database.transaction() as session:
        account = service.add(
            session,
            Actor.system("tests"),
            ProviderWrite.model_validate(
                {
                    "name": "mango",
                    "kind": Kind.MANGO,
                    "public_url": "https://calls.example.com",
                    "secrets": {"api_key": "k", "salt": "s"},
                }
            ),
            at=at,
        )
        for number, (became, why) in enumerate(
            (
                (NoticeState.TAKEN, None),
                (NoticeState.UNREADABLE, "entry_id: it is missing"),
            )
        ):
            session.add(
                ProviderNotice(
                    id=new_id(),
                    account_id=account.id,
                    received_at=at - timedelta(minutes=number),
                    sha256=bytes([number] * 32),
                    sealed=None,
                    state=became,
                    reason=why,
                    settled_at=at,
                )
            )
        call = ProviderCall(
            id=new_id(), account_id=account.id, call="MTIzNDU2", facts={}, changed_at=at
        )
        session.add(call)
        session.flush()
        rows = {}
        for state, reason in (
            (MediaState.WAITING, None),
            (MediaState.ABSENT, "too_short"),
            (MediaState.REFUSED, "not-audio"),
            (MediaState.LOST, "The host answered with 404."),
        ):
            rows[state] = ProviderMedia(
                id=new_id(),
                account_id=account.id,
                call_id=call.id,
                media=f"m-{state}",
                source_call_id=f"MTIzNDU2/{state}",
                state=state,
                reason=reason,
                is_once=False,
                link=b"sealed" if state == MediaState.WAITING else None,
                told_at=at,
                attempts=3,
                settled_at=None if state == MediaState.WAITING else at,
            )
            session.add(rows[state])
        session.flush()
        return {"provider_id": str(account.id), "media_id": str(rows[MediaState.LOST].id)}
