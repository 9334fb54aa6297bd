"""The checker of the crash trial finds what it is there to find."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from app.core.ids import new_id
from app.embedded.postgres import Cluster
from tests.conftest import Urls
from tests.live import Live

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))  # As scripts/crash itself does.

from crash_tool import halves, uploads, windows  # noqa: E402  # Needs the line above.
from crash_tool.book import Book  # noqa: E402  # The same.
from crash_tool.checker import Evidence, Findings, check  # noqa: E402  # The same.
from crash_tool.sender import Address, Sender  # noqa: E402  # The same.
from crash_tool.windows import Kill, Kind, Window  # noqa: E402  # The same.

SEED = 5
# What <names> in the statements below stand for.
MEANINGS = {
    "<object>": "(SELECT object_id FROM legs WHERE recording_id = <call>)",
    "<entry>": """(SELECT id FROM custody_entries
        WHERE object_id = <call> AND act = 'recording.ingested')""",
    "<call>": "(SELECT id FROM recordings WHERE source_call_id = 'call-1')",
    "<other>": "'00000000-0000-7000-8000-000000000000'",
}


def meant(sql: str) -> bytes:
    for name, meaning in MEANINGS.items():
        sql = sql.replace(name, meaning)
    return sql.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A small archive where nothing is wrong, and a way to break it."""

    live: Live
    book: Book
    superuser: str
    owner: str
    archive: Path

    def check(self) -> Findings:
        with psycopg.connect(self.owner) as connection:
            tools = self.live.tools
            evidence = Evidence(connection=connection, store=tools.archive, cipher=tools.cipher)
            return check(evidence, self.book)

    def damage(self, sql: str) -> None:
        """Change rows past every constraint and trigger; some must be there to change."""
        with psycopg.connect(self.superuser) as connection:
            connection.execute("SET session_replication_role = replica")
            assert connection.execute(meant(sql)).rowcount > 0

    def file(self) -> Path:
        """Return the sealed file of call 1."""
        with psycopg.connect(self.owner) as connection:
            row = connection.execute(meant("SELECT <object>")).fetchone()
        assert row is not None
        name = UUID(str(row[0])).hex
        return self.archive / name[-2:] / name


@pytest.fixture
def world(live: Live, cluster: Cluster, own_database: Urls, tmp_path: Path) -> World:
    book = Book(SEED)
    address = Address(port=int(live.url.rsplit(":", 1)[1]), key=live.key("phone"))
    sender = Sender(address, book, random.Random(SEED))  # noqa: S311  # No secret.
    for number in (0, 1, 3, 4, 19):  # 3 and 4 are the legs of one call, 19 is a screenshot.
        sender.deliver(uploads.upload(SEED, number))
    sender.deliver(uploads.upload(SEED, 1), is_repeat=True)
    sender.contest(uploads.upload(SEED, 1))
    sender.close()
    password = (cluster.directory / "passwords" / "postgres").read_text()
    name = own_database.owner.rsplit("/", 1)[1]
    return World(
        live=live,
        book=book,
        superuser=f"postgresql://postgres:{password}@127.0.0.1:{cluster.port}/{name}",
        owner=own_database.owner,
        archive=tmp_path / "archive",
    )


def test_a_sound_archive_has_no_findings_and_was_looked_at(world: World) -> None:
    findings = world.check()
    assert findings.verdict() == "0 lost, 0 altered, 0 half", list(findings.lines())
    assert findings.checked == {
        "acknowledged": 5,
        "kept": 5,
        "objects": 5,
        "entries": 5,
        "conflicts": 1,
        "rules": len(halves.RULES),
    }
    assert world.book.faults == []


# Each half state by its rule, and a change that brings it about.
HALVES = {
    "recording without leg": "DELETE FROM legs WHERE recording_id = <call>",
    "recording without its two sides": """
        DELETE FROM parties WHERE recording_id = <call> AND label = 'cli'""",
    "recording without event": """
        DELETE FROM events WHERE id = (SELECT event_id FROM recordings WHERE id = <call>)""",
    "recording without link": "DELETE FROM link_changes WHERE recording_id = <call>",
    "recording not told of once": """
        DELETE FROM custody_entries WHERE id = <entry>""",
    "legs and entries differ in number": """
        DELETE FROM custody_entries WHERE act = 'recording.leg_added'""",
    "legs and jobs differ in number": """
        DELETE FROM procrastinate_jobs WHERE args->>'recording_id' = <call>::text""",
    "leg without recording": "DELETE FROM recordings WHERE id = <call>",
    "leg without object's row": "DELETE FROM sealed_objects WHERE object_id = <object>",
    "screenshot without object's row": """
        DELETE FROM sealed_objects WHERE object_id = (SELECT object_id FROM screenshots)""",
    "screenshot without event": """
        DELETE FROM events WHERE id = (SELECT event_id FROM screenshots)""",
    "screenshot without link": "DELETE FROM link_changes WHERE screenshot_id IS NOT NULL",
    "screenshot not told of once": """
        DELETE FROM custody_entries WHERE act = 'screenshot.ingested'""",
    "object's row of nothing": "DELETE FROM legs WHERE recording_id = <call>",
    "piece of an upload that is over, or that its sender has gone on with": """
        INSERT INTO resumable_pieces (upload_id, starts_at, size_bytes, object_id, wrapped_key)
        SELECT id, 0, 1, gen_random_uuid(), 'x' FROM resumable_uploads LIMIT 1""",
    "upload kept without what was made of it": "DELETE FROM recordings WHERE id = <call>",
    "event of nothing": "DELETE FROM link_changes WHERE recording_id = <call>",
    "link of nothing": "DELETE FROM recordings WHERE id = <call>",
    "party of nothing": "DELETE FROM recordings WHERE id = <call>",
    "entry of nothing": "DELETE FROM recordings WHERE id = <call>",
    "entry without its two private rows": """
        DELETE FROM custody_private WHERE label = 'detail' AND entry_id = <entry>""",
    "private row without entry": """
        DELETE FROM custody_entries WHERE id = <entry>""",
}


