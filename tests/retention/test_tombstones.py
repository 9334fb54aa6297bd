"""The journal of erasures: whole lines count, cut ones were never acted on, others stop."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from app.retention import subjects
from app.retention.tombstones import (
    CallMark,
    PictureMark,
    Tombstone,
    TombstonesUnreadable,
    bury,
    ids_in,
    read,
    void,
)


def stone(**told: object) -> Tombstone:
    values: dict[str, object] = {
        "erasure_id": uuid4(),
        "subject": subjects.recording(uuid4()),
        "device_id": uuid4(),
        "known_by": CallMark("звонок 1"),
        "objects": ((UUID(int=1), "archive"), (UUID(int=2), "release")),
        "at": datetime(2026, 11, 21, tzinfo=UTC),
    }
    return Tombstone(**(values | told))  # type: ignore[arg-type]


def test_what_was_buried_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "tombstones.jsonl"
    assert list(read(path)) == []
    mark = PictureMark(captured_at=datetime(2026, 11, 20, 7, 5, tzinfo=UTC), sha256=bytes(32))
    one, other = stone(), stone(subject=subjects.screenshot(uuid4()), known_by=mark)
    for each in (one, other, one):
        bury(path, each)
    assert list(read(path)) == [one, other]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_journal_and_a_list_of_ids_name_what_was_erased(tmp_path: Path) -> None:
    journal, listed = tmp_path / "tombstones.jsonl", tmp_path / "erased.txt"
    one, other = stone(), stone(objects=((UUID(int=3), "archive"),))
    for each in (one, other):
        bury(journal, each)
    void(journal, other.erasure_id)
    assert ids_in(journal) == {one.subject.id, UUID(int=1), UUID(int=2)}
    listed.write_text(f"{one.subject.id}\n\n{other.subject.id}\n")
    assert ids_in(listed) == {one.subject.id, other.subject.id}
    listed.write_text("nothing\n")
    with pytest.raises(ValueError, match="badly formed"):
        ids_in(listed)


def test_a_void_stone_does_not_stand(tmp_path: Path) -> None:
    path = tmp_path / "tombstones.jsonl"
    one, other = stone(), stone()
    bury(path, one)
    bury(path, other)
    void(path, one.erasure_id)
    void(path, uuid4())
    assert list(read(path)) == [other]
    assert len(path.read_text().splitlines()) == 3
    bury(path, one)
    assert set(read(path)) == {one, other}


@pytest.mark.parametrize("length", [1, 40, 150])
def test_a_line_cut_short_is_ended_by_the_next(tmp_path: Path, length: int) -> None:
    path = tmp_path / "tombstones.jsonl"
    one, other = stone(), stone()
    path.write_bytes(one.line().encode()[:length])
    assert list(read(path)) == []
    bury(path, other)
    assert list(read(path)) == [other]


def test_a_line_that_is_no_tombstone_stops(tmp_path: Path) -> None:
    path = tmp_path / "tombstones.jsonl"
    bury(path, stone())
    with path.open("a") as file:
        file.write('{"v": 2}\n')
    with pytest.raises(TombstonesUnreadable) as refused:
        list(read(path))
    assert refused.value.facts == {"line": 2}
