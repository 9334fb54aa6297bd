"""Telnyx TeXML: the callbacks of Twilio's form, signed with a key of Ed25519. Pure.

Source: Telnyx, "Webhook signing"; RFC 8032.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.providers import twilio
from app.providers.told import Came, Secrets, SignatureWrong, fresh, unix

SECRETS: Final = frozenset({"public_key"})
OPTIONAL: Final[frozenset[str]] = frozenset()
HOSTS: Final = ("api.telnyx.com",)
HEADERS: Final = ("content-type", "telnyx-signature-ed25519", "telnyx-timestamp")

read = twilio.read
ask = twilio.ask


def verify(came: Came, secrets: Secrets, *, now: datetime) -> None:
    """Refuse what Telnyx has not signed just now.

    Raises:
        SignatureWrong: the signature is missing or of something else.
        NoticeStale: it was signed more than five minutes ago.
    """
    moment = came.headers.get("telnyx-timestamp", "")
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(secrets["public_key"]))
        signed = base64.b64decode(came.headers.get("telnyx-signature-ed25519", ""), validate=True)
        key.verify(signed, moment.encode() + b"|" + came.body)
    except (InvalidSignature, ValueError, binascii.Error) as exc:
        raise SignatureWrong from exc
    fresh(unix(moment), now=now)
