"""What the tree is made of: the public part of an entry as bytes. Pure.

A leaf holds every column of its entry, the number it got, and the number of the entry before it
about the same object, so that the entries of one object can be shown without gaps.

Source: docs/custody.md, the leaf; RFC 8785.
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from collections.abc import Mapping
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Protocol
from uuid import UUID

import rfc8785

VERSION = 1
_LARGEST_INTEGER = (1 << 53) - 1
_encode = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
).encode


class Entry(Protocol):
    """What is read of an entry: its row, or the object that stands for it."""

    @property
    def id(self) -> UUID: ...
    @property
    def position(self) -> int: ...
    @property
    def at(self) -> datetime: ...
    @property
    def act(self) -> str: ...
    @property
    def object_kind(self) -> str: ...
    @property
    def object_id(self) -> UUID: ...
    @property
    def actor_kind(self) -> str: ...
    @property
    def actor_id(self) -> UUID | None: ...
    @property
    def actor_role(self) -> str | None: ...
    @property
    def outcome(self) -> str: ...
    @property
    def facts(self) -> Mapping[str, object]: ...
    @property
    def content_commitment(self) -> bytes | None: ...
    @property
    def detail_commitment(self) -> bytes | None: ...
    @property
    def written_at(self) -> datetime: ...


def leaf_of(entry: Entry, *, log: str, seq: int, prev: int | None) -> bytes:
    """Return the leaf of `entry` as number `seq` of the log named `log`.

    `prev` is the number of the entry before it about the same object, None for the first.
    """
    actor = str(entry.actor_id) if entry.actor_id else None
    before = "null" if prev is None else prev
    # The names stand in the order of RFC 8785, so the leaf is written in one go.
    return (
        f'{{"actor":{{"kind":{_text(entry.actor_kind)},"ref":{_text(actor)},'
        f'"role":{_text(entry.actor_role)}}},"at":"{_moment(entry.at)}",'
        f'"c":{{{_commitments(entry)}}},"facts":{canonical(entry.facts).decode()},'
        f'"id":"{entry.id}","log":{_text(log)},'
        f'"object":{{"id":"{entry.object_id}","kind":{_text(entry.object_kind)},'
        f'"prev":{before}}},"outcome":{_text(entry.outcome)},"position":{entry.position},'
        f'"seq":{seq},"type":{_text(entry.act)},"v":{VERSION},'
        f'"written_at":"{_moment(entry.written_at)}"}}'
    ).encode()


def _commitments(entry: Entry) -> str:
    kinds = (("content", entry.content_commitment), ("detail", entry.detail_commitment))
    return ",".join(
        f'"{kind}":"{b2a_base64(value, newline=False).decode()}"'
        for kind, value in kinds
        if value is not None
    )


def _text(value: str | None) -> str:
    return "null" if value is None else encode_basestring(value)


def canonical(value: Mapping[str, object]) -> bytes:
    """Return `value` as canonical JSON.

    The standard library writes the same bytes where there is neither a float, nor a large
    integer, nor a name outside ASCII, and does it many times faster.

    Source: RFC 8785.
    """
    if _is_plain(value):
        return _encode(value).encode()
    return rfc8785.dumps(value)  # type: ignore[arg-type]  # the library's JSON type is private


def _is_plain(value: object) -> bool:
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is int:
        return -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER  # type: ignore[operator]  # an int
    if kind is dict:
        return all(
            name.isascii() and _is_plain(part)
            for name, part in value.items()  # type: ignore[attr-defined]  # a dict
        )
    return False


def _moment(at: datetime) -> str:
    text = at.astimezone(UTC).isoformat(timespec="microseconds")
    return text.removesuffix("+00:00") + "Z"
