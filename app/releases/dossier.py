"""What a bundle tells of its recordings, gathered from the rooms: passports, consent, decisions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import rfc8785
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.clients.models import Client, Contact, Event
from app.consent import packs, screenshots, states
from app.consent import queries as consent_queries
from app.consent import service as consent
from app.consent.casefile import Asserted, CaseFile
from app.consent.models import Assertion, DecisionBasis, DecisionRow
from app.consent.purposes import Purpose
from app.identity.models import Device, User
from app.inspection import detection
from app.recordings.models import Party, Recording
from app.releases import queries, subjects
from app.releases.models import Release, ReleaseItem
from app.releases.passport import (
    Facts,
    Heard,
    Json,
    Pictured,
    Taken,
    moment,
    passport,
    picture_passport,
)
from app.releases.subjects import Subject

ZONE = ZoneInfo("Europe/Moscow")


class BasisMissing(Exception):
    """What a decision was made from is not kept any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """What goes out of one recording: digests of whole files by leg, and recipes of parts."""

    sha512: Mapping[str, str]
    recipes: Sequence[str]


def passport_of(
    session: Session, recording: Recording, outgoing: Outgoing, *, at: datetime
) -> Json:
    """Return the passport of a recording."""
    sealed = queries.sealed(session, recording.legs)
    event = session.get_one(Event, recording.event_id)
    client = session.get(Client, event.client_id) if event.client_id else None
    agent = session.scalar(select(User.full_name).where(User.agent_ref == recording.agent))
    return passport(
        Facts(
            recording=recording,
            taken=[
                Taken(leg=leg, row=sealed[leg.object_id], sha512=outgoing.sha512.get(leg.leg))
                for leg in recording.legs
            ],
            device=session.get_one(Device, recording.device_id).name,
            agent_name=agent if recording.agent else None,
            event=event,
            client_name=client.name if client else None,
            heard=list(_heard(session, recording.id)),
            notices=detection.notices_of(session, recording.id),
            transformations=outgoing.recipes,
            checked_at=at,
            zone=ZONE,
        )
    )


def picture_passport_of(
    session: Session, screenshot_id: UUID, recipe: str, *, at: datetime
) -> Json:
    """Return the passport of a screenshot that was drawn anew by `recipe`.

    Raises:
        BasisMissing: it was erased.
    """
    found = queries.screenshot(session, screenshot_id)
    if found is None:
        raise BasisMissing(str(screenshot_id))
    screenshot, row = found
    event = session.get_one(Event, screenshot.event_id)
    client = session.get(Client, event.client_id) if event.client_id else None
    return picture_passport(
        Pictured(
            screenshot=screenshot,
            row=row,
            device=session.get_one(Device, screenshot.device_id).name,
            agent_name=session.scalar(
                select(User.full_name).where(User.agent_ref == screenshot.agent)
            )
            if screenshot.agent
            else None,
            event=event,
            client_name=client.name if client else None,
            recipe=recipe,
            checked_at=at,
            zone=ZONE,
        )
    )


def _heard(session: Session, recording_id: UUID) -> Iterator[Heard]:
    rows = session.execute(
        select(Party, Contact.name, User.full_name)
        .outerjoin(Contact, Contact.id == Party.contact_id)
        .outerjoin(User, User.agent_ref == Party.agent)
        .where(Party.recording_id == recording_id)
        .order_by(Party.label)
    )
    for party, contact, user in rows:
        yield Heard(
            label=party.label,
            side=party.side,
            name=user if party.side == "own" else contact,
            number=party.number,
            how_identified=party.how_identified,
            from_ms=party.present_from_ms,
            to_ms=party.present_to_ms,
        )


def consent_of(session: Session, release: Release, recording_id: UUID, *, at: datetime) -> Json:
    """Return how each party stands, and the evidence by digest: no quote, no document."""
    case = consent.case_file(session, recording_id, at=at)
    return {"recording": str(recording_id)} | _standing(session, release, case, at=at)


def picture_consent_of(
    session: Session, release: Release, subject: Subject, *, at: datetime
) -> Json:
    """Return how the client of a screenshot stands, and who looked at it."""
    case = screenshots.case_file(session, subject.id, areas=subject.kept_areas())
    return {"screenshot": str(subject.id)} | _standing(session, release, case, at=at)


