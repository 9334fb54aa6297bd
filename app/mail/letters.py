"""What stands in a letter of each kind. Neither client, number, call nor reason is ever in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from app.mail.models import Kind
from app.mail.wording import N_, Wording

TEMPLATES: Final = Path(__file__).parent / "templates"
CHECKPOINT_FILE: Final = "checkpoint.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A letter before it is laid out: what both parts say."""

    language: str
    subject: str
    lines: tuple[str, ...]
    link: str
    link_label: str
    signed: str
    foot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """The words of a kind: subject, lines, what the link is called, where it leads here."""

    subject: str
    lines: tuple[str, ...]
    label: str = ""
    path: str = ""


_INSIDE: Final = N_(
    "This letter says no more on purpose: letters are read by others too. Log in to see the rest."
)
_OUTSIDE: Final = N_(
    "If you expected nothing of the kind, do not open the link; ask the people you deal with there."
)
_FOR_WITNESS: Final = N_(
    "There is nothing to do. Keep this letter; a later checkpoint can be compared with it."
)

_OPEN: Final = N_("Open")
_FORMS: Final = {
    Kind.APPROVAL: _Form(
        subject=N_("Something waits for your approval"),
        lines=(
            N_("A colleague has asked for material to be handed over, and you may approve it."),
        ),
        label=N_("See what would leave"),
        path="/releases/{about}",
    ),
    Kind.DEADLINE: _Form(
        subject=N_("What was promised is due"),
        lines=(
            N_("Something in a dispute that you look after is due: %(moment)s."),
            N_("If it cannot be kept, agree on another time and write it down."),
        ),
        label=N_("Open the dispute"),
        path="/disputes/{about}",
    ),
    Kind.RELEASE_LINK: _Form(
        subject=N_("Material for you"),
        lines=(
            N_("Material was prepared for you. It is behind this link, for you alone."),
            N_("The link is good until %(moment)s."),
        ),
        label=N_("Open the material"),
    ),
    Kind.LINK_ENDED: _Form(
        subject=N_("A link has ended"),
        lines=(N_("A link that you asked for has ended; nobody opens it any more."),),
        label=N_("See why"),
        path="/releases/{about}",
    ),
    Kind.ALARM: _Form(
        subject=N_("Alarm: the archive found something changed"),
        lines=(
            N_("A check found that something is not as it was kept. Look at it today."),
            N_("Change nothing in the store or in the database before you have a copy of both."),
        ),
        label=N_("Open the system page"),
        path="/system",
    ),
    Kind.CHECKPOINT: _Form(
        subject=N_("The archive's checkpoint of the month"),
        lines=(
            N_(
                "Below and in the attached file is the signed head of the archive's ledger. "
                "Whoever keeps it can tell later whether anything before it was changed."
            ),
            N_("Signed by the key %(key)s"),
        ),
    ),
    Kind.RECOVERY: _Form(
        subject=N_("A link for your password"),
        lines=(
            N_("An administrator has made you a link by which you set your password."),
            N_("It is good once, until %(moment)s."),
        ),
        label=N_("Set the password"),
    ),
    Kind.REQUEST_LINK: _Form(
        subject=N_("What we ask you to send"),
        lines=(
            N_("We ask you for some files. The page behind this link says which, and takes them."),
            N_("The link is good until %(moment)s."),
        ),
        label=N_("Open the page"),
    ),
}
_TO_OUTSIDE: Final = frozenset({Kind.RELEASE_LINK, Kind.REQUEST_LINK, Kind.RECOVERY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a letter is filled with."""

    kind: Kind
    about_id: str
    facts: Mapping[str, str]
    secret: str | None
    base_url: str
    signed: str = ""


def page_of(told: Told, words: Wording) -> Page:
    """Return the letter in a language."""
    form = _FORMS[told.kind]
    until = told.facts.get("until") or told.facts.get("due")
    holes = {
        "moment": words.moment(datetime.fromisoformat(until)) if until else "",
        "key": told.facts.get("key", ""),
    }
    here = f"{told.base_url}{form.path.format(about=told.about_id)}" if form.path else ""
    foot = _OUTSIDE if told.kind in _TO_OUTSIDE else _INSIDE
    return Page(
        language=words.language,
        subject=words.say(form.subject),
        lines=tuple(words.say(line) % holes for line in form.lines),
        link=told.secret or here,
        link_label=words.say(form.label or _OPEN),
        signed=told.signed,
        foot=words.say(_FOR_WITNESS if told.kind is Kind.CHECKPOINT else foot),
    )


def text_of(page: Page) -> str:
    """Return the part of plain text."""
    return _environment().get_template("letter.txt").render(page=page)


def html_of(page: Page) -> str:
    """Return the part of HTML: no picture, no script, nothing that is fetched."""
    return _environment().get_template("letter.html").render(page=page)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
