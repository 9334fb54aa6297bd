"""The words of the pages: languages, dates and lengths of time as people say them."""

from __future__ import annotations

import gettext
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale, negotiate_locale
from babel.dates import format_datetime, get_timezone_location
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGES: Final = ("ru", "en")
_LOCALES: Final = {"ru": "ru_RU", "en": "en_GB"}
_LOCALE_DIR: Final = Path(__file__).parent / "locale"
_DOMAIN: Final = "public"
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600


def language_of(asked: str | None, accepted: str | None) -> str:
    """Return the language asked for by name, else the browser's, else Russian."""
    if asked in LANGUAGES:
        return asked
    wanted: list[tuple[float, str]] = []
    for part in (accepted or "")[:500].split(","):
        name, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            continue
        wanted.append((-weight, name.replace("-", "_")))
    names = [name for weight, name in sorted(wanted, key=lambda w: w[0]) if weight < 0]
    return negotiate_locale(names, LANGUAGES) or LANGUAGES[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """One language's words."""

    language: str
    zone: ZoneInfo
    translations: gettext.NullTranslations

    @property
    def say(self) -> Callable[[str], str]:
        return self.translations.gettext

    def counted(self, one: str, many: str, number: int) -> str:
        """Return `one` or `many` as the language counts, with the number in it."""
        return self.translations.ngettext(one, many, number) % {"num": number}

    def moment(self, at: datetime) -> str:
        """Return a date and a time in the office's zone, which is named."""
        locale = Locale.parse(_LOCALES[self.language])
        pattern = "d\u00a0MMMM y\u00a0'г.', H:mm" if self.language == "ru" else "d MMMM y, HH:mm"
        city = get_timezone_location(self.zone, locale=locale, return_city=True)
        return f"{format_datetime(at, pattern, tzinfo=self.zone, locale=locale)} ({city})"

    def duration(self, milliseconds: int) -> str:
        """Return a length of time in hours, minutes and seconds, without empty parts."""
        seconds = max(1, round(milliseconds / 1000))
        parts = []
        if hours := seconds // _HOUR_S:
            parts.append(self.counted("%(num)d hour", "%(num)d hours", hours))
        if minutes := seconds % _HOUR_S // _MINUTE_S:
            parts.append(self.counted("%(num)d minute", "%(num)d minutes", minutes))
        if (rest := seconds % _MINUTE_S) and not hours:
            parts.append(self.counted("%(num)d second", "%(num)d seconds", rest))
        return " ".join(parts)


def clock_time(milliseconds: int) -> str:
    """Return a place in a recording as a player shows it."""
    seconds = milliseconds // 1000
    hours, rest = divmod(seconds, _HOUR_S)
    minutes, seconds = divmod(rest, _MINUTE_S)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def load(zone: ZoneInfo) -> dict[str, Wording]:
    """Return the words of every language; English stands in the source."""
    found = {}
    for language in LANGUAGES:
        translations: gettext.NullTranslations = gettext.NullTranslations()
        path = _LOCALE_DIR / language / "LC_MESSAGES" / f"{_DOMAIN}.po"
        if path.exists():
            compiled = io.BytesIO()
            with path.open("rb") as file:
                write_mo(compiled, read_po(file, locale=language, domain=_DOMAIN))
            compiled.seek(0)
            translations = gettext.GNUTranslations(compiled)
        found[language] = Wording(language=language, zone=zone, translations=translations)
    return found
