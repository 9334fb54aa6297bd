"""A sentence that remembers what it was made of, so that a page can say it in another language."""

from __future__ import annotations

from typing import Self


class Said(str):
    """An English sentence; `message` is it with `{holes}`, and `values` is what stands in them."""

    __slots__ = ("message", "values")

    message: str
    values: dict[str, object]

    def __new__(cls, message: str, **values: object) -> Self:
        """Fill the holes of `message`."""
        made = super().__new__(cls, message.format(**values))
        made.message, made.values = message, values
        return made
