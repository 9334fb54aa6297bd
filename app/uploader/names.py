"""What a file's name tells of its call: patterns of known programs, and patterns of one's own.

The import of old archives reads names by these patterns too, so that both doors answer alike.
"""

from __future__ import annotations

import hashlib
import re
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Final

LONGEST_NAME: Final = 255
LONGEST_PATTERN: Final = 500
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2200
_LONGEST_ID: Final = 200
_MOST_SECONDS: Final = 0.5
_CUT_EPOCH: Final = 8  # MikoPBX writes no more of it into the id of a call that it was asked for.
_LONGEST_EXTENSION: Final = 6  # Digits that are a number within a house.
_LONGEST_ENDING: Final = 5
_PARTS: Final = frozenset({"year", "yy", "month", "day", "hour", "minute", "second"})
GROUPS: Final = _PARTS | frozenset(
    {"at", "date", "time", "epoch", "number", "from", "to", "local", "way", "direction", "id"}
    | {"name"}
)
# What an exchange writes to `out` it sends to the channel; what comes `in` the channel says.
WAYS: Final = {
    "enc": "sent",
    "sent": "sent",
    "tx": "sent",
    "out": "sent",
    "dec": "received",
    "received": "received",
    "rx": "received",
    "in": "received",
}
DIRECTIONS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("incoming", "inbound", "in", "↙", "↓", "входящий", "вх"), "inbound"),
    **dict.fromkeys(("outgoing", "outbound", "out", "↗", "↑", "исходящий", "исх"), "outbound"),
    "internal": "internal",
}


class PatternWrong(Exception):
    """A pattern cannot be used, or takes too long; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """How a program names its files.

    `moment` is the form of `at`, or of date and time together; a moment in parts needs none.
    `is_ours` says that it fits names without their ending, and is known to come to an end.
    """

    name: str
    regex: re.Pattern[str]
    moment: str
    capture: str | None = "softphone"
    directions: Mapping[str, str] = field(default_factory=lambda: DIRECTIONS)
    is_ours: bool = False

    @classmethod
    def read(cls, name: str, regex: str, moment: str, capture: str = "softphone") -> Pattern:
        """Return a pattern of one's own.

        Raises:
            PatternWrong: it is too long, no expression, or has groups that mean nothing.
        """
        if len(regex) > LONGEST_PATTERN:
            raise PatternWrong(f"a pattern has at most {LONGEST_PATTERN} characters")
        try:
            compiled = re.compile(regex)
        except re.error as exc:
            raise PatternWrong(f"no regular expression: {exc}") from exc
        named = set(compiled.groupindex)
        if unknown := named - GROUPS:
            raise PatternWrong(
                f"unknown group {', '.join(sorted(unknown))}; known are {', '.join(sorted(GROUPS))}"
            )
        if not tells_moment(named):
            raise PatternWrong("a pattern names the moment: (?P<at>…), or date and time, or epoch")
        return cls(name=name, regex=compiled, moment=moment, capture=capture)


def tells_moment(groups: AbstractSet[str]) -> bool:
    """Say whether a moment can be made of what these groups tell."""
    is_in_parts = {"month", "day", "hour"} <= groups and bool({"year", "yy"} & groups)
    return is_in_parts or bool({"at", "epoch"} & groups) or {"date", "time"} <= groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What a name has told. `stem` is the same for both directions, `siblings` the other's name."""

    pattern: str
    stem: str
    siblings: tuple[str, ...]
    started_at: datetime
    call_id: str | None
    leg: str
    direction: str | None
    number: str | None
    local: str | None
    from_party: str | None
    to_party: str | None
    capture: str | None

    @property
    def derived_id(self) -> str:
        """Return a name of the call that the same file name always gives."""
        moment = self.started_at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        ends = (self.number, self.local, self.from_party, self.to_party)
        parts = (self.pattern, moment, self.call_id, *ends)
        found = "-".join(re.sub(r"[\s\x00-\x1f\x7f]+", "_", part) for part in parts if part)
        if len(found) <= _LONGEST_ID:
            return found
        return f"{found[:_LONGEST_ID]}-{hashlib.sha256(found.encode()).hexdigest()[:16]}"

    def ends(self, direction: str | None) -> tuple[str | None, str | None]:
        """Return who called whom, once the direction is known."""
        if self.from_party or self.to_party:
            return self.from_party, self.to_party
        if direction == "outbound":
            return self.local, self.number
        return self.number, self.local


_DAY = r"\d{4}-\d\d-\d\d"
_NUMBER = r"(?P<number>[+\d*#][\d*#() -]{0,30})"
_WAY = r"(?P<direction>incoming|outgoing|inbound|outbound|in|out)"
_STAMP = "%Y%m%d%H%M%S"


