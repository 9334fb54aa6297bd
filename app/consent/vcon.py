"""The consent of a recording as others read it: a vCon with lawful-basis attachments. Pure.

An export, never how anything is kept: the model here knows segments, recipients, notices and
reviewers, and the drafts do not, so that these stand in `metadata`. Sources:
draft-ietf-vcon-vcon-core (vCon 0.4.0), draft-howe-vcon-lawful-basis, RFC 8785.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import rfc8785

from app.consent.casefile import Asserted, CaseFile, Heard, policy_sha256
from app.consent.purposes import BLOCKS, CONSENTS, GroundCode, Kind, Purpose, Status
from app.consent.states import standing

VERSION = "0.4.0"
EXTENSION = "lawful_basis"
NAMESPACE = "audiatur"

_CLAIMED = {
    GroundCode.CONTRACT_PERFORMANCE: "contract",
    GroundCode.LEGITIMATE_INTEREST: "legitimate_interests",
    GroundCode.LEGAL_OBLIGATION: "legal_obligation",
    GroundCode.LEGAL_CLAIMS: "legitimate_interests",
}
_SPOKEN = frozenset({Kind.VERBAL_CONSENT, Kind.VERBAL_NOTICE, Kind.REFUSAL})
_PAPER = frozenset({Kind.WRITTEN_CONSENT, Kind.CONTRACT_CLAUSE, Kind.OTHER_GROUND})
_TOLD = frozenset({Status.VERIFIED, Status.INVALIDATED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One file of the recording, without its bytes."""

    media_type: str
    sha256: bytes
    duration_ms: int | None
    channels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Backing:
    """Who settled a piece of evidence, as what he was, and what it is made of."""

    evidence: Mapping[str, Any]
    evidence_sha256: bytes
    decided_at: datetime | None
    reviewers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """All that an export is made of. `uuid` is of the export, and no two are alike."""

    uuid: UUID
    created_at: datetime
    case: CaseFile
    legs: Sequence[Leg]
    backings: Mapping[UUID, Backing]


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _party(party: Heard) -> dict[str, Any]:
    """Return a party without name and number: who may read this sees them in the archive."""
    return {
        "name": "anonymous",
        "uuid": str(party.id),
        "type": "person",
    }


def _dialog(leg: Leg, case: CaseFile) -> dict[str, Any]:
    """Return a leg by its digest; a redacted dialog has neither body nor url."""
    digest = base64.urlsafe_b64encode(leg.sha256).rstrip(b"=").decode()
    everybody = list(range(len(case.parties)))
    found: dict[str, Any] = {
        "type": "recording",
        "start": _time(case.started_at),
        "parties": everybody if leg.channels == 1 else [everybody] * leg.channels,
        "mediatype": leg.media_type,
        "content_hash": f"sha256-{digest}",
    }
    if leg.duration_ms is not None:
        found["duration"] = leg.duration_ms / 1000
    return found


def _basis(a: Asserted) -> str:
    """Return the nearest of the six words; a notice is none of them, which `metadata` says."""
    if a.kind == Kind.CONTRACT_CLAUSE:
        return "contract"
    if a.kind == Kind.LEGAL_DEMAND:
        return "legal_obligation"
    if a.kind == Kind.OTHER_GROUND and a.code is not None:
        return _CLAIMED[a.code]
    if a.kind in CONSENTS | BLOCKS:
        return "consent"
    return "legitimate_interests"


def _is_granted(a: Asserted, party: Heard, purpose: Purpose, exported: Exported) -> bool:
    """Say whether `a` gives `purpose` now: of all that is known of a party the worst wins."""
    if a.kind in BLOCKS or a.status != Status.VERIFIED or purpose not in a.purposes:
        return False
    stand = standing(exported.case, party, purpose, at=exported.created_at)
    if stand.is_blocked:
        return False
    return a in stand.supports or a in stand.bases


def _grants(a: Asserted, party: Heard, exported: Exported) -> list[dict[str, Any]]:
    """Return a statement for each purpose; a refusal that names none speaks of all."""
    named = [p for p in Purpose if p in a.purposes or (a.kind in BLOCKS and not a.purposes)]
    return [
        {
            "purpose": purpose.value,
            "granted": _is_granted(a, party, purpose, exported),
            "granted_at": _time(a.since),
            "conditions": sorted(f"recipient:{word}" for word in a.recipients),
        }
        for purpose in named
    ]


