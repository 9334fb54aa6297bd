"""Checkpoints: when they are signed, by whom, and who stamps them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from app.core.clock import SetClock
from app.core.db import Database
from app.custody import checkpoints, notes, proofs, signing, timestamps, tree
from app.custody.checkpoints import LogTools, checkpoint_now, keep_up, stamp_pending
from app.custody.models import Checkpoint
from app.custody.signing import Purpose
from app.custody.timestamps import AuthorityAway, StampInvalid
from app.custody.tree import Head
from tests.custody.authority import Authority
from tests.custody.conftest import Append
from tests.logs import ORIGIN

MINUTE = timedelta(minutes=1)


def _acts(db: Database) -> list[str]:
    with db.transaction() as session:
        return list(session.scalars(text("SELECT act FROM custody_entries ORDER BY position")))


def _head(log: LogTools, one: Checkpoint) -> Head:
    return notes.open_checkpoint(one.note, log.ring.keys.public(Purpose.LOG), origin=ORIGIN)


def test_a_checkpoint_covers_every_committed_entry(
    log: LogTools, own_db: Database, append: Append
) -> None:
    entry = append(3)
    made = checkpoint_now(log, wants_stamp=False)
    head = _head(log, made)
    with own_db.transaction() as session:
        leaf = proofs.leaf_of_entry(session, entry)
        assert leaf is not None
        path = proofs.inclusion_proof(session, leaf.seq, head.size)
    assert head.size == 3
    tree.check_inclusion(tree.leaf_hash(leaf.leaf), leaf.seq, path, head)


def test_nothing_new_is_not_signed_again(log: LogTools, append: Append) -> None:
    append()
    first = checkpoint_now(log, wants_stamp=False)
    assert checkpoint_now(log, wants_stamp=False).id == first.id
    wanted = checkpoint_now(log, wants_stamp=True)
    assert (wanted.size, wanted.id == first.id) == (first.size, False)
    assert checkpoint_now(log, wants_stamp=False).id == wanted.id


def test_the_first_day_begins_with_a_heartbeat(log: LogTools, own_db: Database) -> None:
    made = keep_up(log)
    assert made is not None
    assert (made.size, made.wants_stamp) == (1, True)
    assert _acts(own_db) == ["checkpoint.signed"]


def test_a_grown_tree_is_signed_after_five_minutes(
    log: LogTools, clock: SetClock, append: Append
) -> None:
    keep_up(log)
    append()
    clock.advance(4 * MINUTE)
    assert keep_up(log) is None
    clock.advance(MINUTE)
    made = keep_up(log)
    assert made is not None
    assert (made.size, made.wants_stamp) == (2, False)
    clock.advance(10 * MINUTE)
    assert keep_up(log) is None


def test_an_idle_day_is_signed_too_and_says_so(
    log: LogTools, clock: SetClock, own_db: Database
) -> None:
    keep_up(log)
    clock.advance(timedelta(hours=23, minutes=59))
    assert keep_up(log) is None
    clock.advance(MINUTE)
    made = keep_up(log)
    assert made is not None
    assert (made.size, made.wants_stamp) == (2, True)
    assert _acts(own_db) == ["checkpoint.signed"] * 2


def test_each_authority_stamps_and_openssl_agrees(
    stamped_log: LogTools, own_db: Database, append: Append, authorities: list[Authority]
) -> None:
    append()
    made = checkpoint_now(stamped_log, wants_stamp=True)
    with own_db.transaction() as session:
        stamps = checkpoints.stamps_of(session, made.id)
        assert checkpoints.pending_count(session) == 0
    assert {stamp.authority for stamp in stamps} == {one.url for one in authorities}
    by_url = {one.url: one for one in authorities}
    for stamp in stamps:
        authority = by_url[stamp.authority]
        assert authority.verify(stamp.response, made.note.encode())
        assert not authority.verify(stamp.response, made.note.encode() + b"x")
        assert abs(datetime.now(UTC) - stamp.stamped_at) < timedelta(minutes=5)
    assert _acts(own_db).count("checkpoint.stamped") == 2
    assert stamp_pending(stamped_log) == 0


def test_without_an_answer_it_is_pending_and_stamped_later(
    stamped_log: LogTools, own_db: Database, append: Append, authorities: list[Authority]
) -> None:
    for one in authorities:
        one.mode = "away"
    append()
    made = checkpoint_now(stamped_log, wants_stamp=True)
    with own_db.transaction() as session:
        assert checkpoints.stamps_of(session, made.id) == []
        assert checkpoints.pending_count(session) == 1
    authorities[1].mode = "right"
    assert stamp_pending(stamped_log) == 1
    authorities[0].mode = "right"
    assert stamp_pending(stamped_log) == 1
    with own_db.transaction() as session:
        assert len(checkpoints.stamps_of(session, made.id)) == 2
        assert checkpoints.pending_count(session) == 0


@pytest.mark.parametrize("mode", ["away", "garbage", "endless", "replay", "other"])
def test_what_is_no_stamp_of_this_is_never_kept(
    mode: str,
    stamped_log: LogTools,
    own_db: Database,
    append: Append,
    authorities: list[Authority],
) -> None:
    append()
    checkpoint_now(stamped_log, wants_stamp=True)
    authorities[0].mode = mode
    append()
    made = checkpoint_now(stamped_log, wants_stamp=True)
    with own_db.transaction() as session:
        kept = [stamp.authority for stamp in checkpoints.stamps_of(session, made.id)]
    assert kept == [authorities[1].url]


def test_the_same_bytes_replayed_are_told_by_the_nonce(
    stamped_log: LogTools, authorities: list[Authority]
) -> None:
    one = authorities[0]
    one.mode = "replay"
    one._first = None
    first = stamped_log.authorities.ask(one.url, b"the same")
    assert stamped_log.authorities.check(first.response, b"the same") == first
    with pytest.raises(StampInvalid, match="Nonce"):
        stamped_log.authorities.ask(one.url, b"the same")


def test_an_authority_with_another_root_is_not_trusted(authorities: list[Authority]) -> None:
    mine, other = authorities
    trusting = timestamps.Authorities.configured(other.url, mine.roots)
    with pytest.raises(StampInvalid):
        trusting.ask(other.url, b"bytes")
    assert timestamps.Authorities.configured(other.url, other.roots).ask(other.url, b"bytes")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://127.0.0.1:1/tsa", "nonsense"])
def test_who_is_not_there_is_away(url: str, authorities: list[Authority]) -> None:
    asking = timestamps.Authorities.configured(url, authorities[0].roots)
    with pytest.raises(AuthorityAway):
        asking.ask(url, b"bytes")


def test_roots_must_be_certificates(tmp_path: Path) -> None:
    empty = tmp_path / "roots.pem"
    empty.write_text("nothing")
    for roots in (empty, tmp_path / "missing", None):
        with pytest.raises(timestamps.RootsInvalid):
            timestamps.Authorities.configured("http://tsa.example/", roots)


def test_both_keys_sign_while_one_follows_the_other(
    log: LogTools, own_db: Database, append: Append, tmp_path: Path
) -> None:
    path, marker = tmp_path / "keys" / "ledger.key", tmp_path / "ledger-key.json"
    append()
    before = checkpoint_now(log, wants_stamp=False)
    (old,) = log.ring.keys.public(Purpose.LOG)
    new = signing.rotate(path, marker, Purpose.LOG)
    append()
    during = checkpoint_now(log, wants_stamp=False)
    assert signing.end_old(path, Purpose.LOG) == (old,)
    append()
    after = checkpoint_now(log, wants_stamp=False)
    signed = {
        name: {
            key for key in (old, new) if f"{ORIGIN} " in one.note and _is_signed_by(one.note, key)
        }
        for name, one in (("before", before), ("during", during), ("after", after))
    }
    assert signed == {"before": {old}, "during": {old, new}, "after": {new}}
    for one in (before, during, after):
        assert _head(log, one).size == one.size
    with own_db.transaction() as session:
        listed = checkpoints.key_list(session)
    assert [(key.public_key, key.at_size) for key in listed if key.purpose == "log"] == [
        (old.raw, 1),
        (new.raw, 2),
    ]


def _is_signed_by(note: str, key: notes.PublicKey) -> bool:
    try:
        notes.open_note(note, [key])
    except notes.NoteInvalid:
        return False
    return True
