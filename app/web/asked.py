"""What an address of a list may ask for: days, and fields that a form leaves empty."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from app.core.moments import Day
from app.core.text import KEPT

EMPTY = BeforeValidator(lambda given: None if given == "" else given)
"""An empty field of a form is no condition."""

Words = Annotated[
    str | None,
    EMPTY,
    Annotated[str | None, StringConstraints(strip_whitespace=True, max_length=200, pattern=KEPT)],
]


class Listed(BaseModel):
    """What every list is asked: which days, and after which row."""

    model_config = ConfigDict(frozen=True)

    first: Annotated[Day | None, EMPTY, Field(alias="from")] = None
    last: Annotated[Day | None, EMPTY, Field(alias="to")] = None
    cursor: Annotated[str | None, EMPTY] = None

    def since(self, zone: ZoneInfo) -> datetime | None:
        """Return the first moment of the days, in the zone of the office."""
        return None if self.first is None else midnight(self.first, zone)

    def until(self, zone: ZoneInfo) -> datetime | None:
        """Return the first moment after the days."""
        return None if self.last is None else midnight(self.last + timedelta(days=1), zone)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the first moment of a day."""
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
