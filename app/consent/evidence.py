"""What each kind of evidence must carry before anybody may verify it. Pure.

Source: the consent model, 5.2. A path is a way through the JSON object; a bar parts the ways of
which one suffices, a plus what must be there together. A list whose path ends in brackets may be
empty, since it says where was looked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import rfc8785

from app.consent.purposes import GroundCode, Kind
from app.core.errors import Invalid
from app.core.moments import MAX_INTEGER, in_utc, known_day

_DOCUMENT = ("document_id", "document_sha256")
PLAYED = "pbx.call_id+pbx.leg+pbx.prompt+pbx.start+pbx.end+pbx.row_sha256"
MATCHED = (
    "match.algo+match.ref_sha256+match.offset_ms+match.score+match.threshold+match.matched_share"
)
REQUIRED: dict[Kind, tuple[str, ...]] = {
    Kind.IVR_NOTICE: (
        "notice.id",
        "notice.version",
        "played_ms",
        "stayed_after_ms",
        f"{PLAYED}|{MATCHED}|heard.quote",
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
    Kind.CONTRACT_CLAUSE: ("contract_id", "clause_ref", *_DOCUMENT, "scope[]", "wording"),
    Kind.WRITTEN_CONSENT: (
        *_DOCUMENT,
        "person",
        "operator",
        "data",
        "actions",
        "term",
        "how_to_withdraw",
        "signed_on",
        "signature_kind",
    ),
    Kind.EMPLOYEE_ACK: (
        "act_number",
        "act_version",
        "employee",
        "signed_on",
        "signature.document_id+signature.document_sha256|log",
    ),
    Kind.OTHER_GROUND: ("code", *_DOCUMENT, "author", "matter", "expires_on"),
    Kind.LEGAL_DEMAND: (
        "authority",
        "number",
        "date",
        "article",
        "scope",
        "deadline",
        *_DOCUMENT,
        "verified_how",
        "may_tell_subjects",
    ),
    Kind.REFUSAL: ("quote|offset_ms|document_id+document_sha256", "scope"),
    Kind.WITHDRAWAL: ("received_at", "channel", "effective_at", "scope"),
    Kind.NONE: ("searched.window", "searched.prompts[]", "searched.contracts[]"),
}
NAMING = frozenset({Kind.VERBAL_CONSENT, Kind.WRITTEN_CONSENT})
"""A consent names its purposes and recipients, which stand beside the evidence."""

MIN_STAY_MS = 3_000
MIN_SHARE = Decimal("0.9")
ASSESSMENT_HOLDS = timedelta(days=366)
"""Twelve months, whichever they are."""
MAX_EVIDENCE_BYTES = 64 * 1024
MAX_DEPTH = 20
_REACTIONS = ("acknowledged", "continued")
_DAYS = {
    Kind.EMPLOYEE_ACK: ("signed_on",),
    Kind.OTHER_GROUND: ("expires_on",),
    Kind.WRITTEN_CONSENT: ("signed_on",),
    Kind.LEGAL_DEMAND: ("date", "deadline"),
}
_MOMENTS = {Kind.WITHDRAWAL: ("received_at", "effective_at")}


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
    for step in path.removesuffix("[]").split("."):
        if not isinstance(value, Mapping) or step not in value:
            return False
        value = value[step]
    empty: tuple[object, ...] = ("", {}) if path.endswith("[]") else ("", [], {})
    return value is not None and value not in empty


def _lacking(evidence: Mapping[str, Any], path: str) -> list[str]:
    """Return what is absent: of several ways what the one that was begun lacks, else all ways."""
    ways = [way.split("+") for way in path.split("|")]
    absent = [[part for part in way if not _has(evidence, part)] for way in ways]
    if not all(absent):
        return []
    begun = [parts for parts, way in zip(absent, ways, strict=True) if len(parts) < len(way)]
    return min(begun, key=len) if begun else [path]


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_day(value: object) -> bool:
    try:
        known_day(date.fromisoformat(str(value)))
    except ValueError:
        return False
    return True


def _is_moment(value: object) -> bool:
    """Say whether it is a day, or a moment with its offset."""
    if _is_day(value):
        return True
    try:
        in_utc(datetime.fromisoformat(str(value)))
    except ValueError:
        return False
    return True


def _is_id(value: object) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True


def _is_digest(value: object) -> bool:
    word = str(value)
    return len(word) == 64 and set(word) <= set("0123456789abcdef")  # noqa: PLR2004 - SHA-256 in hex.


def _share(value: object) -> Decimal:
    try:
        share = Decimal(str(value))
    except InvalidOperation:
        return Decimal(0)
    return share if share.is_finite() else Decimal(0)


def _is_before(evidence: Mapping[str, Any]) -> bool:
    """Say whether only the log of the exchange tells of it, for the recording begins after it."""
    is_told = evidence.get("log_only") is True and _has(evidence, "pbx.row_sha256")
    return is_told and evidence["played_ms"][1] <= 0


def _ivr(evidence: Mapping[str, Any], from_ms: int) -> list[str]:
    played, stayed = evidence["played_ms"], evidence["stayed_after_ms"]
    version = evidence["notice"]["version"]
    wrong = []
    if not _whole(version) or not 1 <= version <= MAX_INTEGER:
        wrong.append("notice.version")
    if not (isinstance(played, list) and list(map(_whole, played)) == [True, True]):
        wrong.append("played_ms")
    elif not played[0] < played[1] <= from_ms or (played[0] < 0 and not _is_before(evidence)):
        wrong.append("played_ms")  # What is covered begins where the telling ended.
    if not _whole(stayed) or stayed < MIN_STAY_MS:
        wrong.append("stayed_after_ms")
    others = (_lacking(evidence, PLAYED), _lacking(evidence, "heard.quote"))
    # A part of the announcement tells nobody, unless something else says that it was whole.
    if all(others) and not MIN_SHARE <= _share(evidence["match"]["matched_share"]) <= 1:
        wrong.append("match.matched_share")
    return wrong


def _spoken(evidence: Mapping[str, Any], from_ms: int) -> list[str]:
    if not _whole(evidence["to_ms"]) or evidence["to_ms"] > from_ms:
        return ["to_ms"]
    return [] if evidence["reaction"] in _REACTIONS else ["reaction"]


def _papers(evidence: Mapping[str, Any]) -> list[str]:
    """Return what the name of a document lacks or cannot be, in the evidence or its signature."""
    signature = evidence.get("signature")
    wrong = []
    for prefix, told in (("", evidence), ("signature.", signature)):
        if not isinstance(told, Mapping):
            continue
        if "document_id" in told and not _is_id(told["document_id"]):
            wrong.append(f"{prefix}document_id")
        is_named = "document_id" in told or "document_sha256" in told
        if is_named and not _is_digest(told.get("document_sha256")):
            wrong.append(f"{prefix}document_sha256")
    return wrong


def missing(kind: Kind, evidence: Mapping[str, Any], *, from_ms: int) -> list[str]:
    """Return what `evidence` lacks for its kind; `from_ms` is where its coverage begins."""
    absent = [part for path in REQUIRED[kind] for part in _lacking(evidence, path)]
    if absent:
        return absent
    wrong = _papers(evidence)
    if kind == Kind.IVR_NOTICE:
        return wrong + _ivr(evidence, from_ms)
    if kind == Kind.VERBAL_NOTICE:
        return wrong + _spoken(evidence, from_ms)
    # A list of the words, since what is told may be no word and have no hash.
    if kind == Kind.OTHER_GROUND and evidence["code"] not in list(GroundCode):
        wrong.append("code")
    wrong += [name for name in _DAYS.get(kind, ()) if not _is_day(evidence[name])]
    wrong += [name for name in _MOMENTS.get(kind, ()) if not _is_moment(evidence[name])]
    return wrong


def require(kind: Kind, evidence: Mapping[str, Any], *, from_ms: int) -> None:
    """Refuse evidence that lacks what its kind must carry.

    Raises:
        EvidenceIncomplete: `missing` says what.
    """
    lacking = missing(kind, evidence, from_ms=from_ms)
    if lacking:
        raise EvidenceIncomplete(f"Missing: {', '.join(lacking)}.", missing=lacking)


def require_named(evidence: Mapping[str, Any], *paths: str) -> None:
    """Refuse evidence that lacks one of `paths`, from which the rest of it is looked up.

    Raises:
        EvidenceIncomplete: `missing` says what, also of a document that is half named.
    """
    lacking = [path for path in paths if not _has(evidence, path)] + _papers(evidence)
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
        raise EvidenceUnfit(
            f"Lists and objects lie in each other at most {MAX_DEPTH} deep.", deepest=MAX_DEPTH
        )
    try:
        body = rfc8785.dumps(dict(evidence))
    except (rfc8785.CanonicalizationError, UnicodeError) as exc:
        raise EvidenceUnfit("It is no canonical JSON.", fault=str(exc)) from exc
    if len(body) > MAX_EVIDENCE_BYTES or b"\\u0000" in body:
        raise EvidenceUnfit(
            f"At most {MAX_EVIDENCE_BYTES} bytes, and no zero characters.",
            max_bytes=MAX_EVIDENCE_BYTES,
        )
    return body


def digest(evidence: Mapping[str, Any]) -> bytes:
    """Return the SHA-256 of the canonical JSON of `evidence`."""
    return hashlib.sha256(canonical(evidence)).digest()
