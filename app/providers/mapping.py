"""Messages of services without a kind of their own: what they tell, by paths that a person wrote.

A path is a part of RFC 9535: `$`, members by `.name` or `['name']`, elements by `[0]`. A form is
an object of its fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from app.feeds.models import Disposition
from app.feeds.reasons import BY_SENDER
from app.providers.told import (
    FACTS,
    Asking,
    CallFacts,
    Came,
    MediaState,
    MediaTold,
    NoticeUnreadable,
    Secrets,
    Told,
    seconds_ms,
    short,
    unix,
    utc,
    whole,
)
from app.recordings.models import Direction

_STEP: Final = r"(?:\.[^\W\d][\w-]*|\['[^']{1,200}'\]|\[\d{1,4}\])"
_PATH: Final = re.compile(rf"\${_STEP}*")
_STEPS: Final = re.compile(r"\.([^\W\d][\w-]*)|\['([^']{1,200})'\]|\[(\d{1,4})\]")
_MILLISECONDS: Final = 1000.0


class As(StrEnum):
    """How a value is written."""

    TEXT = "text"
    RFC3339 = "rfc3339"
    UNIX = "unix"
    UNIX_MS = "unix_ms"
    LOCAL = "local"  # `2026-11-20 10:00:00` or with a T, in the zone of the mapping.
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"


_MOMENTS: Final = frozenset({As.RFC3339, As.UNIX, As.UNIX_MS, As.LOCAL})
_SPANS: Final = frozenset({As.SECONDS, As.MILLISECONDS})
_FORMS: Final[Mapping[str, frozenset[As]]] = {
    **dict.fromkeys(("started_at", "answered_at", "ended_at"), _MOMENTS),
    **dict.fromkeys(("duration_ms", "talk_ms"), _SPANS),
}
_ONE_OF: Final[Mapping[str, frozenset[str]]] = {
    "direction": frozenset(Direction),
    "disposition": frozenset(Disposition),
    "reason": frozenset(BY_SENDER),
}


def _checked_path(text: str) -> str:
    if not _PATH.fullmatch(text):
        raise ValueError("a path looks like $.data.call['id'] or $.items[0]")
    return text


Path = Annotated[str, StringConstraints(max_length=500), BeforeValidator(_checked_path)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Value(_Part):
    """Where a value stands and how it is written; or `constant`, where it always is the same.

    `values` replaces what is found; what it does not name is not told.
    """

    path: Path | None = None
    constant: str | None = None
    form: Annotated[As | None, Field(alias="as")] = None
    values: dict[str, str] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.path is None) == (self.constant is None):
            raise ValueError("name either path or constant")
        return self


def _short_form(told: object) -> object:
    return {"path": told} if isinstance(told, str) else told


Rule = Annotated[Value, BeforeValidator(_short_form)]


def _fits(name: str, rule: Value) -> None:
    forms = _FORMS.get(name, frozenset({As.TEXT}))
    if rule.form is not None and rule.form not in forms:
        raise ValueError(f"{name}: as is one of {', '.join(sorted(forms))}")
    wanted = _ONE_OF.get(name)
    said = [*(rule.values or {}).values(), *([rule.constant] if rule.constant is not None else [])]
    wrong = [one for one in said if wanted is not None and one not in wanted]
    if wrong and wanted is not None:
        raise ValueError(f"{name}: {wrong[0]} is none of {', '.join(sorted(wanted))}")


class Media(_Part):
    """A recording that the message tells of: with `url` it is fetched, with `reason` there is none.

    `once` says that links of this service work once.
    """

    id: Rule
    url: Rule | None = None
    once: bool = False
    name: Rule | None = None
    started_at: Rule | None = None
    duration_ms: Rule | None = None
    reason: Rule | None = None

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.url is None and self.reason is None:
            raise ValueError("name url, or reason where there is no recording")
        for name in ("id", "url", "name", "started_at", "duration_ms", "reason"):
            rule = getattr(self, name)
            if rule is not None:
                _fits(name, rule)
        return self


class Message(_Part):
    """One form of message: `when` it is one, the call's id, and what it tells."""

    when: dict[Path, str | list[str]] = {}
    call: Rule
    order: Rule | None = None
    facts: dict[str, Rule] = {}
    media: Media | None = None

    @field_validator("facts")
    @classmethod
    def _known(cls, facts: dict[str, Value]) -> dict[str, Value]:
        for name, rule in facts.items():
            if name not in FACTS:
                raise ValueError(f"{name} is none of {', '.join(FACTS)}")
            _fits(name, rule)
        return facts


class CallMapping(_Part):
    """What the messages of a service mean. The first message that fits counts."""

    zone: str = "UTC"
    messages: Annotated[list[Message], Field(min_length=1, max_length=50)]

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError(f"{name} is no time zone, as Europe/Moscow is one")
        return name


