"""The texts that come with the product: offered, never active, each to be approved by a lawyer.

Announcements can be taken over as drafts, with a reference made by a speech synthesiser for trial.
The other texts are papers to be filled in; they are read and downloaded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from importlib import resources

from app.consent.models import NoticeText
from app.consent.notices import NoticeWords
from app.consent.reasons import TO_BE_APPROVED
from app.consent.reference import ReferenceTools, keep_whole
from app.core.errors import Conflict, NotFound
from app.identity.actor import Actor
from app.recordings.media import AudioRecogniser


class TemplateNotFound(NotFound):
    """No such text comes with the product."""


class TemplateNotSpoken(Conflict):
    """Only announcements are taken over; the other texts are papers to be filled in."""


class TemplateKind(StrEnum):
    """What a shipped text is for."""

    ANNOUNCEMENT = "announcement"
    CONTRACT_CLAUSE = "contract-clause"
    PERSONAL_DATA_CONSENT = "personal-data-consent"
    EMPLOYEE_ACKNOWLEDGEMENT = "employee-acknowledgement"
    REFUSAL_REPLY = "refusal-reply"
    WITHDRAWAL_REPLY = "withdrawal-reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """The reference audio of an announcement, and what spoke it."""

    file: str
    sha256: str
    voice: str
    made_with: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A shipped text: its key, its words, and for an announcement its sound."""

    key: str
    kind: TemplateKind
    language: str
    title: str
    file: str
    text: str
    purposes: tuple[str, ...]
    recipients: tuple[str, ...]
    spoken: Spoken | None

    @property
    def mark(self) -> str:
        return TO_BE_APPROVED.of(self.language)


@cache
def templates() -> tuple[Template, ...]:
    """Return all shipped texts, in the order of the catalogue."""
    entries = json.loads(_kept("catalogue.json"))
    return tuple(
        Template(
            key=entry["key"],
            kind=TemplateKind(entry["kind"]),
            language=entry["language"],
            title=entry["title"],
            file=entry["file"],
            text=_kept(entry["file"]).decode().strip(),
            purposes=tuple(entry.get("purposes", ())),
            recipients=tuple(entry.get("recipients", ())),
            spoken=_spoken(entry.get("audio")),
        )
        for entry in entries
    )


def _spoken(told: dict[str, str] | None) -> Spoken | None:
    if told is None:
        return None
    return Spoken(**{name: told[name] for name in ("file", "sha256", "voice", "made_with")})


def _kept(name: str) -> bytes:
    return resources.files("app.consent").joinpath("texts", name).read_bytes()


def template(key: str) -> Template:
    """Return the shipped text of this key.

    Raises:
        TemplateNotFound: there is none.
    """
    for found in templates():
        if found.key == key:
            return found
    raise TemplateNotFound(keys=[known.key for known in templates()])


def sound(found: Template) -> bytes:
    """Return the reference audio of an announcement, as it was shipped.

    Raises:
        TemplateNotSpoken: it has none.
    """
    if found.spoken is None:
        raise TemplateNotSpoken
    body = _kept(found.spoken.file)
    if hashlib.sha256(body).hexdigest() != found.spoken.sha256:
        raise OSError(f"{found.spoken.file} is not the file that was shipped.")
    return body


def take_over(
    tools: ReferenceTools,
    actor: Actor,
    found: Template,
    *,
    lines: Sequence[str],
    valid_from: datetime,
) -> NoticeText:
    """Add an announcement as a draft; its reference is examined as any other.

    Raises:
        TemplateNotSpoken: it is a paper.
        StoreAway: nothing was kept.
    """
    body = sound(found)
    return keep_whole(tools, actor, _words(found, lines, valid_from), [body], AudioRecogniser())


def _words(found: Template, lines: Sequence[str], valid_from: datetime) -> NoticeWords:
    return NoticeWords(
        id=None,
        language=found.language,
        text=found.text,
        purposes=found.purposes,
        recipients=found.recipients,
        lines=tuple(lines),
        valid_from=valid_from,
        template=found.key,
    )
