"""What proves that somebody was told or agreed: a class from A to F, and the evidence behind it.

Pure. A party has the class of the best evidence that holds for him, a recording that of its
outside party with the worst.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from app.consent.casefile import Asserted, CaseFile, Heard
from app.consent.purposes import CONSENTS, PROOF, Kind, ProofClass, Purpose, Side
from app.consent.states import standing


def class_of(
    kind: Kind,
    evidence: Mapping[str, Any],
    *,
    in_recording: bool,
    since: datetime,
    called_at: datetime,
) -> ProofClass:
    """Return what a piece of evidence proves by, if it is true.

    An announcement is heard where the audio was matched or a person quotes it; else the log of
    the exchange tells of it. A consent that is not in the recording and of a later day was given
    afterwards.
    """
    if kind == Kind.IVR_NOTICE:
        heard = bool(evidence.get("match") or evidence.get("heard"))
        return ProofClass.HEARD if heard and not _log_only(evidence) else ProofClass.PLAYED
    spoken_here = in_recording and kind != Kind.WRITTEN_CONSENT
    if kind in CONSENTS and not spoken_here and _given_on(evidence, since) > called_at.date():
        return ProofClass.AFTERWARDS
    if kind == Kind.VERBAL_CONSENT and not in_recording:
        return ProofClass.WRITTEN
    return PROOF[kind]


def _log_only(evidence: Mapping[str, Any]) -> bool:
    return evidence.get("log_only") is True


def _given_on(evidence: Mapping[str, Any], since: datetime) -> date:
    """Return the day of signing, if it is told and later than where the validity begins."""
    try:
        signed_on = date.fromisoformat(str(evidence.get("signed_on")))
    except ValueError:
        return since.date()
    return signed_on


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """The class of a party, and the evidence of that class first, then the weaker."""

    party: Heard
    proof: ProofClass
    evidence: tuple[Asserted, ...]


def of_party(case: CaseFile, party: Heard, purpose: Purpose | None, *, at: datetime) -> Proved:
    """Return what proves that `party` was told or agreed; his refusal is another matter."""
    stand = standing(case, party, purpose, at=at)
    found = sorted((*stand.supports, *stand.bases), key=lambda a: (a.proof.rank, str(a.id)))
    best = found[0].proof if found else ProofClass.NONE
    return Proved(party=party, proof=best, evidence=tuple(found))


def of_case(case: CaseFile, purpose: Purpose | None, *, at: datetime) -> ProofClass:
    """Return the worst class of the outside parties; where nobody is known, none."""
    classes = [
        of_party(case, party, purpose, at=at).proof
        for party in case.parties
        if party.side != Side.OWN
    ]
    return max(classes, key=lambda proof: proof.rank, default=ProofClass.NONE)
