"""Kills at random moments under load, of the web alone or of more."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

from crash_tool import windows
from crash_tool.book import Book
from crash_tool.house import PATIENCE, House
from crash_tool.sender import Load, TrialFailed
from crash_tool.windows import Kill, Kind

_PAUSE_S = 0.001
_AIM_S = 0.03
_STALLED_S = 180.0
# One kill in eight meets Postgres, alone or with all the rest.
_WEIGHTS = {Kind.WEB: 24, Kind.HOUSE: 4, Kind.POSTGRES: 2, Kind.EVERYTHING: 2}


def random_kills(
    house: House, book: Book, load: Load, *, kills: int, chance: random.Random
) -> Iterator[Kill]:
    """Kill at random moments, spread evenly over the uploads that are still to come."""
    for left in range(kills, 0, -1):
        share = max(1, (load.count - book.drawn) // left)
        _wait_drawn(book, load, book.drawn + chance.randint(1, max(1, 2 * share - 1)))
        time.sleep(chance.uniform(0, _AIM_S))
        yield _kill(house, _choose(house, chance))
        house.wait_ready()
        house.calm_workers()


def _wait_drawn(book: Book, load: Load, number: int) -> None:
    """Wait until the senders have taken upload `number`, or nearly all."""
    wanted = min(number, load.count - 1)
    deadline = time.monotonic() + _STALLED_S
    while book.drawn < wanted and not load.is_over():
        load.check()
        if time.monotonic() > deadline:
            raise TrialFailed(f"The uploads stand still at {book.drawn}.")
        time.sleep(_PAUSE_S)
    load.check()


def _choose(house: House, chance: random.Random) -> Kind:
    kind = chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
    if kind is Kind.WEB and house.web_kills >= PATIENCE:
        return Kind.HOUSE
    return kind


def _kill(house: House, kind: Kind) -> Kill:
    postmaster = house.postmaster()
    if kind in {Kind.POSTGRES, Kind.EVERYTHING} and postmaster is None:
        raise TrialFailed("The embedded Postgres does not run.")
    if kind is Kind.POSTGRES and postmaster is not None:
        found = windows.look(house.stages_file, house.web())
        os.kill(postmaster, signal.SIGKILL)
        house.wait_postgres(other_than=postmaster)
        return Kill(kind=kind, windows=found)
    web = house.web()
    windows.freeze(web)
    found = windows.look(house.stages_file, web)
    if kind is Kind.WEB:
        house.kill([web])
        house.web_kills += 1
        return Kill(kind=kind, windows=found)
    if kind is Kind.EVERYTHING and postmaster is not None:
        with suppress(ProcessLookupError):
            os.kill(postmaster, signal.SIGKILL)
    house.kill([house.supervisor(), *house.children()])
    house.start()
    return Kill(kind=kind, windows=found)
