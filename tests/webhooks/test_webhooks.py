"""What is told to whom, how often, under which signature, and what is never told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from standardwebhooks import Webhook, WebhookVerificationError

from app.core.errors import Refusal
from app.core.ids import new_id
from app.core.outbound import AddressRefused
from app.custody import ledger
from app.custody.ledger import Act, Outcome
from app.custody.sequencer import Sequencer
from app.identity.actor import Actor
from app.webhooks import outbox, sending, service
from app.webhooks.models import DeliveryState, EndpointState, Fault, Kind
from app.webhooks.sending import ANSWER_BYTES, PAUSES
from app.webhooks.service import Asked, DeliveryNotFound, DeliveryUnderWay, EndpointNotFound
from app.worker import loop
from tests.conftest import Urls
from tests.webhooks.office import ACTOR, Office, clock_of_now

ROOT = Path(__file__).parents[2]


def test_an_entry_of_the_ledger_is_told_once_and_verified_by_the_library(office: Office) -> None:
    secret = office.add()
    recording = office.happen(facts={"leg": "mixed", "size_bytes": 44})
    assert office.send() == 1
    told = office.receiver.verified(secret)
    assert told == {
        "type": "recording.kept",
        "timestamp": office.clock.now().isoformat().replace("+00:00", "Z"),
        "data": {
            "recording_id": str(recording),
            "leg": "mixed",
            "size_bytes": 44,
            "ledger_seq": told["data"]["ledger_seq"],
        },
    }
    office.follow()
    assert office.send() == 0
    assert office.states() == [DeliveryState.DELIVERED]
    with pytest.raises(WebhookVerificationError):
        office.receiver.verified("whsec_" + "A" * 43)


def test_what_happened_before_an_endpoint_was_there_is_not_told(office: Office) -> None:
    with office.database.transaction() as session:
        before = session.scalar(text("SELECT seq FROM webhook_progress"))
    office.happen()
    office.add()
    second = office.happen()
    with office.database.transaction() as session:
        assert session.scalar(text("SELECT seq FROM webhook_progress")) > before
    office.send()
    assert [told["data"]["recording_id"] for told in office.receiver.told] == [str(second)]


def test_an_endpoint_that_came_while_nobody_read_is_not_told_of_what_was_before(
    office: Office,
) -> None:
    office.happen()
    with office.database.transaction() as session:
        session.execute(text("UPDATE webhook_progress SET seq = 0"))
    office.add()
    # The entry that says the endpoint was added is read too, and is told to nobody.
    assert office.follow() >= 2
    assert office.send() == 0


def test_each_kind_is_told_from_its_entry(office: Office) -> None:
    office.add()
    link = new_id()
    asked: list[tuple[Act, str, dict[str, str | int | bool | None]]] = [
        (Act.RECORDING_INGESTED, "recording", {"leg": "mixed", "size_bytes": 1}),
        (Act.RECORDING_LEG_ADDED, "recording", {"leg": "rx", "size_bytes": 2}),
        (Act.LINK_CHANGED, "recording", {"linked_by": "person", "from": "a", "to": "b"}),
        (Act.ERASURE_EXECUTED, "recording", {"erasure_id": "e", "objects": 3}),
        (Act.SCREENSHOT_INGESTED, "screenshot", {"size_bytes": 4}),
        (Act.ERASURE_EXECUTED, "screenshot", {"erasure_id": "e", "objects": 1}),
        (Act.RELEASE_GRANTED, "release", {"link_id": str(link), "expires_at": "x"}),
        (Act.RELEASE_REVOKED, "release", {}),
    ]
    for act, kind, facts in asked:
        office.happen(act, kind, facts=facts)
    viewer = Actor(kind="link", id=link, name="link")
    office.happen(Act.RELEASE_ACCESSED, "release", actor=viewer, facts={"form": "bundle"})
    office.send()
    told = [(one["type"], one["data"]) for one in office.receiver.told]
    for _, data in told:
        del data["ledger_seq"]
        del data[
            next(name for name in data if name in ("recording_id", "screenshot_id", "release_id"))
        ]
    assert told == [
        ("recording.kept", {"leg": "mixed", "size_bytes": 1}),
        ("recording.leg_kept", {"leg": "rx", "size_bytes": 2}),
        ("recording.linked", {"linked_by": "person", "from_event_id": "a", "event_id": "b"}),
        ("recording.erased", {"erasure_id": "e", "objects": 3}),
        ("screenshot.kept", {"size_bytes": 4}),
        ("screenshot.erased", {"erasure_id": "e", "objects": 1}),
        ("release.granted", {"link_id": str(link), "expires_at": "x"}),
        ("release.revoked", {}),
        ("release.viewed", {"form": "bundle", "link_id": str(link)}),
    ]
    seqs = [one["data"] for one in office.receiver.told]
    assert len(seqs) == len(asked) + 1


def test_no_entry_but_those_in_the_list_and_no_fact_but_those_named_is_told(office: Office) -> None:
    office.add()
    for act in Act:
        for kind in ("recording", "screenshot", "release", "client", "user", "erasure"):
            if (act, kind) not in outbox.ENTRIES:
                office.happen(act, kind)
                break
    office.happen(outcome=Outcome.DENIED)
    assert office.send() == 0
    secret_facts = {"leg": "mixed", "number": "+74950008414", "name": "Иванов", "note": "words"}
    office.happen(facts=secret_facts, detail={"from": {"number": "+74950008414"}})
    office.send()
    (head, body) = office.receiver.taken[0]
    for word in ("+7495", "number", "Иванов", "words", "name", office.secret):
        assert word not in body.decode()
        assert word not in json.dumps(head)


def test_only_what_an_endpoint_asked_for_is_told_to_it(office: Office) -> None:
    office.add("crm", Kind.RECORDING_LINKED)
    office.happen()
    linked = office.happen(Act.LINK_CHANGED)
    office.send()
    assert [one["data"]["recording_id"] for one in office.receiver.told] == [str(linked)]


def test_what_the_ledger_does_not_tell_is_written_with_the_change_or_not_at_all(
    office: Office,
) -> None:
    office.add()
    kept, lost = new_id(), new_id()
    at = office.clock.now()
    with office.database.transaction() as session:
        outbox.tell(session, Kind.RECORDING_FLAGGED, [{"recording_id": kept}], at=at)
    with office.database.transaction() as session:
        outbox.tell(session, Kind.RECORDING_FLAGGED, [{"recording_id": lost}], at=at)
        session.rollback()
    office.send()
    assert [one["data"] for one in office.receiver.told] == [{"recording_id": str(kept)}]


def test_one_reads_at_a_time_and_what_he_did_not_commit_is_read_by_the_next(
    office: Office,
) -> None:
    office.add()
    with office.database.transaction() as session:
        session.execute(text("SELECT seq FROM webhook_progress FOR UPDATE"))
        office.happen()
        assert outbox.follow(office.database, at=office.clock.now()) == 0
        session.rollback()
    assert outbox.follow(office.database, at=office.clock.now()) >= 1
    assert office.send() == 1


def test_attempts_are_made_for_three_days_and_then_the_delivery_is_dead(office: Office) -> None:
    office.add()
    office.happen()
    office.receiver.answers += [(503, {}, b"not now")] * (len(PAUSES) + 1)
    assert timedelta(days=3) <= sum(PAUSES, timedelta()) < timedelta(days=3, hours=2)
    for pause in PAUSES:
        office.send()
        assert office.states() == [DeliveryState.WAITING]
        office.clock.advance(pause - timedelta(seconds=1))
        office.send()
        office.clock.advance(timedelta(seconds=1))
    office.send()
    assert office.states() == [DeliveryState.DEAD]
    office.clock.advance(timedelta(days=9))
    assert office.send() == 0
    assert len(office.receiver.taken) == len(PAUSES) + 1
    assert len(set(office.receiver.ids)) == 1
    assert len({body for _, body in office.receiver.taken}) == 1
    stamps = [head["webhook-timestamp"] for head, _ in office.receiver.taken]
    assert stamps == sorted(set(stamps))
    (row,) = office.deliveries()
    assert {(one.status, one.fault, one.answer) for one in row.tries} == {
        (503, Fault.STATUS, b"not now")
    }


def test_a_dead_delivery_is_replayed_under_its_id_with_all_attempts_before_it(
    office: Office,
) -> None:
    secret = office.add()
    office.happen()
    office.receiver.answers += [(500, {}, b"")] * (len(PAUSES) + 2)
    for pause in (*PAUSES, timedelta()):
        office.send()
        office.clock.advance(pause)
    assert office.states() == [DeliveryState.DEAD]
    with office.database.transaction() as session:
        assert service.replay_dead(session, ACTOR, office.endpoint, at=office.clock.now()) == 1
        assert service.replay_dead(session, ACTOR, office.endpoint, at=office.clock.now()) == 0
    office.send()
    assert office.states() == [DeliveryState.WAITING]
    office.clock.advance(PAUSES[0])
    assert office.send() == 1
    assert office.states() == [DeliveryState.DELIVERED]
    assert len(set(office.receiver.ids)) == 1
    head, body = office.receiver.taken[-1]
    signed = Webhook(secret).sign(
        msg_id=head["webhook-id"], timestamp=office.clock.now(), data=body.decode()
    )
    assert head["webhook-signature"] == signed


def test_one_delivery_is_replayed_and_what_waits_or_is_not_there_is_refused(office: Office) -> None:
    office.add()
    office.happen()
    (waiting,) = office.deliveries()
    at = office.clock.now()
    with office.database.transaction() as session:
        with pytest.raises(DeliveryUnderWay):
            service.replay(session, ACTOR, office.endpoint, waiting.id, at=at)
        with pytest.raises(DeliveryNotFound):
            service.replay(session, ACTOR, office.endpoint, new_id(), at=at)
        with pytest.raises(EndpointNotFound):
            service.replay(session, ACTOR, new_id(), waiting.id, at=at)
    office.send()
    with office.database.transaction() as session:
        service.replay(session, ACTOR, office.endpoint, waiting.id, at=at)
    office.send()
    first, second = office.receiver.taken
    assert (first[0]["webhook-id"], first[1]) == (second[0]["webhook-id"], second[1])


def test_a_sender_killed_between_answer_and_note_sends_again_under_the_same_id(
    office: Office, own_database: Urls, tmp_path: Path
) -> None:
    secret = office.add()
    office.happen()
    now = office.clock.now().isoformat()
    killed = subprocess.run(  # noqa: S603 - our own program.
        [
            sys.executable,
            "-m",
            "tests.webhooks.killed",
            own_database.web,
            str(tmp_path),
            str(office.endpoint),
            now,
        ],
        cwd=ROOT,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(office.receiver.taken) == 1
    assert office.states() == [DeliveryState.WAITING]
    # While the claim lasts, nobody sends it a second time.
    assert office.send() == 0
    office.clock.advance(timedelta(minutes=2))
    assert office.send() == 1
    assert office.states() == [DeliveryState.DELIVERED]
    office.receiver.verified(secret, 0)
    assert len(office.receiver.taken) == 2
    assert len(set(office.receiver.ids)) == 1


def test_after_a_rotation_both_secrets_sign_for_a_day_and_then_the_new_one_alone(
    office: Office,
) -> None:
    old = office.add()
    with office.database.transaction() as session:
        new = service.rotate(session, ACTOR, office.endpoint, at=office.clock.now())
    assert old != new
    office.happen()
    office.send()
    assert office.receiver.verified(old) == office.receiver.verified(new)
    office.clock.advance(timedelta(hours=24))
    office.happen()
    office.send()
    head, body = office.receiver.taken[-1]
    expected = Webhook(new).sign(
        msg_id=head["webhook-id"], timestamp=office.clock.now(), data=body.decode()
    )
    assert head["webhook-signature"] == expected
    assert office.row().previous_secret is not None
    sending.handle_forget(office.tools)
    assert office.row().previous_secret is None


def test_a_secret_stands_in_the_database_sealed_only(office: Office) -> None:
    secret = office.add()
    row = office.row()
    assert row.secret is not None
    assert secret.encode() not in row.secret
    assert secret.removeprefix("whsec_").encode() not in row.secret


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ((301, {"Location": "http://127.0.0.1:1/"}, b""), Fault.REDIRECT),
        ((404, {}, b"no such page"), Fault.STATUS),
        ((500, {}, b"x" * 5000), Fault.STATUS),
    ],
)
def test_an_answer_that_is_no_2xx_is_in_vain_and_its_first_bytes_are_kept(
    office: Office, answer: tuple[int, dict[str, str], bytes], fault: Fault
) -> None:
    office.add()
    office.happen()
    office.receiver.answers.append(answer)
    assert office.send() == 0
    (row,) = office.deliveries()
    (tried,) = row.tries
    assert (row.state, tried.status, tried.fault) == (DeliveryState.WAITING, answer[0], fault)
    assert tried.answer == answer[2][:ANSWER_BYTES]


def test_a_longer_pause_that_is_asked_for_is_kept(office: Office) -> None:
    office.add()
    office.happen()
    office.receiver.answers.append((429, {"Retry-After": "3600"}, b""))
    office.send()
    (row,) = office.deliveries()
    assert row.next_at == office.clock.now() + timedelta(hours=1)
    assert sending.pause_after(1, timedelta(days=365)) == timedelta(days=1)
    assert sending.pause_after(4, timedelta(seconds=1)) == PAUSES[3]


def test_an_endpoint_that_is_gone_is_switched_off_until_somebody_resumes_it(
    office: Office,
) -> None:
    office.add()
    office.happen()
    office.receiver.answers.append((410, {}, b""))
    office.send()
    assert office.states() == [DeliveryState.DEAD]
    assert office.row().state == EndpointState.OFF
    office.happen()
    assert office.send() == 0
    with office.database.transaction() as session:
        service.resume(session, ACTOR, office.endpoint, at=office.clock.now())
    last = office.happen()
    office.send()
    assert office.receiver.told[-1]["data"]["recording_id"] == str(last)
    assert len(office.receiver.taken) == 2


def test_nobody_at_the_address_is_in_vain(office: Office) -> None:
    office.add(url="http://127.0.0.1:1/in")
    office.happen()
    office.send()
    (row,) = office.deliveries()
    assert [(one.status, one.fault) for one in row.tries] == [(None, Fault.UNREACHABLE)]


def test_an_inner_address_is_refused_at_once_and_at_each_attempt(office: Office) -> None:
    at = office.clock.now()
    strict = sending.policy_of(office.tools.settings.model_copy(update={"outbound_networks": None}))
    for url in ("http://10.0.0.1/", "http://169.254.169.254/latest", "ftp://127.0.0.1/"):
        asked = Asked(name="x", url=url, kinds=[Kind.GAP_FOUND])
        with pytest.raises(AddressRefused), office.database.transaction() as session:
            service.add(session, ACTOR, asked, policy=strict, at=at)
    office.add(url=office.receiver.url.replace("127.0.0.1", "localhost"))
    office.happen()
    narrowed = office.tools.settings.model_copy(update={"outbound_networks": None})
    object.__setattr__(office.tools, "settings", narrowed)
    office.send()
    (row,) = office.deliveries()
    assert [one.fault for one in row.tries] == [Fault.ADDRESS]
    assert office.receiver.taken == []


def test_what_waits_for_a_removed_endpoint_is_dropped_and_its_secret_destroyed(
    office: Office,
) -> None:
    office.add()
    office.happen()
    with office.database.transaction() as session:
        service.remove(session, ACTOR, office.endpoint, at=office.clock.now())
    assert office.send() == 0
    assert office.states() == [DeliveryState.DROPPED]
    assert office.row().secret is None
    office.add()  # The name is free again.
    with (
        pytest.raises(service.EndpointNameTaken),
        office.database.transaction() as session,
    ):
        service.add(
            session,
            ACTOR,
            Asked(name="crm", url=office.receiver.url, kinds=[Kind.GAP_FOUND]),
            policy=sending.policy_of(office.tools.settings),
            at=office.clock.now(),
        )


def test_a_dead_endpoint_holds_up_nobody_else(office: Office) -> None:
    office.add("dead", url="http://127.0.0.1:1/in")
    office.add("alive")
    for _ in range(3):
        office.happen()
    # In vain once, and then it is left alone for this time.
    assert office.send() == 3
    assert len(office.receiver.taken) == 3


def test_what_is_over_for_long_is_forgotten(office: Office) -> None:
    office.add()
    office.happen()
    office.send()
    office.happen()
    office.receiver.answers.append((410, {}, b""))
    office.send()
    office.clock.advance(timedelta(days=31))
    sending.handle_forget(office.tools)
    assert office.states() == [DeliveryState.DEAD]
    office.clock.advance(timedelta(days=60))
    sending.handle_forget(office.tools)
    assert office.states() == []
    with office.database.transaction() as session:
        assert session.scalar(text("SELECT count(*) FROM webhook_happenings")) == 0
        assert session.scalar(text("SELECT count(*) FROM webhook_attempts")) == 0


def test_changes_of_endpoints_are_in_the_ledger(office: Office) -> None:
    office.add()
    at = office.clock.now()
    with office.database.transaction() as session:
        service.rotate(session, ACTOR, office.endpoint, at=at)
        service.remove(session, ACTOR, office.endpoint, at=at)
        with pytest.raises(Refusal):
            service.rotate(session, ACTOR, office.endpoint, at=at)
        changes = session.scalars(
            text(
                "SELECT facts->>'change' FROM custody_entries WHERE object_id = :id "
                "ORDER BY position"
            ),
            {"id": office.endpoint},
        ).all()
    assert changes == ["webhook.added", "webhook.secret_rotated", "webhook.removed"]


def test_a_worker_follows_and_sends_by_itself(office: Office) -> None:
    secret = office.add()
    with loop.telling(office.tools):
        about = new_id()
        with office.database.transaction() as session:
            ledger.append(
                session,
                ACTOR,
                Act.RECORDING_INGESTED,
                ("recording", about),
                at=clock_of_now().now(),
            )
        Sequencer(office.database, "rec.example/log1").catch_up()
        for _ in range(600):
            if DeliveryState.DELIVERED in office.states():
                break
            signal.sigtimedwait([], 0.05)
    assert office.receiver.verified(secret)["data"]["recording_id"] == str(about)
