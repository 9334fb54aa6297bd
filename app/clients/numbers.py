"""One number, however it is written."""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers

_SHORTEST = 7  # Digits; anything shorter is an extension.
_URI = re.compile(r"<?\s*(?:sips?|tel):(?P<user>[^@;>?]+)", re.IGNORECASE)
_DIALLED = re.compile(r"[+\d][\d\s().-]*")


@lru_cache(maxsize=8192)
def normalise(written: str, *, region: str) -> str | None:
    """Return the number in E.164, or None where this is no outside number.

    National forms are read as of `region`. SIP and tel URIs are taken apart; an extension, a
    bare name or an anonymous caller is no number.

    >>> normalise("8 (495) 000-84-14", region="RU")
    '+74950008414'
    """
    found = _URI.search(written)
    number = (found["user"] if found else written).strip()
    if not _DIALLED.fullmatch(number):
        return None
    if sum(c.isdigit() for c in number) < _SHORTEST:
        return None
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
