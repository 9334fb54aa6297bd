"""What the rules of a place ask for, in the words of people: each field, its value and its mark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.review import wording
from app.web.words import N_, Words

FIELDS: Final = {
    "record_outside_min": N_("What the other side must have been given"),
    "record_own_min": N_("What our employee must have been given"),
    "stay_counts_as": N_("Staying on the line after a notice counts as"),
    "beep_counts_as": N_("A beep tone counts as"),
    "min_stay_ms": N_("How long one must stay on the line after a notice"),
    "notice_must_name_purposes": N_("The notice must name the purpose"),
    "disclosure_grounds": N_("Grounds on which a recording may leave the company"),
    "training_listening": N_("Listening for training asks for"),
    "withdrawal_days": N_("Days to act on a withdrawal"),
    "subject_access_days": N_("Days to give people a copy of their own data"),
    "subject_access_in_working_days": N_("These days are working days"),
    "counsel_people": N_("People who agree before counsel gets what was recorded untold"),
    "unlawful_counsel": N_("Counsel always needs these people"),
    "storage_regions": N_("Where recordings must be stored"),
    "retention_max_days": N_("Days that recordings may be kept at most"),
    "disclosure_consent_min": N_("The least consent that carries a disclosure"),
    "always_review": N_("A person decides each case"),
    "retention_min_days": N_("Days that recordings must be kept at least"),
    "proof": N_("Which proof suffices, by purpose"),
}
"""Every field of a pack; a test compares them with what a pack may say."""

_CODES: Final = {
    None: N_("no limit is known"),
    True: N_("yes"),
    False: N_("no"),
    "NONE": N_("nothing"),
    "NOTICE": N_("a notice"),
    "EXPRESS": N_("an express consent"),
    "WRITTEN": N_("a written consent"),
    "free": N_("nothing more"),
    "announced": N_("that it was announced"),
    "express": N_("that it was agreed to"),
    "notice_disclosure": N_("a notice that names recipients"),
    "contract_disclosure": N_("a clause of the contract"),
    "consent_disclosure": N_("a consent to the disclosure"),
    "claims_assessed": N_("defence against claims, assessed"),
    "legal_demand": N_("an authority's demand"),
    "processor_contract": N_("a contract with a processor"),
}
_PROOF: Final = {
    "A": N_("heard in the recording"),
    "B": N_("played by the exchange"),
    "C": N_("said by the agent"),
    "D": N_("contract or document"),
    "E": N_("given after the call"),
}


def value(words: Words, field: str, told: Any) -> str:  # noqa: ANN401 - JSON of a pack.
    """Return the value of a field as people say it."""
    if field == "proof":
        return "; ".join(_proof(words, purpose, told[purpose]) for purpose in sorted(told))
    if isinstance(told, list):
        return ", ".join(_code(words, one) for one in sorted(told)) or words.gettext("none")
    if isinstance(told, int) and not isinstance(told, bool):
        return _number(words, field, told)
    return _code(words, told)


def title(words: Words, body: Mapping[str, Any]) -> str:
    """Return the name of a pack's place."""
    return str(body["title"][words.language])


def _proof(words: Words, purpose: str, classes: list[str]) -> str:
    said = wording.PURPOSES.get(purpose)
    name = said.of(words.language) if said else purpose
    return f"{name}: " + ", ".join(words.gettext(_PROOF[one]) for one in sorted(classes))


def _number(words: Words, field: str, told: int) -> str:
    if field != "min_stay_ms":
        return words.number(told)
    return words.duration(told) if told else words.gettext("not at all")


def _code(words: Words, code: Any) -> str:  # noqa: ANN401 - JSON of a pack.
    return words.gettext(_CODES[code]) if code in _CODES else str(code)
