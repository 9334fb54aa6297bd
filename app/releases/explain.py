"""Decisions in words, for the problem that tells of a refusal. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from app.consent.reasons import REASONS, REMEDIES
from app.consent.rules import Decision, Outcome

_WORST_LAST = list(Outcome)


def facts(decisions: Sequence[Decision]) -> dict[str, object]:
    """Return the extra members of the problem: the worst outcome, every reason, every remedy.

    `explained` and `remedies_explained` say the same in Russian and English.
    """
    worst = max((d.outcome for d in decisions), key=_WORST_LAST.index)
    reasons = sorted({reason.text for d in decisions for reason in d.reasons})
    remedies = sorted({remedy for d in decisions for remedy in d.remedies})
    return {
        "outcome": str(worst),
        "reasons": reasons,
        "remedies": remedies,
        "explained": [_reason(text) for text in reasons],
        "remedies_explained": [_remedy(text) for text in remedies],
        "recordings": [
            {
                "recording_id": str(d.recording_id),
                "outcome": str(d.outcome),
                "reasons": [reason.text for reason in d.reasons],
                "remedies": list(d.remedies),
            }
            for d in decisions
        ],
    }


def _reason(text: str) -> dict[str, str]:
    words = REASONS[text.partition(":")[0]]
    return {
        "code": text,
        "ru": f"{words.title.ru}. {words.meaning.ru}",
        "en": f"{words.title.en}. {words.meaning.en}",
    }


def _remedy(text: str) -> dict[str, str]:
    words = REMEDIES[text.partition(":")[0]]
    return {"code": text, "ru": words.ru, "en": words.en}
