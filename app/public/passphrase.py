"""The passphrase that a link may ask for: read from its form, and the page that asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import Request

from app.core.errors import TooLarge, Unavailable
from app.public.forms import Bounds, fields_of
from app.public.wording import Wording
from app.releases.tokens import ShareToken

MAX_PASSPHRASE: Final = 100


class PassphraseTooLarge(TooLarge):
    """The form is larger than any passphrase."""


class PassphraseSlow(Unavailable):
    """The form stopped coming."""


_BOUNDS: Final = Bounds(
    most_bytes=4096,
    most_fields=5,
    seconds=10.0,
    too_large=PassphraseTooLarge,
    too_slow=PassphraseSlow,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PassphrasePage:
    """The page that asks for it, and tells nothing of what the link leads to."""

    language: str
    other_language: str
    switch_to: str
    title: str
    lead: str
    label: str
    button: str
    action: str
    most: int
    fault: str | None


async def given(call: Request) -> str:
    """Return what was entered.

    Raises:
        PassphraseTooLarge, PassphraseSlow: it is cut off.
    """
    fields = await fields_of(call, _BOUNDS)
    return fields.get("passphrase", [""])[0][:MAX_PASSPHRASE]


def asking(token: ShareToken, words: Wording, *, fault: str | None) -> PassphrasePage:
    """Return the page in words."""
    say = words.say
    faults = {
        "wrong": say("That is another passphrase. Look whether it was written down completely."),
        "often": say("It was tried too often. Please wait a quarter of an hour."),
    }
    other = "en" if words.language == "ru" else "ru"
    return PassphrasePage(
        language=words.language,
        other_language=other,
        switch_to="English" if other == "en" else "Русский",
        title=say("This link asks for a passphrase"),
        lead=say("You were told it by another way than this link, as by telephone."),
        label=say("Passphrase"),
        button=say("Open"),
        action=f"/s/{token.secret}/open?lang={words.language}",
        most=MAX_PASSPHRASE,
        fault=faults[fault] if fault else None,
    )
