"""Keys and tokens: 256 random bits, shown once, kept as a digest."""

from __future__ import annotations

import hashlib
import secrets

USER_KEY = "audu_"
DEVICE_KEY = "audd_"
SESSION_TOKEN = "auds_"  # noqa: S105 - a prefix that tells kinds of tokens apart.
_BYTES = 32


def new_secret(prefix: str) -> str:
    """Return a fresh secret that shows its kind by `prefix`."""
    return prefix + secrets.token_urlsafe(_BYTES)


def digest(secret: str) -> bytes:
    """Return the SHA-256 under which a secret is kept; 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).digest()
