"""A decision of the rules as pages show it: outcome, reasons with help, and the ways on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from app.consent.reasons import REASONS, REMEDIES
from app.consent.rules import Decision
from app.web.words import N_, Words, clock_time

_CUT: Final = "CUT_SEGMENT"
_ASKED_OF_CLIENT: Final = {
    "ASK_CLAUSE_DISCLOSE": N_("Ask the client for it"),
    "ASK_CONSENT": N_("Ask the client for it"),
}
_IN_RECORDING: Final = frozenset({"NAME_PARTIES", "REVIEW_EVIDENCE", "REVIEW_REFUSAL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonRow:
    """Why, and what that means."""

    code: str
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WayOn:
    """What would make it possible, and where that is done."""

    text: str
    label: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What the rules say of one part."""

    outcome: str
    reasons: tuple[ReasonRow, ...]
    ways: tuple[WayOn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """Where the ways on lead: the dispute, the exhibit to be cut, the client to be looked up."""

    client_id: UUID
    dispute_id: UUID | None = None
    exhibit_id: UUID | None = None
    recording_id: UUID | None = None


def shown(decision: Decision, around: Around, words: Words) -> Decided:
    """Return a decision in words, with the ways on that lead somewhere."""
    lang = words.language
    codes = dict.fromkeys(reason.code for reason in decision.reasons)
    return Decided(
        outcome=str(decision.outcome),
        reasons=tuple(
            ReasonRow(
                code=code,
                title=REASONS[code].title.of(lang),
                text=REASONS[code].meaning.of(lang),
            )
            for code in codes
        ),
        ways=(
            *(
                _way(code, around, words)
                for code in decision.remedies
                if code.partition(":")[0] != _CUT
            ),
            *_cuts(decision, around, words),
        ),
    )


def _way(code: str, around: Around, words: Words) -> WayOn:
    said = REMEDIES[code.partition(":")[0]].of(words.language)
    label, link = "", ""
    if code in _ASKED_OF_CLIENT and around.dispute_id is not None:
        label = words.gettext(_ASKED_OF_CLIENT[code])
        link = f"/disputes/{around.dispute_id}?{urlencode({'ask': said})}#form-request"
    elif code == "VERIFY_RECIPIENT":
        label, link = words.gettext("To the client"), f"/clients/{around.client_id}"
    elif code in _IN_RECORDING and around.recording_id is not None:
        label = words.gettext("To the recording")
        link = f"/recordings/{around.recording_id}"
    return WayOn(text=said, label=label, link=link)


def _cuts(decision: Decision, around: Around, words: Words) -> list[WayOn]:
    """Return the parts that could leave instead of the one asked for."""
    if not any(code.partition(":")[0] == _CUT for code in decision.remedies):
        return []
    found = []
    for part in decision.allowed_segments:
        end = words.gettext("end") if part.to_ms is None else clock_time(part.to_ms)
        text = words.gettext("The part %(from)s–%(to)s could leave.") % {
            "from": clock_time(part.from_ms),
            "to": end,
        }
        query = {"from_ms": part.from_ms} | ({} if part.to_ms is None else {"to_ms": part.to_ms})
        link = ""
        if around.dispute_id is not None and around.exhibit_id is not None:
            address = f"/disputes/{around.dispute_id}/exhibits/{around.exhibit_id}"
            link = f"{address}?{urlencode(query)}"
        found.append(WayOn(text=text, label=words.gettext("Cut here") if link else "", link=link))
    return found
