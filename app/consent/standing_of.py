"""How each party of a recording stands, for people: the state, what it rests on, who saw to it.

No decision is made from this: the rules are asked for a purpose, and this is for the worst of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.consent import proof, service
from app.consent.models import Assertion
from app.consent.purposes import BLOCKS, ProofClass, State, Status
from app.consent.states import standing

_SHOWN: Final = frozenset({Status.PROPOSED, Status.VERIFIED, Status.INVALIDATED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A piece of evidence about a party; `counts` says that the state rests on it now.

    `told_ms` is where in the recording he was told or agreed, if it was there. What was verified
    and has nobody in `decided_by` was verified by the search for notices, by itself.
    `by` are those who saw to it, `None` among them where the search for notices did by itself.
    """

    id: UUID
    kind: str
    status: Status
    proof: ProofClass
    told_ms: tuple[int, int] | None
    counts: bool
    blocks: bool
    proposed_by: UUID | None
    proposed_at: datetime
    decided_by: tuple[UUID, ...]
    decided_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyStanding:
    """The state of a party, the class of its proof, and the evidence, what counts first."""

    state: State
    proof: ProofClass
    pieces: tuple[Piece, ...]


def of_recording(
    session: Session, recording_id: UUID, *, at: datetime
) -> dict[UUID, PartyStanding]:
    """Return how each party stands, by its id.

    Nothing where it cannot be judged: no proof is the answer that lets nothing out.
    """
    try:
        with session.begin_nested():
            case = service.case_file(session, recording_id, at=at)
    except ValueError:
        return {}
    rows = {
        row.id: row
        for row in session.scalars(
            select(Assertion).where(Assertion.id.in_({one.id for one in case.assertions}))
        )
    }
    found = {}
    for party in case.parties:
        stand = standing(case, party, None, at=at)
        counting = {one.id for one in (*stand.supports, *stand.bases)}
        counting |= {one.id for one in case.assertions if one.is_about(party) and one.says_no}
        pieces = [
            _piece(rows[one.id], one.proof, counts=one.id in counting)
            for one in case.assertions
            if one.is_about(party) and one.status in _SHOWN
        ]
        found[party.id] = PartyStanding(
            state=stand.state,
            proof=proof.of_party(case, party, None, at=at).proof,
            pieces=tuple(
                sorted(pieces, key=lambda one: (not one.counts, one.proof.rank, str(one.id)))
            ),
        )
    return found


def _piece(row: Assertion, proved: ProofClass, *, counts: bool) -> Piece:
    deciders = (row.decided_by, row.second_by)
    return Piece(
        id=row.id,
        kind=row.kind,
        status=Status(row.status),
        proof=proved,
        told_ms=_told(row.evidence),
        counts=counts,
        blocks=row.kind in BLOCKS,
        proposed_by=row.proposed_by,
        proposed_at=row.proposed_at,
        decided_by=tuple(one for one in deciders if one is not None),
        decided_at=row.decided_at,
    )


def _told(evidence: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return from where to where he was told. Anybody writes evidence, so nothing is sure."""
    places: list[object]
    if isinstance(evidence.get("played_ms"), list):
        places = evidence["played_ms"]
    elif isinstance(evidence.get("question"), dict) and isinstance(evidence.get("answer"), dict):
        places = [evidence["question"].get("from_ms"), evidence["answer"].get("from_ms")]
    else:
        places = [evidence.get("from_ms"), evidence.get("to_ms")]
    match places:
        case [int(begin), int(end)] if 0 <= begin < end:
            return begin, end
        case _:
            return None
