"""The leaf: canonical, and whole."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from app.custody.leaves import canonical, leaf_of
from app.custody.models import CustodyEntry

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_PLAIN = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | _TEXT
_VALUES = st.recursive(
    _PLAIN | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)


@dataclass(frozen=True, kw_only=True)
class _Entry:
    id: UUID = field(default=UUID(int=1))
    position: int = 7
    at: datetime = datetime(2026, 11, 21, 18, 42, 57, 123456, tzinfo=UTC)
    act: str = "recording.ingested"
    object_kind: str = "recording"
    object_id: UUID = field(default=UUID(int=2))
    actor_kind: str = "device"
    actor_id: UUID | None = field(default=UUID(int=3))
    actor_role: str | None = None
    outcome: str = "success"
    facts: dict[str, Any] = field(default_factory=lambda: {"leg": "mixed", "size_bytes": 12})
    content_commitment: bytes | None = bytes(32)
    detail_commitment: bytes | None = None
    written_at: datetime = datetime(2026, 11, 21, 18, 42, 57, tzinfo=UTC)


@given(st.dictionaries(_TEXT, _VALUES, max_size=5))
def test_the_quick_way_writes_what_the_standard_asks_for(value: dict[str, Any]) -> None:
    assert canonical(value) == rfc8785.dumps(value)


def test_a_leaf_is_canonical_and_tells_the_entry() -> None:
    leaf = leaf_of(_Entry(), log="rec.example/log1", seq=9, prev=None)
    told = json.loads(leaf)
    assert leaf == rfc8785.dumps(told)
    assert (told["v"], told["log"], told["seq"]) == (1, "rec.example/log1", 9)
    assert told["at"] == "2026-11-21T18:42:57.123456Z"
    assert told["object"] == {"kind": "recording", "id": str(UUID(int=2)), "prev": None}


@given(
    st.builds(
        _Entry,
        at=st.datetimes(timezones=st.just(UTC)),
        act=_TEXT,
        object_kind=_TEXT,
        actor_kind=_TEXT,
        actor_id=st.none() | st.uuids(),
        actor_role=st.none() | _TEXT,
        outcome=_TEXT,
        facts=st.dictionaries(_TEXT, _PLAIN, max_size=3),
        content_commitment=st.none() | st.binary(max_size=33),
        detail_commitment=st.none() | st.binary(max_size=33),
    ),
    _TEXT,
    st.none() | st.integers(0, 2**53 - 1),
)
def test_whatever_an_entry_holds_its_leaf_is_canonical(
    entry: _Entry, log: str, prev: int | None
) -> None:
    leaf = leaf_of(entry, log=log, seq=9, prev=prev)
    told = json.loads(leaf)
    assert leaf == rfc8785.dumps(told)
    assert (told["type"], told["actor"]["role"]) == (entry.act, entry.actor_role)
    assert (told["log"], told["object"]["prev"]) == (log, prev)


def test_every_column_of_an_entry_is_in_its_leaf() -> None:
    assert {f.name for f in fields(_Entry)} == set(CustodyEntry.__table__.columns.keys())
    changes: dict[str, Any] = {
        "id": UUID(int=9),
        "position": 8,
        "at": _Entry().at + timedelta(microseconds=1),
        "act": "media.played",
        "object_kind": "screenshot",
        "object_id": UUID(int=9),
        "actor_kind": "user",
        "actor_id": None,
        "actor_role": "manager",
        "outcome": "denied",
        "facts": {"leg": "sent", "size_bytes": 12},
        "content_commitment": bytes([1]) * 32,
        "detail_commitment": bytes(32),
        "written_at": _Entry().written_at + timedelta(microseconds=1),
    }
    assert set(changes) == {f.name for f in fields(_Entry)}
    whole = leaf_of(_Entry(), log="a", seq=1, prev=0)
    for name, value in changes.items():
        assert leaf_of(replace(_Entry(), **{name: value}), log="a", seq=1, prev=0) != whole, name
    others = ({"log": "b", "seq": 1, "prev": 0}, {"log": "a", "seq": 2, "prev": 0})
    for other in (*others, {"log": "a", "seq": 1, "prev": None}):
        assert leaf_of(_Entry(), **other) != whole  # type: ignore[arg-type]


def test_what_json_cannot_hold_exactly_is_refused() -> None:
    with pytest.raises(rfc8785.IntegerDomainError):
        leaf_of(replace(_Entry(), facts={"size": 2**53}), log="a", seq=1, prev=None)
