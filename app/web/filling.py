"""Filling in forms: what the fields mean, and what is wrong with a form that was not taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final, TypeVar

from babel.numbers import get_currency_precision
from pydantic import BaseModel, ValidationError

from app.core.errors import Malformed, Refusal
from app.core.moments import MAX_INTEGER
from app.web import refusal_words
from app.web.edge import Fields
from app.web.words import N_, Words

_Model = TypeVar("_Model", bound=BaseModel)
_MISSING: Final = frozenset({"missing", "string_too_short"})
_FILL: Final = N_("Fill this in.")
_CHECK: Final = N_("This does not fit here; check what you entered.")
_MINUTE: Final = 60
_PARTS_OF_PLACE: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """A form that was not taken: why as a whole, what is wrong with a field, what was entered."""

    form: str = ""
    whole: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    entered: Mapping[str, str] = field(default_factory=dict)

    def is_of(self, form: str) -> bool:
        """Say whether it is this form that was not taken."""
        return self.form == form

    def at(self, form: str, name: str) -> str:
        """Return what is wrong with a field of a form."""
        return self.fields.get(name, "") if self.form == form else ""

    def was(self, form: str, name: str, otherwise: str) -> str:
        """Return what was entered into a field, else what stands in it at first."""
        return self.entered.get(name, otherwise) if self.form == form else otherwise

    def why(self, form: str) -> str:
        """Return why a form as a whole was not taken."""
        return self.whole if self.form == form else ""


def refused(name: str, fields: Fields, exc: Refusal | ValidationError, words: Words) -> Wrong:
    """Return what is told beside a form of a refusal."""
    if not isinstance(exc, ValidationError):
        return Wrong(
            form=name, whole=refusal_words.said(exc, words), entered=fields.first(), fields={}
        )
    found: dict[str, str] = {}
    whole = ""
    for one in exc.errors():
        message = _FILL if one["type"] in _MISSING else _CHECK
        said = words.gettext(message)
        if one["loc"]:
            found[str(one["loc"][0])] = said
        else:
            whole = said
    return Wrong(form=name, whole=whole, fields=found, entered=fields.first())


def told(model: type[_Model], form: Fields, words: Words, **more: object) -> _Model:
    """Return what a form says as the model has it; an empty field is none.

    Raises:
        ValidationError: something is missing or does not fit.
    """
    given: dict[str, object] = {}
    for name, known in model.model_fields.items():
        value = form.get(name)
        if not value:
            continue
        is_moment = "AwareDatetime" in str(known.annotation)
        given[name] = _in_zone(value, words) if is_moment else value
    return model.model_validate(given | more)


def _in_zone(value: str, words: Words) -> object:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return value  # The model says that it is no moment.
    return at if at.tzinfo else at.replace(tzinfo=words.zone)


def entered(at: datetime | None, words: Words) -> str:
    """Return a moment as a field of kind `datetime-local` has it."""
    return at.astimezone(words.zone).strftime("%Y-%m-%dT%H:%M") if at else ""


def day_from(value: str, words: Words, *, days: int = 0) -> datetime | None:
    """Return the beginning of a day in the office's zone, or of one `days` later; None of none.

    Raises:
        Malformed: it is no day.
    """
    if not value:
        return None
    try:
        found = date.fromisoformat(value) + timedelta(days=days)
    except (ValueError, OverflowError) as exc:
        raise Malformed(entered=value[:40]) from exc
    return datetime.combine(found, time(), words.zone)


def place(value: str) -> int | None:
    """Return a place in a recording, entered as `1:02`, in milliseconds; None where none is.

    Raises:
        Malformed: it is no place.
    """
    if not value:
        return None
    parts = value.replace(",", ".").split(":")
    if len(parts) > _PARTS_OF_PLACE:
        raise Malformed(entered=value[:40])
    try:
        seconds = Decimal(0)
        for part in parts:
            seconds = seconds * _MINUTE + Decimal(part)
        found = int(seconds * 1000)
    except (ValueError, InvalidOperation, OverflowError) as exc:
        raise Malformed(entered=value[:40]) from exc
    if not 0 <= found <= MAX_INTEGER:
        raise Malformed(entered=value[:40])
    return found


def shown_place(milliseconds: int | None) -> str:
    """Return a place as `place` reads it."""
    if milliseconds is None:
        return ""
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, _MINUTE)
    fraction = f".{rest:03}".rstrip("0") if rest else ""
    return f"{minutes}:{seconds:02}{fraction}"


def minor(value: str, currency: str) -> int | None:
    """Return an amount in the currency's minor unit; None where none is entered.

    Raises:
        Malformed: it is no amount.
    """
    if not value:
        return None
    plain = value.replace("\u00a0", "").replace(" ", "").replace(",", ".")
    try:
        amount = Decimal(plain).scaleb(get_currency_precision(currency))
        found = int(amount)
    except (InvalidOperation, ValueError, OverflowError) as exc:
        raise Malformed(entered=value[:40]) from exc
    if found != amount:
        raise Malformed(entered=value[:40])
    return found


def major(amount_minor: int, currency: str) -> Decimal:
    """Return an amount of minor units in whole ones."""
    return Decimal(amount_minor).scaleb(-get_currency_precision(currency))
