"""Passwords: which are taken, and how they are kept."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY
from zxcvbn import zxcvbn
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from app.core.errors import Invalid

SHORTEST = 15
SHORTEST_WITH_CODE = 8
LONGEST = 1024
PRODUCT = "audiatur"

_LEAST_SCORE = 3  # Of 0 to 4: more than 10^8 guesses, as the estimator counts them.
_LEAST_SCORE_WITH_CODE = 2  # More than 10^6.
_ESTIMATED = 72  # The estimator takes a square of the length in time; more than this is strong.
_SHORTEST_WORD = 4

# 19 MiB and two passes cost about 150 ms; the profiles of the library cost five times that.
# Source: OWASP password storage, Argon2id.
_hasher = PasswordHasher(
    time_cost=2,
    memory_cost=19 * 1024,
    parallelism=1,
    salt_len=16,
    hash_len=32,
    type=RFC_9106_LOW_MEMORY.type,
)


class PasswordTooShort(Invalid):
    """A password has at least 15 characters, or 8 where a code is asked for too."""


class PasswordTooLong(Invalid):
    """A password has at most 1024 characters."""


class PasswordCommon(Invalid):
    """The password is easily guessed: it is on a list of common ones, or made of such words."""


class PasswordNamesYou(Invalid):
    """The password holds your name, or that of the company or of this program."""


def check(password: str, *, about: Iterable[str], has_code: bool) -> None:
    """Refuse a password that is short, common, or made of words that anybody would try first.

    Any characters are taken, and none are asked for. Source: OWASP ASVS 5.0, V6.2.

    Raises:
        PasswordTooShort, PasswordTooLong, PasswordCommon, PasswordNamesYou: see each.
    """
    shortest = SHORTEST_WITH_CODE if has_code else SHORTEST
    if len(password) < shortest:
        raise PasswordTooShort(f"At least {shortest} characters.", shortest=shortest)
    if len(password) > LONGEST:
        raise PasswordTooLong
    words, least = _words(about), _LEAST_SCORE_WITH_CODE if has_code else _LEAST_SCORE
    lower = password.casefold()
    if any(word in lower for word in words):
        raise PasswordNamesYou
    if lower in _common() or _score(password, words) < least:
        raise PasswordCommon


def _words(about: Iterable[str]) -> set[str]:
    named = (PRODUCT, *about)
    found = {part for name in named for part in re.split(r"[\W_\d]+", name.casefold())}
    return {part for part in found if len(part) >= _SHORTEST_WORD}


@cache
def _common() -> frozenset[str]:
    return frozenset(FREQUENCY_LISTS["passwords"])


def _score(password: str, words: set[str]) -> int:
    return int(zxcvbn(password[:_ESTIMATED], user_inputs=sorted(words))["score"])


def hashed(password: str) -> str:
    """Return what is kept of a password."""
    return _hasher.hash(password)


def is_right(kept: str | None, password: str) -> bool:
    """Say whether `password` is the one of which `kept` is kept; as long for none at all."""
    nobody = _nobody()
    try:
        return _hasher.verify(kept or nobody, password) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobody() -> str:
    return _hasher.hash("nobody")