def _preset(
    name: str, regex: str, moment: str, capture: str = "softphone", **means: str
) -> Pattern:
    return Pattern(
        name=name,
        regex=re.compile(regex, re.IGNORECASE),
        moment=moment,
        capture=capture,
        directions={**DIRECTIONS, **means},
        is_ours=True,
    )


PRESETS: Final[Mapping[str, Pattern]] = {
    pattern.name: pattern
    for pattern in (
        _preset(
            "microsip",
            r"(?P<date>\d{8})-(?P<time>\d{6})-(?P<number>.+?)-(?P<direction>incoming|outgoing)"
            r"-(?P<local>.+)",
            _STAMP,
        ),
        _preset(
            "baresip", rf"dump-(?P<at>{_DAY}-\d\d-\d\d-\d\d)-(?P<way>enc|dec)", "%Y-%m-%d-%H-%M-%S"
        ),
        # Both ends, but not which of them has called: that is not in the name.
        _preset(
            "baresip3",
            rf"dump-(?P<local>.+?)=>(?P<number>.+)-(?P<at>{_DAY}-\d\d-\d\d-\d\d)"
            r"-(?P<way>enc|dec)",
            "%Y-%m-%d-%H-%M-%S",
        ),
        _preset(
            "linphone",
            rf"(?P<at>{_DAY}_\d\d-\d\d-\d\d)_(?P<from>.+)_(?P<to>[^_]+)",
            "%Y-%m-%d_%H-%M-%S",
        ),
        _preset(
            "freepbx",
            r"(?P<direction>in|out|external|internal|exten|q|rg|force|ondemand)"
            r"-(?P<to>[^-]+)-(?P<from>[^-]+)-(?P<date>\d{8})-(?P<time>\d{6})-(?P<id>\d+\.\d+)",
            _STAMP,
            "pbx",
            external="inbound",
        ),
        # The moment is that at which the channel began, and of a transfer the whole call.
        _preset(
            "mikopbx",
            r"(?:pickup_)?(?P<id>(?:transfer_(?P<from>[^_]+)_(?P<to>[^_]+)_)?"
            r"mikopbx-(?P<epoch>\d{10}(?=\.)|\d{8}(?=_))(?:\.\d+)?"
            r"(?:_(?!(?:in|out)\Z)[a-z0-9+*#]+){0,2})(?:_(?P<way>in|out))?",
            "",
            "pbx",
        ),
        _preset(
            "asterisk",
            r"(?P<id>(?:[\w.]+-)?(?P<epoch>\d{10})\.\d+)(?:-(?P<way>in|out))?",
            "",
            "pbx",
        ),
        _preset(
            "3cx",
            r"\[[^\]]*\]_(?P<from>[^-_]+)-(?P<to>[^_]+)_(?P<at>\d{14})\((?P<id>\d+)\)",
            _STAMP,
            "pbx",
        ),
        _preset(
            "cube-acr",
            rf"(?P<at>{_DAY} \d\d-\d\d-\d\d) \(phone\) (?:.* )?\((?P<number>[+\d() -]+)\)"
            r"(?: (?P<direction>[↗↙]))?",
            "%Y-%m-%d %H-%M-%S",
            "mobile",
        ),
        _preset("xiaomi", rf"[^()]*\({_NUMBER}\)_(?P<at>\d{{14}})", _STAMP, "mobile"),
        _preset("huawei", rf"(?:[^@]*@)?{_NUMBER}_(?P<at>\d{{14}})", _STAMP, "mobile"),
        _preset(
            "truephone",
            r"(?:(?:.* )?\()?(?P<number>\+?[\d*#]{2,31})(?: [^()]*\)| @)?"
            rf" (?P<date>{_DAY})_(?P<time>\d{{6}})_{_WAY}",
            "%Y-%m-%d%H%M%S",
            "mobile",
        ),
        _preset(
            "bcr",
            rf"(?P<at>\d{{8}}_\d{{6}})(?:\.\d+)?[+-]\d{{4}}_{_WAY}(?:_sim\d)?"
            r"_(?P<number>[^_]+)(?:_.*)?",
            "%Y%m%d_%H%M%S",
            "mobile",
        ),
        _preset(
            "callrecord",
            rf"CallRecord_(?P<date>\d{{8}})-(?P<time>\d{{6}})_{_NUMBER}",
            _STAMP,
            "mobile",
        ),
        _preset(
            "lineageos",
            rf"{_NUMBER}_(?P<date>\d{{6}})_(?P<time>\d{{6}})\d{{3}}",
            "%y%m%d%H%M%S",
            "mobile",
        ),
        _preset(
            "samsung",
            rf"(?:(?:.* )?{_NUMBER}|(?P<name>.+))_(?P<date>\d{{6}})_(?P<time>\d{{6}})",
            "%y%m%d%H%M%S",
            "mobile",
        ),
        _preset(
            "way-number",
            rf"{_WAY}_{_NUMBER}_(?P<date>\d{{8}})[-_](?P<time>\d{{6}})",
            _STAMP,
            "mobile",
        ),
        _preset(
            "number-way",
            rf"{_NUMBER}_{_WAY}_(?P<date>\d{{8}})[-_](?P<time>\d{{6}})",
            _STAMP,
            "mobile",
        ),
    )
}