def check(mapping: Mapping[str, Any] | None) -> list[str]:
    """Return what is wrong with a mapping, each with its place in it."""
    if mapping is None:
        return ["the kind needs a mapping"]
    try:
        CallMapping.model_validate(mapping)
    except ValidationError as exc:
        return [
            f"{'/'.join(map(str, one['loc'])) or 'mapping'}: {one['msg']}"
            for one in exc.errors(include_url=False, include_input=False)
        ]
    return []


def read(came: Came, mapping: Mapping[str, Any]) -> Told:
    """Return what a message tells; one that no part of the mapping is about tells nothing.

    Raises:
        NoticeUnreadable: it lacks an id, or a value is not written as the mapping says.
    """
    known = CallMapping.model_validate(mapping)
    body: object = came.json() if came.is_json or not came.body else dict(came.fields())
    for message in known.messages:
        if all(_is(body, path, wanted) for path, wanted in message.when.items()):
            return _told(message, body, ZoneInfo(known.zone))
    return Told()


def found(body: object, path: str) -> object:
    """Return what stands at a path, or None."""
    for name, quoted, index in _STEPS.findall(path):
        if index:
            has = isinstance(body, list) and int(index) < len(body)
            body = body[int(index)] if has else None  # type: ignore[index]  # it is a list
        else:
            body = body.get(name or quoted) if isinstance(body, dict) else None
    return body


def _is(body: object, path: str, wanted: str | list[str]) -> bool:
    value = found(body, path)
    text = str(value).lower() if isinstance(value, bool) else short(value)
    return text in ([wanted] if isinstance(wanted, str) else wanted)


def _text(rule: Value | None, body: object) -> str | None:
    if rule is None:
        return None
    if rule.path is None:
        return rule.constant
    value = found(body, rule.path)
    text = str(value).lower() if isinstance(value, bool) else _written(value)
    if rule.values is not None and text is not None:
        return rule.values.get(text)
    return text


def _written(value: object) -> str | None:
    return str(value) if isinstance(value, float) else short(value)


def _told(message: Message, body: object, zone: ZoneInfo) -> Told:
    call = short(_text(message.call, body))
    if call is None:
        raise NoticeUnreadable("The message has no id of a call.", field="call")
    order = _text(message.order, body)
    values = {name: _fact(name, rule, body, zone) for name, rule in message.facts.items()}
    facts = CallFacts(call=call, seq=whole(order) if order is not None else None, **values)
    media = _media(message.media, call, body, zone) if message.media is not None else None
    return Told(calls=[facts], media=[media] if media is not None else [])


def _fact(name: str, rule: Value | None, body: object, zone: ZoneInfo) -> Any:  # noqa: ANN401 - of a fact's own type.
    text = _text(rule, body)
    if text is None or rule is None:
        return None
    if name in _FORMS:
        form = rule.form or (As.RFC3339 if _FORMS[name] is _MOMENTS else As.MILLISECONDS)
        value: object = _moment(text, form, zone) if form in _MOMENTS else _span(text, form)
        if value is None:
            raise NoticeUnreadable(f"{name} is not written as {form}.", field=name)
        return value
    if name in _ONE_OF and text not in _ONE_OF[name]:
        raise NoticeUnreadable(f"{name} is {text[:100]}, which the mapping lacks.", field=name)
    return text


def _moment(text: str, form: As, zone: ZoneInfo) -> datetime | None:
    if form is As.UNIX:
        return unix(text)
    try:
        if form is As.UNIX_MS:
            return unix(float(text) / _MILLISECONDS)
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if form is As.LOCAL and at.tzinfo is None:
        at = at.replace(tzinfo=zone).astimezone(UTC)
    return utc(at)


def _span(text: str, form: As) -> int | None:
    return seconds_ms(text) if form is As.SECONDS else whole(text)


def _media(media: Media, call: str, body: object, zone: ZoneInfo) -> MediaTold | None:
    """Return the recording, or None where the message has none yet."""
    name, url = short(_text(media.id, body)), _long(media.url, body)
    reason = _fact("reason", media.reason, body, zone)
    if name is None or (url is None and reason is None):
        return None
    return MediaTold(
        media=name,
        call=call,
        state=MediaState.WAITING if reason is None else MediaState.ABSENT,
        reason=reason,
        started_at=_fact("started_at", media.started_at, body, zone),
        duration_ms=_fact("duration_ms", media.duration_ms, body, zone),
        name=_text(media.name, body),
        is_once=media.once,
        ask={"url": url} if url is not None and reason is None else {},
    )


def _long(rule: Value | None, body: object) -> str | None:
    """Return an address, which may be longer than other words."""
    if rule is None:
        return None
    value = rule.constant if rule.path is None else found(body, rule.path)
    return value if isinstance(value, str) and value else None


def ask(told: Mapping[str, str], secrets: Secrets, _: object = None) -> Asking:
    """Return how a recording is asked for, with the account's token where it has one."""
    token = secrets.get("media_token")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return Asking(method="GET", url=told["url"], headers=headers)
