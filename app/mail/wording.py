"""The words of letters in both languages; English stands in the source."""

from __future__ import annotations

import gettext
import io
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime, get_timezone_location
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGES: Final = ("ru", "en")
LOCALE_DIR: Final = Path(__file__).parent / "locale"
_LOCALES: Final = {"ru": "ru_RU", "en": "en_GB"}


def N_(message: str) -> str:  # noqa: N802 - the name that extractors of messages know.
    """Mark a message that is translated where it is written."""
    return message


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """One language's words, and its way to write a moment."""

    language: str
    zone: ZoneInfo
    translations: gettext.NullTranslations

    def say(self, message: str) -> str:
        return self.translations.gettext(message)

    def moment(self, at: datetime) -> str:
        """Return a date and a time in the office's zone, which is named."""
        locale = Locale.parse(_LOCALES[self.language])
        pattern = "d\u00a0MMMM y\u00a0'г.', H:mm" if self.language == "ru" else "d MMMM y, HH:mm"
        city = get_timezone_location(self.zone, locale=locale, return_city=True)
        return f"{format_datetime(at, pattern, tzinfo=self.zone, locale=locale)} ({city})"


def load(language: str, zone: ZoneInfo) -> Wording:
    """Return the words of a language; of one that there is not, English."""
    known = language if language in LANGUAGES else "en"
    translations: gettext.NullTranslations = gettext.NullTranslations()
    path = LOCALE_DIR / known / "LC_MESSAGES" / "mail.po"
    if path.exists():
        compiled = io.BytesIO()
        with path.open("rb") as file:
            write_mo(compiled, read_po(file, locale=known, domain="mail"))
        compiled.seek(0)
        translations = gettext.GNUTranslations(compiled)
    return Wording(language=known, zone=zone, translations=translations)
