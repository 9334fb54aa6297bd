"""Moments, days and whole numbers as they cross the wire: only what can be kept and told again.

Postgres keeps moments that Python cannot read back, and Python writes some that have no form in
UTC. One such row would make every list that it stands in fail, so none is let in.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

FIRST_YEAR = 1970
LAST_YEAR = 2200
FIRST_DAY = date(FIRST_YEAR, 1, 1)
MAX_INTEGER = 2**31 - 1
"""The largest number that a column of the type integer keeps."""


def in_utc(told: datetime) -> datetime:
    """Return the moment in UTC.

    Raises:
        ValueError: it names no offset, or lies outside of the years that are kept here.
    """
    if told.utcoffset() is None:
        raise ValueError("A moment names its offset from UTC.")
    try:
        at = told.astimezone(UTC)
    except OverflowError as exc:
        raise ValueError(_outside("A moment")) from exc
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise ValueError(_outside("A moment"))
    return at


def known_day(told: date) -> date:
    """Return the day.

    Raises:
        ValueError: it lies outside of the years that are kept here.
    """
    if not FIRST_YEAR <= told.year <= LAST_YEAR:
        raise ValueError(_outside("A day"))
    return told


def _outside(what: str) -> str:
    return f"{what} lies in the years {FIRST_YEAR} to {LAST_YEAR} (UTC)."


Moment = Annotated[AwareDatetime, AfterValidator(in_utc)]
"""A moment that somebody tells; always in UTC afterwards."""

Day = Annotated[date, AfterValidator(known_day)]
Milliseconds = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
"""A place in a recording, up to 24 days from its first sample."""

Version = Annotated[int, Field(ge=1, le=MAX_INTEGER)]
