"""What there is to tell: made-up clients, what happened with them, their calls and a dispute.

Their telephone numbers are of the range that Ofcom keeps for drama, which nobody is ever given.
Source: Ofcom, telephone numbers for drama use, 020 7946 0000 to 0999.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from app.clients.models import EventKind
from app.clients.schemas import ContactWrite
from app.recordings.models import Direction

Language = Literal["ru", "en"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldClient:
    """A client with its people."""

    key: str
    name: str
    contacts: tuple[ContactWrite, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEvent:
    """Something that happened with a client."""

    key: str
    client: str
    kind: EventKind
    days_ago: int
    subject: str
    closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldCall:
    """A call; without an event it is known by its number, if that is anybody's."""

    key: str
    event: str | None
    days_ago: int
    number: str
    direction: Direction
    agent: str
    announced: bool
    seconds: int
    has_two_legs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldDispute:
    """The dispute that the complaint has led to."""

    client: str
    event: str
    subject: str
    complaint: str
    said_by: str
    call: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The whole of it, in one language; `template` is the announcement that is played."""

    template: str
    clients: tuple[ToldClient, ...]
    events: tuple[ToldEvent, ...]
    calls: tuple[ToldCall, ...]
    dispute: ToldDispute


@cache
def read(language: Language) -> Story:
    """Return the story in a language."""
    body = resources.files("app.demo").joinpath("story.json").read_text(encoding="utf-8")
    written: dict[str, Any] = json.loads(body)
    told = written[language]
    return Story(
        template=told["template"],
        clients=tuple(
            ToldClient(
                key=one["key"],
                name=one["name"],
                contacts=tuple(ContactWrite(**contact) for contact in one["contacts"]),
            )
            for one in told["clients"]
        ),
        events=tuple(ToldEvent(**one | {"kind": EventKind(one["kind"])}) for one in told["events"]),
        calls=tuple(
            ToldCall(**one | {"direction": Direction(one["direction"])}) for one in written["calls"]
        ),
        dispute=ToldDispute(**told["dispute"]),
    )
