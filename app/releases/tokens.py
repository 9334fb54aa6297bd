"""The token of a share link: 256 random bits, shown once, kept as a digest."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Self

_BYTES = 32
_FORM = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareToken:
    """What opens a link; it is never written down, nor shown when printed."""

    secret: str = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        """Return a fresh token."""
        return cls(secret=secrets.token_urlsafe(_BYTES))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the token that `text` has the form of, or None: it opens nothing."""
        return cls(secret=text) if _FORM.fullmatch(text) else None

    def digest(self) -> bytes:
        """Return the SHA-256 under which it is kept; 256 random bits need no slow hash."""
        return hashlib.sha256(self.secret.encode()).digest()
