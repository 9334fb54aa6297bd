"""The words of the pages: messages, and dates, lengths, numbers and numbers to call as people say.

English stands in the source. Every `.po` file in a language's folder is loaded, so that a subject
adds a file of its own.
"""

from __future__ import annotations

import gettext
import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import phonenumbers
from babel import Locale, negotiate_locale
from babel.dates import format_date, format_datetime, get_timezone_location
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal, format_percent
from babel.units import format_unit
from phonenumbers import NumberParseException, PhoneNumberFormat

from app.core.said import Said

LANGUAGES: Final = ("ru", "en")
LOCALE_DIR: Final = Path(__file__).parent / "locale"
_LOCALES: Final = {"ru": "ru_RU", "en": "en_GB"}
_MOST_ACCEPTED = 500
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_KIB: Final = 1024


def N_(message: str) -> str:  # noqa: N802 - the name that extractors of messages know.
    """Mark a message that is translated where it is shown."""
    return message


_UNITS: Final = (N_("kB"), N_("MB"), N_("GB"), N_("TB"))


def language_of(asked: str | None, accepted: str | None) -> str:
    """Return the language asked for by name, else the browser's first of ours, else Russian."""
    if asked in LANGUAGES:
        return asked
    wanted: list[tuple[float, str]] = []
    for part in (accepted or "")[:_MOST_ACCEPTED].split(","):
        name, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            continue
        wanted.append((-weight, name.replace("-", "_")))
    names = [name for weight, name in sorted(wanted, key=lambda w: w[0]) if weight < 0]
    return negotiate_locale(names, LANGUAGES) or LANGUAGES[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One language's words, and its ways to write what is counted and measured."""

    language: str
    zone: ZoneInfo
    region: str
    translations: gettext.NullTranslations

    @property
    def locale(self) -> Locale:
        return Locale.parse(_LOCALES[self.language])

    def gettext(self, message: str) -> str:
        """Return a message in this language."""
        return self.translations.gettext(message)

    def said(self, sentence: str) -> str:
        """Return a sentence in this language, if it remembers what it was made of."""
        if not isinstance(sentence, Said):
            return sentence
        return self.gettext(sentence.message).format(**sentence.values)

    def counted(self, one: str, many: str, number: int) -> str:
        """Return `one` or `many` as the language counts, with the number as `%(num)s` in it."""
        said = self.number(number)
        return self.translations.ngettext(one, many, number) % {"num": said}

    # --- moments, all in the zone of the office --------------------------------------------

    def moment(self, at: datetime) -> str:
        """Return a day and a time."""
        pattern = "dd.MM.y HH:mm" if self.language == "ru" else "d MMM y HH:mm"
        return format_datetime(at, pattern, tzinfo=self.zone, locale=self.locale)

    def moment_whole(self, at: datetime) -> str:
        """Return a day and a time in full, with the city whose time it is."""
        pattern = (
            "d\u00a0MMMM y\u00a0'г.', H:mm:ss" if self.language == "ru" else "d MMMM y, HH:mm:ss"
        )
        city = get_timezone_location(self.zone, locale=self.locale, return_city=True)
        return f"{format_datetime(at, pattern, tzinfo=self.zone, locale=self.locale)} ({city})"

    def day(self, at: datetime) -> str:
        """Return a day."""
        pattern = "dd.MM.y" if self.language == "ru" else "d MMM y"
        return format_date(at.astimezone(self.zone), pattern, locale=self.locale)

    def month(self, at: datetime) -> str:
        """Return a month and its year."""
        return format_date(at.astimezone(self.zone), "LLL y", locale=self.locale)

    def hour(self, at: datetime) -> str:
        """Return the time of day."""
        return format_datetime(at, "HH:mm", tzinfo=self.zone, locale=self.locale)

    def since(self, length: timedelta) -> str:
        """Return about how long something lasts: in days, hours or minutes."""
        minutes = max(0, int(length.total_seconds())) // _MINUTE_S
        for unit, in_minutes in (("day", 24 * 60), ("hour", 60), ("minute", 1)):
            if minutes >= in_minutes or unit == "minute":
                break
        return format_unit(minutes // in_minutes, f"duration-{unit}", locale=self.locale)

    # --- lengths, numbers, money ------------------------------------------------------------

    def duration(self, milliseconds: int | None) -> str:
        """Return a length of time in hours, minutes and seconds, without empty parts."""
        if milliseconds is None:
            return "—"
        seconds = max(1, round(milliseconds / 1000))
        parts = []
        if hours := seconds // _HOUR_S:
            parts.append(self.counted("%(num)s hour", "%(num)s hours", hours))
        if minutes := seconds % _HOUR_S // _MINUTE_S:
            parts.append(self.counted("%(num)s minute", "%(num)s minutes", minutes))
        if (rest := seconds % _MINUTE_S) and not hours:
            parts.append(self.counted("%(num)s second", "%(num)s seconds", rest))
        return " ".join(parts)

    def number(self, value: Decimal | float) -> str:
        return format_decimal(value, locale=self.locale)

    def share(self, value: float) -> str:
        """Return a share of one, as a percentage."""
        return format_percent(value, locale=self.locale)

    def money(self, amount: Decimal | float, currency: str) -> str:
        return format_currency(amount, currency, locale=self.locale)

    def size(self, size_bytes: int) -> str:
        """Return the size of a file."""
        size, unit = float(size_bytes), ""
        for larger in _UNITS:
            if size < _KIB:
                break
            size, unit = size / _KIB, larger
        if not unit:
            return self.counted("%(num)s byte", "%(num)s bytes", size_bytes)
        digits = format_decimal(size, format="#,##0.#", locale=self.locale)
        return f"{digits}\u00a0{self.gettext(unit)}"

    def phone(self, number: str | None) -> str:
        """Return a number to call as people write it; what is no such number as it is."""
        if not number:
            return "—"
        try:
            parsed = phonenumbers.parse(number, self.region)
        except NumberParseException:
            return number
        if not phonenumbers.is_possible_number(parsed):
            return number
        return phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL)


def clock_time(milliseconds: int) -> str:
    """Return a place in a recording as a player shows it."""
    seconds = milliseconds // 1000
    hours, rest = divmod(seconds, _HOUR_S)
    minutes, seconds = divmod(rest, _MINUTE_S)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def po_files(language: str) -> list[Path]:
    """Return the files of messages of a language, by name."""
    return sorted((LOCALE_DIR / language / "LC_MESSAGES").glob("*.po"))


def load(zone: ZoneInfo, region: str) -> dict[str, Words]:
    """Return the words of every language; files of one language that say the same thing agree."""
    return {
        language: Words(
            language=language, zone=zone, region=region, translations=_translations(language)
        )
        for language in LANGUAGES
    }


def _translations(language: str) -> gettext.NullTranslations:
    whole: gettext.NullTranslations | None = None
    for path in po_files(language):
        compiled = io.BytesIO()
        with path.open("rb") as file:
            write_mo(compiled, read_po(file, locale=language))
        compiled.seek(0)
        part = gettext.GNUTranslations(compiled)
        if whole is None:
            whole = part
        else:
            whole.add_fallback(part)
    return whole or gettext.NullTranslations()
