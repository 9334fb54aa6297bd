"""What exchanges post of one finished recording, as facts of a recording. Pure.

Two shapes are known, told apart by their members: FreeSWITCH's (`uuid`, `start_epoch`, …) and
Asterisk's, of an ARI `RecordingFinished` (`recording_name`, `channel_id`, …). Anything else is the
archive's own metadata.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from app.feeds.file_names import direction_between

_SIP = re.compile(r"^sips?:", re.IGNORECASE)


class PostedInvalid(ValueError):
    """What was posted cannot be read; the message says why."""


def facts(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told as the metadata of a recording; what is not told is not there.

    Raises:
        PostedInvalid: a member has another kind of value than the shape asks for.
    """
    if "uuid" in told and ("start_epoch" in told or "recording_file" in told):
        return _freeswitch(told)
    if "recording_name" in told and ("channel_id" in told or "timestamp" in told):
        return _asterisk(told)
    return dict(told)


def file_of(told: Mapping[str, Any]) -> str | None:
    """Return the file that the message is about, as the exchange names it."""
    name = told.get("recording_file")
    if name is None and "recording_name" in told:
        ending = told.get("format") or "wav"
        name = f"{told['recording_name']}.{ending}"
    return str(name) if name else None


def _freeswitch(told: Mapping[str, Any]) -> dict[str, Any]:
    caller, called = _number(told, "caller_id_number"), _number(told, "destination_number")
    found: dict[str, Any] = {
        "source_call_id": _word(told, "uuid"),
        "from": caller,
        "to": called,
        # `direction` is the channel's: what an own telephone dials comes in to the exchange.
        "direction": direction_between(caller, called) or _word(told, "direction"),
        "capture": "pbx",
    }
    started = _whole(told, "start_epoch")
    if started is not None:
        found["started_at"] = _at(started).isoformat()
        seconds = _seconds(told, "duration")
        if seconds is not None:
            found["ended_at"] = (_at(started) + timedelta(seconds=seconds)).isoformat()
    recorded = _seconds(told, "record_seconds")
    if recorded is not None:
        found["duration_ms"] = round(recorded * 1000)
    return {name: value for name, value in found.items() if value is not None}


def _asterisk(told: Mapping[str, Any]) -> dict[str, Any]:
    caller, called = _number(told, "caller_id_num"), _number(told, "connected_line_num")
    found: dict[str, Any] = {
        "source_call_id": _word(told, "channel_id"),
        "from": caller,
        "to": called,
        "direction": direction_between(caller, called),
        "capture": "pbx",
    }
    ended = _moment(told, "timestamp")
    seconds = _seconds(told, "duration")
    if seconds is not None:
        found["duration_ms"] = round(seconds * 1000)
    if ended is not None:
        # The event is of the end; without a length the beginning is not known.
        found["ended_at"] = ended.isoformat()
        if seconds is not None:
            found["started_at"] = (ended - timedelta(seconds=seconds)).isoformat()
    return {name: value for name, value in found.items() if value is not None}


def _word(told: Mapping[str, Any], name: str) -> str | None:
    value = told.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise PostedInvalid(f"{name} is no word")
    return str(value).strip() or None


def _number(told: Mapping[str, Any], name: str) -> str | None:
    word = _word(told, name)
    return _SIP.sub("", word).partition("@")[0] or None if word else None


def _whole(told: Mapping[str, Any], name: str) -> int | None:
    word = _word(told, name)
    if word is None:
        return None
    if not word.isascii() or not word.isdigit() or len(word) > _LONGEST:
        raise PostedInvalid(f"{name} is no whole number")
    return int(word)


def _seconds(told: Mapping[str, Any], name: str) -> float | None:
    value = told.get(name)
    if value is None or value == "":
        return None
    try:
        seconds = float(str(value))
    except ValueError as exc:
        raise PostedInvalid(f"{name} is no number of seconds") from exc
    if not 0 <= seconds <= _MOST_SECONDS:
        raise PostedInvalid(f"{name} is no number of seconds")
    return seconds


_LONGEST = 11
_MOST_SECONDS = 7 * 86_400
_LAST_EPOCH = 7_258_118_400
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)


def _at(epoch: int) -> datetime:
    if epoch > _LAST_EPOCH:
        raise PostedInvalid("start_epoch is no moment in seconds")
    return datetime.fromtimestamp(epoch, UTC)


def _moment(told: Mapping[str, Any], name: str) -> datetime | None:
    word = _word(told, name)
    if word is None:
        return None
    try:
        # Asterisk writes the offset without a colon, which Python reads since 3.11.
        at = datetime.fromisoformat(word)
        known = at.astimezone(UTC) if at.tzinfo is not None else None
    except (ValueError, OverflowError) as exc:
        raise PostedInvalid(f"{name} is no moment") from exc
    if known is None:
        raise PostedInvalid(f"{name} names no offset from UTC")
    if known < _FIRST:
        raise PostedInvalid(f"{name} is no moment of a recording")
    return known
