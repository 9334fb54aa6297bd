"""What names of recordings tell: softphones, exchanges and telephones write facts into them. Pure.

The names of known programs stand in `app.uploader.names`, for the uploader is one file that needs
nothing of ours; here are the families that an import names, and patterns that a person writes as
text with fields in braces, `{year}{month}{day}-{hour}{minute}_{number}`. A moment in a name has no
zone: it is of the place where the file was made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from app.uploader import names
from app.uploader.names import Pattern, Understood

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
_OF_ANY_LENGTH: Final = ("from", "to", "own", "id", "any")
_MOST_OF_ANY: Final = 4
_FIELD = re.compile(r"\{([a-z]+)\}")
_GROUPS: Final = {"own": "local", "leg": "way"}
"""What the patterns of the uploader call a field that has another name here."""
_OUTSIDE_DIGITS = 7

_FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "microsip": ("microsip",),
    "baresip": ("baresip", "baresip3"),
    "linphone": ("linphone",),
    "freepbx": ("freepbx",),
    "asterisk": ("asterisk",),
    "mikopbx": ("mikopbx",),
    "3cx": ("3cx",),
    "phone": tuple(name for name, one in names.PRESETS.items() if one.capture == "mobile"),
}
_FAMILY_OF: Final = {name: family for family, some in _FAMILIES.items() for name in some}
PRESETS: Final = (*_FAMILIES, *(name for name in names.PRESETS if name not in _FAMILIES))
"""What an import may name: a family, or one preset of it."""


class PatternInvalid(ValueError):
    """The pattern cannot be used; the message says why."""


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


def pattern(written: str) -> Pattern:
    """Compile a pattern of one's own.

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
        name = _GROUPS.get(part, part)
        parts.append(f"(?:{_FIELDS[part]})" if part == "any" else f"(?P<{name}>{_FIELDS[part]})")
        seen.add(part)
    if "epoch" not in seen and not ({"month", "day"} <= seen and seen & {"year", "yy"}):
        raise PatternInvalid("A moment is {epoch}, or at least {year}, {month} and {day}.")
    if "hour" not in seen and "epoch" not in seen:
        raise PatternInvalid("A moment has an {hour} and a {minute}.")
    # Where few fields may have any length, a name that does not fit is soon known not to.
    if len([part for part in _FIELD.findall(written) if part in _OF_ANY_LENGTH]) > _MOST_OF_ANY:
        raise PatternInvalid(f"At most {_MOST_OF_ANY} of {', '.join(_OF_ANY_LENGTH)} may stand.")
    expression = re.compile("".join(parts), re.IGNORECASE)
    return Pattern(name="own", regex=expression, moment="", capture=None, is_ours=True)


def read(
    name: str, *, zone: ZoneInfo, preset: str | None = None, own: Pattern | None = None
) -> Named | None:
    """Return what the name of a file tells: by `own`, by `preset`, or by any preset that fits."""
    if own is not None:
        patterns = [own]
    elif preset is not None:
        patterns = [names.PRESETS[one] for one in _FAMILIES.get(preset, (preset,))]
    else:
        patterns = list(names.PRESETS.values())
    found = names.understand(name, patterns, zone=zone)
    if found is None:
        return None
    told = _named(found)
    if own is not None and told.call_id and "epoch" in own.regex.groupindex:
        # An exchange's own id of a call is a moment and a counter, as Asterisk has it.
        return replace(told, call_id=f"{found.started_at.timestamp():.0f}.{told.call_id}")
    return told


def _named(found: Understood) -> Named:
    caller, called = _person(found.from_party), _person(found.to_party)
    own, number = _person(found.local), _person(found.number)
    if found.direction == "inbound":
        number, own = number or caller, own or called
    elif found.direction is not None:
        number, own = number or called, own or caller
    return Named(
        preset=_FAMILY_OF.get(found.pattern, found.pattern),
        started_at=found.started_at.astimezone(UTC),
        direction=found.direction,
        number=number,
        own=own,
        call_id=found.call_id,
        leg=found.leg if found.leg != "mixed" else None,
        capture=found.capture,
    )


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
