"""Where a party is, and how that is known. Pure.

Declared of the party or on the client's card, then the address in a contract, then the prefix of
the number, else unknown. A number that moves with its owner tells little: it is a hint that is
heard beside the strictest rules and never in their stead. Source: the consent model, 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import phonenumbers
from phonenumbers import PhoneNumberType

from app.consent.purposes import PlaceBy

_FIXED = frozenset({PhoneNumberType.FIXED_LINE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A place, null where nobody knows, how it was found, and what is only hinted at."""

    place: str | None
    by: PlaceBy
    hint: str | None = None


@lru_cache(maxsize=4096)
def of_number(number: str) -> Located:
    """Return the country of a number in E.164; of one that moves, only as a hint."""
    nowhere = Located(place=None, by=PlaceBy.NOBODY)
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return nowhere
    region = phonenumbers.region_code_for_number(parsed)
    if region is None or not region.isalpha():  # 001 and the like belong to no country.
        return nowhere
    if phonenumbers.number_type(parsed) in _FIXED:
        return Located(place=region, by=PlaceBy.NUMBER)
    return Located(place=None, by=PlaceBy.MOBILE, hint=region)


def locate(
    *, said: str | None, card: str | None, contract: str | None, number: str | None
) -> Located:
    """Return where an outside party is, by the surest of what is known."""
    for place, by in (
        (said, PlaceBy.PERSON),
        (card, PlaceBy.CARD),
        (contract, PlaceBy.CONTRACT),
    ):
        if place:
            return Located(place=place, by=by)
    return of_number(number) if number else Located(place=None, by=PlaceBy.NOBODY)
