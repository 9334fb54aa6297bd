"""What is wrong with proposed rules, in the words of whoever reads the page.

The rules name their faults for programs, in English; here each form of a fault has a message.
"""

from __future__ import annotations

import re
from typing import Final

from app.web.words import N_, Words

_FORMS: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern, re.DOTALL), message)
    for pattern, message in (
        (
            r".+: line (?P<line>\d+) column (?P<column>\d+) \(char \d+\)",
            N_("This is no JSON: look at line %(line)s, column %(column)s."),
        ),
        (r"This is no object\.", N_("This is no object.")),
        (r"This is missing\.", N_("This is missing.")),
        (r"This is not known\.", N_("This is not known.")),
        (r"Versions begin with 1\.", N_("Versions begin with 1.")),
        (r"F is no proof\.", N_("F is no proof.")),
        (
            r"Only the pack of a place is of further places\.",
            N_("Only the rules of a place are of further places."),
        ),
        (
            r"This has no canonical form: .*",
            N_("This cannot be written in one way alone: a number or a character is not allowed."),
        ),
        (
            r"At most (?P<bytes>\d+) bytes, and no zero characters\.",
            N_("At most %(bytes)s bytes, and no zero characters."),
        ),
        (
            r"(?P<value>.+) is no place, as DE or US-CA\.",
            N_("%(value)s is no place, as DE or US-CA."),
        ),
        (r"(?P<value>.+) is no overlay, as HEALTH\.", N_("%(value)s is no addition, as HEALTH.")),
        (r"(?P<value>.+) is no place\.", N_("%(value)s is no place.")),
        (
            r"(?P<value>.+) is no whole number from 0 to 2147483647\.",
            N_("%(value)s is no whole number from 0 to 2147483647."),
        ),
        (r"(?P<value>.+) is neither true nor false\.", N_("%(value)s is neither true nor false.")),
        (r"(?P<value>.+) is no text\.", N_("%(value)s is no text.")),
        (r"(?P<value>.+) is no list of words\.", N_("%(value)s is no list of words.")),
        (r"(?P<value>.+) names something twice\.", N_("%(value)s names something twice.")),
        (r"(?P<value>.+) is no object of purposes\.", N_("%(value)s is no object of purposes.")),
        (r"(?P<value>.+?) is none of (?P<known>.+)\.", N_("%(value)s is none of: %(known)s.")),
        (r"Invalid isoformat string: (?P<value>.+)", N_("%(value)s is no day, as 2026-12-31.")),
        (r"(?:day|month|year|fromisoformat)\b.*", N_("This is no day, as 2026-12-31.")),
    )
)


def said(fault: str, words: Words) -> str:
    """Return a fault in the reader's words; as the rules told it where its form is not known."""
    for pattern, message in _FORMS:
        if found := pattern.fullmatch(fault):
            return words.gettext(message) % found.groupdict()
    return words.gettext(fault)
