"""A release as rows, built step by step, so that a test can leave one step out or do it wrongly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.clients.models import Client, Contact
from app.consent.models import DecisionRow
from app.core.clock import SetClock
from app.core.ids import new_id
from app.disputes.models import Dispute
from app.identity.actor import Actor
from app.recordings.models import Recording
from app.releases.models import (
    Release,
    ReleaseApproval,
    ReleaseItem,
    ReleaseWish,
    ShareLink,
)
from app.releases.tokens import ShareToken
from storage.sealed import SealedObject, SealedStore
from tests.factories import Make, wav

DIGEST = bytes(range(32))
DAY = timedelta(days=1)


@dataclass(kw_only=True)
class World:
    """One manager's wish to hand one recording to one director, as far as it has come."""

    session: Session
    clock: SetClock
    store: SealedStore
    make: Make
    client: Client
    contact: Contact
    recording: Recording
    release_id: UUID
    wish_id: UUID = field(default_factory=new_id)
    token: ShareToken = field(default_factory=ShareToken.new)
    redactions: list[dict[str, object]] = field(default_factory=list)
    shot_id: UUID | None = None
    dispute_id: UUID | None = None
    areas: list[dict[str, object]] = field(default_factory=list)
    body: bytes = field(default_factory=lambda: wav(3.0))

    @classmethod
    def new(cls, session: Session, make: Make, clock: SetClock, store: SealedStore) -> World:
        """Make people and a recording, nothing of a release yet."""
        client = make.client()
        return cls(
            session=session,
            clock=clock,
            store=store,
            make=make,
            client=client,
            contact=make.contact(client),
            recording=make.recording(client=client),
            release_id=new_id(),
        )

    def picture(self) -> None:
        """Let the wish be for a screenshot of the client's event in place of the recording."""
        shot = self.make.screenshot(
            b"not drawn here", client=self.client, media_type="image/png", size=(60, 40)
        )
        self.shot_id = shot.id
        self.areas = [{"x": 1, "y": 2, "w": 3, "h": 4, "reason": "other"}]

    def dispute(self) -> None:
        """Let the wish be of a dispute with the client."""
        self.dispute_id = new_id()
        self.session.add(
            Dispute(
                id=self.dispute_id,
                client_id=self.client.id,
                subject="Не работает сеть",
                opened_by=self.make.manager.id,
                opened_at=self.clock.now(),
            )
        )
        self.session.flush()

    @property
    def shown(self) -> dict[str, object]:
        if self.shot_id is not None:
            return {"recording_id": None, "screenshot_id": self.shot_id}
        return {"recording_id": self.recording.id}

    def request(self) -> Release:
        """Write the request with its one wish and the decision that asks for approval."""
        release = Release(
            id=self.release_id,
            dispute_id=self.dispute_id,
            contact_id=self.contact.id,
            client_id=self.client.id,
            purpose="dispute_client",
            recipient_class="client_same_entity",
            requested_by=self.make.manager.id,
            requested_at=self.clock.now(),
            sender_name="ООО «Сервис»",
            sender_person="Мария Иванова",
            client_name=self.client.name,
            lifetime=14 * DAY,
            state="requested",
        )
        self.session.add(release)
        self.session.flush()
        seen = self.decide(outcome="NEEDS_APPROVAL", reasons=["A_COMPLIANCE_1"])
        self.session.add(
            ReleaseWish(
                id=self.wish_id,
                release_id=release.id,
                position=0,
                from_ms=0,
                to_ms=None,
                redactions=self.redactions,
                areas=self.areas,
                decision_id=seen.id,
                **self.shown,
            )
        )
        self.session.flush()
        return release

    def decide(self, **changes: object) -> DecisionRow:
        """Write a decision of this moment; by default one that allows."""
        values: dict[str, object] = {
            "id": new_id(),
            **self.shown,
            "release_id": self.release_id,
            "contact_id": self.contact.id,
            "recipient_class": "client_same_entity",
            "purpose": "dispute_client",
            "from_ms": 0,
            "to_ms": None,
            "outcome": "ALLOW",
            "reasons": [],
            "inputs_digest": DIGEST,
            "policy_sha256": DIGEST,
            "stamp": self.stamp(),
            "valid_until": None,
            "at": self.clock.now(),
            "asked_by": self.make.manager.id,
        }
        row = DecisionRow(**(values | changes))
        self.session.add(row)
        self.session.flush()
        self.clock.advance(timedelta(milliseconds=1))
        return row

    def stamp(self) -> str:
        stamp = (
            func.consent_stamp(self.recording.id, self.contact.id)
            if self.shot_id is None
            else func.screenshot_stamp(self.shot_id, self.contact.id)
        )
        found = self.session.scalars(select(stamp)).one()
        return str(found)

    def approve(self, by: Actor | None = None, **changes: object) -> ReleaseApproval:
        """Write the approval of `by`, the approver if nobody is named."""
        person = by or self.make.approver
        values: dict[str, object] = {
            "id": new_id(),
            "release_id": self.release_id,
            "wish_id": self.wish_id,
            "approver_id": person.id,
            "approver_role": person.role,
            "inputs_digest": DIGEST,
            "at": self.clock.now(),
        }
        row = ReleaseApproval(**(values | changes))
        self.session.add(row)
        self.session.flush()
        return row

    def copy(self) -> SealedObject:
        """Keep the body in the release store."""
        draft = self.store.begin(new_id())
        draft.write(self.body)
        return draft.keep()

    def item(self, decision: DecisionRow, **changes: object) -> ReleaseItem:
        """Write the item that `decision` is for."""
        kept = self.copy()
        values: dict[str, object] = {
            "id": new_id(),
            "release_id": self.release_id,
            "wish_id": self.wish_id,
            "position": 0,
            **self.shown,
            "from_ms": 0,
            "to_ms": None,
            "redactions": self.redactions,
            "areas": self.areas,
            "derivation": "{}" if self.redactions or self.shot_id else None,
            "object_id": kept.object_id,
            "wrapped_key": kept.wrapped_key,
            "size_bytes": kept.size_bytes,
            "sha256": kept.sha256,
            "media_type": "image/png" if self.shot_id else "audio/wav",
            "duration_ms": 3000,
            "decision_id": decision.id,
            "stamp": decision.stamp,
            "direction": None if self.shot_id else "inbound",
            "started_at": self.recording.started_at,
            "created_at": self.clock.now(),
        }
        row = ReleaseItem(**(values | changes))
        self.session.add(row)
        self.session.flush()
        return row

    def grant(self, expires_at: datetime | None = None) -> Release:
        """Turn the request into a granted release."""
        release = self.session.get_one(Release, self.release_id)
        release.state = "granted"
        release.granted_at = self.clock.now()
        release.expires_at = expires_at or self.clock.now() + 14 * DAY
        self.session.flush()
        return release

    def link(self, **changes: object) -> ShareLink:
        """Write the link that `self.token` opens."""
        values: dict[str, object] = {
            "id": new_id(),
            "release_id": self.release_id,
            "token_digest": self.token.digest(),
            "created_at": self.clock.now(),
            "expires_at": self.clock.now() + 13 * DAY,
        }
        row = ShareLink(**(values | changes))
        self.session.add(row)
        self.session.flush()
        return row

    def open(self, *, link: Mapping[str, object] | None = None) -> ReleaseItem:
        """Do every step as it should be done, up to an open link."""
        self.request()
        self.approve()
        item = self.item(self.decide())
        self.grant()
        self.link(**(link or {}))
        return item
