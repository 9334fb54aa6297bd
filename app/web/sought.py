"""What the address of a list of recordings asks for, read for the search."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Final
from urllib.parse import parse_qsl, urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from app.clients.numbers import normalise
from app.recordings.finding import EventState, Sought
from app.recordings.models import Direction, Flag
from app.web.words import Words

_MOST_TEXT: Final = 200
_DIGITS_OF_NUMBER: Final = 5
_MINUTE_MS: Final = 60_000
_MOST_MINUTES: Final = 24 * 60
_FIELDS: Final = (
    "q",
    "client",
    "agent",
    "direction",
    "flag",
    "line",
    "state",
    "from",
    "to",
    "shortest",
    "longest",
)


def of_query(query: str) -> dict[str, str]:
    """Return what an address asks for that was kept."""
    return asked(dict(parse_qsl(query, max_num_fields=50)))


def query_of(asked_for: Mapping[str, str]) -> str:
    """Return the address of a list, without what narrows nothing."""
    return urlencode({name: value for name, value in asked_for.items() if value})


def asked(sent: Mapping[str, str]) -> dict[str, str]:
    """Return what the form sent, short and without what cannot be kept."""
    return {name: sent.get(name, "").replace("\x00", "").strip()[:_MOST_TEXT] for name in _FIELDS}


def read(asked: Mapping[str, str], words: Words) -> Sought:
    """Return what is sought; what cannot be read narrows nothing."""
    text = asked["q"]
    is_number = sum(c.isdigit() for c in text) >= _DIGITS_OF_NUMBER and not any(
        c.isalpha() for c in text
    )
    return Sought(
        client_id=_id(asked["client"]),
        agent=asked["agent"] or None,
        direction=asked["direction"] if asked["direction"] in set(Direction) else None,
        flag=asked["flag"] if asked["flag"] in set(Flag) else None,
        line=asked["line"] or None,
        event_state=EventState(asked["state"]) if asked["state"] in set(EventState) else None,
        since=_day(asked["from"], words.zone),
        until=_day(asked["to"], words.zone, after=1),
        shortest_ms=_minutes(asked["shortest"]),
        longest_ms=_minutes(asked["longest"]),
        words=None if is_number else text or None,
        number=(normalise(text, region=words.region) or text) if is_number else None,
    )


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _day(text: str, zone: ZoneInfo, *, after: int = 0) -> datetime | None:
    """Return the beginning of a day of the office, or of one `after` it."""
    try:
        day = date.fromisoformat(text) + timedelta(days=after)
    except (ValueError, OverflowError):
        return None
    if not 1970 <= day.year <= 2200:  # noqa: PLR2004 - as `core.moments` keeps them.
        return None
    return datetime.combine(day, time(), tzinfo=zone)


def _minutes(text: str) -> int | None:
    try:
        minutes = float(text.replace(",", "."))
    except ValueError:
        return None
    return int(minutes * _MINUTE_MS) if 0 < minutes <= _MOST_MINUTES else None
