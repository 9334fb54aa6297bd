"""What each kind of evidence must carry before anybody may verify it. Pure.

Source: the consent model, 5.2. A path is a way through the JSON object; a bar parts the ways of
which one suffices.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import rfc8785

from app.consent.purposes import GroundCode, Kind
from app.core.errors import Invalid
from app.core.moments import MAX_INTEGER, known_day

REQUIRED: dict[Kind, tuple[str, ...]] = {
    Kind.IVR_NOTICE: (
        "notice.id",
        "notice.version",
        "played_ms",
        "stayed_after_ms",
        "pbx.row_sha256|match.score|heard.quote",
    ),
    Kind.BEEP: ("frequency_hz", "interval_ms", "first_offset_ms"),
    Kind.DTMF_CONSENT: ("prompt.version", "digit", "offset_ms", "pbx.row_sha256"),
    Kind.VERBAL_NOTICE: ("from_ms", "to_ms", "speaker", "quote", "reaction"),
    Kind.VERBAL_CONSENT: (
        "question.from_ms",
        "question.quote",
        "answer.from_ms",
        "answer.quote",
        "identity_basis",
    ),
    Kind.CONTRACT_CLAUSE: ("contract_id", "clause_ref"),
    Kind.WRITTEN_CONSENT: (
        "document_sha256",
        "person",
        "operator",
        "data",
        "actions",
        "term",
        "how_to_withdraw",
        "signed_on",
        "signature_kind",
    ),
    Kind.EMPLOYEE_ACK: ("act_number", "act_version", "signed_on", "signature|log"),
    Kind.OTHER_GROUND: ("code", "document_sha256", "author", "matter", "expires_on"),
    Kind.LEGAL_DEMAND: (
        "authority",
        "number",
        "date",
        "article",
        "scope",
        "deadline",
        "document_sha256",
        "verified_how",
        "may_tell_subjects",
    ),
    Kind.REFUSAL: ("quote|document_sha256",),
    Kind.WITHDRAWAL: ("received_at", "channel"),
    Kind.NONE: ("searched",),
}
MIN_STAY_MS = 3_000
MAX_EVIDENCE_BYTES = 64 * 1024
MAX_DEPTH = 20
_REACTIONS = ("acknowledged", "continued")
_DAYS = {Kind.EMPLOYEE_ACK: "signed_on", Kind.OTHER_GROUND: "expires_on"}


class EvidenceIncomplete(Invalid):
    """The evidence lacks what its kind must carry.

    `missing` names what is absent or cannot be so.
    """


class EvidenceUnfit(Invalid):
    """The evidence is too large or too deep, or holds what cannot be kept."""


class SupersededUnknown(Invalid):
    """The evidence supersedes what is no evidence on this recording or those heard in it."""


def _has(evidence: Mapping[str, Any], path: str) -> bool:
    value: Any = evidence
    for step in path.split("."):
        if not isinstance(value, Mapping) or step not in value:
            return False
        value = value[step]
    return value is not None and value not in ("", [], {})


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_day(value: object) -> bool:
    try:
        known_day(date.fromisoformat(str(value)))
    except ValueError:
        return False
    return True


def _ivr(evidence: Mapping[str, Any], from_ms: int) -> list[str]:
    played, stayed = evidence["played_ms"], evidence["stayed_after_ms"]
    version = evidence["notice"]["version"]
    wrong = []
    if not _whole(version) or not 1 <= version <= MAX_INTEGER:
        wrong.append("notice.version")
    if not (isinstance(played, list) and list(map(_whole, played)) == [True, True]):
        wrong.append("played_ms")
    elif not 0 <= played[0] < played[1] <= from_ms:
        wrong.append("played_ms")  # What is covered begins where the telling ended.
    if not _whole(stayed) or stayed < MIN_STAY_MS:
        wrong.append("stayed_after_ms")
    return wrong


def _spoken(evidence: Mapping[str, Any], from_ms: int) -> list[str]:
    if not _whole(evidence["to_ms"]) or evidence["to_ms"] > from_ms:
        return ["to_ms"]
    return [] if evidence["reaction"] in _REACTIONS else ["reaction"]


def missing(kind: Kind, evidence: Mapping[str, Any], *, from_ms: int) -> list[str]:
    """Return what `evidence` lacks for its kind; `from_ms` is where its coverage begins."""
    absent = [
        path for path in REQUIRED[kind] if not any(_has(evidence, way) for way in path.split("|"))
    ]
    if absent:
        return absent
    if kind == Kind.IVR_NOTICE:
        return _ivr(evidence, from_ms)
    if kind == Kind.VERBAL_NOTICE:
        return _spoken(evidence, from_ms)
    wrong = []
    # A list of the words, since what is told may be no word and have no hash.
    if kind == Kind.OTHER_GROUND and evidence["code"] not in list(GroundCode):
        wrong.append("code")
    if kind in _DAYS and not _is_day(evidence[_DAYS[kind]]):
        wrong.append(_DAYS[kind])
    return wrong


def require(kind: Kind, evidence: Mapping[str, Any], *, from_ms: int) -> None:
    """Refuse evidence that lacks what its kind must carry.

    Raises:
        EvidenceIncomplete: `missing` says what.
    """
    lacking = missing(kind, evidence, from_ms=from_ms)
    if lacking:
        raise EvidenceIncomplete(f"Missing: {', '.join(lacking)}.", missing=lacking)


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()


def is_deep(evidence: Mapping[str, Any]) -> bool:
    """Say whether lists and objects lie in each other deeper than is kept here."""
    level: list[object] = [evidence]
    for _ in range(MAX_DEPTH + 1):
        level = [inner for value in level for inner in _inside(value)]
    return bool(level)


def canonical(evidence: Mapping[str, Any]) -> bytes:
    """Return the canonical JSON of `evidence`. Source: RFC 8785.

    Raises:
        EvidenceUnfit: it holds what no canonical JSON or no database can.
    """
    if is_deep(evidence):
        raise EvidenceUnfit(f"Lists and objects lie in each other at most {MAX_DEPTH} deep.")
    try:
        body = rfc8785.dumps(dict(evidence))
    except (rfc8785.CanonicalizationError, UnicodeError) as exc:
        raise EvidenceUnfit(str(exc)) from exc
    if len(body) > MAX_EVIDENCE_BYTES or b"\\u0000" in body:
        raise EvidenceUnfit(f"At most {MAX_EVIDENCE_BYTES} bytes, and no zero characters.")
    return body


def digest(evidence: Mapping[str, Any]) -> bytes:
    """Return the SHA-256 of the canonical JSON of `evidence`."""
    return hashlib.sha256(canonical(evidence)).digest()