def understand(
    name: str, patterns: Sequence[Pattern], *, zone: tzinfo | None = None, own: Sequence[str] = ()
) -> Understood | None:
    """Return what the first pattern that fits tells of `name`; times without zone are in `zone`.

    Raises:
        PatternWrong: a pattern of one's own takes too long over this name.
    """
    if len(name) > LONGEST_NAME:
        return None
    stem, ending = without_ending(name)
    for pattern in patterns:
        with _in_time(pattern):
            found = pattern.regex.fullmatch(stem if pattern.is_ours else name)
        if found is None:
            continue
        told = {group: value.strip() for group, value in found.groupdict().items() if value}
        began = _moment(pattern, told, zone)
        if began is not None:
            rest = ending if pattern.is_ours else ""
            return _understood(pattern, found, told, began, rest, frozenset(own))
    return None


def without_ending(name: str) -> tuple[str, str]:
    """Return a name without the ending that says what kind of file it is, and that ending."""
    stem, dot, ending = name.rpartition(".")
    if dot and 0 < len(ending) <= _LONGEST_ENDING and ending.isalnum() and not ending.isdigit():
        return stem, dot + ending
    return name, ""


def _understood(
    pattern: Pattern,
    found: re.Match[str],
    told: Mapping[str, str],
    began: datetime,
    ending: str,
    own: frozenset[str],
) -> Understood:
    direction = pattern.directions.get(told.get("direction", "").casefold())
    from_party, to_party = told.get("from"), told.get("to")
    way = told.get("way")
    start, end = found.span("way") if way else (0, 0)
    before, after = found.string[:start], found.string[end:] + ending
    leg = WAYS.get(way.casefold(), "mixed") if way else "mixed"
    others = (word for word, meant in WAYS.items() if meant not in {leg, "mixed"})
    return Understood(
        pattern=pattern.name,
        stem=before + after,
        siblings=tuple(before + word + after for word in others) if leg != "mixed" else (),
        started_at=began,
        call_id=told.get("id"),
        leg=leg,
        direction=direction or _by_ends(from_party, to_party, own),
        number=told.get("number"),
        local=told.get("local"),
        from_party=from_party,
        to_party=to_party,
        capture=pattern.capture,
    )


def _by_ends(from_party: str | None, to_party: str | None, own: frozenset[str]) -> str | None:
    """Tell the direction by which end is ours: named so, or with a number of a house."""
    if from_party is None or to_party is None:
        return None

    def is_ours(end: str) -> bool:
        return end in own or (not own and end.isdigit() and len(end) <= _LONGEST_EXTENSION)

    match is_ours(from_party), is_ours(to_party):
        case True, True:
            return "internal"
        case True, False:
            return "outbound"
        case False, True:
            return "inbound"
    return None


def _moment(pattern: Pattern, told: Mapping[str, str], zone: tzinfo | None) -> datetime | None:
    """Return the moment that a name tells; None where no recording can be of it."""
    try:
        found = _written(pattern, told, zone)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found is not None and _FIRST_YEAR <= found.year <= _LAST_YEAR else None


def _written(pattern: Pattern, told: Mapping[str, str], zone: tzinfo | None) -> datetime | None:
    if epoch := told.get("epoch"):
        cut = 100 if len(epoch) == _CUT_EPOCH else 1
        return datetime.fromtimestamp(int(epoch) * cut, UTC)
    if "month" in told:
        return _of_parts(told, zone)
    text = told.get("at") or told.get("date", "") + told.get("time", "")
    found = datetime.strptime(text, pattern.moment)  # noqa: DTZ007 - its zone is the folder's.
    if found.tzinfo is not None:
        return found
    return _in_zone(found, zone)


def _of_parts(told: Mapping[str, str], zone: tzinfo | None) -> datetime:
    year = int(told["year"]) if "year" in told else 2000 + int(told["yy"])
    month, day, hour, minute, second = (
        int(told.get(part, "0")) for part in ("month", "day", "hour", "minute", "second")
    )
    local = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - the folder's zone.
    return _in_zone(local, zone)


def _in_zone(local: datetime, zone: tzinfo | None) -> datetime:
    return local.replace(tzinfo=zone) if zone is not None else local.astimezone()


@contextmanager
def _in_time(pattern: Pattern) -> Iterator[None]:
    """Break off an expression that runs away; presets do not, and not every system can."""
    is_able = hasattr(signal, "setitimer") and (
        threading.current_thread() is threading.main_thread()
    )
    if pattern.is_ours or not is_able:
        yield
        return

    def late(_number: int, _frame: object) -> None:
        raise PatternWrong(f"the pattern {pattern.name} takes too long; make it simpler")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, _MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
