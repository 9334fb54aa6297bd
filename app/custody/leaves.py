"""What the tree is made of: the public part of an entry as bytes. Pure.

A leaf holds every column of its entry, the number it got, and the number of the entry before it
about the same object, so that the entries of one object can be shown without gaps.

Source: docs/custody.md, the leaf; RFC 8785.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
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
    kinds = {"content": entry.content_commitment, "detail": entry.detail_commitment}
    return _written(
        {
            "v": VERSION,
            "log": log,
            "seq": seq,
            "id": str(entry.id),
            "position": entry.position,
            "type": entry.act,
            "at": _moment(entry.at),
            "written_at": _moment(entry.written_at),
            "actor": {
                "kind": entry.actor_kind,
                "ref": str(entry.actor_id) if entry.actor_id else None,
                "role": entry.actor_role,
            },
            "object": {"kind": entry.object_kind, "id": str(entry.object_id), "prev": prev},
            "outcome": entry.outcome,
            "facts": entry.facts,
            "c": {k: base64.b64encode(v).decode() for k, v in kinds.items() if v is not None},
        },
        is_plain=_is_plain(entry.facts),  # All else is plain by its types.
    )


def canonical(value: Mapping[str, object]) -> bytes:
    """Return `value` as canonical JSON.

    The standard library writes the same bytes where there is neither a float, nor a large
    integer, nor a name outside ASCII, and does it many times faster.

    Source: RFC 8785.
    """
    return _written(value, is_plain=_is_plain(value))


def _written(value: Mapping[str, object], *, is_plain: bool) -> bytes:
    if is_plain:
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
