"""Standard Webhooks: messages of any service that signs them so. Source: standardwebhooks.com."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError, WebhookVerificationError

from app.providers.told import Came, Secrets, SignatureWrong, fresh, unix

SECRETS: Final = frozenset({"secret"})
OPTIONAL: Final = frozenset({"media_token"})
HEADERS: Final = ("content-type", "webhook-id", "webhook-timestamp", "webhook-signature")


def verify(came: Came, secrets: Secrets, *, now: datetime) -> None:
    """Refuse what the holder of the secret has not signed just now.

    Raises:
        SignatureWrong: the signature is missing or of something else.
        NoticeStale: it was signed more than five minutes ago, or will be.
    """
    if moment := unix(came.headers.get("webhook-timestamp")):
        fresh(moment, now=now)
    try:
        Webhook(secrets["secret"]).verify(came.body, dict(came.headers), json_parse=False)
    except (WebhookVerificationError, EmptyWebhookSecretError, ValueError) as exc:
        raise SignatureWrong from exc
