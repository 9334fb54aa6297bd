"""Words as they cross the wire: bounded, and of characters that can be kept.

A zero character is nothing that Postgres can keep. A lone surrogate has no form in UTF-8; every
pattern refuses it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

KEPT = r"^[^\x00]*$"

Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=KEPT)
]
LongText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000, pattern=KEPT)
]
Note = Annotated[str, StringConstraints(max_length=4000, pattern=KEPT)]
"""Words that may be none."""

Searched = Annotated[str, StringConstraints(max_length=255, pattern=KEPT)]
"""What a list is narrowed to, exactly as it is written."""

ExternalId = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00\ufffd]+$")
]
"""What another system calls something.

The replacement character stands for bytes of an address that are no UTF-8: several wrong names
would be one.
"""
