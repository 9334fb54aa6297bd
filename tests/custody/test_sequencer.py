"""The sequencer, over real transactions that are long, late, rolled back or killed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app.core.db import Database
from app.core.ids import new_id
from app.custody import proofs, tree
from app.custody.checkpoints import LogTools
from app.custody.sequencer import Gap, Sequencer, missing, still_open
from tests.conftest import Urls
from tests.custody import naive
from tests.custody.conftest import Append, Writer
from tests.logs import ORIGIN

OpenWriter = Callable[[], Writer]


def _sequence(db: Database) -> list[UUID]:
    """Return the entries in the order of their numbers, which have no gap."""
    with db.transaction() as session:
        rows = session.execute(text("SELECT seq, entry_id FROM ledger_leaves ORDER BY seq")).all()
    assert [seq for seq, _ in rows] == list(range(len(rows)))
    return [entry for _, entry in rows]


def _gaps(db: Database) -> list[tuple[int, int]]:
    with db.transaction() as session:
        rows = session.execute(text("SELECT first_position, last_position FROM ledger_gaps"))
        return [(first, last) for first, last in rows]


def test_every_entry_gets_the_next_number(log: LogTools, own_db: Database, append: Append) -> None:
    first, second = append(), append()
    assert log.sequencer().catch_up() == 2
    assert log.sequencer().catch_up() == 0
    third = append()
    assert log.sequencer().catch_up() == 1
    assert _sequence(own_db) == [first, second, third]


def test_a_long_transaction_of_another_stalls_nobody(
    log: LogTools, own_db: Database, append: Append, writer: OpenWriter
) -> None:
    slow = writer()
    late = slow.insert()
    after = [append() for _ in range(3)]
    assert log.sequencer().catch_up() == 3
    assert _sequence(own_db) == after
    assert len(_gaps(own_db)) == 1
    assert log.sequencer().catch_up() == 0
    slow.connection.commit()
    assert log.sequencer().catch_up() == 1
    assert _sequence(own_db) == [*after, late]
    log.sequencer().catch_up()
    assert _gaps(own_db) == []


def test_what_was_rolled_back_is_given_up_when_its_writer_is_gone(
    log: LogTools, own_db: Database, append: Append, writer: OpenWriter
) -> None:
    fickle, slow = writer(), writer()
    fickle.insert()
    late = slow.insert()
    fickle.insert()
    kept = append()
    log.sequencer().catch_up()
    fickle.connection.rollback()
    log.sequencer().catch_up()
    assert len(_gaps(own_db)) == 1  # Of which of the two a position is, nobody can tell.
    slow.connection.commit()
    log.sequencer().catch_up()
    assert _gaps(own_db) == []
    assert _sequence(own_db) == [kept, late]


def test_a_writer_that_began_after_a_gap_was_found_does_not_hold_it_open(
    log: LogTools, own_db: Database, append: Append, writer: OpenWriter
) -> None:
    fickle, later = writer(), writer()
    fickle.insert()
    append()
    log.sequencer().catch_up()
    fickle.connection.rollback()
    later.insert()
    log.sequencer().catch_up()
    assert _gaps(own_db) == []


def test_a_savepoint_that_was_rolled_back_leaves_a_gap_until_its_transaction_ends(
    log: LogTools, own_db: Database, append: Append, writer: OpenWriter
) -> None:
    one = writer()
    before = one.insert()
    one.connection.execute("SAVEPOINT s")
    one.insert()
    one.connection.execute("ROLLBACK TO SAVEPOINT s")
    other = append()
    log.sequencer().catch_up()
    after = one.insert()
    one.connection.commit()
    log.sequencer().catch_up()
    log.sequencer().catch_up()
    assert _sequence(own_db) == [other, before, after]
    assert _gaps(own_db) == []


def test_a_killed_writer_leaves_nothing_open(
    log: LogTools, own_db: Database, append: Append, writer: OpenWriter, own_database: Urls
) -> None:
    doomed = writer()
    doomed.insert()
    kept = append()
    log.sequencer().catch_up()
    pid = doomed.connection.info.backend_pid
    with psycopg.connect(own_database.web, autocommit=True) as killer:
        killer.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    log.sequencer().catch_up()
    assert _gaps(own_db) == []
    assert _sequence(own_db) == [kept]


def test_small_batches_make_the_same_log(
    own_db: Database, append: Append, writer: OpenWriter
) -> None:
    slow = writer()
    late = [slow.insert() for _ in range(5)]
    object_id = new_id()
    append(7, about=object_id)
    small = Sequencer(own_db, ORIGIN, batch=3)
    assert small.catch_up() == 7
    slow.connection.commit()
    assert small.catch_up() == 5
    assert _sequence(own_db)[7:] == late
    small.catch_up()
    assert _gaps(own_db) == []


def test_a_full_batch_of_late_entries_closes_no_gap(
    own_db: Database, append: Append, writer: OpenWriter
) -> None:
    slow = writer()
    late = [slow.insert() for _ in range(3)]
    append()
    small = Sequencer(own_db, ORIGIN, batch=3)
    small.catch_up()
    slow.connection.commit()
    assert Sequencer(own_db, ORIGIN, batch=2).catch_up() == 3
    assert _sequence(own_db)[1:] == late


def test_entries_name_the_one_before_about_the_same_object(
    own_db: Database, append: Append, log: LogTools
) -> None:
    one, other = new_id(), new_id()
    for about in (one, other, one):
        append(about=about)
    log.sequencer().catch_up()
    append(2, about=one)
    log.sequencer().catch_up()
    with own_db.transaction() as session:
        leaves = proofs.leaves_about(session, "recording", one, size=5)
    told = [json.loads(leaf.leaf) for leaf in leaves]
    assert [leaf["seq"] for leaf in told] == [0, 2, 3, 4]
    assert [leaf["object"]["prev"] for leaf in told] == [None, 0, 2, 3]


def test_many_at_once_and_many_sequencers_make_one_gapless_log(
    own_db: Database, append: Append, log: LogTools
) -> None:
    written: list[UUID] = []
    ended = threading.Event()

    def write() -> None:
        written.extend([append() for _ in range(25)])

    def sequence() -> None:
        while not ended.is_set():
            log.sequencer().catch_up_if_free()

    writers = [threading.Thread(target=write) for _ in range(4)]
    sequencers = [threading.Thread(target=sequence) for _ in range(2)]
    for thread in (*writers, *sequencers):
        thread.start()
    for thread in writers:
        thread.join()
    ended.set()
    for thread in sequencers:
        thread.join()
    log.sequencer().catch_up()
    assert sorted(_sequence(own_db)) == sorted(written)
    assert len(written) == 100


def test_a_batch_that_breaks_off_is_done_again_whole(
    own_db: Database, append: Append, log: LogTools, own_database: Urls
) -> None:
    entries = [append() for _ in range(4)]
    with psycopg.connect(own_database.owner) as owner:
        owner.execute("ALTER TABLE ledger_leaves ADD CONSTRAINT broken CHECK (seq <> 3)")
    with pytest.raises(psycopg.IntegrityError, match="broken"):
        Sequencer(own_db, ORIGIN, batch=2).catch_up()
    assert _sequence(own_db) == entries[:2]
    with psycopg.connect(own_database.owner) as owner:
        owner.execute("ALTER TABLE ledger_leaves DROP CONSTRAINT broken")
    log.sequencer().catch_up()
    assert _sequence(own_db) == entries


def test_tiles_and_proofs_are_those_of_the_naive_tree(
    own_db: Database, append: Append, log: LogTools
) -> None:
    for count in (255, 1, 300, 44):
        append(count)
        log.sequencer().catch_up()
    with own_db.transaction() as session:
        leaves = [bytes(one) for one in session.scalars(text("SELECT leaf FROM ledger_leaves"))]
        assert proofs.size_of(session) == len(leaves) == 600
        assert session.scalar(text("SELECT count(*) FROM ledger_tiles")) == 2
        for size in (1, 255, 256, 257, 512, 600):
            assert proofs.root_at(session, size) == naive.mth(leaves[:size])
            path = proofs.inclusion_proof(session, size - 1, size)
            assert path == naive.path(size - 1, leaves[:size])
            assert proofs.consistency_proof(session, size, 600) == naive.proof(size, leaves)


def test_the_tree_may_be_read_and_added_to_and_not_changed(
    own_db: Database, append: Append, log: LogTools
) -> None:
    append()
    log.sequencer().catch_up()
    for statement in (
        "UPDATE ledger_leaves SET leaf = ''",
        "DELETE FROM ledger_leaves",
        "DELETE FROM checkpoints",
        "UPDATE ledger_keys SET name = 'x'",
        "DELETE FROM ledger_progress",
        "TRUNCATE ledger_tiles",
    ):
        with pytest.raises(ProgrammingError, match="permission"), own_db.transaction() as session:
            session.execute(text(statement))


def test_the_owner_is_refused_too(own_database: Urls, append: Append, log: LogTools) -> None:
    append()
    log.sequencer().catch_up()
    with psycopg.connect(own_database.owner, autocommit=True) as owner:
        for statement in ("UPDATE ledger_leaves SET leaf = ''", "DELETE FROM ledger_leaves"):
            with pytest.raises(psycopg.errors.RestrictViolation):
                owner.execute(statement)


@given(st.integers(0, 5), st.sets(st.integers(1, 40)))
def test_what_is_missing_is_all_that_was_not_seen(after: int, seen: set[int]) -> None:
    growing = sorted(position for position in seen if position > after)
    found = {p for first, last in missing(after, growing) for p in range(first, last + 1)}
    assert found == set(range(after + 1, growing[-1] if growing else after)) - set(growing)


@given(come=st.sets(st.integers(1, 12)), is_writing=st.booleans(), is_whole=st.booleans())
def test_a_gap_keeps_what_may_still_come(
    *, come: set[int], is_writing: bool, is_whole: bool
) -> None:
    gap = Gap(first=3, last=9, writers=("4/17",))
    writing = frozenset({"4/17", "5/1"} if is_writing else {"5/1"})
    left = still_open(gap, sorted(come), writing, is_whole=is_whole)
    kept = {p for one in left for p in range(one.first, one.last + 1)}
    may_come = is_writing or not is_whole
    assert kept == (set(range(3, 10)) - come if may_come else set())


def test_the_root_of_nothing_is_known(own_db: Database) -> None:
    with own_db.transaction() as session:
        assert proofs.root_at(session, 0) == tree.EMPTY_ROOT
