"""How the uploader stands, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from app.uploader import clock
from app.uploader.config import Config
from app.uploader.spool import Item, Spool, State, is_locked

_MOST_LISTED = 20


def standing(config: Config, spool: Spool) -> dict[str, object]:
    """Return what is known of the uploader's state."""
    running = spool.running(clock.now().timestamp())
    told = spool.noted("clock")
    shown = (State.WAITING, State.HELD, State.READY, State.SENDING, State.REFUSED, State.PRIVATE)
    listed = [_row(item) for item in spool.in_state(*shown)]
    return {
        "is_running": is_locked(config.spool),
        "archive": config.archive.url,
        "folders": [str(folder.path) for folder in config.folders],
        "counts": spool.counts(),
        "call": None
        if running is None
        else {"id": running.id, "peer": running.peer, "is_private": running.is_private},
        "clock_offset_seconds": told.get("offset") if isinstance(told, dict) else None,
        "last_sent": spool.noted("last_sent"),
        "last_error": spool.noted("last_error"),
        "items": listed,
        "warned": [_row(item) for item in _warned(spool)],
    }


def in_words(told: dict[str, object]) -> str:
    """Return the same for a person."""
    counts = told["counts"]
    assert isinstance(counts, dict)  # noqa: S101 - as made above.
    lines = [
        f"{'runs' if told['is_running'] else 'DOES NOT RUN'}; sends to {told['archive']}",
        ", ".join(f"{n} {state}" for state, n in counts.items() if n) or "nothing was taken in yet",
    ]
    if isinstance(call := told["call"], dict):
        mark = ", private" if call["is_private"] else ""
        lines.append(f"a call is on with {call['peer'] or 'somebody'}{mark}")
    if told["clock_offset_seconds"]:
        lines.append(f"this machine's clock is {told['clock_offset_seconds']:+.0f} s from right")
    for name, word in (("last_sent", "last sent"), ("last_error", "last error")):
        if isinstance(at := told[name], dict):
            lines.append(f"{word}: {at['at']} {at['what']}")
    items = told["items"]
    assert isinstance(items, list)  # noqa: S101 - as above.
    lines.extend(_line(item) for item in items[:_MOST_LISTED])
    if len(items) > _MOST_LISTED:
        lines.append(f"and {len(items) - _MOST_LISTED} more; all with --json")
    return "\n".join(lines)


def _warned(spool: Spool) -> Iterable[Item]:
    return spool.items("state = 'sent' AND notes <> '[]'")[-_MOST_LISTED:]


def _row(item: Item) -> dict[str, object]:
    return {
        "id": item.id,
        "state": str(item.state),
        "file": item.path,
        "call": item.key,
        "leg": item.leg,
        "size_bytes": item.size_bytes,
        "taken_at": datetime.fromtimestamp(item.taken_at, UTC).isoformat(timespec="seconds"),
        "reason": item.reason,
        "notes": list(item.notes),
        "tries": item.tries,
        "last_error": item.last_error,
    }


def _line(row: dict[str, object]) -> str:
    why = row["reason"] or row["last_error"]
    return f"{row['id']:>5} {row['state']:<8} {Path(str(row['file'])).name}" + (
        f": {why}" if why else ""
    )
