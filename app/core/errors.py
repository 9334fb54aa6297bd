"""Refusals: the request was understood and the answer is no.

A room subclasses one of the kinds below; the first line of its docstring is the problem's title
and `slug` its type. HTTP numbers stand in `core/problems.py` alone.
"""

from __future__ import annotations

import re
from typing import ClassVar


class Refusal(Exception):
    """The request is refused."""

    slug: ClassVar[str] = "refused"

    def __init__(self, detail: str = "", **facts: object) -> None:
        super().__init__(detail or type(self).title())
        self.detail = detail
        self.facts = facts
        self.is_told = False  # True once a room has told the ledger of it, with reasons.

    def __init_subclass__(cls) -> None:
        if "slug" not in cls.__dict__:
            cls.slug = re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()

    @classmethod
    def title(cls) -> str:
        """Return the first line of the docstring, without its full stop."""
        return (cls.__doc__ or cls.__name__).strip().splitlines()[0].rstrip(".")


class NotFound(Refusal):
    """There is no such thing."""


class Unauthenticated(Refusal):
    """The caller is not known."""


class Forbidden(Refusal):
    """The caller may not do this."""


class Conflict(Refusal):
    """The present state does not allow this."""


class Gone(Refusal):
    """What was here has been destroyed."""


class Invalid(Refusal):
    """The content contradicts itself."""


class Malformed(Refusal):
    """The request does not have the shape asked for.

    `errors` lists what is wrong and where.
    """


class TooLarge(Refusal):
    """The body is larger than allowed."""


class UnsupportedMedia(Refusal):
    """The content is not of a kind that is kept here."""


class PreconditionFailed(Refusal):
    """A condition that the request names does not hold."""


class Garbled(Refusal):
    """The bytes arrived otherwise than they were sent."""


class TooMany(Refusal):
    """Too many requests; try again later."""


class Unavailable(Refusal):
    """Something this needs is away; nothing was kept, try again later."""
