"""The states that people see, each a word, a mark and a tone; a colour alone tells nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from app.web.words import N_, Words

Tone = Literal["good", "half", "open", "bad", "still"]


@dataclass(frozen=True, slots=True)
class State:
    """A state: its word (a message), its mark, and its tone, which picks the colour."""

    word: str
    mark: str
    tone: Tone


STATES: Final[dict[str, dict[str, State]]] = {
    "flag": {
        "unknown": State(N_("not known to be told"), "?", "open"),
        "pending": State(N_("evidence waits for review"), "◌", "half"),
        "notified": State(N_("was told"), "◐", "half"),
        "consented": State(N_("agreed"), "✓", "good"),
        "basis": State(N_("another ground"), "§", "good"),
        "refusal_proposed": State(N_("refusal reported"), "!", "bad"),
        "refused": State(N_("refused"), "✕", "bad"),
        "withdrawal_proposed": State(N_("withdrawal reported"), "!", "bad"),
        "withdrawn": State(N_("withdrawn"), "✕", "bad"),
        "expired": State(N_("expired"), "⌛", "bad"),
        "invalidated": State(N_("taken back as wrong"), "✕", "bad"),
    },
    "outcome": {
        "ALLOW": State(N_("allowed"), "✓", "good"),
        "NEEDS_APPROVAL": State(N_("needs approval"), "◐", "half"),
        "REVIEW": State(N_("needs review"), "?", "open"),
        "DENY": State(N_("denied"), "✕", "bad"),
    },
    "release": {
        "requested": State(N_("waits for approval"), "◐", "half"),
        "approved": State(N_("approved"), "✓", "good"),
        "granted": State(N_("link is open"), "✓", "good"),
        "denied": State(N_("refused by the approver"), "✕", "bad"),
        "revoked": State(N_("taken back"), "✕", "bad"),
        "expired": State(N_("ended"), "⌛", "still"),
        "ended": State(N_("ended"), "⌛", "still"),
    },
    "dispute": {
        "open": State(N_("open"), "●", "open"),
        "calling_back": State(N_("calling back"), "☎", "open"),
        "checking": State(N_("checking"), "◌", "open"),
        "waiting_for_client": State(N_("waiting for the client"), "…", "half"),
        "with_specialist": State(N_("with a specialist"), "◐", "half"),
        "decided": State(N_("decided"), "§", "good"),
        "handed_over": State(N_("handed over"), "→", "good"),
        "answered": State(N_("answered"), "✓", "good"),
        "closed": State(N_("closed"), "✓", "still"),
        "reopened": State(N_("reopened"), "↻", "open"),
    },
    "step": {
        "todo": State(N_("to do"), "○", "open"),
        "done": State(N_("done"), "✓", "good"),
        "skipped": State(N_("skipped"), "–", "still"),
    },
    "document_request": {
        "asked": State(N_("asked"), "…", "half"),
        "received": State(N_("received, to be checked"), "!", "open"),
        "valid": State(N_("valid"), "✓", "good"),
        "asked_again": State(N_("asked again"), "↻", "half"),
        "given_up": State(N_("given up"), "–", "still"),
    },
    "webhook": {
        "on": State(N_("is told"), "✓", "good"),
        "off": State(N_("said that it is gone"), "✕", "bad"),
        "removed": State(N_("removed"), "–", "still"),
    },
    "delivery": {
        "waiting": State(N_("delivery waits"), "…", "half"),
        "delivered": State(N_("delivered"), "✓", "good"),
        "dead": State(N_("tried to the end in vain"), "✕", "bad"),
        "dropped": State(N_("dropped with its endpoint"), "–", "still"),
    },
    "provider": {
        "on": State(N_("is listened to"), "✓", "good"),
        "silent": State(N_("nothing came yet"), "…", "half"),
        "removed": State(N_("switched off"), "–", "still"),
    },
    "notice_of_provider": {
        "waiting": State(N_("is to be read"), "…", "half"),
        "taken": State(N_("read"), "✓", "good"),
        "unreadable": State(N_("could not be read"), "✕", "bad"),
    },
    "media_of_provider": {
        "waiting": State(N_("to be fetched"), "…", "half"),
        "asked": State(N_("is being fetched"), "◐", "half"),
        "kept": State(N_("is in the archive"), "✓", "good"),
        "absent": State(N_("the service made none"), "–", "still"),
        "refused": State(N_("came and was not taken"), "✕", "bad"),
        "lost": State(N_("could not be had"), "✕", "bad"),
    },
    "level": {
        "ok": State(N_("in order"), "✓", "good"),
        "warn": State(N_("look at it"), "!", "half"),
        "fail": State(N_("broken"), "✕", "bad"),
    },
    "entry": {
        "success": State(N_("done"), "✓", "good"),
        "denied": State(N_("refused"), "✕", "bad"),
        "failed": State(N_("did not succeed"), "✕", "bad"),
    },
    "proof": {
        "waiting": State(N_("has no number yet"), "◌", "half"),
        "numbered": State(N_("numbered, not covered yet"), "◐", "half"),
        "proved": State(N_("proved"), "✓", "good"),
        "broken": State(N_("does not match"), "✕", "bad"),
    },
    "pack": {
        "proposed": State(N_("proposed"), "◌", "half"),
        "approved": State(N_("one person has agreed"), "◐", "half"),
        "active": State(N_("in force"), "✓", "good"),
        "superseded": State(N_("replaced by a later one"), "⌛", "still"),
        "withdrawn": State(N_("withdrawn by who proposed it"), "✕", "still"),
        "rejected": State(N_("rejected"), "✕", "bad"),
    },
    "mark": {
        "norm": State(N_("written in the law"), "§", "good"),
        "firm": State(N_("firm"), "✓", "good"),
        "practice": State(N_("practice"), "◐", "half"),
        "uncertain": State(N_("uncertain, for your lawyer"), "?", "bad"),
        "choice": State(N_("a choice of the product"), "•", "still"),
    },
    "demo": {
        "none": State(N_("not loaded"), "○", "still"),
        "real": State(N_("not loaded"), "○", "still"),
        "coming": State(N_("is being loaded"), "◌", "half"),
        "here": State(N_("demo data"), "◆", "open"),
        "going": State(N_("is being unloaded"), "◌", "half"),
    },
    "setup": {
        "todo": State(N_("to do"), "○", "open"),
        "waits": State(N_("under way"), "◌", "half"),
        "arriving": State(N_("being looked into"), "◌", "half"),
        "done": State(N_("done"), "✓", "good"),
        "skipped": State(N_("skipped"), "–", "still"),
    },
    "notice": {
        "draft": State(N_("draft, waits for approval"), "◌", "half"),
        "in_force": State(N_("in force"), "✓", "good"),
        "to_come": State(N_("approved, not in force yet"), "◐", "half"),
        "over": State(N_("ended"), "⌛", "still"),
        "withdrawn": State(N_("withdrawn by its writer"), "–", "still"),
        "rejected": State(N_("rejected"), "✕", "bad"),
    },
    "run": {
        "running": State(N_("runs"), "◌", "half"),
        "done": State(N_("done"), "✓", "good"),
        "cancelled": State(N_("stopped"), "–", "still"),
    },
    "bundle": {
        "pending": State(N_("being made"), "◌", "half"),
        "ready": State(N_("ready"), "✓", "good"),
        "failed": State(N_("could not be made"), "✕", "bad"),
        "destroyed": State(N_("destroyed"), "–", "still"),
    },
    "evidence": {
        "proposed": State(N_("waits for a second person"), "◌", "half"),
        "verified": State(N_("verified"), "✓", "good"),
        "invalidated": State(N_("taken back as wrong"), "✕", "bad"),
    },
    "inspection": {
        "pending": State(N_("not looked into yet"), "◌", "half"),
        "done": State(N_("looked into"), "✓", "good"),
        "failed": State(N_("could not be read"), "✕", "bad"),
    },
}
"""By group and code. A code that stands nowhere is shown as it is, with a question mark."""


def state_of(group: str, code: str) -> State:
    """Return the state of a code."""
    return STATES[group].get(code) or State(code, "?", "open")


def word(words: Words, group: str, code: str) -> str:
    """Return the word of a state, where no mark can stand beside it."""
    return words.gettext(state_of(group, code).word)