def test_every_rule_has_a_change_that_breaks_it() -> None:
    assert HALVES.keys() == halves.RULES.keys()


@pytest.mark.parametrize("rule", HALVES)
def test_a_part_without_the_rest_is_half(world: World, rule: str) -> None:
    world.damage(HALVES[rule])
    assert [found for found in world.check().half if found.startswith(f"{rule}: ")] != []


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM recordings WHERE id = <call>",
        "DELETE FROM legs WHERE recording_id = <call>",
        "DELETE FROM sealed_objects WHERE object_id = <object>",
        "DELETE FROM screenshots",
        "DELETE FROM custody_entries WHERE act = 'recording.conflict'",
    ],
)
def test_what_was_acknowledged_and_is_not_there_is_lost(world: World, sql: str) -> None:
    world.damage(sql)
    assert world.check().lost != []


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE sealed_objects SET sha256 = sha256('') WHERE object_id = <object>",
        "UPDATE sealed_objects SET size_bytes = 1 WHERE object_id = <object>",
        "UPDATE screenshots SET sha256 = sha256('')",
        """UPDATE recordings SET id = <other> WHERE id = <call>;
        UPDATE legs SET recording_id = <other>
        WHERE recording_id NOT IN (SELECT id FROM recordings)""",
        "UPDATE custody_private SET ciphertext = ciphertext || '\\x00' WHERE label = 'content'",
        "UPDATE custody_entries SET content_commitment = sha256('')",
        """UPDATE custody_private SET salt = sha256('')
        WHERE label = 'content' AND entry_id = <entry>""",
    ],
)
def test_what_differs_from_its_acknowledgement_is_altered(world: World, sql: str) -> None:
    world.damage(sql)
    assert world.check().altered != []


def test_a_missing_object_is_lost(world: World) -> None:
    world.file().unlink()
    findings = world.check()
    assert [found.split(":")[0] for found in findings.lost] == ["call-1 mixed"]
    assert [found.split(":")[0] for found in findings.half] == ["row without object"]


def _flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("change", [_flipped, lambda c: c[:-1], lambda c: c + b"\0"])
def test_an_altered_byte_is_altered(world: World, change: Callable[[bytes], bytes]) -> None:
    file = world.file()
    file.write_bytes(change(file.read_bytes()))
    assert len(world.check().altered) == 2  # The object, and what was acknowledged.


def test_an_object_that_no_row_names_is_half(world: World) -> None:
    draft = world.live.tools.archive.begin(new_id())
    draft.write(b"left over")
    kept = draft.keep()
    assert world.check().half == [f"object without row: {kept.object_id}"]


def test_what_nobody_sent_is_half(world: World) -> None:
    key = uploads.upload(SEED, 1).key
    del world.book.sent[key]
    del world.book.promises[key]
    assert world.check().half == ["nobody sent call-1 mixed"]


def test_what_was_never_acknowledged_may_be_there_but_with_the_bytes_sent(world: World) -> None:
    key = uploads.upload(SEED, 1).key
    del world.book.promises[key]
    assert world.check().verdict() == "0 lost, 0 altered, 0 half"
    world.book.sent[key] = replace(world.book.sent[key], sha256=bytes(32))
    assert world.check().altered == ["call-1 mixed: not what was sent"]


def test_a_repeat_that_is_answered_otherwise_is_a_fault(world: World) -> None:
    key = uploads.upload(SEED, 1).key
    world.book.promised(key, replace(world.book.promises[key], id=str(new_id())))
    assert len(world.book.faults) == 1
    world.book.promised(key, replace(world.book.promises[key], sha256=bytes(32)))
    assert len(world.book.faults) == 3


def test_uploads_are_the_same_again_and_differ_from_one_another() -> None:
    first = [uploads.upload(SEED, number) for number in range(50)]
    assert first == [uploads.upload(SEED, number) for number in range(50)]
    assert len({one.key for one in first}) == 50
    assert len({one.sha256 for one in first}) == 50
    assert {one.key.leg for one in first} == {"mixed", "sent", "received", ""}
    assert first[3].key.name == first[4].key.name
    assert all(1024 <= len(one.content) <= 42_000 for one in first)


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        (b"\0\0\0\0", {Window.NONE}),
        (b"\2\0\0\0", {Window.BODY}),
        (b"\1\1\3\0", {Window.BODY, Window.STORE, Window.TRANSACTION}),
        (b"\0\0\0\1", {Window.ANSWER}),
    ],
)
def test_the_windows_are_those_that_uploads_are_in(
    tmp_path: Path, stages: bytes, expected: set[Window]
) -> None:
    (tmp_path / "stages").write_bytes(stages)
    assert windows.look(tmp_path / "stages", None) == expected


def test_a_kill_counts_in_each_of_its_windows() -> None:
    kills = [
        Kill(kind=Kind.WEB, windows=frozenset({Window.BODY, Window.FSYNC})),
        Kill(kind=Kind.WEB_STEP, windows=frozenset({Window.BODY}), call="fsync"),
    ]
    rows = {line.split()[0]: line.split()[-1] for line in windows.table(kills).splitlines()}
    assert rows == {
        "window": "all",
        "body": "2",
        "fsync": "1",
        "store": "0",
        "transaction": "0",
        "answer": "0",
        "none": "0",
        "kills": "2",
    }
