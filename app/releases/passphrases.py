"""The passphrase of a link: made here, told by another way than the link, kept as argon2id alone.

Twelve letters and digits that are not taken for one another, some 59 bits: with the few tries that
a link takes in a quarter of an hour nobody guesses it. Source: OWASP ASVS 5.0, V11.4.2; RFC 9106.
"""

from __future__ import annotations

import secrets
import unicodedata
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS: Final = 3
_IN_A_GROUP: Final = 4
_MOST: Final = 100
_HASHER: Final = PasswordHasher()


def new() -> str:
    """Return a fresh passphrase, in groups for reading it out."""
    return "-".join(
        "".join(secrets.choice(_LETTERS) for _ in range(_IN_A_GROUP)) for _ in range(_GROUPS)
    )


def kept(passphrase: str) -> str:
    """Return what is kept of it."""
    return _HASHER.hash(_written(passphrase))


def is_right(given: str, known: str) -> bool:
    """Say whether it is what was kept, however its groups are parted and its letters are tall."""
    try:
        return _HASHER.verify(known, _written(given))
    except (VerificationError, InvalidHashError):
        return False


def _written(given: str) -> str:
    plain = unicodedata.normalize("NFKC", given[:_MOST]).casefold()
    return "".join(one for one in plain if one.isalnum())
