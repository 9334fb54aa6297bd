"""What names of recordings tell: softphones, exchanges and telephones write facts into them. Pure.

A moment in a name has no zone: it is of the place where the file was made. A preset is one or more
patterns; a pattern is text with fields in braces, as `{year}{month}{day}-{hour}{minute}_{number}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from app.uploader import names as uploader

_FIELDS: Final = {
    "year": r"(?:19|20)\d\d",
    "yy": r"\d\d",
    "month": r"0[1-9]|1[0-2]",
    "day": r"0[1-9]|[12]\d|3[01]",
    "hour": r"[01]\d|2[0-3]",
    "minute": r"[0-5]\d",
    "second": r"[0-5]\d",
    "epoch": r"\d{9,10}",
    "number": r"\+?[\d*#][\d*#() -]{1,30}",
    "from": r"[^/\\]{1,64}?",
    "to": r"[^/\\]{1,64}?",
    "own": r"[^/\\]{1,64}?",
    "id": r"[A-Za-z0-9._@+-]{1,128}?",
    "direction": r"incoming|outgoing|inbound|outbound|internal|in|out",
    "leg": r"enc|dec|sent|received|in|out",
    "any": r".{0,128}?",
}
_FIELD = re.compile(r"\{([a-z]+)\}")
_DIRECTIONS: Final = {
    "incoming": "inbound",
    "inbound": "inbound",
    "in": "inbound",
    "outgoing": "outbound",
    "outbound": "outbound",
    "out": "outbound",
    "internal": "internal",
}
# What an exchange writes to `out` it sends to the channel; what comes `in` the channel says.
_LEGS: Final = {
    "enc": "sent",
    "sent": "sent",
    "out": "sent",
    "dec": "received",
    "received": "received",
    "in": "received",
}
_STAMP = "{year}{month}{day}-{hour}{minute}{second}"
_STAMP_RUN = "{year}{month}{day}{hour}{minute}{second}"
_OUTSIDE_DIGITS = 7
_MOST_NAME = 1024


class PatternInvalid(ValueError):
    """The pattern cannot be used; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A compiled pattern; `direction` and `capture` stand for what all names of it have."""

    expression: re.Pattern[str]
    direction: str | None = None
    capture: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a name tells. `number` is the other end's, `own` that of the house."""

    preset: str
    started_at: datetime | None
    direction: str | None = None
    number: str | None = None
    own: str | None = None
    call_id: str | None = None
    leg: str | None = None
    capture: str | None = None


def pattern(written: str, *, direction: str | None = None, capture: str | None = None) -> Pattern:
    """Compile a pattern.

    Raises:
        PatternInvalid: a field is not known, stands twice, or no moment can be made of them.
    """
    parts: list[str] = []
    seen: set[str] = set()
    for place, part in enumerate(_FIELD.split(written)):
        if place % 2 == 0:
            parts.append(re.escape(part))
            continue
        if part not in _FIELDS:
            raise PatternInvalid(f"{{{part}}} is no field; there are {', '.join(_FIELDS)}.")
        if part in seen and part != "any":
            raise PatternInvalid(f"{{{part}}} stands twice.")
        parts.append(f"(?:{_FIELDS[part]})" if part == "any" else f"(?P<{part}>{_FIELDS[part]})")
        seen.add(part)
    if "epoch" not in seen and not ({"month", "day"} <= seen and seen & {"year", "yy"}):
        raise PatternInvalid("A moment is {epoch}, or at least {year}, {month} and {day}.")
    if "hour" not in seen and "epoch" not in seen:
        raise PatternInvalid("A moment has an {hour} and a {minute}.")
    return Pattern(
        expression=re.compile("".join(parts), re.IGNORECASE), direction=direction, capture=capture
    )


_PRESETS: Final[Mapping[str, Sequence[tuple[str, str | None, str | None]]]] = {
    "microsip": [(_STAMP + "-{number}-{direction}-{own}", None, "softphone")],
    "baresip": [
        ("dump-{own}=>{to}-{year}-{month}-{day}-{hour}-{minute}-{second}-{leg}", None, "softphone"),
        ("dump-{year}-{month}-{day}-{hour}-{minute}-{second}-{leg}", None, "softphone"),
    ],
    "linphone": [("{year}-{month}-{day}_{hour}-{minute}-{second}_{from}_{to}", None, "softphone")],
    "freepbx": [
        ("out-{to}-{own}-" + _STAMP + "-{epoch}.{id}", "outbound", "pbx"),
        ("force-{to}-{own}-" + _STAMP + "-{epoch}.{id}", None, "pbx"),
        ("internal-{to}-{own}-" + _STAMP + "-{epoch}.{id}", "internal", "pbx"),
        ("external-{own}-{from}-" + _STAMP + "-{epoch}.{id}", "inbound", "pbx"),
        ("exten-{own}-{from}-" + _STAMP + "-{epoch}.{id}", None, "pbx"),
        ("in-{own}-{from}-" + _STAMP + "-{epoch}.{id}", "inbound", "pbx"),
        ("q-{own}-{from}-" + _STAMP + "-{epoch}.{id}", "inbound", "pbx"),
        ("rg-{own}-{from}-" + _STAMP + "-{epoch}.{id}", "inbound", "pbx"),
    ],
    "asterisk": [("{epoch}.{id}-{leg}", None, "pbx"), ("{epoch}.{id}", None, "pbx")],
    "3cx": [("[{any}]_{from}-{to}_" + _STAMP_RUN + "({id})", None, "pbx")],
    "phone": [
        # Xiaomi: name(number)_stamp; Huawei: name@00number_stamp; Samsung: … number_yymmdd_hhmmss.
        ("{any}({number})_" + _STAMP_RUN, None, "mobile"),
        ("{any}@{number}_" + _STAMP_RUN, None, "mobile"),
        ("{number}_" + _STAMP_RUN, None, "mobile"),
        ("{any} {number}_{yy}{month}{day}_{hour}{minute}{second}", None, "mobile"),
        ("{any}_{yy}{month}{day}_{hour}{minute}{second}", None, "mobile"),
        ("{any}_" + _STAMP + "_{number}", None, "mobile"),
        ("{direction}_{number}_" + _STAMP, None, "mobile"),
        ("{number}_{direction}_" + _STAMP, None, "mobile"),
    ],
}
PRESETS: Final = tuple(_PRESETS)


