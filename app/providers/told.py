"""What a provider's message is, and what it tells of calls and recordings. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, TypeAlias
from urllib.parse import parse_qsl
from uuid import UUID

from app.core.errors import Forbidden, Malformed

Pairs = Sequence[tuple[str, str]]
Secrets = Mapping[str, str]
Value: TypeAlias = str | int | bool
STALE_AFTER = timedelta(minutes=5)
"""How old a message with a moment of its own may be, and how far ahead a clock may run."""

_LONGEST = 255
_LONGEST_NUMBER = 18
_FIRST_YEAR, _LAST_YEAR = 1970, 2200


class SignatureWrong(Forbidden):
    """The message is not signed by the provider, or not for this address."""


class NoticeStale(Forbidden):
    """The message was signed too long ago; it may be another's copy of an old one."""


class NoticeUnreadable(Malformed):
    """The message is signed and does not say what such a message says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """A message as it came. `url` is the one the provider called, by the account's own base.

    `path` is what follows the account's address; names of `headers` are in small letters.
    """

    method: str
    url: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    received_at: datetime
    notice_id: UUID

    @property
    def is_json(self) -> bool:
        return self.headers.get("content-type", "").split(";")[0].strip().endswith("json")

    def form(self) -> Pairs:
        """Return the fields of a form, in their order.

        Raises:
            NoticeUnreadable: it is none.
        """
        try:
            text = self.body.decode()
            return parse_qsl(text, keep_blank_values=True, max_num_fields=500, errors="strict")
        except ValueError as exc:
            raise NoticeUnreadable("The body is no form.") from exc

    def fields(self) -> Mapping[str, str]:
        """Return the fields of a form, of a repeated one the last."""
        return dict(self.form())

    def json(self) -> Any:  # noqa: ANN401 - whatever the provider wrote; readers look at each value.
        """Return what a body of JSON holds.

        Raises:
            NoticeUnreadable: it is none.
        """
        return parsed(self.body)


def parsed(text: str | bytes) -> Any:  # noqa: ANN401 - as above.
    """Return what JSON holds.

    Raises:
        NoticeUnreadable: it is none.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise NoticeUnreadable("The body is no JSON.") from exc


class MediaState(StrEnum):
    """How far a recording of a provider has come."""

    WAITING = "waiting"  # To be fetched.
    ASKED = "asked"  # Its link was used; what came of it is not known yet.
    KEPT = "kept"
    ABSENT = "absent"  # The provider has none, and says why.
    REFUSED = "refused"  # It came, or would have, and is not taken.
    LOST = "lost"  # It was there and could not be had.


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """What one message tells of a call; None is what it does not tell.

    `seq` is the provider's own order: of a fact told twice the later one counts. `talk_ms` is from
    the answer to the end.
    """

    call: str
    seq: int | None = None
    started_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    duration_ms: int | None = None
    talk_ms: int | None = None
    direction: str | None = None
    from_party: str | None = None
    to_party: str | None = None
    line: str | None = None
    agent: str | None = None
    disposition: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaTold:
    """What one message tells of a recording: that it is ready, or that there is none and why.

    `ask` is how it is fetched, in the words of the provider's kind. `reason` is one of those that
    a sender may give for a call without a recording.
    """

    media: str
    call: str
    state: MediaState
    seq: int | None = None
    reason: str | None = None
    words: str | None = None
    started_at: datetime | None = None
    duration_ms: int | None = None
    name: str | None = None
    media_type: str | None = None
    is_once: bool = False
    ask: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Everything one message tells."""

    calls: Sequence[CallFacts] = ()
    media: Sequence[MediaTold] = ()


_MOMENTS = frozenset({"started_at", "answered_at", "ended_at"})
FACTS = tuple(one.name for one in fields(CallFacts) if one.name not in {"call", "seq"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How a recording is asked for: one request.

    With `link_in` the answer is JSON, and that member of it is where the recording is. `notice` is
    the message that holds the recording itself; nobody is asked then.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    link_in: str | None = None
    notice: str | None = None


def merged(before: Mapping[str, Any], told: CallFacts) -> dict[str, Any]:
    """Return what is known of a call after `told`: each fact as its latest message had it.

    Of two messages of the same order the first counts, and one without an order replaces nothing
    that one with an order has said.
    """
    known = {name: dict(one) for name, one in before.items()}
    for name in FACTS:
        value = getattr(told, name)
        if value is None:
            continue
        last = known.get(name, {}).get("seq")
        if last is not None and (told.seq is None or told.seq <= last):
            continue
        written = value.isoformat() if name in _MOMENTS else value
        known[name] = {"value": written, "seq": told.seq}
    return known


def facts_of(call: str, known: Mapping[str, Any]) -> CallFacts:
    """Return what is known of a call."""
    values = {name: one["value"] for name, one in known.items() if name in FACTS}
    for name in _MOMENTS & set(values):
        values[name] = datetime.fromisoformat(values[name])
    return CallFacts(call=call, **values)


def needed(values: Mapping[str, str], name: str) -> str:
    """Return a field that has to be there.

    Raises:
        NoticeUnreadable: it is not.
    """
    found = short(values.get(name))
    if found is None:
        raise NoticeUnreadable(f"{name} is missing.", field=name)
    return found


def short(value: object) -> str | None:
    """Return a word of one line as it can be kept; None for an empty one and for no word at all."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = "".join(letter for letter in str(value) if letter.isprintable()).strip()
    return text[:_LONGEST] or None


def seconds_ms(value: object) -> int | None:
    """Return milliseconds of whole or broken seconds; None where nothing usable is said."""
    try:
        found = round(float(str(value)) * 1000)
    except (ValueError, OverflowError):
        return None
    return found if 0 <= found < 2**31 else None


def whole(value: object) -> int | None:
    """Return a whole number that is not negative, or None."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER else None


def utc(told: datetime) -> datetime | None:
    """Return a moment in UTC; None where it has no zone, or a year that nobody calls in."""
    if told.utcoffset() is None:
        return None
    try:
        at = told.astimezone(UTC)
    except OverflowError:
        return None
    return at if _FIRST_YEAR <= at.year <= _LAST_YEAR else None


def unix(value: object) -> datetime | None:
    """Return the moment of so many seconds since 1970, or None."""
    try:
        return utc(datetime.fromtimestamp(float(str(value)), UTC))
    except (ValueError, OverflowError, OSError):
        return None


def mail_date(value: str | None) -> datetime | None:
    """Return the moment of a date as letters have it (RFC 2822), or None.

    A date without a zone is none: it would be another moment for everybody.
    """
    try:
        return utc(parsedate_to_datetime(value or ""))
    except ValueError:
        return None


def fresh(at: datetime | None, *, now: datetime) -> None:
    """Refuse a message whose own moment is not about now.

    Raises:
        NoticeStale: it is older or later than `STALE_AFTER`, or has no moment.
    """
    if at is None or abs(now - at) > STALE_AFTER:
        raise NoticeStale
