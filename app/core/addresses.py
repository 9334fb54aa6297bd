"""Addresses of mail: what is kept as one can be written into the head of a letter as it stands."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

LONGEST = 254
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
_LONGEST_LOCAL = 64


def is_address(text: str) -> bool:
    """Say whether a letter can be sent to `text`: a dot-atom, an at-sign and a domain.

    Nothing that a quoted local part could hide is taken, so no address can begin another header.
    Source: RFC 5321, 4.1.2 and 4.5.3.1.
    """
    return wire_form(text) is not None


def wire_form(text: str) -> str | None:
    """Return an address as it goes over the wire, a domain of other letters by its ASCII name."""
    local, at, domain = text.rpartition("@")
    if not at or len(local) > _LONGEST_LOCAL or not _LOCAL.fullmatch(local):
        return None
    try:
        ascii_domain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    whole = f"{local}@{ascii_domain}"
    if len(whole) > LONGEST or not all(_LABEL.fullmatch(part) for part in ascii_domain.split(".")):
        return None
    return whole


def _checked(text: str) -> str:
    if not is_address(text):
        raise ValueError("it is no address of mail")
    return text


Address = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=LONGEST), AfterValidator(_checked)
]
"""An address of mail as it crosses the wire."""
