"""What every page shows: the language, who is logged in, the navigation; and how it is rendered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy.orm import Session

from app.core.moments import in_utc
from app.identity.actor import Actor
from app.web.front import Front
from app.web.sections import Section
from app.web.states import state_of
from app.web.words import Words, clock_time

_TEMPLATES: Final = Path(__file__).parent / "templates"
_NATIVE: Final = {"ru": "Русский", "en": "English"}
_COUNTED_FOR: Final = timedelta(seconds=15)
_MOST_COUNTED: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Crumb:
    """A step on the way to this page."""

    label: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A section in the navigation; `waiting` is what waits in it for the person."""

    label: str
    path: str
    is_here: bool
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What stands around every page. `token` is that of its forms, empty where nobody is in.

    `demo` says that demo data is here: empty where none is, `mine` to who may unload it.
    `proof_left` is for how many seconds what binds others is taken without a fresh proof.
    """

    language: str
    path: str
    query: str
    person: str
    token: str
    navigation: tuple[Entry, ...]
    zone: str
    is_built: bool
    style: str
    script: str
    nonce: str
    proof_left: int
    demo: str


class Counts:
    """Remembers for a quarter of a minute what waits for whom, since every page shows it."""

    def __init__(self) -> None:
        self._known: dict[tuple[UUID, str], tuple[datetime, int]] = {}
        self._lock = threading.Lock()

    def of(self, session: Session, actor: Actor, section: Section, *, at: datetime) -> int:
        """Return how much waits for the person in a section."""
        if section.waiting is None or actor.id is None:
            return 0
        key = (actor.id, section.path)
        known = self._known.get(key)
        if known is not None and known[0] <= at < known[0] + _COUNTED_FOR:
            return known[1]
        number = section.waiting(session, actor, at)
        with self._lock:
            if len(self._known) >= _MOST_COUNTED:
                self._known.clear()
            self._known[key] = (at, number)
        return number


class Environments:
    """Environments of templates, one for each language and zone, its words and filters in it."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._made: dict[tuple[str, str], Environment] = {}

    def of(self, words: Words) -> Environment:
        """Return the environment that speaks with `words`; made when it is first asked for."""
        key = (words.language, str(words.zone))
        if key not in self._made:
            self._made[key] = _environment(words, self._front)
        return self._made[key]


def _environment(said: Words, front: Front) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    install: Callable[..., None] = environment.install_gettext_translations  # type: ignore[attr-defined]  # the extension adds it
    install(said.translations, newstyle=True)
    environment.filters.update(
        moment=said.moment,
        moment_whole=said.moment_whole,
        day=said.day,
        hour=said.hour,
        month=said.month,
        since=said.since,
        duration=said.duration,
        number=said.number,
        share=said.share,
        money=said.money,
        size=said.size,
        phone=said.phone,
        place=clock_time,
        machine=_machine,
    )
    environment.globals["built"] = front.url
    environment.globals["states"] = state_of
    environment.globals["native"] = _NATIVE.__getitem__
    return environment


def _machine(at: datetime) -> str:
    """Return a moment as the attribute `datetime` has it."""
    return in_utc(at).isoformat().replace("+00:00", "Z")


def navigation(
    sections: tuple[Section, ...],
    path: str,
    actor: Actor,
    *,
    count: Callable[[Section], int],
    say: Callable[[str], str],
) -> tuple[Entry, ...]:
    """Return the sections that this person may see."""
    return tuple(
        Entry(
            label=say(section.label),
            path=section.path,
            is_here=any(_is_within(path, one) for one in (section.path, *section.also)),
            waiting=count(section),
        )
        for section in sections
        if section.permission in actor.permissions
    )


def _is_within(path: str, section: str) -> bool:
    return path == section or (section != "/" and path.startswith(f"{section}/"))


def render(environment: Environment, template: str, frame: Frame, page: object) -> str:
    """Return a page; its template sees the page, the frame and nothing else."""
    variables: dict[str, Any] = {"page": page, "frame": frame}
    return environment.get_template(template).render(variables)
