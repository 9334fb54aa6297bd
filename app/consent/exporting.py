"""Handing out what is known of consent to a recording, in the words of the vCon drafts."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

import rfc8785
from sqlalchemy.orm import Session

from app.consent import queries, service, vcon
from app.consent.models import Assertion
from app.core.ids import new_id
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from app.recordings import service as recordings


def vcon_of(session: Session, actor: Actor, recording_id: UUID, *, at: datetime) -> dict[str, Any]:
    """Return the vCon of a recording's consent, and tell the ledger that it was handed out.

    Raises:
        RecordingNotFound: there is none that `actor` may see.
    """
    found = recordings.find(session, actor, recording_id)
    rows = queries.about(session, [recording_id], found.parties)
    legs = list(found.legs)
    digests = {
        leg: sha256 for leg, sha256, _ in queries.sounds(session, [recording_id])[recording_id]
    }
    exported = vcon.Exported(
        uuid=new_id(),
        created_at=at,
        case=service.case_file(session, recording_id, at=at),
        legs=[
            vcon.Leg(
                media_type=leg.media_type,
                sha256=digests[leg.leg],
                duration_ms=leg.duration_ms,
                channels=leg.channels or 1,
            )
            for leg in legs
        ],
        backings={row.id: _backing(row) for row in rows},
    )
    answer = vcon.export(exported)
    ledger.append(
        session,
        actor,
        Act.CONSENT_EXPORTED,
        ("recording", recording_id),
        at=at,
        facts={"vcon": str(exported.uuid), "statements": len(answer["attachments"])},
        content=hashlib.sha256(rfc8785.dumps(answer)).digest(),
    )
    return answer


def _backing(row: Assertion) -> vcon.Backing:
    return vcon.Backing(
        evidence=row.evidence,
        evidence_sha256=row.evidence_sha256,
        decided_at=row.decided_at,
        reviewers=len({row.decided_by, row.second_by} - {None}),
    )
