"""Messages whose form a person writes at the service, as at UIS; proved by a token in them. Pure.

A token is weaker than a signature: whoever reads a message can make another. It is taken from a
header or from the body, never from an address, which would be in the logs of others.
"""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Final

from app.providers.told import Came, NoticeUnreadable, Secrets, SignatureWrong

SECRETS: Final = frozenset({"token"})
OPTIONAL: Final = frozenset({"media_token"})
HEADERS: Final = ("content-type",)


def verify(came: Came, secrets: Secrets, *, now: datetime) -> None:  # noqa: ARG001 - a token has no moment.
    """Refuse what does not hold the token.

    Raises:
        SignatureWrong: it holds none, or another.
    """
    if not hmac.compare_digest(_shown(came).encode(), secrets["token"].encode()):
        raise SignatureWrong


def _shown(came: Came) -> str:
    scheme, _, token = came.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    if header := came.headers.get("x-audiatur-token"):
        return header
    try:
        body = came.json() if came.is_json else came.fields()
    except NoticeUnreadable:
        return ""
    written = body.get("token") if isinstance(body, dict) else None
    return written if isinstance(written, str) else ""
