"""The sections of the navigation, and what waits in each for the person who looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from sqlalchemy.orm import Session

from app.identity.actor import Actor
from app.identity.permissions import Permission

Waiting = Callable[[Session, Actor, datetime], int]


class Place(IntEnum):
    """Where a section stands in the navigation."""

    INBOX = 1
    RECORDINGS = 2
    CLIENTS = 3
    EVENTS = 4
    GAPS = 5
    DISPUTES = 6
    REVIEW = 7
    RELEASES = 8
    LEARNING = 9
    REPORTS = 10
    NOTICES = 11
    RULES = 12
    KEEPING = 13
    PEOPLE = 14
    SYSTEM = 15
    HELP = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A subject in the navigation, shown to whoever has its permission.

    `label` is a message (`N_`). `waiting` counts what waits for this person; it must
    be cheap, since it is asked again every quarter of a minute while somebody works. `also` are
    the paths of further pages of the subject, to which its first page leads.
    """

    place: Place
    path: str
    label: str
    permission: Permission
    waiting: Waiting | None = None
    also: tuple[str, ...] = ()
