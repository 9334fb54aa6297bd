"""What is told of a recording: put together of its name, a phone's call, a sidecar and settings.

Pure. What contradicts less stands last: settings of the folder, the name, the call that a phone or
a hook told of, and a sidecar, which somebody wrote for this very file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from app.uploader.config import Folder
from app.uploader.names import Understood
from app.uploader.spool import Call

SIDECAR_MEMBERS: Final = frozenset(
    {
        "source_call_id",
        "leg",
        "started_at",
        "ended_at",
        "duration_ms",
        "line",
        "direction",
        "from",
        "to",
        "agent",
        "event",
        "capture",
        "notice",
        "parties",
    }
)
_BEFORE_SECONDS: Final = 2
_AFTER_SECONDS: Final = 3
_WRONG_CLOCK_SECONDS: Final = 60
_UNHEARD: Final = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What nobody has told; without it the archive takes nothing."""

    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is told of a recording, and what must be known about that."""

    metadata: Mapping[str, object]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """All that is known of one file."""

    folder: Folder
    name: Understood | None
    calls: Sequence[Call]
    sidecar: Mapping[str, object]
    leg: str | None
    sha256: str
    closed_at: float
    duration_ms: int | None
    earlier: tuple[str, int | None] | None  # Another call's number that the file begins with.
    clock_seconds: float  # To be added to this machine's moments.


def put_together(known: Known) -> Told | Missing:
    """Return the metadata of a recording, or what is missing."""
    call = known.calls[0] if known.calls else None
    name, folder = known.name, known.folder
    notes: list[str] = []
    direction = call.direction if call else None
    direction = direction or (name.direction if name else None)
    if direction is None and folder.direction is not None:
        direction = folder.direction
        notes.append(f"direction {direction}: by the settings of the folder")
    began = _began(known, notes)
    sidecar = known.sidecar
    if direction is None and "direction" not in sidecar:
        return Missing(
            what="who called: neither name, phone nor sidecar tells the direction; set "
            "direction in the [[folder]] if all of its calls have one"
        )
    if began is None and "started_at" not in sidecar:
        return Missing(what="when the call began: its name fits no pattern; see uploader try")
    told: dict[str, object] = {
        "source_call_id": _call_id(known),
        "leg": known.leg or (name.leg if name else "mixed"),
        "direction": direction,
        "capture": folder.capture or (name.capture if name else "softphone"),
    }
    shift = shift_of(known.clock_seconds)
    if shift:
        notes.append(f"this machine's clock was wrong: moments were moved by {shift:+.0f} s")
    if began is not None:
        told["started_at"] = _moment(began + shift)
        ended = call.ended_at if call else None
        if ended is not None and ended >= began:
            told["ended_at"] = _moment(ended + shift)
    ends = _ends(call, direction) if call else (None, None)
    if not any(ends) and name is not None:
        ends = name.ends(direction)
    told |= {key: end for key, end in zip(("from", "to"), ends, strict=True) if end}
    told |= {key: end for key, end in (("agent", folder.agent), ("line", folder.line)) if end}
    others = _others(known, notes)
    if others:
        told["parties"] = others
    return Told(metadata=told | dict(sidecar), notes=tuple(notes))


def _began(known: Known, notes: list[str]) -> float | None:
    call = known.calls[0] if known.calls else None
    if call is not None and call.answered_at is not None:
        return call.answered_at
    if known.name is not None:
        return known.name.started_at.timestamp()
    if call is not None and call.first_at != _UNHEARD:
        return call.first_at
    if known.duration_ms is not None:
        notes.append("the beginning was worked out from length and end of the file")
        return known.closed_at - known.duration_ms / 1000
    return None


def _call_id(known: Known) -> str:
    if known.calls:
        return known.calls[0].id
    return known.name.derived_id if known.name else f"file-{known.sha256[:32]}"


def _ends(call: Call, direction: str | None) -> tuple[str | None, str | None]:
    return (call.local, call.peer) if direction == "outbound" else (call.peer, call.local)


def _others(known: Known, notes: list[str]) -> list[dict[str, object]]:
    """Name who else is heard: what holds two calls needs the consent of both."""
    found: list[dict[str, object]] = []
    for other in known.calls[1:]:
        notes.append(f"one file with two calls: {other.id} was written into it too")
        found.append({"number": other.peer, "side": "client"} if other.peer else {"side": "client"})
    if known.earlier is not None:
        number, until_ms = known.earlier
        notes.append("one file with two calls: it begins with an earlier one")
        party: dict[str, object] = {"side": "client"}
        if number:
            party["number"] = number
        if until_ms:
            party["to_ms"] = until_ms
        found.append(party)
    return found


def shift_of(clock_seconds: float) -> float:
    """Return by how much moments are moved: where the clock was wrong by more than a minute."""
    return clock_seconds if abs(clock_seconds) > _WRONG_CLOCK_SECONDS else 0.0


def moment(seconds: float, clock_seconds: float) -> str:
    """Return a moment of this machine as the archive takes it."""
    return _moment(seconds + shift_of(clock_seconds))


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def calls_of(
    began: float, closed_at: float, beginnings: Iterable[float], calls: Sequence[Call]
) -> list[Call]:
    """Return the calls that a file which began then holds, its own first. Pure.

    Names tell seconds only, and two calls of one second have one name: each call belongs to the
    file that began nearest to it. A call of which the end alone was heard belongs to the file that
    was closed at that moment.
    """
    all_of_them = sorted({began, *beginnings})
    found: list[Call] = []
    for call in calls:
        mark = call.answered_at if call.answered_at is not None else call.first_at
        if call.first_at == _UNHEARD:
            continue
        # The second that a name tells is the one that was begun.
        nearest = min(all_of_them, key=lambda b: (abs(b - int(mark)), b))
        if nearest == began and call.first_at - _BEFORE_SECONDS <= began <= mark + _AFTER_SECONDS:
            found.append(call)
    if found:
        return found
    return [
        call
        for call in calls
        if call.first_at == _UNHEARD
        and call.ended_at is not None
        and abs(call.ended_at - closed_at) <= _AFTER_SECONDS
    ][:1]
