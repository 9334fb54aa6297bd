"""Holds are legal holds of a real store too, on every version; and a lock outlives an erasure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from botocore.exceptions import ClientError
from sqlalchemy.exc import ProgrammingError

from app.core.db import Database
from app.fixity import checks, locks
from app.inspection.sandbox import Sandbox
from app.retention import jobs, purge
from app.retention.tombstones import read
from app.system import restore
from storage.ports import LockMode
from storage.s3 import S3Store
from storage.sealed import SealedStore
from tests.conftest import Urls
from tests.live import live_archive
from tests.papers import pdf
from tests.retention import test_papers as papers
from tests.retention import test_screenshots as screenshots
from tests.retention.conftest import Keeping
from tests.s3_server import S3Server, running_s3_server

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3Server]:
    with running_s3_server() as server:
        yield server


@dataclass
class Bucket:
    """An archive over a bucket with object lock, and whoever has stolen its credentials."""

    keeping: Keeping
    client: S3Client
    name: str

    def versions(self, object_id: UUID) -> list[str]:
        key = SealedStore.key_for(object_id)
        found = self.client.list_object_versions(Bucket=self.name, Prefix=key)
        return [one["VersionId"] for one in found.get("Versions", []) if one["Key"] == key]

    def steal(self, object_id: UUID) -> None:
        """Delete every version, with whatever right the credentials have."""
        for version in self.versions(object_id):
            self.client.delete_object(
                Bucket=self.name,
                Key=SealedStore.key_for(object_id),
                VersionId=version,
                BypassGovernanceRetention=True,
            )

    def lift(self, object_id: UUID, version: str) -> None:
        self.client.put_object_legal_hold(
            Bucket=self.name,
            Key=SealedStore.key_for(object_id),
            VersionId=version,
            LegalHold={"Status": "OFF"},
        )

    def work(self) -> None:
        """Do the jobs that are due, and those that they ask for."""
        due = "SELECT FROM procrastinate_jobs WHERE status = 'todo'"
        while self.keeping.rows(f"{due} AND (scheduled_at IS NULL OR scheduled_at <= now())"):
            self.keeping.live.work()

    def pass_time(self, until: datetime) -> None:
        """Ask the server until its own clock is past `until`."""
        while True:
            answer = self.client.head_bucket(Bucket=self.name)["ResponseMetadata"]["HTTPHeaders"]
            if parsedate_to_datetime(answer["date"]) > until:
                return

    def evidence(self, recording_id: str) -> list[UUID]:
        """Return the original and the playable copy."""
        ((original, playable),) = self.keeping.rows(
            "SELECT object_id, playable_object_id FROM legs WHERE recording_id = :id",
            id=UUID(recording_id),
        )
        return [original, playable]

    def held(self, recording_id: str) -> list[bool]:
        archive = self.keeping.live.tools.archive
        return [archive.lock_state(one).is_held for one in self.evidence(recording_id)]

    def release(self, hold: dict[str, str]) -> None:
        answer = self.keeping.post("approver", f"/holds/{hold['id']}/release", reason="Мир.")
        assert answer.status_code == 200, answer.text
        self.work()


@pytest.fixture
def bucket(
    s3_server: S3Server, own_database: Urls, tmp_path: Path, sandbox: Sandbox
) -> Iterator[Bucket]:
    name = s3_server.new_bucket(has_lock=True)
    store = S3Store(s3_server.settings(name))
    store.probe()
    # Only the locks that a test sets itself: those of the house last for days.
    told = {"s3_object_lock": "off"}
    with live_archive(tmp_path, own_database.web, sandbox, store=store, **told) as live:
        keeping = Keeping(live=live, owner_url=own_database.owner)
        yield Bucket(keeping=keeping, client=s3_server.client(), name=name)


def test_what_is_held_is_deleted_by_nobody_until_the_last_hold_ends(bucket: Bucket) -> None:
    keeping, archive = bucket.keeping, bucket.keeping.live.tools.archive
    sent = keeping.sent()
    until = datetime.now(UTC).replace(microsecond=0) + 5 * SECOND
    for object_id in bucket.evidence(sent):
        archive.lock(object_id, mode=LockMode.GOVERNANCE, until=until)
    first, second = keeping.hold(sent), keeping.hold(sent, matter="А40-2/2026")
    bucket.work()
    assert bucket.held(sent) == [True, True]
    shown = keeping.get(f"/recordings/{sent}/fixity", who="reviewer").json()["legs"][0]
    for lock in (shown["lock"], shown["playable_lock"]):
        assert (lock["store"], lock["wants_hold"], lock["is_held"]) == ("supported", True, True)
        assert lock["seen_at"]
    asked = keeping.ask(sent)
    assert asked["state"] == "denied"
    assert asked["denial"].startswith("held by А40-1/2026 since ")
    # With the lock over, the hold alone keeps it.
    bucket.pass_time(until)
    for object_id in bucket.evidence(sent):
        with pytest.raises(ClientError, match="AccessDenied"):
            bucket.steal(object_id)
    bucket.release(first)
    assert bucket.held(sent) == [True, True]
    bucket.release(second)
    assert bucket.held(sent) == [False, False]
    told = keeping.erased(sent)
    assert all(one["deleted_at"] for one in told["objects"])
    assert [bucket.versions(UUID(one["object_id"])) for one in told["objects"]] == [[]] * 4


def test_a_rule_holds_what_comes_in(bucket: Bucket) -> None:
    keeping = bucket.keeping
    early, other = keeping.sent("c1"), keeping.sent("c2", agent="107")
    hold = keeping.hold(agent="106")
    bucket.work()
    assert (bucket.held(early), bucket.held(other)) == ([True] * 2, [False] * 2)
    late = keeping.sent("c3")
    assert bucket.held(late) == [False, False]
    checks.check_due(keeping.live.tools)  # Reads back what came in, minutes later.
    bucket.work()
    assert (bucket.held(late), bucket.held(other)) == ([True] * 2, [False] * 2)
    bucket.release(hold)
    assert [bucket.held(one) for one in (early, other, late)] == [[False] * 2] * 3


def test_a_screenshot_is_held_in_the_store_as_a_recording_is(bucket: Bucket) -> None:
    keeping, archive = bucket.keeping, bucket.keeping.live.tools.archive
    shot = screenshots.sent(keeping)
    ((original,),) = keeping.rows(screenshots.OBJECT, id=UUID(shot))
    named = keeping.hold(screenshot_ids=[shot])
    ruled = keeping.hold(agent="106")
    bucket.work()
    assert archive.lock_state(original).is_held
    with pytest.raises(ClientError, match="AccessDenied"):
        bucket.steal(original)
    late = screenshots.sent(keeping, "2026-11-20T11:00:00+03:00")
    ((newer,),) = keeping.rows(screenshots.OBJECT, id=UUID(late))
    checks.check_due(keeping.live.tools)  # Reads back what came in, minutes later.
    bucket.work()
    assert archive.lock_state(newer).is_held
    bucket.release(named)
    assert archive.lock_state(original).is_held
    bucket.release(ruled)
    assert not archive.lock_state(original).is_held
    assert not archive.lock_state(newer).is_held
    told = screenshots.erased(keeping, shot)
    assert all(one["deleted_at"] for one in told["objects"])
    assert bucket.versions(original) == []


def test_what_a_held_dispute_is_shown_or_sent_later_is_held_in_the_store_at_once(
    bucket: Bucket,
) -> None:
    keeping, archive = bucket.keeping, bucket.keeping.live.tools.archive
    screenshots.of_client(keeping)
    shot = screenshots.sent(keeping, "2026-11-20T11:00:00+03:00", event={"external_id": "E-1"})
    call = keeping.sent(event={"external_id": "E-1"})
    paper = papers.kept(keeping)
    of_call = papers.kept(keeping, pdf("/B 1"), upload_id="u-2", client=None, recording_id=call)
    opened = keeping.post("manager", "/disputes", client="C-1", subject="Спор")
    place = f"/disputes/{opened.json()['id']}"
    hold = keeping.hold(dispute_id=opened.json()["id"])
    asked = keeping.post("manager", f"{place}/requests", asked="Акт").json()["id"]
    bucket.work()
    pictures = keeping.rows(screenshots.OBJECT, id=UUID(shot))[0]
    files = [
        keeping.rows("SELECT object_id FROM documents WHERE id = :id", id=UUID(one))[0][0]
        for one in (paper, of_call)
    ]
    objects = [*bucket.evidence(call), *pictures, *files]
    assert not any(archive.lock_state(one).is_held for one in objects)
    for body in ({"recording_id": call}, {"screenshot_id": shot}):
        added = keeping.post("manager", f"{place}/exhibits", **body)
        assert added.status_code == 201, added.text
    came = f"{place}/requests/{asked}/received"
    received = keeping.post("manager", came, document_ids=[paper])
    assert received.status_code == 200, received.text
    bucket.work()
    assert all(archive.lock_state(one).is_held for one in objects)
    bucket.release(hold)
    assert not any(archive.lock_state(one).is_held for one in objects)


def test_what_no_job_told_the_store_is_told_by_the_daily_look(bucket: Bucket) -> None:
    keeping = bucket.keeping
    sent = keeping.sent()
    keeping.hold(sent)
    keeping.rows("DELETE FROM procrastinate_jobs WHERE status = 'todo' RETURNING id")
    jobs.handle_daily(keeping.live.tools)
    bucket.work()
    assert bucket.held(sent) == [True, True]


def test_a_hold_lifted_on_one_version_is_an_incident(bucket: Bucket) -> None:
    keeping, tools = bucket.keeping, bucket.keeping.live.tools
    sent = keeping.sent()
    original = bucket.evidence(sent)[0]
    # What a repair has replaced stays as a version below, and is held as well.
    draft = tools.archive._store.begin(SealedStore.key_for(original), replaces=True)
    draft.write(b"mended")
    draft.keep()
    assert len(bucket.versions(original)) == 2
    keeping.hold(sent)
    bucket.work()
    with pytest.raises(ClientError, match="AccessDenied"):
        bucket.steal(original)
    for version in bucket.versions(original):
        assert locks.reconcile(tools) == 0
        bucket.lift(original, version)
        assert locks.reconcile(tools) == 1
        (told,) = keeping.get("/fixity", who="auditor").json()["locks"]
        assert (told["object_id"], told["difference"]) == (str(original), "hold_missing")
        metrics = keeping.live.call("GET", "/metrics", who=None).text
        assert "audiatur_lock_differences 1.0" in metrics
        bucket.work()
        assert bucket.held(sent) == [True, True]
    acts = "SELECT outcome FROM custody_entries WHERE act = 'lock.differed' AND object_id = :id"
    assert keeping.rows(acts, id=UUID(sent)) == [("failed",)] * 2


def test_an_erasure_waits_for_a_lock_that_nobody_lifts(bucket: Bucket) -> None:
    keeping, tools = bucket.keeping, bucket.keeping.live.tools
    sent = keeping.sent()
    original = bucket.evidence(sent)[0]
    until = datetime.now(UTC).replace(microsecond=0) + 8 * SECOND
    tools.archive.lock(original, mode=LockMode.COMPLIANCE, until=until)
    told = keeping.erased(sent)
    locked = [one for one in told["objects"] if not one["deleted_at"]]
    assert [one["object_id"] for one in locked] == [str(original)]
    assert locked[0]["note"] == "ciphertext_locked_until"
    assert datetime.fromisoformat(locked[0]["locked_until"]) == until
    keys = "SELECT count(*) FROM sealed_objects WHERE wrapped_key IS NOT NULL"
    assert keeping.rows(keys) == [(0,)]
    with pytest.raises(ClientError, match="AccessDenied"):
        bucket.steal(original)
    purge.check(tools, UUID(told["id"]))
    found = keeping.get(f"/erasures/{told['id']}").json()
    assert (found["state"], found["alarm"]) == ("executed", None)
    waiting = "SELECT scheduled_at FROM procrastinate_jobs WHERE task_name = 'retention.purge'"
    ((asked_at,),) = keeping.rows(f"{waiting} AND status = 'todo'")
    assert asked_at == until + timedelta(minutes=1)
    bucket.pass_time(until)
    jobs.handle_daily(tools)
    bucket.work()
    assert bucket.versions(original) == []
    purge.check(tools, UUID(told["id"]))
    found = keeping.get(f"/erasures/{told['id']}").json()
    assert (found["state"], found["objects"][0]["note"]) == ("verified", None)
    assert all(one["deleted_at"] for one in found["objects"])


def test_bytes_that_a_restore_leaves_to_a_lock_go_when_it_ends(
    bucket: Bucket, own_database: Urls
) -> None:
    """A backup that only lists its objects finds them where they are, locked or not."""
    keeping, tools = bucket.keeping, bucket.keeping.live.tools
    sent = keeping.sent()
    original, playable = bucket.evidence(sent)
    until = datetime.now(UTC).replace(microsecond=0) + 8 * SECOND
    tools.archive.lock(original, mode=LockMode.COMPLIANCE, until=until)
    keeping.erased(sent)
    (stone,) = read(tools.settings.tombstones_path)
    assert {(original, "archive"), (playable, "archive")} <= set(stone.objects)
    database = Database(own_database.owner, role=None, info={"detail_cipher": tools.cipher})
    stores = {"archive": tools.archive._store, "release": tools.release._store}
    restore.delete_again(database, stores, stone)
    database.close()
    left = "SELECT object_id, erasure_id, note, locked_until, deleted_at IS NULL FROM left_bytes"
    assert keeping.rows(left) == [(original, stone.erasure_id, None, None, True)]
    assert purge.delete_left(tools) == 0
    locked = (original, stone.erasure_id, "ciphertext_locked_until", until, True)
    assert keeping.rows(left) == [locked]
    bucket.pass_time(until)
    jobs.handle_daily(tools)
    assert bucket.versions(original) == []
    assert keeping.rows(left) == [(original, stone.erasure_id, None, None, False)]
    with pytest.raises(ProgrammingError, match="permission denied"):
        keeping.rows("DELETE FROM left_bytes RETURNING object_id")


def test_a_hidden_version_is_not_gone_and_a_deletion_hides_nothing(bucket: Bucket) -> None:
    """A delete marker looks like a deletion to whoever asks for the object alone."""
    keeping, archive = bucket.keeping, bucket.keeping.live.tools.archive
    original = bucket.evidence(keeping.sent())[0]
    bucket.client.delete_object(Bucket=bucket.name, Key=SealedStore.key_for(original))
    assert archive.has(original)
    archive.delete(original)
    assert not archive.has(original)
    # What is not there is not hidden by deleting it: no marker is left behind.
    left = bucket.client.list_object_versions(Bucket=bucket.name, Prefix=original.hex[-2:])
    assert "DeleteMarkers" not in left


def test_nothing_is_claimed_of_a_folder(keeping: Keeping) -> None:
    sent = keeping.sent()
    keeping.hold(sent)
    keeping.live.work()
    lock = keeping.get(f"/recordings/{sent}/fixity", who="reviewer").json()["legs"][0]["lock"]
    assert lock == {
        "store": "not supported by the store",
        "mode": None,
        "until": None,
        "wants_hold": True,
        "is_held": False,
        "seen_at": None,
    }
