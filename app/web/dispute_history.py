"""The history of a dispute in plain words: who changed what, from what to what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from app.disputes import queries, wording
from app.disputes.models import DisputeHistory
from app.disputes.rules import RequestState, State, StepKind, StepState
from app.web.words import N_, Words

_PAGE: Final = 100
_FIELDS: Final = {
    "subject": N_("what it is about"),
    "state": N_("state"),
    "owner_id": N_("who settles it"),
    "due_at": N_("promised by"),
    "period_from": N_("from"),
    "period_to": N_("until"),
    "position": N_("place in the list"),
    "result": N_("result"),
    "reason": N_("reason"),
    "asked": N_("what is asked for"),
    "words": N_("our words"),
    "token_expires_at": N_("link open until"),
    "title": N_("title"),
    "cleared_at": N_("cleared"),
}
"""What of a row is told, in this order; the rest says nothing to people."""

_NEW: Final = {
    "disputes": N_("The dispute was opened"),
    "dispute_steps": N_("A step was added"),
    "dispute_requests": N_("The client was asked for something"),
    "dispute_conducts": N_("Somebody's conduct was put in question"),
}
_CHANGED: Final = {
    "disputes": N_("The dispute was changed"),
    "dispute_steps": N_("A step was changed"),
    "dispute_requests": N_("A request was changed"),
    "dispute_conducts": N_("Somebody was cleared"),
}
_STATES: Final[dict[str, type[StrEnum]]] = {
    "disputes": State,
    "dispute_steps": StepState,
    "dispute_requests": RequestState,
}
_QUIET_OF_NEW: Final = frozenset({"position", "state"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What of something was changed."""

    name: str
    was: str
    became: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A change: when, of what, by whom."""

    at: datetime
    what: str
    about: str
    who: str
    parts: tuple[Part, ...]


def told(
    session: Session, dispute_id: UUID, words: Words, *, after: int
) -> tuple[tuple[Changed, ...], int | None]:
    """Return what was changed after a place in the history, and the place to go on from."""
    rows = queries.history(session, dispute_id, after=after, limit=_PAGE)
    named = [row.changed_by for row in rows]
    for row in rows:
        named += [_id(side.get("owner_id")) for side in (row.before or {}, row.after)]
        named.append(_id(row.after.get("user_id")))
    people = queries.names(session, named)
    changes = tuple(_change(row, words, people) for row in rows)
    return changes, rows[-1].id if len(rows) == _PAGE else None


def _id(value: Any) -> UUID | None:  # noqa: ANN401 - a value of JSON.
    return UUID(value) if value else None


def _change(row: DisputeHistory, words: Words, people: Mapping[UUID, str]) -> Changed:
    before, is_new = row.before or {}, row.before is None
    parts = []
    for name, message in _FIELDS.items():
        was, became = before.get(name), row.after.get(name)
        if was == became or (is_new and name in _QUIET_OF_NEW):
            continue
        parts.append(
            Part(
                name=words.gettext(message),
                was="" if is_new else _shown(row.what, name, was, words, people),
                became=_shown(row.what, name, became, words, people),
            )
        )
    what = (_NEW if is_new else _CHANGED).get(row.what)
    return Changed(
        at=row.written_at,
        what=words.gettext(what) if what else row.what,
        about=_about(row, words, people),
        who=people.get(row.changed_by, "—") if row.changed_by else "—",
        parts=tuple(parts),
    )


def _about(row: DisputeHistory, words: Words, people: Mapping[UUID, str]) -> str:
    if row.what == "dispute_steps":
        title = row.after.get("title")
        return str(title) if title else wording.say(StepKind(row.after["kind"]), words.language)
    if row.what == "dispute_conducts":
        user_id = _id(row.after.get("user_id"))
        return (people.get(user_id, "") if user_id else "") or str(row.after.get("agent") or "")
    if row.what == "dispute_requests":
        return str(row.after["asked"])
    return ""


def _shown(
    what: str,
    name: str,
    value: Any,  # noqa: ANN401 - a value of JSON.
    words: Words,
    people: Mapping[UUID, str],
) -> str:
    if value is None:
        return "—"
    if name == "state":
        return wording.say(_STATES[what](value), words.language)
    if name == "owner_id":
        return people.get(UUID(value), "—")
    if name == "position":
        return words.number(int(value) + 1)
    if name.endswith("_at") or name.startswith("period_"):
        return words.moment(datetime.fromisoformat(value))
    return str(value)