def _offset(evidence: Mapping[str, Any]) -> int | None:
    """Return where in the dialog it was said, as far as the evidence tells."""
    answer = evidence.get("answer")
    told = answer if isinstance(answer, Mapping) else evidence
    found = told.get("from_ms", told.get("offset_ms"))
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _clock(offset_ms: int) -> str:
    seconds = offset_ms // 1000
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _proof(a: Asserted, backing: Backing) -> dict[str, Any]:
    """Return the proof by its digest: the words and papers themselves stay in the archive."""
    data: dict[str, Any] = {"evidence_sha256": backing.evidence_sha256.hex()}
    kind = "external_system"
    if a.kind in _PAPER or "document_sha256" in backing.evidence:
        kind = "signed_document"
        document = backing.evidence.get("document_sha256")
        if isinstance(document, str):
            data["document_sha256"] = document
    elif a.kind in _SPOKEN:
        kind = "verbal_confirmation"
        data["dialog_reference"] = 0
        offset_ms = _offset(backing.evidence)
        if offset_ms is not None:
            data["time_offset"] = _clock(offset_ms)
    return {
        "proof_type": kind,
        "timestamp": _time(backing.decided_at or a.proposed_at),
        "proof_data": data,
    }


def _beyond(a: Asserted, party: Heard, backing: Backing, exported: Exported) -> dict[str, Any]:
    """Return what the drafts have no word for."""
    at = exported.created_at
    return {
        "assertion": str(a.id),
        "party": party.label,
        "side": party.side.value,
        "kind": a.kind.value,
        "strength": a.strength.value,
        "status": a.status.value,
        "is_consent": a.kind in CONSENTS,
        "state": {
            p.value: standing(exported.case, party, p, at=at).state.value
            for p in Purpose
            if p in a.purposes or (a.kind in BLOCKS and not a.purposes)
        },
        "segment": {"from_ms": a.segment.from_ms, "to_ms": a.segment.to_ms},
        "recipients": sorted(a.recipients),
        "valid_from": _time(a.valid_from) if a.valid_from else None,
        "reviewers": backing.reviewers,
        "policy_sha256": policy_sha256(exported.case),
        "supersedes": str(a.supersedes) if a.supersedes else None,
    }


def _attachment(a: Asserted, party: Heard, index: int, exported: Exported) -> dict[str, Any]:
    backing = exported.backings[a.id]
    body: dict[str, Any] = {
        "lawful_basis": _basis(a),
        "expiration": _time(a.valid_to) if a.valid_to else None,
        "purpose_grants": _grants(a, party, exported),
        "proof_mechanisms": [_proof(a, backing)],
        "metadata": {NAMESPACE: _beyond(a, party, backing, exported)},
    }
    body["content_hash"] = {
        "algorithm": "sha-256",
        "canonicalization": "jcs",
        "value": hashlib.sha256(rfc8785.dumps(body)).hexdigest(),
    }
    found: dict[str, Any] = {
        "purpose": EXTENSION,
        "start": _time(a.since),
        "party": index,
        "encoding": "json",
        "body": body,
    }
    if exported.legs:
        found["dialog"] = 0
    return found


def _speaks(a: Asserted) -> bool:
    """Say whether `a` is stated: verified or taken back, or a no, if only proposed too."""
    return a.says_no or (a.status in _TOLD and a.kind not in {Kind.NONE, *BLOCKS})


def export(exported: Exported) -> dict[str, Any]:
    """Return the vCon: parties, legs by digest, and a statement per party and piece of evidence.

    Statements stand in the order in which they were made, so that a refusal or withdrawal stands
    behind what it takes back; nothing is granted in the earlier one either, for the most
    restrictive wins.
    """
    case = exported.case
    attachments = [
        _attachment(a, party, index, exported)
        for a in sorted(case.assertions, key=lambda one: (one.proposed_at, str(one.id)))
        if _speaks(a)
        for index, party in enumerate(case.parties)
        if a.is_about(party) or (a.kind == Kind.LEGAL_DEMAND and a.party_id in {None, party.id})
    ]
    return {
        "vcon": VERSION,
        "uuid": str(exported.uuid),
        "extensions": [EXTENSION],
        "created_at": _time(exported.created_at),
        "subject": f"recording {case.recording_id}",
        "parties": [_party(party) for party in case.parties],
        "dialog": [_dialog(leg, case) for leg in exported.legs],
        "analysis": [],
        "attachments": attachments,
    }
