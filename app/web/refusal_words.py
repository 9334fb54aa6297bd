"""A refusal in the reader's words: its title, and the facts that it carries, each with its name.

What a refusal says beside its title is written for programs, in English. People are told its facts
instead: each fact that a refusal may carry stands in one of the two tables here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from app.consent.reasons import Words as InBoth
from app.core.errors import Refusal
from app.review import wording
from app.web.client_words import RECIPIENTS
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
    "allowed": (N_("possible now"), _state),
    "channels": (N_("channels of the recording"), _number),
    "clause_ref": (N_("clause"), _text),
    "client": (N_("client"), _text),
    "contact": (N_("contact"), _text),
    "contract": (N_("contract"), _text),
    "duration_ms": (N_("the recording ends at"), _place),
    "effective_from": (N_("in force from"), _moment),
    "event": (N_("event"), _text),
    "expected": (N_("the next version is"), _text),
    "from_ms": (N_("from the place"), _place),
    "height": (N_("height in pixels"), _number),
    "how": (N_("how it ended"), _state),
    "in_force": (N_("version in force"), _text),
    "latest": (N_("at the latest"), _moment),
    "least_s": (N_("seconds needed"), _number),
    "length_s": (N_("seconds in the file"), _number),
    "longest_s": (N_("seconds at most"), _number),
    "max_bytes": (N_("at most"), _size),
    "max_pixels": (N_("pixels at most"), _number),
    "missing": (N_("missing"), _named(wording.TOLD)),
    "name": (N_("name"), _text),
    "needed": (N_("fields needed"), _text),
    "office": (N_("office"), _text),
    "owner": (N_("taken by"), _text),
    "purposes": (N_("purposes"), _named(wording.PURPOSES)),
    "recipients": (N_("recipients"), _recipients),
    "retry_after_seconds": (N_("seconds to wait"), _number),
    "roles": (N_("who may"), _named(wording.ROLES)),
    "shortest": (N_("characters at least"), _number),
    "speech_s": (N_("seconds of speech in it"), _number),
    "state": (N_("its state"), _state),
    "status": (N_("its state"), _state),
    "to_ms": (N_("until the place"), _place),
    "until": (N_("until"), _moment),
    "version": (N_("version"), _text),
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
        *("bits", "container", "extensions", "field", "host", "keys", "label", "labels", "leg"),
        *("newest_size", "offset", "optional", "path", "pause", "port", "sample_rate_hz"),
        *("source_call_id", "wave_tag", "where"),
        # Lists that the pages which meet them show in a way of their own.
        *("because", "errors", "faults", "held", "jurisdiction", "mark", "outcome", "permission"),
        *("reasons", "remedies", "unfit", "unknown"),
    }
)
"""What stays in the problem for programs."""


def details(refusal: Refusal, words: Words) -> str:
    """Return the facts of a refusal that people are told, each with its name."""
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
    title, more = words.gettext(refusal.title()), details(refusal, words)
    return f"{title} ({more})" if more else title
