"""What there is to tell: the company, its clients, their events and calls, and what must come out.

All dates are fixed. Where the machine's clock is behind the last of them, all are told whole weeks
earlier, since nothing can be decided about a call of tomorrow.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
_MARGIN = timedelta(hours=1)  # What is told of an event may lie somewhat after it.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")

Told = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must come out: the link, the flag, and how the wish to hand it over ends."""

    event: str | None
    linked_by: str
    client: str | None
    flag: str
    outcome: str
    reasons: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call: its files by leg, what its sender tells, what people find, what must come out."""

    id: str
    device: str
    files: list[dict[str, str]]
    told: Told
    evidence: list[Told]
    is_screened: bool
    ask: Told | None
    relink: Told | None
    expect: Expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The whole of it."""

    company: Told
    calls: list[Call]

    def call(self, call_id: str) -> Call:
        return next(call for call in self.calls if call.id == call_id)


def read(*, now: datetime) -> Story:
    """Return the story, told so early that all of it lies before `now`."""
    texts = [(FOLDER / name).read_text(encoding="utf-8") for name in ("company.json", "calls.json")]
    written = json.loads(f"[{','.join(texts)}]")
    company, calls = _moved(written, _weeks_too_late(written, now))
    return Story(
        company=company,
        calls=[Call(**call | {"expect": Expected(**call["expect"])}) for call in calls],
    )


def _weeks_too_late(written: object, now: datetime) -> int:
    last = max(datetime.fromisoformat(text) for text in _texts(written) if _MOMENT.fullmatch(text))
    return max(0, -((now - _MARGIN - last) // timedelta(weeks=1)))


def _texts(written: object) -> Iterator[str]:
    if isinstance(written, str):
        yield written
    elif isinstance(written, dict):
        for value in written.values():
            yield from _texts(value)
    elif isinstance(written, list):
        for value in written:
            yield from _texts(value)


def _moved(written: Any, weeks: int) -> Any:  # noqa: ANN401 - JSON of any shape.
    """Return `written` with every moment and day in it `weeks` earlier."""
    if isinstance(written, dict):
        return {name: _moved(value, weeks) for name, value in written.items()}
    if isinstance(written, list):
        return [_moved(value, weeks) for value in written]
    if isinstance(written, str) and _MOMENT.fullmatch(written):
        return (datetime.fromisoformat(written) - timedelta(weeks=weeks)).isoformat()
    if isinstance(written, str) and _DAY.fullmatch(written):
        return (date.fromisoformat(written) - timedelta(weeks=weeks)).isoformat()
    return written
