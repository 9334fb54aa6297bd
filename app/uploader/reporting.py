"""Telling the archive which calls took place, so that one without a recording is missed.

Of a private call it is told that it was private, and no recording is looked for. Asked for by
`tell_calls` in the settings.
"""

from __future__ import annotations

from typing import Final

from app.uploader import facts
from app.uploader.config import Config
from app.uploader.spool import Call, Spool

_MOST_AT_ONCE: Final = 50


def due(config: Config, spool: Spool, at: float) -> list[Call]:
    """Return calls that are over, and were not told or were told otherwise."""
    if not config.archive.tells_calls:
        return []
    found = spool.calls(
        "ended_at <= ? AND first_at > 0 AND direction IS NOT NULL"
        " AND (told_private IS NULL OR told_private <> is_private)",
        at - config.grace_seconds,
    )
    return found[:_MOST_AT_ONCE]


def told(call: Call, config: Config, clock_seconds: float) -> dict[str, object]:
    """Return what is told of a call. Pure."""
    ended = call.ended_at if call.ended_at is not None else call.first_at
    first = min(call.first_at, ended)
    talked = max(0.0, ended - call.answered_at) if call.answered_at is not None else 0.0
    ends = (call.local, call.peer) if call.direction == "outbound" else (call.peer, call.local)
    control = next((c for c in config.controls if c.source == call.source), None)
    folder = config.folder_of(control.folder) if control is not None else config.folders[0]
    found: dict[str, object] = {
        "call_id": call.id,
        "started_at": facts.moment(first, clock_seconds),
        "duration_ms": int((ended - first) * 1000),
        "talk_ms": int(min(talked, ended - first) * 1000),
        "direction": call.direction,
        "disposition": "answered" if call.answered_at is not None else "no_answer",
    }
    found |= {name: end for name, end in zip(("from", "to"), ends, strict=True) if end}
    if folder is not None:
        named = (("agent", folder.agent), ("line", folder.line))
        found |= {name: value for name, value in named if value}
    if call.is_private:
        found["not_recorded"] = "private"
    return found
