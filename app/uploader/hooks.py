"""What a program that was run by a phone is told: variables, JSON on its input, or a number."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

_DIRECTIONS: Final = {
    "incoming": "inbound",
    "in": "inbound",
    "inbound": "inbound",
    "outgoing": "outbound",
    "out": "outbound",
    "outbound": "outbound",
    "internal": "internal",
}
_TWINKLE: Final = {
    "in_call": ("inbound", "begin"),
    "in_call_answered": ("inbound", "answer"),
    "in_call_failed": ("inbound", "end"),
    "out_call": ("outbound", "begin"),
    "out_call_answered": ("outbound", "answer"),
    "out_call_failed": ("outbound", "end"),
    "local_release": (None, "end"),
    "remote_release": (None, "end"),
}
STEPS: Final = ("begin", "answer", "end")


class HookEmpty(Exception):
    """Nothing that was told names a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a hook has told of a call."""

    source: str
    call_id: str
    step: str
    direction: str | None = None
    local: str | None = None
    peer: str | None = None
    peer_name: str | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    files: Mapping[str, str] = field(default_factory=dict)  # Path → leg.


def read(environment: Mapping[str, str], given: str, at: float) -> Heard:
    """Return what the variables or the JSON on the input tell. Pure.

    Raises:
        HookEmpty: neither names a call.
    """
    if trigger := environment.get("TWINKLE_TRIGGER"):
        return _twinkle(trigger, environment, at)
    told: dict[str, object] = {}
    if given.strip():
        try:
            found = json.loads(given)
        except ValueError as exc:
            raise HookEmpty(f"the input is no JSON: {exc}") from exc
        if isinstance(found, dict):
            told = found
    names = {
        "call_id": "CALL_ID",
        "direction": "CALL_DIRECTION",
        "local": "CALL_LOCAL",
        "peer": "CALL_PEER",
        "peer_display": "CALL_PEER_NAME",
        "started_at": "CALL_STARTED_AT",
        "ended_at": "CALL_ENDED_AT",
        "sent": "REC_SENT",
        "received": "REC_RECEIVED",
        "mixed": "REC_MIXED",
        "event": "CALL_EVENT",
    }
    # Variables come first: their paths are whole, those of the JSON may be told from elsewhere.
    for name, variable in names.items():
        if environment.get(variable):
            told[name] = environment[variable]
    call_id = told.get("call_id")
    if not isinstance(call_id, str) or not call_id:
        raise HookEmpty("neither CALL_ID nor TWINKLE_TRIGGER nor JSON with a call_id was given")
    ended_at = _moment(told.get("ended_at") or told.get("closed_at"))
    step = str(told.get("event") or ("end" if ended_at is not None or _files(told) else "begin"))
    return Heard(
        source="hook",
        call_id=call_id[:255],
        step=step if step in STEPS else "end",
        direction=_DIRECTIONS.get(str(told.get("direction", "")).casefold()),
        local=_text(told.get("local")),
        peer=_text(told.get("peer")),
        peer_name=_text(told.get("peer_display")),
        answered_at=_moment(told.get("started_at") or told.get("established_at")),
        ended_at=ended_at if ended_at is not None else (at if step == "end" else None),
        files=_files(told),
    )


def number_only(number: str, step: str, direction: str | None, at: float) -> Heard:
    """Return what is known where a phone hands over nothing but the number, as MicroSIP does."""
    return Heard(
        source="number",
        call_id=f"{int(at)}-{number}"[:255],
        step=step,
        direction=direction,
        peer=number[:255],
        answered_at=at if step == "answer" else None,
        ended_at=at if step == "end" else None,
    )


def _twinkle(trigger: str, environment: Mapping[str, str], at: float) -> Heard:
    direction, step = _TWINKLE.get(trigger, (None, "begin"))
    call_id = environment.get("SIP_CALL_ID")
    if not call_id:
        raise HookEmpty("TWINKLE_TRIGGER was given and no SIP_CALL_ID")
    caller = _text(environment.get("SIP_FROM_USER") or environment.get("SIP_FROM"))
    callee = _text(environment.get("SIP_TO_USER") or environment.get("SIP_TO"))
    is_out = direction == "outbound"
    peer = None if direction is None else (callee if is_out else caller)
    local = None if direction is None else (caller if is_out else callee)
    return Heard(
        source="twinkle",
        call_id=call_id[:255],
        step=step,
        direction=direction,
        local=local,
        peer=peer,
        answered_at=at if step == "answer" else None,
        ended_at=at if step == "end" else None,
    )


def _files(told: Mapping[str, object]) -> dict[str, str]:
    found: dict[str, str] = {}
    for leg in ("sent", "received", "mixed"):
        paths = told.get(leg)
        for path in [paths] if isinstance(paths, str) else paths if isinstance(paths, list) else []:
            if isinstance(path, str) and Path(path).is_absolute():
                found[path] = leg
    return found


def _moment(value: object) -> float | None:
    """Return a moment, told as seconds since 1970 or in RFC 3339."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(str(value))
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return None


def _text(value: object) -> str | None:
    return value[:255] if isinstance(value, str) and value else None
