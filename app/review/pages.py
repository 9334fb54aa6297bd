"""The pages of review: log-in, the list of queues, and one queue to be cleared by keyboard."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.consent.reasons import REASONS, REMEDIES, remedies_of
from app.review import wording
from app.review.rules import Queue
from app.review.schemas import ItemRead
from app.review.service import QueueState

_ROOM = Path(__file__).parent
STATIC = {
    "review.css": "text/css; charset=utf-8",
    "review.js": "text/javascript; charset=utf-8",
    "forms.js": "text/javascript; charset=utf-8",
    "player.js": "text/javascript; charset=utf-8",
    "flips.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""The files that anybody may have, and what they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every page shows: language, who is logged in, and the token of its forms."""

    language: str
    other_language: str
    path: str
    say: dict[str, str]
    person: str | None = None
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginPage:
    """The log-in form; `wrong` says why the last try failed."""

    frame: Frame
    title: str
    onward: str
    wrong: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """One queue in the list."""

    queue: Queue
    code: str
    title: str
    help: str
    count: int
    oldest: str | None
    allowed: str
    overdue: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """All queues."""

    frame: Frame
    title: str
    rows: tuple[QueueRow, ...]
    reports: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason code, what it means and what would help."""

    code: str
    title: str
    text: str
    helps: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpPage:
    """Every reason there is."""

    frame: Frame
    title: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskPage:
    """One queue: the first items as a list, and what the script needs to show them one by one."""

    frame: Frame
    title: str
    queue: Queue
    help: str
    empty: str
    verdict: str
    refusal: str
    items: tuple[ItemRead, ...]
    count: int
    reasons: dict[str, str]
    forms: dict[str, str]
    purposes: dict[str, str]
    receivers: dict[str, str]
    settings: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SayingPage:
    """A page that says one thing."""

    frame: Frame
    title: str
    lead: str


def form_token(session_token: str) -> str:
    """Return the token that forms of a session carry: nobody without its cookie can make it."""
    return hmac.new(session_token.encode(), b"form", hashlib.sha256).hexdigest()


def is_form_token(given: str, session_token: str) -> bool:
    """Say whether `given` is the token of the session's forms."""
    return hmac.compare_digest(given.encode(), form_token(session_token).encode())


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_ROOM / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def static(name: str) -> bytes | None:
    """Return a file of the pages, None if there is none of this name."""
    if name not in STATIC:
        return None
    return resources.files("app.review").joinpath("static", name).read_bytes()


def _render(template: str, page: object) -> str:
    return _environment().get_template(template).render(page=page)


def frame(
    language: str, path: str, *, person: str | None = None, session_token: str | None = None
) -> Frame:
    return Frame(
        language=language,
        other_language="en" if language == "ru" else "ru",
        path=path,
        say=wording.words(wording.PAGE, language),
        person=person,
        token=form_token(session_token) if session_token else "",
    )


def login(around: Frame, *, onward: str, wrong: str | None) -> str:
    """Return the log-in page."""
    page = LoginPage(frame=around, title=around.say["log_in_title"], onward=onward, wrong=wrong)
    return _render("login.html", page)


def saying(around: Frame, lead: str) -> str:
    """Return a page that says why something is not possible."""
    return _render("saying.html", SayingPage(frame=around, title=around.say["cannot"], lead=lead))


def queues(around: Frame, found: list[QueueState], *, at: datetime) -> str:
    """Return the list of queues."""
    lang = around.language
    rows = tuple(
        QueueRow(
            queue=one.queue,
            code=one.queue.code,
            title=wording.TITLES[one.queue].of(lang),
            help=wording.HELP[one.queue].of(lang),
            count=one.count,
            oldest=wording.length(at - one.oldest_since, lang) if one.oldest_since else None,
            allowed=wording.length(one.allowance, lang),
            overdue=one.overdue,
        )
        for one in found
    )
    page = ListPage(
        frame=around,
        title=around.say["review"],
        rows=rows,
        reports=wording.words(wording.REPORTS, lang),
    )
    return _render("queues.html", page)


def reasons(around: Frame) -> str:
    """Return the page that explains every reason, of the rules and of the queues."""
    lang = around.language
    told = [
        Reason(
            code=code,
            title=said.title.of(lang),
            text=said.meaning.of(lang),
            helps=tuple(REMEDIES[remedy].of(lang) for remedy in remedies_of(code)),
        )
        for code, said in sorted(REASONS.items())
    ]
    told += [
        Reason(code=code, title=text, text="", helps=())
        for code, text in sorted(wording.words(wording.WHY, lang).items())
    ]
    page = HelpPage(frame=around, title=around.say["help_title"], reasons=tuple(told))
    return _render("reasons.html", page)


_NAMED = ("internal_quality", "internal_training", "dispute_client", "transcription")
"""The purposes that are announced to people; the others need no announcement."""
_VERBS = {
    Queue.SAMPLE: ("right", "wrong"),
    Queue.RELEASES: ("approve", "deny"),
    Queue.POLICY: ("noted", "reject"),
    Queue.DIFFERS: ("stands", "undo_it"),
}


def desk(  # noqa: PLR0913 - what a desk shows, all named.
    around: Frame,
    queue: Queue,
    items: list[ItemRead],
    *,
    count: int,
    next_cursor: str | None,
    start: UUID | None,
    person: UUID | None,
    texts: list[dict[str, Any]],
) -> str:
    """Return the page that clears one queue."""
    lang = around.language
    verdict, refusal = _VERBS.get(queue, ("verify", "reject"))
    settings: dict[str, Any] = {
        "queue": queue,
        "language": lang,
        "count": count,
        "cursor": next_cursor,
        "start": str(start) if start else None,
        "person": str(person) if person else None,
        "texts": texts,
        "counted": {what: forms[lang] for what, forms in wording.COUNTED.items()},
        "outcomes": wording.words(wording.OUTCOMES, lang),
        "purposes": wording.words(wording.PURPOSES, lang),
        "forms": wording.words(wording.FORMS, lang),
        "say": around.say,
        "problems": wording.words(wording.PROBLEMS, lang),
        "items": [item.model_dump(mode="json") for item in items],
    }
    page = DeskPage(
        frame=around,
        title=wording.TITLES[queue].of(lang),
        queue=queue,
        help=wording.HELP[queue].of(lang),
        empty=wording.EMPTY[queue].of(lang),
        verdict=around.say[verdict],
        refusal=around.say[refusal],
        items=tuple(items),
        count=count,
        reasons=wording.words(wording.REJECTIONS, lang),
        forms=wording.words(wording.FORMS, lang),
        purposes={name: wording.PURPOSES[name].of(lang) for name in _NAMED},
        receivers=wording.words(wording.RECEIVERS, lang),
        settings=json.dumps(settings, ensure_ascii=False),
    )
    return _render("desk.html", page)
