"""How an entry commits to what stands beside it. Pure."""

from __future__ import annotations

import hashlib
import os

SALT_BYTES = 32
_DOMAIN = b"rec-commit/v1"


def commitment(label: str, salt: bytes, value: bytes) -> bytes:
    """Return SHA-256("rec-commit/v1" 0x00 label 0x00 salt value), 32 bytes.

    Source: docs/custody.md, the leaf of the ledger.
    """
    if len(salt) != SALT_BYTES:
        raise ValueError(f"A salt has {SALT_BYTES} bytes, not {len(salt)}.")
    return hashlib.sha256(b"\0".join((_DOMAIN, label.encode(), salt + value))).digest()


def new_salt() -> bytes:
    """Return 32 random bytes."""
    return os.urandom(SALT_BYTES)
