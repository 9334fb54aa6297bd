"""Taking call records in from a file, line by line: what is wrong is told, the rest is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlalchemy import select

from app.core.clock import Clock
from app.core.db import Database
from app.feeds import asterisk, calls
from app.feeds.asterisk import Row
from app.feeds.calls import House
from app.feeds.schemas import CallTold
from app.identity.actor import Actor
from app.identity.models import Device
from app.identity.service import DeviceNotFound

AT_ONCE = 500
Form = Literal["asterisk-csv", "asterisk-ami", "mikopbx", "json"]


@dataclass(slots=True)
class Imported:
    """What became of a file. `wrong` are the first of its bad lines, with their numbers."""

    new: int = 0
    corrected: int = 0
    repeated: int = 0
    bad: int = 0
    days: set[str] = field(default_factory=set)


def read(lines: Iterable[str], form: Form, *, zone: ZoneInfo) -> Iterator[Row]:
    """Read the calls of a file of lines, as they are told to the archive."""
    if form == "asterisk-csv":
        yield from asterisk.rows(lines, zone=zone)
        return
    if form == "asterisk-ami":
        yield from asterisk.events(lines, zone=zone)
        return
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            told = json.loads(line)
        except ValueError as exc:
            yield Row(number=number, wrong=f"no JSON: {exc}")
            continue
        if isinstance(told, dict):
            yield Row(number=number, call=told)
        else:
            yield Row(number=number, wrong="no object; a line holds one call")


def device(database: Database, name: str) -> Actor:
    """Return the device in whose name a file is taken in.

    Raises:
        DeviceNotFound: none has this name.
    """
    with database.transaction() as session:
        row = session.scalar(select(Device).where(Device.name == name))
    if row is None:
        raise DeviceNotFound(f"No device is called {name}.", name=name)
    return Actor.device(row.id, row.name)


def take(  # noqa: PLR0913 - whose rows, how read, into what, and who is told of bad ones.
    database: Database,
    clock: Clock,
    source: Actor,
    rows: Iterable[Row],
    house: House,
    *,
    tell: Callable[[int, str], None],
    is_dry: bool = False,
    at_once: int = AT_ONCE,
) -> Imported:
    """Keep the calls of `rows`, `at_once` in each transaction; `tell` hears of bad lines.

    A run that breaks off is begun again: what is kept is a repeat then. Days are only marked; who
    calls lets them be looked at.
    """
    done = Imported()
    good = _checked(rows, done, tell)
    while batch := list(islice(good, at_once)):
        done.days |= {house.office.day_of(call.started_at).isoformat() for call in batch}
        for part in _once_each(batch):
            if is_dry:
                done.new += len(part)
                continue
            with database.transaction() as session:
                taken = calls.receive(
                    session, source, part, house, at=clock.now(), is_followed=False
                )
            done.new += taken.new
            done.corrected += taken.corrected
            done.repeated += taken.repeated
    return done


def _checked(
    rows: Iterable[Row], done: Imported, tell: Callable[[int, str], None]
) -> Iterator[CallTold]:
    for row in rows:
        wrong = row.wrong
        if row.call is not None:
            try:
                yield CallTold.model_validate_json(json.dumps(row.call))
            except ValidationError as exc:
                first = exc.errors()[0]
                wrong = f"{'/'.join(map(str, first['loc'])) or 'call'}: {first['msg']}"
        if wrong is not None:
            done.bad += 1
            tell(row.number, wrong)


def _once_each(batch: list[CallTold]) -> Iterator[list[CallTold]]:
    """Part a batch so that a call stands in each part once: the later line corrects the earlier."""
    waiting = batch
    while waiting:
        part: dict[str, CallTold] = {}
        rest = []
        for call in waiting:
            if call.call_id in part:
                rest.append(call)
            else:
                part[call.call_id] = call
        yield list(part.values())
        waiting = rest
