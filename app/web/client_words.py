"""What the pages of clients and events say of codes: kinds, directions, clauses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.disputes.timeline import Happened
from app.recordings.suggesting import Reason
from app.web.words import N_, Words

_HAPPENED: Final = {
    Happened.CALL: N_("call"),
    Happened.VISIT: N_("visit"),
    Happened.UPDATE: N_("update"),
    Happened.COMPLAINT: N_("complaint"),
    Happened.ACT: N_("act"),
    Happened.TICKET: N_("ticket"),
    Happened.RECORDING: N_("recorded call"),
    Happened.SCREENSHOT: N_("screenshot"),
    Happened.DOCUMENT: N_("document"),
    Happened.RELEASE: N_("handing over"),
    Happened.DISPUTE: N_("dispute"),
    Happened.STATEMENT: N_("said in a dispute"),
}

MARKS: Final = {
    Happened.CALL: "☏",
    Happened.VISIT: "⌂",
    Happened.UPDATE: "↻",
    Happened.COMPLAINT: "!",
    Happened.ACT: "✎",
    Happened.TICKET: "▤",
    Happened.RECORDING: "▶",
    Happened.SCREENSHOT: "▣",
    Happened.DOCUMENT: "§",
    Happened.RELEASE: "→",
    Happened.DISPUTE: "⚖",
    Happened.STATEMENT: "❝",
}

DIRECTIONS: Final = {
    "inbound": N_("from the client"),
    "outbound": N_("to the client"),
    "internal": N_("within the house"),
}

_SCOPES: Final = {
    "notice": N_("Says that calls are recorded."),
    "disclose_to_management": N_("Lets recordings be handed to the client's management."),
    "employee_notice_duty": N_("The client tells its own people of the recording."),
}

_PURPOSES: Final = {
    "internal_quality": N_("quality control"),
    "internal_training": N_("training of staff"),
    "dispute_client": N_("a dispute with the client"),
    "claim_defence": N_("defence against a claim"),
    "legal_demand": N_("an authority's demand"),
    "subject_access": N_("a copy of one's own data"),
    "consent_review": N_("review of consent"),
    "integrity_forensics": N_("a check of genuineness"),
    "transcription": N_("transcription"),
    "publish": N_("publication"),
    "ai_training": N_("training of AI"),
}

RECIPIENTS: Final = {
    "own_staff_manager": N_("our managers"),
    "own_compliance": N_("our compliance"),
    "own_counsel": N_("our lawyers"),
    "client_same_entity": N_("the client's management"),
    "client_other_entity": N_("another firm of the client"),
    "third_party": N_("third parties"),
    "processor": N_("processors"),
    "authority": N_("authorities and courts"),
    "data_subject": N_("the person who is heard"),
    "public": N_("the public"),
}


GAPS: Final = {
    "call": N_("a call without a recording"),
    "recording": N_("a recording without a call"),
    "count": N_("a counter that disagrees"),
}

ORIGINS: Final = {
    "sent": N_("told by another system"),
    "awaited": N_("named by a recording, not told of yet"),
    "made": N_("made here for a call"),
    "triage": N_("made here for a call of an unknown number"),
}

LINKED: Final = {
    "sender": N_("the sender named the event"),
    "number": N_("by the number, to the nearest event"),
    "created": N_("by the number; the event was made here"),
    "triage": N_("the number is unknown"),
    "adopted": N_("the event came later and took it"),
    "manual": N_("by hand"),
}

WHY: Final = {
    Reason.CLIENT: N_("the same client"),
    Reason.NUMBER: N_("the number of this client"),
    Reason.EARLIER: N_("an earlier call of this number was tied to this client"),
    Reason.NAME: N_("the name of the caller"),
    Reason.AGENT: N_("the same employee"),
    Reason.TIME: N_("near in time"),
}


def purpose(words: Words, code: str) -> str:
    """Say what something is for."""
    return words.gettext(_PURPOSES[code])


def recipient(words: Words, code: str) -> str:
    """Say to whom something may go."""
    return words.gettext(RECIPIENTS[code])


def kind(code: str, words: Words) -> str:
    """Return the word of a kind of event."""
    return words.gettext(_HAPPENED[Happened(code)])


def happened(kind: Happened, words: Words) -> str:
    """Return the word of a kind of line."""
    return words.gettext(_HAPPENED[kind])


def permits(
    scope: Sequence[str], purposes: Sequence[str], recipients: Sequence[str], words: Words
) -> tuple[str, ...]:
    """Return in plain words what a clause says and permits."""
    told = [words.gettext(_SCOPES[one]) for one in scope]
    if purposes:
        told.append(
            words.gettext("For: %(what)s.")
            % {"what": ", ".join(words.gettext(_PURPOSES[one]) for one in purposes)}
        )
    if recipients:
        told.append(
            words.gettext("To: %(whom)s.")
            % {"whom": ", ".join(words.gettext(RECIPIENTS[one]) for one in recipients)}
        )
    return tuple(told)
