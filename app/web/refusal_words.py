"""A refusal in the reader's words: its title, and the facts that it carries, each with its name.

What a refusal says beside its title is written for programs, in English. People are told it in
their own words where it is one of `refusal_sentences`, and the facts that it carries: each that a
refusal may carry stands in one of the two tables here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from app.consent.reasons import REASONS
from app.consent.reasons import Words as InBoth
from app.core.errors import Refusal
from app.core.outbound import Because
from app.review import wording
from app.web import keeping_rows
from app.web.client_words import RECIPIENTS
from app.web.refusal_sentences import SENTENCES
from app.web.states import STATES
from app.web.words import N_, Words, clock_time

_DAY: Final = 10
GROUPS: Final[dict[str, str]] = {
    "BundleNotReady": "bundle",
    "MoveNotAllowed": "dispute",
    "NoticeTextEnded": "notice",
    "NothingToUndo": "evidence",
    "PackEnded": "pack",
    "ReleaseEnded": "release",
    "ReleaseNotRequested": "release",
    "RequestCannot": "document_request",
    "SearchRunEnded": "run",
    "StepSettled": "step",
    "TransitionRefused": "evidence",
}
"""Of what the state is that a refusal tells, as `states.py` has it."""

ADDRESSES: Final[dict[Because, str]] = {
    Because.MALFORMED: N_("it is not written as an address of the web"),
    Because.SCHEME: N_("it has to begin with https://"),
    Because.CREDENTIALS: N_("it must not hold a user or a password"),
    Because.PORT: N_("its port is not spoken to"),
    Because.HOST: N_("its host is not on the list"),
    Because.PRIVATE: N_("it leads into an inner network"),
}
_BECAUSE: Final[dict[str, Mapping[str, str]]] = {
    "AddressRefused": {str(code): said for code, said in ADDRESSES.items()},
    "ErasureHindered": {str(code): said for code, said in keeping_rows.BECAUSE.items()},
}
"""What a refusal tells by a code of its own, by the name of the class."""

Form = Callable[[object, str, Words], str]


def _text(value: object, refusal: str, words: Words) -> str:
    del refusal, words
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _number(value: object, refusal: str, words: Words) -> str:
    return words.number(value) if isinstance(value, int | float) else _text(value, refusal, words)


def _size(value: object, refusal: str, words: Words) -> str:
    return words.size(value) if isinstance(value, int) else _text(value, refusal, words)


def _place(value: object, refusal: str, words: Words) -> str:
    return clock_time(value) if isinstance(value, int) else _text(value, refusal, words)


def _coding(value: object, refusal: str, words: Words) -> str:
    """Return the name of a coding as a file has it, which may hold anything."""
    text = _text(value, refusal, words)
    return "".join(one if one.isprintable() else "?" for one in text)


def _hexadecimal(value: object, refusal: str, words: Words) -> str:
    return f"0x{value:04x}" if isinstance(value, int) else _text(value, refusal, words)


def _because(value: object, refusal: str, words: Words) -> str:
    """Return a code in words; one that has no words is not told."""
    said = _BECAUSE.get(refusal, {}).get(str(value))
    return words.gettext(said) if said else ""


def _reasons(value: object, refusal: str, words: Words) -> str:
    """Return reasons by their titles; of a release its page shows them with the decisions."""
    if refusal != "ConsentRefused" or not isinstance(value, list):
        return ""
    codes = dict.fromkeys(str(one).partition(":")[0] for one in value)
    return ", ".join(REASONS[code].title.of(words.language) for code in codes if code in REASONS)


def _moment(value: object, refusal: str, words: Words) -> str:
    del refusal
    at = datetime.fromisoformat(str(value))
    if at.tzinfo is None:
        at = at.replace(tzinfo=words.zone)
    return words.day(at) if len(str(value)) == _DAY else words.moment(at)


def _state(value: object, refusal: str, words: Words) -> str:
    """Return states in words; one that has no word is not told."""
    known = STATES.get(GROUPS.get(refusal, ""), {})
    codes = [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]
    return ", ".join(words.gettext(known[code].word) for code in codes if code in known)


def _recipients(value: object, refusal: str, words: Words) -> str:
    del refusal
    codes = [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]
    return ", ".join(words.gettext(RECIPIENTS[code]) for code in codes if code in RECIPIENTS)


def _named(table: Mapping[str, InBoth]) -> Form:
    """Return how codes are told that have their words in a table; others are not told."""

    def form(value: object, refusal: str, words: Words) -> str:
        del refusal
        codes = [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]
        return ", ".join(table[code].of(words.language) for code in codes if code in table)

    return form


TOLD: Final[dict[str, tuple[str, Form]]] = {
    "agent_ref": (N_("name in the softphone"), _text),
    "allowed": (N_("possible now"), _state),
    "because": (N_("reason"), _because),
    "bits": (N_("bits per sample"), _number),
    "channels": (N_("channels of the recording"), _number),
    "clause_ref": (N_("clause"), _text),
    "client": (N_("client"), _text),
    "coding": (N_("coding"), _coding),
    "contact": (N_("contact"), _text),
    "contract": (N_("contract"), _text),
    "deepest": (N_("levels at most"), _number),
    "duration_ms": (N_("the recording ends at"), _place),
    "effective_from": (N_("in force from"), _moment),
    "entered": (N_("entered"), _text),
    "event": (N_("event"), _text),
    "expected": (N_("the next version is"), _text),
    "from_ms": (N_("from the place"), _place),
    "height": (N_("height in pixels"), _number),
    "host": (N_("host"), _text),
    "how": (N_("how it ended"), _state),
    "in_force": (N_("version in force"), _text),
    "items": (N_("in the list"), _number),
    "latest": (N_("at the latest"), _moment),
    "least_s": (N_("seconds needed"), _number),
    "length_s": (N_("seconds in the file"), _number),
    "longest_s": (N_("seconds at most"), _number),
    "matters": (N_("legal holds"), _text),
    "max_bytes": (N_("at most"), _size),
    "max_pixels": (N_("pixels at most"), _number),
    "missing": (N_("missing"), _named(wording.TOLD)),
    "most_items": (N_("in a list at most"), _number),
    "name": (N_("name"), _text),
    "needed": (N_("fields needed"), _text),
    "office": (N_("office"), _text),
    "owner": (N_("taken by"), _text),
    "purposes": (N_("purposes"), _named(wording.PURPOSES)),
    "reasons": (N_("reasons"), _reasons),
    "recipients": (N_("recipients"), _recipients),
    "retry_after_seconds": (N_("seconds to wait"), _number),
    "roles": (N_("who may"), _named(wording.ROLES)),
    "sample_rate_hz": (N_("samples per second"), _number),
    "shortest": (N_("characters at least"), _number),
    "size": (N_("entries of the ledger"), _number),
    "speech_s": (N_("seconds of speech in it"), _number),
    "state": (N_("its state"), _state),
    "status": (N_("its state"), _state),
    "to_ms": (N_("until the place"), _place),
    "to_open": (N_("left to open"), _number),
    "until": (N_("until"), _moment),
    "version": (N_("version"), _text),
    "wave_tag": (N_("number of its coding"), _hexadecimal),
    "width": (N_("width in pixels"), _number),
    "zone": (N_("time zone"), _text),
}
"""What people are told of a refusal, by the name of the fact."""

UNTOLD: Final = frozenset(
    {
        # Ids and digests: the page shows the thing itself, or leads to it.
        *("by", "document", "document_id", "document_sha256", "erasure_id", "event_id"),
        *("exemplary_id", "kept_sha256", "person_id", "recording", "recording_id", "request_id"),
        *("screenshot_id", "sent_sha256", "text_id"),
        # What only senders and operators meet: no page takes such a file, form or setting.
        *("container", "extensions", "fault", "field", "keys", "label", "labels", "leg"),
        *("newest_size", "offset", "optional", "path", "pause", "port", "source_call_id", "where"),
        # Lists that the pages which meet them show in a way of their own.
        *("errors", "faults", "held", "jurisdiction", "mark", "outcome", "permission"),
        *("remedies", "unfit", "unknown"),
    }
)
"""What stays in the problem for programs."""


def details(refusal: Refusal, words: Words) -> str:
    """Return what people are told beside the title: a sentence, then facts, each with its name."""
    return " ".join(filter(None, (_sentence(refusal, words), _facts(refusal, words))))


def _sentence(refusal: Refusal, words: Words) -> str:
    return words.gettext(refusal.detail) if refusal.detail in SENTENCES else ""


def _facts(refusal: Refusal, words: Words) -> str:
    found = []
    for fact, value in refusal.facts.items():
        if fact not in TOLD or value is None:
            continue
        label, form = TOLD[fact]
        said = form(value, type(refusal).__name__, words)
        if said:
            found.append(f"{words.gettext(label)}: {said}")
    return "; ".join(found)


def said(refusal: Refusal, words: Words) -> str:
    """Return why something was refused, with what it depends on."""
    title, facts = words.gettext(refusal.title()), _facts(refusal, words)
    whole = f"{title} ({facts})" if facts else title
    sentence = _sentence(refusal, words)
    return f"{whole}. {sentence}" if sentence else whole
