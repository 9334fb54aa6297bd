"""How softphones and 1C name our people: one spelling, whoever wrote it."""

from __future__ import annotations

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator


def normalised(reference: str | None) -> str | None:
    """Return an agent's reference as it is kept and compared; None where nothing is left of it.

    Who is heard may not approve, so that `Ivanov` and `ivanov ` must be one person.
    """
    return (reference or "").strip().casefold() or None


class AgentRef(TypeDecorator[str]):
    """A column of agents' references: written and compared in the one spelling."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy calls it so.
        return normalised(value)
