"""From what is known of a file to the metadata of a recording. Pure.

Three tell of a file: a sidecar beside it, the exchange's record of the call, its name; of a capture
of packets the capture itself. Who stands
earlier there is believed before the others, member by member.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.feeds.file_names import Named

SIDECAR, RECORD, CAPTURE, NAME, PERSON = "sidecar", "record", "capture", "name", "person"
_EXTENSION_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What whoever imports says of files that tell nothing of it themselves."""

    direction: str | None = None
    capture: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The metadata of a file, and who told it, in the order of belief."""

    told: dict[str, Any]
    by: tuple[str, ...]


def known(
    place: bytes,
    *,
    sidecar: Mapping[str, Any] | None,
    record: Mapping[str, Any] | None,
    captured: Mapping[str, Any] | None,
    named: Named | None,
    assumed: Assumed,
) -> Known:
    """Put together what is known of the file at `place`, its path in the folder.

    `captured` is what a capture of packets tells of its call.
    """
    sources = (
        (SIDECAR, dict(sidecar or {})),
        (RECORD, _of_record(record) if record else {}),
        (CAPTURE, dict(captured or {})),
        (NAME, _of_name(named, assumed.direction) if named else {}),
        (PERSON, {"direction": assumed.direction} if assumed.direction else {}),
    )
    told: dict[str, Any] = {}
    by = []
    for who, facts in sources:
        new = {name: value for name, value in facts.items() if name not in told}
        told |= new
        if new:
            by.append(who)
    if assumed.capture:
        told["capture"] = assumed.capture
    told.setdefault("capture", "import")
    if named is not None and named.call_id:
        # Several files may be of one call of the exchange; each name has its channel's id.
        told["source_call_id"] = dict(sidecar or {}).get("source_call_id") or named.call_id
    told.setdefault("source_call_id", _made_id(place, named))
    return Known(told=told, by=tuple(by))


def _of_record(record: Mapping[str, Any]) -> dict[str, Any]:
    members = ("started_at", "direction", "from", "to", "line", "agent")
    found = {name: record[name] for name in members if record.get(name)}
    return found | {"source_call_id": str(record["call_id"]).partition("#")[0], "capture": "pbx"}


def _of_name(named: Named, assumed: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if named.started_at is not None:
        found["started_at"] = named.started_at.isoformat()
    # Whoever says the direction says with it which end is whose.
    is_inbound = (named.direction or assumed) == "inbound"
    ends = (named.number, named.own) if is_inbound else (named.own, named.number)
    more = {
        "direction": named.direction,
        "leg": named.leg,
        "capture": named.capture,
        "from": ends[0],
        "to": ends[1],
        "agent": named.own if named.own and _is_agent(named.own) else None,
    }
    return found | {name: value for name, value in more.items() if value}


def _is_agent(own: str) -> bool:
    """Tell whether the own end names a person's telephone and not a line of the house."""
    return sum(letter.isdigit() for letter in own) <= _EXTENSION_DIGITS


def _made_id(place: bytes, named: Named | None) -> str:
    """Make an id for a call whose files have none: of the folder and of what the name tells.

    Both directions of a call get the same one, for the name tells of them all else alike.
    """
    folder, _, name = place.rpartition(b"/")
    parts: list[object] = [folder.decode("utf-8", "backslashreplace")]
    if named is None or named.started_at is None:
        parts.append(name.decode("utf-8", "backslashreplace"))
    else:
        parts += [named.preset, named.started_at.isoformat(), named.direction]
        parts += [named.number, named.own]
    joined = "\x1f".join("" if part is None else str(part) for part in parts)
    return f"file-{hashlib.sha256(joined.encode()).hexdigest()[:32]}"
