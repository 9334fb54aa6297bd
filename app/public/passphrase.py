"""The passphrase that a link may ask for: read from its form, and the page that asks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from fastapi import Request

from app.core.errors import TooLarge, Unavailable
from app.public.wording import Wording
from app.releases.tokens import ShareToken

MAX_PASSPHRASE: Final = 100
_MAX_BODY_BYTES: Final = 4096
_SECONDS: Final = 10.0


class PassphraseTooLarge(TooLarge):
    """The form is larger than any passphrase."""


class PassphraseSlow(Unavailable):
    """The form stopped coming."""


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
    body = bytearray()
    try:
        async with asyncio.timeout(_SECONDS):
            async for piece in call.stream():
                body += piece
                if len(body) > _MAX_BODY_BYTES:
                    raise PassphraseTooLarge
    except TimeoutError as exc:
        raise PassphraseSlow from exc
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=5)
    except ValueError:
        return ""
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
