"""Who is heard in a recording, for people: how each stands, what proves it, what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from app.consent import standing_of
from app.consent.purposes import ProofClass, State, Status
from app.consent.standing_of import PartyStanding, Piece
from app.recordings.models import Party
from app.web import lookups, places
from app.web.words import N_, Words

SIDES: Final = {"own": N_("our agent"), "client": N_("the client"), "other": N_("somebody else")}
CLASSES: Final = {
    "A": N_("heard in the recording"),
    "B": N_("played by the exchange"),
    "C": N_("said by the agent"),
    "D": N_("contract or document"),
    "E": N_("given after the call"),
    "F": N_("no proof"),
}
EVIDENCES: Final = {
    "ivr_notice": N_("Notice played on the line"),
    "beep": N_("Beep tone"),
    "dtmf_consent": N_("Consent by a key"),
    "verbal_notice": N_("Notice said aloud"),
    "verbal_consent": N_("Consent said aloud"),
    "contract_clause": N_("Contract clause"),
    "written_consent": N_("Written consent"),
    "employee_ack": N_("Employee's acknowledgement"),
    "other_ground": N_("Another ground"),
    "legal_demand": N_("Authority's demand"),
    "refusal": N_("Refusal"),
    "withdrawal": N_("Withdrawal"),
}
MISSING: Final = {
    State.CONSENTED: N_("Nothing is missing: he agreed, for the purposes that are named."),
    State.BASIS: N_("Nothing is missing for what this ground covers."),
    State.NOTIFIED: N_(
        "He was told. What leaves the house may need his consent too: the rules say so then."
    ),
    State.PENDING: N_("A second person must look at the evidence that was proposed."),
    State.UNKNOWN: N_(
        "Nothing shows that he was told. Mark where it was said, or name the clause of a contract "
        "from before the call, or ask him for a written consent."
    ),
    State.EXPIRED: N_("The consent has ended. Ask for a new one."),
    State.EXPIRED_AT_CALL: N_(
        "What was agreed had ended on the day of the call. Ask for a written consent."
    ),
    State.RETROACTIVE_ONLY: N_(
        "The contract was signed after the call and reaches back: that tells nobody. Ask for a "
        "written consent."
    ),
    State.INVALIDATED: N_("The evidence was taken back as wrong. Other evidence is needed."),
    State.WITHDRAWAL_PROPOSED: N_(
        "A withdrawal is reported and already holds. A second person must look at it."
    ),
    State.WITHDRAWN: N_("He withdrew. Only a later consent in writing changes that."),
    State.REFUSAL_PROPOSED: N_(
        "A refusal is reported and already holds. A second person must look at it."
    ),
    State.REFUSED: N_("He refused. Only a later consent in writing changes that."),
}
"""What is missing for a party, by his state."""

_CANNOT_JUDGE: Final = N_("This cannot be judged now, so nothing goes out.")
_BY_ITSELF: Final = N_("the search for notices, by itself")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A piece of evidence, in words: what it is and where, how far it has come, who saw to it."""

    text: str
    proof: str
    status: str
    who: str
    counts: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A party: who, when on the line, how he stands, what proves it and what is missing."""

    label: str
    side: str
    number: str | None
    from_ms: int
    to_ms: int | None
    flag: str
    proof: str
    proof_text: str
    evidence: tuple[Shown, ...]
    missing: str
    told_ms: tuple[tuple[int, int], ...]


def of_recording(
    session: Session,
    recording_id: UUID,
    parties: Iterable[Party],
    words: Words,
    *,
    at: datetime,
) -> tuple[Heard, ...]:
    """Return everybody who is heard, our own side first."""
    found = standing_of.of_recording(session, recording_id, at=at)
    pieces = [piece for one in found.values() for piece in one.pieces]
    people = lookups.names(
        session, [who for one in pieces for who in (one.proposed_by, *one.decided_by)]
    )
    ordered = sorted(parties, key=lambda one: (one.side != "own", one.present_from_ms, one.label))
    return tuple(_heard(one, found.get(one.id), people, words) for one in ordered)


def _heard(
    party: Party, stands: PartyStanding | None, people: dict[UUID, str], words: Words
) -> Heard:
    proof = str(stands.proof if stands else ProofClass.NONE)
    pieces = stands.pieces if stands else ()
    return Heard(
        label=party.label,
        side=words.gettext(SIDES[party.side]),
        number=party.number,
        from_ms=party.present_from_ms,
        to_ms=party.present_to_ms,
        flag=(stands.state if stands else State.UNKNOWN).flag,
        proof=proof,
        proof_text=words.gettext(CLASSES[proof]),
        evidence=tuple(_shown(one, people, words) for one in pieces),
        missing=words.gettext(MISSING[stands.state] if stands else _CANNOT_JUDGE),
        told_ms=tuple(one.told_ms for one in pieces if one.counts and one.told_ms),
    )


def _shown(piece: Piece, people: dict[UUID, str], words: Words) -> Shown:
    text = words.gettext(EVIDENCES.get(piece.kind, piece.kind))
    if piece.told_ms is not None:
        text += f", {places.write(piece.told_ms[0])}–{places.write(piece.told_ms[1])}"
    return Shown(
        text=text,
        proof="" if piece.blocks else str(piece.proof),
        status=piece.status,
        who=_who(piece, people, words),
        counts=piece.counts,
    )


def _who(piece: Piece, people: dict[UUID, str], words: Words) -> str:
    itself = words.gettext(_BY_ITSELF)
    proposed = people.get(piece.proposed_by, itself) if piece.proposed_by else itself
    if piece.status == Status.PROPOSED:
        said = words.gettext("proposed by %(who)s on %(day)s")
        return said % {"who": proposed, "day": words.day(piece.proposed_at)}
    deciders = ", ".join(people.get(one, "") for one in piece.decided_by) or itself
    said = (
        words.gettext("verified by %(who)s on %(day)s")
        if piece.status == Status.VERIFIED
        else words.gettext("taken back by %(who)s on %(day)s")
    )
    return said % {"who": deciders, "day": words.day(piece.decided_at or piece.proposed_at)}