def _standing(session: Session, release: Release, case: CaseFile, *, at: datetime) -> Json:
    purpose = Purpose(release.purpose)
    rows = {a.id: session.get_one(Assertion, a.id) for a in case.assertions}
    return {
        "purpose": release.purpose,
        "recipient": release.recipient_class,
        "parties": [
            {
                "id": str(party.id),
                "label": party.label,
                "side": str(party.side),
                "state": str(states.standing(case, party, purpose, at=at).state),
            }
            for party in case.parties
        ],
        "assertions": [_asserted(a, rows[a.id], case) for a in case.assertions],
        "screenings": [
            {
                "result": str(s.result),
                "from_ms": s.segment.from_ms,
                "to_ms": s.segment.to_ms,
                "at": moment(s.at),
            }
            for s in case.screenings
        ],
    }


def _asserted(a: Asserted, row: Assertion, case: CaseFile) -> Json:
    return {
        "id": str(a.id),
        "kind": str(a.kind),
        "strength": str(row.strength),
        "status": str(a.status),
        "about": [party.label for party in case.parties if a.is_about(party)],
        "from_ms": a.segment.from_ms,
        "to_ms": a.segment.to_ms,
        "purposes": sorted(map(str, a.purposes)),
        "recipients": sorted(map(str, a.recipients)),
        "evidence_sha256": row.evidence_sha256.hex(),
        "proposed_at": moment(row.proposed_at),
        "decided_at": moment(row.decided_at) if row.decided_at else None,
        "valid_from": moment(a.valid_from) if a.valid_from else None,
        "valid_to": moment(a.valid_to) if a.valid_to else None,
    }


def decision_of(session: Session, item: ReleaseItem) -> tuple[Json, bytes]:
    """Return the decision that an item was made under, and exactly what was decided on.

    Raises:
        BasisMissing: the inputs are not kept any more.
    """
    row = session.get_one(DecisionRow, item.decision_id)
    approvals = queries.approvals(session, item.wish_id)
    subject = subjects.of(item)
    told: Json = {
        "id": str(row.id),
        subject.kind: str(subject.id),
        "release": str(row.release_id),
        "purpose": row.purpose,
        "recipient": row.recipient_class,
        "from_ms": row.from_ms,
        "to_ms": row.to_ms,
        "outcome": row.outcome,
        "reasons": row.reasons,
        "inputs_digest": row.inputs_digest.hex(),
        "policy_sha256": row.policy_sha256.hex(),
        "at": moment(row.at),
        "valid_until": moment(row.valid_until) if row.valid_until else None,
        "approvals": [
            {
                "by": str(a.approver_id),
                "role": a.approver_role,
                "inputs_digest": a.inputs_digest.hex(),
                "at": moment(a.at),
            }
            for a in approvals
        ],
    }
    return told, _basis(session, row.inputs_digest)


def policies_of(session: Session, items: Iterable[ReleaseItem]) -> dict[str, bytes]:
    """Return the sets of packs that the items were decided by, and the packs, by their digests.

    Raises:
        BasisMissing: one is not kept any more.
    """
    sets = {
        digest: _basis(session, digest)
        for digest in {
            session.get_one(DecisionRow, item.decision_id).policy_sha256 for item in items
        }
    }
    known = [*packs.shipped().values(), *(row.body for row in consent_queries.packs(session))]
    bodies = {
        hashlib.sha256(body).hexdigest(): body for body in (rfc8785.dumps(dict(p)) for p in known)
    }
    found = {digest.hex(): body for digest, body in sets.items()}
    in_force = consent.in_force(session)
    for body in sets.values():
        for place, digest in json.loads(body).items():
            parts = [pack.sha256 for pack in packs.of_place(in_force, place)]
            named = {digest} if digest in bodies else set(parts)
            found |= {one: bodies[one] for one in named if one in bodies}
    return found


def _basis(session: Session, digest: bytes) -> bytes:
    kept = session.get(DecisionBasis, digest)
    if kept is None:
        raise BasisMissing(digest.hex())
    return kept.body