@cache
def _compiled(preset: str) -> tuple[Pattern, ...]:
    return tuple(
        pattern(written, direction=direction, capture=capture)
        for written, direction, capture in _PRESETS[preset]
    )


def read(
    name: str, *, zone: ZoneInfo, preset: str | None = None, own: Pattern | None = None
) -> Named | None:
    """Return what the name of a file tells: by `own`, by `preset`, or by any preset that fits."""
    stem = name[:_MOST_NAME]
    head, dot, ending = stem.rpartition(".")
    if dot and 0 < len(ending) <= 5 and ending.isalnum() and not ending.isdigit():  # noqa: PLR2004 - as long as an ending is.
        stem = head
    if own is not None:
        return _read("own", (own,), stem, zone)
    for one in (preset,) if preset else PRESETS:
        found = _read(one, _compiled(one), stem, zone)
        if found is not None:
            return found
    return _of_telephone(name, zone) if preset in {None, "phone"} else None


def _of_telephone(name: str, zone: ZoneInfo) -> Named | None:
    """Read names of telephones that the uploader knows beside those above."""
    patterns = [uploader.PRESETS[known] for known in _OF_UPLOADER]
    found = uploader.understand(name, patterns, zone=zone)
    if found is None:
        return None
    return Named(
        preset="phone",
        started_at=found.started_at.astimezone(UTC),
        direction=found.direction,
        number=found.number,
        capture=found.capture,
    )


_OF_UPLOADER: Final = ("cube-acr", "bcr")


def _read(preset: str, patterns: Sequence[Pattern], stem: str, zone: ZoneInfo) -> Named | None:
    for one in patterns:
        match = one.expression.fullmatch(stem)
        if match is None:
            continue
        told = {key: value for key, value in match.groupdict().items() if value}
        try:
            at = _moment(told, zone)
        except (ValueError, OverflowError, OSError):
            continue
        return _named(preset, one, told, at)
    return None


def _moment(told: Mapping[str, str], zone: ZoneInfo) -> datetime:
    if "year" not in told and "yy" not in told:
        return datetime.fromtimestamp(int(told["epoch"]), UTC)
    year = int(told["year"]) if "year" in told else 2000 + int(told["yy"])
    local = datetime(
        year,
        int(told["month"]),
        int(told["day"]),
        int(told["hour"]),
        int(told.get("minute", "0")),
        int(told.get("second", "0")),
        tzinfo=zone,
    )
    return local.astimezone(UTC)


def _named(preset: str, one: Pattern, told: Mapping[str, str], at: datetime) -> Named:
    direction = one.direction or _DIRECTIONS.get(told.get("direction", "").lower())
    caller, called = _person(told.get("from")), _person(told.get("to"))
    own, number = _person(told.get("own")), _person(told.get("number"))
    if caller or called:
        # A name that tells both ends tells the direction, where one of them is of the house.
        direction = direction or direction_between(caller or own, called or own)
    if direction == "inbound":
        number, own = number or caller, own or called
    elif direction is not None:
        number, own = number or called, own or caller
    return Named(
        preset=preset,
        started_at=at,
        direction=direction,
        number=number,
        own=own,
        call_id=_id(told),
        leg=_LEGS.get(told.get("leg", "").lower()),
        capture=one.capture,
    )


def _id(told: Mapping[str, str]) -> str | None:
    """Return the exchange's own id of the call, which is a moment and a counter at Asterisk."""
    found = told.get("id")
    if found is not None and "epoch" in told:
        return f"{told['epoch']}.{found}"
    return found


def direction_between(caller: str | None, called: str | None) -> str | None:
    """Tell the direction of a call by the two numbers: one of the house is short, or a word."""
    if caller is None or called is None:
        return None
    outside = [_is_outside(caller), _is_outside(called)]
    return {
        (True, False): "inbound",
        (False, True): "outbound",
        (False, False): "internal",
        (True, True): None,
    }[(outside[0], outside[1])]


def _is_outside(number: str) -> bool:
    return sum(letter.isdigit() for letter in number) >= _OUTSIDE_DIGITS


def _person(written: str | None) -> str | None:
    """Return a number or a word as calls have it: `sip:101@host` is 101."""
    if written is None:
        return None
    plain = unquote(written).strip().removeprefix("sip:").partition("@")[0].strip()
    return plain or None
