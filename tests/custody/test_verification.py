"""Attacks on the ledger by somebody who may do everything in the database, and what finds each."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from app.core.clock import SetClock
from app.core.db import Database
from app.custody import notes, proofs, signing, tree
from app.custody.checkpoints import LogTools, checkpoint_now
from app.custody.leaves import leaf_of
from app.custody.ledger import DetailCipher
from app.custody.models import CustodyEntry
from app.custody.notes import NoteInvalid
from app.custody.signing import Purpose
from app.custody.timestamps import Authorities
from app.custody.tree import Head
from app.custody.verification import Report, verify
from tests.conftest import DETAIL_KEY, Urls
from tests.custody.authority import Authority
from tests.custody.conftest import Append, Superuser, Writer
from tests.logs import ORIGIN, log_tools

CIPHER = DetailCipher(DETAIL_KEY)


@pytest.fixture
def whole(log: LogTools, append: Append) -> LogTools:
    """Give a log of 300 entries with a checkpoint in the middle and one at its end."""
    append(200)
    checkpoint_now(log, wants_stamp=False)
    append(100)
    checkpoint_now(log, wants_stamp=False)
    return log


def _found(log: LogTools, *held: str) -> Counter[str]:
    return _report(log, *held).found


def _report(log: LogTools, *held: str) -> Report:
    return verify(log, CIPHER, held=held)


def _rows(db: Database, query: str) -> list[tuple[object, ...]]:
    with db.transaction() as session:
        return [tuple(row) for row in session.execute(text(query))]


def test_a_whole_ledger_is_found_whole(whole: LogTools) -> None:
    seen: list[tuple[int, int]] = []
    report = verify(whole, CIPHER, told=lambda done, all_: seen.append((done, all_)))
    assert report.is_whole, report.findings
    assert report.counts == {
        "leaves": 300,
        "tiles": 1,
        "checkpoints": 2,
        "private values": 600,
        "keys": 3,
        "waiting": 0,
    }
    assert seen[-1] == (300, 300)


def test_entries_that_wait_and_open_transactions_are_no_finding(
    whole: LogTools, append: Append, writer: object
) -> None:
    slow: Writer = writer()  # type: ignore[operator]  # the fixture's function
    slow.insert()
    append()
    whole.sequencer().catch_up()
    append()
    report = _report(whole)
    assert report.is_whole, report.findings
    assert report.counts["waiting"] == 1


@pytest.mark.parametrize(
    "change",
    [
        "at = at + interval '1 second'",
        "act = 'media.downloaded'",
        "object_id = gen_random_uuid()",
        "actor_kind = 'user'",
        "outcome = 'denied'",
        "facts = '{}'",
        "detail_commitment = NULL",
        "written_at = at",
    ],
)
def test_an_edited_row_differs_from_its_leaf(
    change: str, whole: LogTools, superuser: Superuser
) -> None:
    superuser(
        f"UPDATE custody_entries SET {change} WHERE id = (SELECT entry_id FROM ledger_leaves WHERE seq = 150)"  # noqa: S608, E501 - the test's own words.
    )
    report = _report(whole)
    assert report.found["row"] == 1
    assert report.findings[0].seq == 150


def test_an_edited_leaf_differs_from_its_hash(whole: LogTools, superuser: Superuser) -> None:
    superuser(
        "UPDATE custody_entries SET outcome = 'denied' "
        "WHERE id = (SELECT entry_id FROM ledger_leaves WHERE seq = 150)",
        "UPDATE ledger_leaves SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'), "
        "'\"success\"', '\"denied\"'), 'UTF8') WHERE seq = 150",
    )
    assert _found(whole) == {"leaf": 1}


def test_an_edited_hash_differs_from_tiles_and_checkpoints(
    whole: LogTools, superuser: Superuser
) -> None:
    superuser(
        "UPDATE custody_entries SET outcome = 'denied' "
        "WHERE id = (SELECT entry_id FROM ledger_leaves WHERE seq = 150)",
        "UPDATE ledger_leaves SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'), "
        "'\"success\"', '\"denied\"'), 'UTF8') WHERE seq = 150",
        "UPDATE ledger_leaves SET leaf_hash = sha256('\\x00'::bytea || leaf) WHERE seq = 150",
    )
    assert _found(whole) == {"tile": 1, "checkpoint": 2}


def test_a_removed_event_is_missed_by_its_leaf(whole: LogTools, superuser: Superuser) -> None:
    superuser(
        "DELETE FROM custody_entries "
        "WHERE id = (SELECT entry_id FROM ledger_leaves WHERE seq = 150)",
        "DELETE FROM custody_private "
        "WHERE entry_id = (SELECT entry_id FROM ledger_leaves WHERE seq = 150)",
    )
    assert _found(whole) == {"entry": 1}


def test_an_event_removed_with_its_leaf_leaves_a_hole(
    whole: LogTools, superuser: Superuser
) -> None:
    superuser(
        "DELETE FROM custody_entries "
        "WHERE id = (SELECT entry_id FROM ledger_leaves WHERE seq = 150)",
        "DELETE FROM ledger_leaves WHERE seq = 150",
    )
    report = _report(whole)
    assert report.found["sequence"] == 1
    assert (report.findings[0].check, report.findings[0].seq) == ("sequence", 151)


def test_a_changed_tile_differs_from_its_leaves(whole: LogTools, superuser: Superuser) -> None:
    superuser("UPDATE ledger_tiles SET hashes = overlay(hashes placing '\\x00' from 9)")
    assert _found(whole) == {"tile": 1}


def test_a_cut_tail_is_shorter_than_what_was_signed(whole: LogTools, superuser: Superuser) -> None:
    superuser(*_CUT)
    assert _found(whole)["tail"] == 1


_BEYOND = "(SELECT entry_id FROM ledger_leaves WHERE seq >= 250)"
_CUT = (
    f"DELETE FROM custody_private WHERE entry_id IN {_BEYOND}",  # noqa: S608 - constants.
    f"DELETE FROM custody_entries WHERE id IN {_BEYOND}",  # noqa: S608 - constants.
    "DELETE FROM ledger_leaves WHERE seq >= 250",
    "DELETE FROM ledger_tiles",
    "UPDATE ledger_progress SET position = (SELECT max(position) FROM custody_entries)",
)


def test_a_tail_cut_with_its_checkpoints_is_found_by_one_that_was_kept(
    whole: LogTools, superuser: Superuser, own_db: Database
) -> None:
    (note,) = _rows(own_db, "SELECT note FROM checkpoints WHERE size = 300")[0]
    superuser(*_CUT[:3], "DELETE FROM checkpoints WHERE size > 250")
    superuser(_CUT[3])
    assert _found(whole) == {}  # What nobody outside has seen cannot be missed.
    assert _found(whole, str(note)) == {"tail": 1}


def _rewrite(log: LogTools, own_db: Database, superuser: Superuser) -> None:
    """Change an entry, and make everything in the database that follows from entries anew."""
    superuser("UPDATE custody_entries SET outcome = 'denied' WHERE position = 150")
    superuser(
        "DELETE FROM ledger_leaves",
        "DELETE FROM ledger_tiles",
        "UPDATE ledger_progress SET position = 0",
    )
    log.sequencer().catch_up()
    signer = log.ring.signers(Purpose.LOG)
    for one, size in _rows(own_db, "SELECT id, size FROM checkpoints"):
        assert isinstance(one, UUID)
        assert isinstance(size, int)
        with own_db.transaction() as session:
            head = Head(size=size, root=proofs.root_at(session, size))
        note = notes.sign_note(notes.checkpoint_text(ORIGIN, head), signer)
        superuser(
            "UPDATE checkpoints SET root = %(root)s, note = %(note)s WHERE id = %(id)s",
            root=head.root,
            note=note,
            id=one,
        )


def test_a_log_rewritten_with_its_own_key_is_found_by_a_checkpoint_that_was_kept(
    whole: LogTools, superuser: Superuser, own_db: Database
) -> None:
    kept = [str(note) for (note,) in _rows(own_db, "SELECT note FROM checkpoints ORDER BY size")]
    _rewrite(whole, own_db, superuser)
    assert _found(whole) == {}  # Nothing in the house can tell.
    assert _found(whole, *kept) == {"held": 2}
    assert _found(whole, kept[0]) == {"held": 1}


def test_a_log_rewritten_with_its_own_key_is_found_by_its_time_stamps(
    stamped_log: LogTools, append: Append, superuser: Superuser, own_db: Database
) -> None:
    append(300)
    checkpoint_now(stamped_log, wants_stamp=True)
    assert _report(stamped_log).counts["stamps"] == 2
    assert _found(stamped_log) == {}
    _rewrite(stamped_log, own_db, superuser)
    assert _found(stamped_log) == {"stamp": 2}


def test_a_log_rewritten_with_a_stolen_database_alone_lacks_the_key(
    whole: LogTools, superuser: Superuser, own_db: Database, tmp_path: Path, clock: SetClock
) -> None:
    thief = log_tools(tmp_path / "thief", own_db, clock)
    _rewrite(thief, own_db, superuser)
    (raw,) = (key.raw for key in thief.ring.keys.public(Purpose.LOG))
    superuser(
        "UPDATE ledger_keys SET public_key = %(raw)s WHERE purpose = 'log'",
        raw=raw,
    )
    assert _found(whole) == {"signature": 2, "key": 1}


def test_a_checkpoint_row_that_differs_from_its_note_is_found(
    whole: LogTools, superuser: Superuser
) -> None:
    superuser("UPDATE checkpoints SET root = sha256('') WHERE size = 200")
    assert _found(whole) == {"checkpoint": 1}


def test_a_stamp_that_is_another_is_found(
    stamped_log: LogTools, append: Append, superuser: Superuser
) -> None:
    for _ in range(2):
        append()
        checkpoint_now(stamped_log, wants_stamp=True)
    superuser(
        "UPDATE checkpoint_stamps SET (response, stamped_at) = "
        "(SELECT response, stamped_at FROM checkpoint_stamps LIMIT 1)"
    )
    assert _found(stamped_log) == {"stamp": 2}


def test_a_stamp_said_to_be_of_another_moment_is_found(
    stamped_log: LogTools, append: Append, superuser: Superuser
) -> None:
    append()
    checkpoint_now(stamped_log, wants_stamp=True)
    superuser("UPDATE checkpoint_stamps SET stamped_at = stamped_at - interval '1 year'")
    assert _found(stamped_log) == {"stamp": 2}


def test_stamps_that_are_pending_or_cannot_be_checked_are_counted(
    stamped_log: LogTools,
    log: LogTools,
    append: Append,
    authorities: list[Authority],
) -> None:
    append()
    checkpoint_now(stamped_log, wants_stamp=True)
    for one in authorities:
        one.mode = "away"
    append()
    checkpoint_now(stamped_log, wants_stamp=True)
    report = _report(log)
    assert report.is_whole
    assert (report.counts["stamps not checked"], report.counts["stamps pending"]) == (2, 1)
    assert isinstance(log.authorities, Authorities)


@pytest.mark.parametrize(
    "change",
    [
        "ciphertext = overlay(ciphertext placing '\\x00' from 20)",
        "salt = sha256(salt)",
        "salt = ''",
    ],
)
def test_a_changed_private_value_is_not_what_was_committed_to(
    change: str, whole: LogTools, superuser: Superuser
) -> None:
    superuser(
        f"UPDATE custody_private SET {change} WHERE label = 'detail' AND entry_id = "  # noqa: S608 - the test's own words.
        "(SELECT entry_id FROM ledger_leaves WHERE seq = 150)"
    )
    assert _found(whole) == {"private": 1}


def test_an_exchanged_private_value_is_found(
    whole: LogTools, superuser: Superuser, own_db: Database
) -> None:
    (entry,) = _rows(own_db, "SELECT entry_id FROM ledger_leaves WHERE seq = 150")[0]
    assert isinstance(entry, UUID)
    superuser(
        "UPDATE custody_private SET ciphertext = %(other)s "
        "WHERE label = 'detail' AND entry_id = %(id)s",
        other=CIPHER.seal(entry, "detail", b'{"who":"another"}'),
        id=entry,
    )
    assert _found(whole) == {"private": 1}


def test_what_was_erased_leaves_a_whole_ledger(whole: LogTools, superuser: Superuser) -> None:
    superuser(
        "DELETE FROM custody_private WHERE entry_id IN "
        "(SELECT entry_id FROM ledger_leaves WHERE seq < 100)"
    )
    report = _report(whole)
    assert report.is_whole
    assert report.counts["private values"] == 400


def test_an_entry_put_in_behind_the_sequencer_is_found(
    whole: LogTools, superuser: Superuser
) -> None:
    superuser(
        "INSERT INTO custody_entries OVERRIDING SYSTEM VALUE SELECT gen_random_uuid(), -5, at, "
        "act, object_kind, object_id, actor_kind, actor_id, actor_role, outcome, facts, NULL, "
        "NULL, written_at FROM custody_entries WHERE position = 150"
    )
    assert _found(whole) == {"unsequenced": 1}


def test_a_broken_chain_of_one_object_is_found(
    whole: LogTools, superuser: Superuser, own_db: Database
) -> None:
    with own_db.transaction() as session:
        leaf = proofs.leaf_at(session, 150)
        assert leaf is not None
        entry = session.get_one(CustodyEntry, leaf.entry_id)
    forged = leaf_of(entry, log=ORIGIN, seq=150, prev=148)
    superuser(
        "UPDATE ledger_leaves SET leaf = %(leaf)s, leaf_hash = %(hash)s WHERE seq = 150",
        leaf=forged,
        hash=tree.leaf_hash(forged),
    )
    assert _found(whole)["row"] == 1


def test_a_held_checkpoint_must_be_signed_by_this_log(whole: LogTools, own_db: Database) -> None:
    (note,) = _rows(own_db, "SELECT note FROM checkpoints WHERE size = 300")[0]
    with pytest.raises(NoteInvalid):
        _report(whole, str(note).replace("300", "301"))


def test_checkpoints_of_ended_keys_stay_verifiable(
    whole: LogTools, append: Append, tmp_path: Path
) -> None:
    path, marker = tmp_path / "keys" / "ledger.key", tmp_path / "ledger-key.json"
    signing.rotate(path, marker, Purpose.LOG)
    signing.end_old(path, Purpose.LOG)
    append()
    checkpoint_now(whole, wants_stamp=False)
    report = _report(whole)
    assert report.is_whole, report.findings
    assert report.counts["checkpoints"] == 3


def test_findings_beyond_a_thousand_are_counted(
    log: LogTools, append: Append, superuser: Superuser, own_database: Urls
) -> None:
    del own_database
    append(1200)
    log.sequencer().catch_up()
    superuser("UPDATE custody_entries SET outcome = 'denied'")
    report = _report(log)
    assert (report.found["row"], len(report.findings)) == (1200, 1000)
    assert report.as_dict()["result"] == "INVALID"
