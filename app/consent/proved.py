"""What proves it, for people to see: the class of each party and the evidence, as it is kept."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.consent import proof, service
from app.consent.casefile import CaseFile
from app.consent.models import Assertion
from app.consent.proof import Proved
from app.consent.purposes import Purpose
from app.core.clock import Clock
from app.recordings.models import Proof
from app.recordings.schemas import ProofRead, ProvedBy


def explain(
    session: Session, case: CaseFile, purpose: Purpose | None, *, at: datetime
) -> dict[UUID, ProofRead]:
    """Return for each party of `case`, by its id, what proves that he was told."""
    found = [proof.of_party(case, party, purpose, at=at) for party in case.parties]
    rows = _rows(session, {a.id for one in found for a in one.evidence})
    return {one.party.id: _read(one, rows) for one in found}


def proofs_of(session: Session, recording_id: UUID, *, clock: Clock) -> dict[UUID, ProofRead]:
    """Return what proves that the parties of a recording were told, for any purpose.

    Nothing where it cannot be judged: no proof is the answer that lets nothing out.
    """
    at = clock.now()
    try:
        with session.begin_nested():
            case = service.case_file(session, recording_id, at=at)
    except ValueError:
        return {}
    return explain(session, case, None, at=at)


def _rows(session: Session, ids: Iterable[UUID]) -> dict[UUID, Assertion]:
    rows = session.scalars(select(Assertion).where(Assertion.id.in_(set(ids))))
    return {row.id: row for row in rows}


def _read(one: Proved, rows: dict[UUID, Assertion]) -> ProofRead:
    best = [a for a in one.evidence if a.proof == one.proof]
    return ProofRead(
        proof_class=Proof(one.proof.value),
        log_only=bool(best) and all(rows[a.id].evidence.get("log_only") is True for a in best),
        evidence=[_by(rows[a.id], Proof(a.proof.value)) for a in one.evidence],
    )


def _by(row: Assertion, proof_class: Proof) -> ProvedBy:
    notice: dict[str, Any] = row.evidence.get("notice") or {}
    exchange: dict[str, Any] = row.evidence.get("pbx") or {}
    played = row.evidence.get("played_ms")
    return ProvedBy(
        assertion=row.id,
        kind=row.kind,
        proof_class=proof_class,
        from_ms=row.from_ms,
        to_ms=row.to_ms,
        played_ms=played if isinstance(played, list) else None,
        notice=_uuid(notice.get("id")),
        notice_version=notice.get("version"),
        call_event=_uuid(exchange.get("event")),
    )


def _uuid(value: object) -> UUID | None:
    """Return an id out of evidence, which anybody may have written."""
    try:
        return UUID(str(value)) if value is not None else None
    except ValueError:
        return None
