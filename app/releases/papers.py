"""What a bundle says of its exhibits for people to read: pages, the printed cover, the steps.

Pages are made of templates alone. The printed cover fetches nothing: not from a network, nor from
a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.core import printing

LANGUAGES: Final = ("ru", "en")
_FOLDER: Final = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """A recording or screenshot as the cover shows it; `taken_out` are lines by language."""

    path: str
    what: Mapping[str, str]
    when: str
    part: str
    sha256: str
    taken_out: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """Something that happened with the client; `number` is that of other systems."""

    at: str
    what: Mapping[str, str]
    number: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that happened, for the timeline: when, and the act of the ledger."""

    at: str
    act: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """What stands on the cover."""

    release: str
    created_at: str
    sender: str
    sender_person: str
    client: str
    purpose: str
    fingerprint: str
    manifest_sha256: str
    origin: str
    exhibits: Sequence[Exhibit]
    documents: Sequence[str]
    around: Sequence[Happened]
    timeline: Sequence[Step]
    included: int
    withheld: int
    lost: int


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def cover_page(cover: Cover, language: str) -> bytes:
    """Return the cover as a page."""
    return _page("cover.html", language, cover=cover, acts=_ACTS[language])


def certificate_902(cover: Cover, passports: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the template of a certification, with blanks. Source: FRE 902(13), 902(14)."""
    return _page("certificate-902.html", "en", cover=cover, passports=passports)


def spravka_77(cover: Cover, passports: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the template of a note to a court. Source: ГПК РФ, 77; АПК РФ, 89."""
    return _page("spravka-77gpk.html", "ru", cover=cover, passports=passports)


def passport_page(passports: Sequence[Mapping[str, Any]], language: str) -> bytes:
    """Return the passports as a page."""
    return _page("passport.html", language, passports=passports, titles=_TITLES[language])


def cover_pdf(cover: Cover) -> bytes:
    """Return the cover in both languages, to be printed."""
    return printing.pdf([cover_page(cover, language).decode() for language in LANGUAGES])


def steps(language: str, *, release: str) -> bytes:
    """Return how anybody verifies the bundle with OpenSSL and coreutils."""
    text = (_FOLDER / f"VERIFY.{language}.md").read_text(encoding="utf-8")
    return text.replace("RELEASE_ID", release).encode()


def _page(template: str, language: str, **values: object) -> bytes:
    found = _templates().get_template(template)
    return found.render(lang=language, words=_WORDS[language], **values).encode()
