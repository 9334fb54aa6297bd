"""What is erased is gone everywhere, was agreed to, and can be told of."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID

import httpx
import psycopg
import pytest
from sqlalchemy.orm import Session

from app.core.clock import SetClock
from app.core.ids import new_id
from app.fixity import checks
from app.fixity.repair import repair
from app.identity.actor import Actor
from app.releases.models import BundleState, ReleaseBundle
from app.retention import erasures, jobs, purge, queries, subjects, tombstones
from app.retention.models import Erasure
from app.retention.tombstones import read
from storage.errors import StoreRefused
from tests.conftest import Urls
from tests.factories import Make, wav
from tests.live import metadata
from tests.releases.world import World
from tests.retention.conftest import Keeping

PERSONAL = (
    "SELECT btrim(concat_ws(' ', r.from_party, r.to_party, r.outside_number, r.agent, r.line,"
    " (SELECT string_agg(concat_ws(' ', p.number, p.agent, p.contact_id), ' ') FROM parties p"
    "  WHERE p.recording_id = r.id),"
    " (SELECT string_agg(concat_ws(' ', l.file_name, l.idempotency_key), ' ') FROM legs l"
    "  WHERE l.recording_id = r.id),"
    " (SELECT string_agg(nullif(e.subject, '-'), ' ') FROM events e WHERE e.origin <> 'sent'"
    "  AND (e.id = r.event_id OR e.id IN (SELECT c.event_id FROM link_changes c"
    "                                     WHERE c.recording_id = r.id)))))"
    " FROM recordings r WHERE r.id = :id"
)
KEYS = (
    "SELECT count(*) FROM sealed_objects WHERE wrapped_key IS NOT NULL"
    " AND object_id = ANY(:objects)"
)


def test_an_agreed_erasure_destroys_keys_bytes_salts_and_persons(keeping: Keeping) -> None:
    sent = keeping.sent()
    refs = keeping.refs(sent)
    assert len(refs) == 4  # Original, playable copy, waveform, talk.
    told = keeping.erased(sent)
    assert told["state"] == "executed"
    assert {one["object_id"] for one in told["objects"]} == {str(r.object_id) for r in refs}
    assert all(one["deleted_at"] for one in told["objects"])
    objects = [ref.object_id for ref in refs]
    assert keeping.rows(KEYS, objects=objects) == [(0,)]
    assert not any(keeping.live.tools.archive.has(ref.object_id) for ref in refs)
    assert keeping.rows(PERSONAL, id=UUID(sent)) == [("",)]
    private = (
        "SELECT count(*) FROM custody_private p JOIN custody_entries e ON e.id = p.entry_id"
        " WHERE e.object_id = :id"
    )
    assert keeping.rows(private, id=UUID(sent)) == [(0,)]
    acts = keeping.rows(
        "SELECT act FROM custody_entries WHERE object_id = :id ORDER BY position", id=UUID(sent)
    )
    assert acts[0] == ("recording.ingested",)
    assert ("erasure.executed",) in acts


def test_a_copy_that_was_made_anew_takes_the_damaged_one_with_it(keeping: Keeping) -> None:
    tools = keeping.live.tools
    sent = keeping.sent()
    copies = "SELECT playable_object_id, peaks_object_id FROM legs WHERE recording_id = :id"
    ((playable, peaks),) = keeping.rows(copies, id=UUID(sent))
    (file,) = (tools.settings.data / "archive").rglob(playable.hex)
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    checks.check_all(tools)
    assert repair(tools, Actor.system("tests"), UUID(sent)).made_anew == ("mixed",)
    keeping.live.work()
    ((now, _),) = keeping.rows(copies, id=UUID(sent))
    assert now not in {None, playable}
    told = keeping.erased(sent)
    assert {str(playable), str(peaks), str(now)} <= {one["object_id"] for one in told["objects"]}
    assert keeping.rows(KEYS, objects=[playable, peaks, now]) == [(0,)]
    assert not any(tools.archive.has(one) for one in (playable, peaks, now))
    purge.check(tools, UUID(told["id"]))
    assert keeping.get(f"/erasures/{told['id']}").json()["state"] == "verified"


def test_the_sender_is_told_that_it_is_gone(keeping: Keeping) -> None:
    keeping.erased(keeping.sent("c1"))
    again = keeping.live.send(metadata("c1"), wav(1.0))
    assert again.status_code == 410, again.text


def test_copies_and_links_go_with_it(keeping: Keeping) -> None:
    tools = keeping.live.tools
    clock = SetClock(datetime.now(UTC))
    with tools.database.transaction() as session:
        world = World.new(session, Make(session, clock, tools.archive), clock, tools.release)
        item = world.open()
    is_open = f"SELECT release_is_open('{world.release_id}')"
    assert keeping.rows(is_open) == [(True,)]
    told = keeping.erased(str(world.recording.id))
    assert str(item.object_id) in {one["object_id"] for one in told["objects"]}
    assert keeping.rows(is_open) == [(False,)]
    assert keeping.rows("SELECT count(*) FROM share_links WHERE revoked_at IS NULL") == [(0,)]
    assert keeping.rows("SELECT count(*) FROM release_items WHERE wrapped_key IS NOT NULL") == [
        (0,)
    ]
    assert not tools.release.has(item.object_id)
    keeping.live.work()  # The erasure has asked for its releases to be looked at.
    assert keeping.rows("SELECT state FROM releases") == [("revoked",)]


def test_a_bundle_that_holds_it_goes_with_it_and_is_looked_for(keeping: Keeping) -> None:
    tools = keeping.live.tools
    clock = SetClock(datetime.now(UTC))
    with tools.database.transaction() as session:
        world = World.new(session, Make(session, clock, tools.archive), clock, tools.release)
        world.open()
        other = World.new(session, Make(session, clock, tools.archive), clock, tools.release)
        other.open()
        made = {one.release_id: _bundle(session, one) for one in (world, other)}
    told = keeping.erased(str(world.recording.id))
    assert str(made[world.release_id]) in {one["object_id"] for one in told["objects"]}
    assert not tools.release.has(made[world.release_id])
    assert tools.release.has(made[other.release_id]), "a bundle without it stays"
    states = "SELECT state, wrapped_key IS NULL FROM release_bundles WHERE release_id = :id"
    assert keeping.rows(states, id=world.release_id) == [("destroyed", True)]
    assert keeping.rows(states, id=other.release_id) == [("ready", False)]
    stones = {one for stone in read(tools.settings.tombstones_path) for one in stone.objects}
    assert (made[world.release_id], "release") in stones
    draft = tools.release.begin(made[world.release_id])
    draft.write(b"somebody put it back")
    draft.keep()
    purge.check(tools, UUID(told["id"]))
    found = keeping.get(f"/erasures/{told['id']}").json()
    assert found["alarm"] == f"release object {made[world.release_id]}"
    tools.release.delete(made[world.release_id])
    keeping.as_owner("ALTER TABLE release_bundles DISABLE TRIGGER release_bundles_guard")
    key = "UPDATE release_bundles SET state = 'ready', wrapped_key = 'x' WHERE release_id = %s"
    keeping.as_owner(key, str(world.release_id))
    keeping.as_owner("ALTER TABLE release_bundles ENABLE TRIGGER release_bundles_guard")
    purge.check(tools, UUID(told["id"]))
    assert keeping.get(f"/erasures/{told['id']}").json()["alarm"] == "bundle"


def _bundle(session: Session, world: World) -> UUID:
    """Make a bundle of a release that is granted; return its object."""
    kept = world.copy()
    bundle = ReleaseBundle(
        release_id=world.release_id, state=BundleState.PENDING, asked_at=world.clock.now()
    )
    session.add(bundle)
    session.flush()
    bundle.state, bundle.entry_id = BundleState.READY, new_id()
    bundle.manifest_sha256, bundle.manifest_sha512 = bytes(32), bytes(64)
    bundle.object_id, bundle.wrapped_key = kept.object_id, kept.wrapped_key
    bundle.size_bytes, bundle.sha256 = kept.size_bytes, kept.sha256
    bundle.key_fingerprint, bundle.made_at = "00" * 32, world.clock.now()
    bundle.checkpoint_size, bundle.checkpoint_root = 1, bytes(32)
    session.flush()
    return kept.object_id


def test_the_check_is_independent_and_raises_the_alarm(keeping: Keeping) -> None:
    sent = keeping.sent()
    told = keeping.erased(sent)
    tools = keeping.live.tools
    keeping.as_owner("UPDATE recordings SET outside_number = '+74950008414' WHERE id = %s", sent)
    purge.check(tools, UUID(told["id"]))
    found = keeping.get(f"/erasures/{told['id']}").json()
    assert (found["state"], found["alarm"]) == ("alarm", "number")
    keeping.as_owner("UPDATE recordings SET outside_number = NULL WHERE id = %s", sent)
    purge.check(tools, UUID(told["id"]))
    assert keeping.get(f"/erasures/{told['id']}").json()["state"] == "verified"


def test_the_check_looks_for_the_words_of_events(keeping: Keeping) -> None:
    told = keeping.erased(keeping.sent())
    keeping.as_owner("UPDATE events SET subject = 'Звонок +74950008414' WHERE origin <> 'sent'")
    purge.check(keeping.live.tools, UUID(told["id"]))
    assert keeping.get(f"/erasures/{told['id']}").json()["alarm"] == "event"


def _told_call(keeping: Keeping, name: str, **more: object) -> None:
    call = {
        "call_id": name,
        "started_at": "2026-11-20T10:00:00+03:00",
        "duration_ms": 65_000,
        "talk_ms": 60_000,
        "direction": "inbound",
        "from": "+74950008414",
        "to": "106",
        "agent": "106",
        "disposition": "answered",
    } | more
    answer = keeping.live.call("POST", "/v1/calls", who="pbx", json={"calls": [call]})
    assert answer.status_code == 200, answer.text


def _exchange(keeping: Keeping) -> None:
    keeping.live.key("pbx")
    keeping.as_owner("UPDATE devices SET is_exchange = true WHERE name = 'pbx'")


CALLS = (
    "SELECT c.call_id FROM known_calls c WHERE num_nonnulls(c.from_party, c.to_party,"
    " c.outside_number, c.line, c.agent) > 0 OR EXISTS (SELECT FROM known_call_versions v"
    " WHERE v.known_call_id = c.id AND v.told <> '{}') ORDER BY 1"
)


def test_records_of_the_call_go_with_it_and_stay_gone(keeping: Keeping) -> None:
    _exchange(keeping)
    sent = keeping.sent("c1")
    _told_call(keeping, "c1")
    _told_call(keeping, "leg", linked_id="c1")
    _told_call(keeping, "other")
    asked = keeping.ask(sent)
    keeping.post("legal", f"/erasures/{asked['id']}/approve")
    keeping.as_owner("UPDATE known_calls SET recording_id = NULL, matched_by = NULL")
    purge.destroy_keys(keeping.live.tools, UUID(asked["id"]))
    assert keeping.rows(CALLS) == [("other",)]
    _told_call(keeping, "c1", duration_ms=66_000)  # Corrected.
    _told_call(keeping, "late", linked_id="c1")
    assert keeping.rows(CALLS) == [("other",)]
    keeping.as_owner(
        "UPDATE known_calls SET recording_id = %s, matched_by = 'number' WHERE call_id = 'other'",
        sent,
    )
    assert keeping.rows(CALLS) == []
    keeping.live.work()
    purge.check(keeping.live.tools, UUID(asked["id"]))
    assert keeping.get(f"/erasures/{asked['id']}").json()["alarm"] is None
    keeping.as_owner("ALTER TABLE known_calls DISABLE TRIGGER known_calls_forget")
    keeping.as_owner("UPDATE known_calls SET agent = '106' WHERE call_id = 'c1'")
    keeping.as_owner("ALTER TABLE known_calls ENABLE TRIGGER known_calls_forget")
    with keeping.live.tools.database.transaction() as session:
        subject = subjects.of(session.get_one(Erasure, UUID(asked["id"])))
        assert erasures.left_in_database(session, subject) == ["call"]


def test_what_an_exchange_told_by_number_goes_with_it(keeping: Keeping) -> None:
    _exchange(keeping)
    sent = keeping.sent("c1")
    event = {
        "event_id": "e1",
        "kind": "call_started",
        "at": "2026-11-20T10:00:05+03:00",
        "leg": None,
        "number": "+74950008414",
    }
    body = {"call_id": "17322.42", "sent_at": "2026-11-20T10:00:06+03:00", "events": [event]}
    told = keeping.live.call("POST", "/v1/call-events", who="pbx", json=body)
    assert told.json()["kept"] == 1, told.text
    keeping.erased(sent)
    assert keeping.rows("SELECT number, told FROM call_events") == [(None, {})]
    private = (
        "SELECT count(*) FROM custody_private p JOIN custody_entries e ON e.id = p.entry_id"
        " WHERE e.object_kind = 'call_event'"
    )
    assert keeping.rows(private) == [(0,)]


TOLD = "SELECT count(*) FROM call_events"
PRIVATE = (
    "SELECT count(*) FROM custody_private p JOIN custody_entries e ON e.id = p.entry_id"
    " WHERE e.object_kind = :kind"
)


def _tell(keeping: Keeping, call: str, event_id: str, **more: object) -> httpx.Response:
    event = {"event_id": event_id, "kind": "join", "at": "2026-11-20T10:00:07+03:00"} | more
    body = {"call_id": call, "sent_at": "2026-11-20T10:00:08+03:00", "events": [event]}
    return keeping.live.call("POST", "/v1/call-events", who="pbx", json=body)


def test_what_is_told_late_of_an_erased_call_is_refused_and_leaves_no_words(
    keeping: Keeping,
) -> None:
    _exchange(keeping)
    sent = keeping.sent("c1")
    number = {"kind": "call_started", "number": "+74950008414"}
    assert _tell(keeping, "17322.42", "e1", **number).json()["kept"] == 1
    keeping.erased(sent)
    for call, event_id in (("c1", "e2"), ("17322.42", "e3"), ("17322.42", "e1")):
        late = _tell(keeping, call, event_id, leg="7", number="+74950008414")
        assert (late.status_code, late.json()["type"].rsplit("/")[-1]) == (410, "call-erased")
    assert keeping.rows(TOLD) == [(1,)]
    assert keeping.rows(PRIVATE, kind="call_event") == [(0,)]
    assert _tell(keeping, "c2", "e4", leg="7").json()["kept"] == 1
    assert keeping.rows(PRIVATE, kind="call_event") == [(2,)], "content and detail"


def test_who_tells_of_a_call_while_it_is_erased_waits_and_is_refused(keeping: Keeping) -> None:
    _exchange(keeping)
    asked = keeping.ask(keeping.sent("c1"))
    keeping.post("legal", f"/erasures/{asked['id']}/approve")
    with ThreadPoolExecutor(1) as pool, psycopg.connect(keeping.owner_url) as owner:
        owner.execute("SELECT execute_erasure(%s)", (asked["id"],))
        late = pool.submit(_tell, keeping, "c1", "e1", leg="7")
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while keeping.rows(waiting) == [(0,)] and not late.done():
            pass
        owner.commit()
        assert late.result().status_code == 410
    assert keeping.rows(PRIVATE, kind="call_event") == [(0,)]


def test_a_gap_of_an_erased_call_takes_no_words(keeping: Keeping) -> None:
    _exchange(keeping)
    sent = keeping.sent("c1")
    _told_call(keeping, "c1")
    keeping.as_owner(
        "INSERT INTO call_gaps (id, kind, day, recording_id, known_call_id, device_id, at, reason,"
        " found_reason, found_at) SELECT gen_random_uuid(), k.kind, '2026-11-20', k.recording,"
        " k.call, c.device_id, now(), 'unexplained', 'unexplained', now() FROM known_calls c"
        " CROSS JOIN LATERAL (VALUES ('recording', %s::uuid, NULL), ('call', NULL, c.id))"
        " k (kind, recording, call)",
        sent,
    )
    keeping.erased(sent)
    gaps = keeping.rows("SELECT id FROM call_gaps")
    assert len(gaps) == 2
    for (gap,) in gaps:
        said = {"reason": "lost", "words": "Звонил Петров."}
        path = f"/v1/reconciliation/gaps/{gap}/reason"
        late = keeping.live.call("POST", path, who="manager", json=said)
        assert (late.status_code, late.json()["type"].rsplit("/")[-1]) == (410, "gap-of-erased")
    assert keeping.rows(PRIVATE, kind="call_gap") == [(0,)]
    assert keeping.rows("SELECT count(*) FROM call_gaps WHERE words IS NOT NULL") == [(0,)]


def test_reasons_and_bases_of_decisions_go_with_it(keeping: Keeping) -> None:
    sent = keeping.sent()
    keeping.as_owner(
        "INSERT INTO link_changes (id, recording_id, event_id, linked_by, at, reason)"
        " SELECT gen_random_uuid(), id, event_id, linked_by, now(), 'Звонил Петров.'"
        " FROM recordings WHERE id = %s",
        sent,
    )
    keeping.as_owner(
        "INSERT INTO retention_reviews (id, recording_id, reviewed_by, note, at)"
        " SELECT gen_random_uuid(), %s, id, 'О Петрове.', now() FROM users LIMIT 1",
        sent,
    )
    keeping.as_owner(
        "INSERT INTO decision_bases (sha256, body) SELECT sha256(b), b"
        " FROM unnest(ARRAY['of it'::bytea, 'of others'::bytea]) b"
    )
    keeping.as_owner(
        "INSERT INTO consent_decisions (id, recording_id, recipient_class, purpose, from_ms,"
        " outcome, reasons, inputs_digest, policy_sha256, stamp, at) SELECT gen_random_uuid(), %s,"
        " 'public', 'x', 0, 'DENY', '[]', sha256('of it'::bytea), sha256(''::bytea), 'x', now()",
        sent,
    )
    keeping.erased(sent)
    reasons = (
        "SELECT count(*) FROM link_changes WHERE reason IS NOT NULL"
        " UNION ALL SELECT count(*) FROM retention_reviews WHERE note <> ''"
    )
    assert keeping.rows(reasons) == [(0,), (0,)]
    bodies = "SELECT body FROM decision_bases WHERE body IN ('of it', 'of others')"
    assert [bytes(body) for (body,) in keeping.rows(bodies)] == [b"of others"]


def test_bytes_that_came_back_raise_the_alarm(keeping: Keeping) -> None:
    told = keeping.erased(keeping.sent())
    object_id = UUID(told["objects"][0]["object_id"])
    draft = keeping.live.tools.archive.begin(object_id)
    draft.write(b"somebody put it back")
    draft.keep()
    purge.check(keeping.live.tools, UUID(told["id"]))
    found = keeping.get(f"/erasures/{told['id']}").json()
    assert found["alarm"] == f"archive object {object_id}"


def test_who_asked_does_not_agree(keeping: Keeping) -> None:
    asked = keeping.ask(keeping.sent(), who="legal")
    refused = keeping.post("legal", f"/erasures/{asked['id']}/approve")
    assert refused.status_code == 403
    assert refused.json()["type"].endswith("/erasure-requester-approves")
    assert keeping.get(f"/erasures/{asked['id']}").json()["state"] == "requested"


def test_before_the_houses_minimum_two_people_agree(keeping: Keeping) -> None:
    sent = keeping.sent()
    keeping.rule(minimum={"years": 3}, maximum=None)
    asked = keeping.ask(sent)
    assert asked["approvals_needed"] == 2
    keeping.post("legal", f"/erasures/{asked['id']}/approve")
    keeping.post("legal", f"/erasures/{asked['id']}/approve")
    keeping.live.work()
    assert keeping.get(f"/erasures/{asked['id']}").json()["state"] == "requested"
    keeping.post("approver", f"/erasures/{asked['id']}/approve")
    keeping.live.work()
    assert keeping.get(f"/erasures/{asked['id']}").json()["state"] == "executed"


def test_what_a_law_keeps_is_denied_with_the_day(keeping: Keeping) -> None:
    sent = keeping.sent()
    keeping.rule(minimum={"years": 3}, maximum=None, min_is_law=True)
    asked = keeping.ask(sent)
    assert asked["state"] == "denied"
    assert asked["denial"] == "a law keeps it until 2029-11-20"


@pytest.mark.parametrize("who", ["manager", "agent", "admin", "auditor"])
def test_others_do_not_agree(keeping: Keeping, who: str) -> None:
    asked = keeping.ask(keeping.sent())
    assert keeping.post(who, f"/erasures/{asked['id']}/approve").status_code == 403


def test_the_act_and_the_log_tell_what_the_rules_ask_for(keeping: Keeping) -> None:
    told = keeping.erased(keeping.sent())
    act = keeping.get(f"/erasures/{told['id']}/act?operator=ООО Сервис&address=Москва").json()
    assert act["operator"] == "ООО Сервис"
    assert act["subject"] == "Иван Петров"
    assert act["reason"] == "требование субъекта персональных данных"
    assert [one["post"] for one in act["destroyers"]] == ["юрист"]
    assert act["objects"] == 4
    page = keeping.get(f"/erasures/{told['id']}/act.html?operator=<b>")
    assert page.headers["content-type"].startswith("text/html")
    assert "Иван Петров" in page.text
    assert "&lt;b&gt;" in page.text
    log = keeping.get(f"/erasures/{told['id']}/log.csv").text
    assert "erasure.executed" in log
    assert log.count("object.deleted") == 4


def test_there_is_no_act_before(keeping: Keeping) -> None:
    asked = keeping.ask(keeping.sent())
    assert keeping.get(f"/erasures/{asked['id']}/act").status_code == 409


@pytest.mark.parametrize("where", ["begin", "journal", "keys", "bytes"])
def test_killed_anywhere_it_goes_on(keeping: Keeping, where: str) -> None:
    sent = keeping.sent()
    asked = keeping.ask(sent)
    keeping.post("legal", f"/erasures/{asked['id']}/approve")
    tools = keeping.live.tools
    erasure_id = UUID(asked["id"])
    if where == "journal":
        with tools.database.transaction() as session:
            row = queries.erasure(session, erasure_id)
            assert row is not None
            stone = purge._stone(session, row, tools.clock)
        tombstones.bury(tools.settings.tombstones_path, stone)
    if where in {"keys", "bytes"}:
        assert purge.destroy_keys(tools, erasure_id)
    if where == "bytes":
        purge.delete_bytes(tools, erasure_id)
    keeping.live.work()
    assert keeping.get(f"/erasures/{asked['id']}").json()["state"] == "executed"
    purge.check(tools, erasure_id)
    assert keeping.get(f"/erasures/{asked['id']}").json()["state"] == "verified"
    stones = list(read(tools.settings.tombstones_path))
    assert [str(stone.subject.id) for stone in stones] == [sent]


def test_a_hold_that_comes_first_voids_the_tombstone(keeping: Keeping) -> None:
    sent = keeping.sent()
    asked = keeping.ask(sent)
    keeping.post("legal", f"/erasures/{asked['id']}/approve")
    tools = keeping.live.tools
    with tools.database.transaction() as session:
        row = queries.erasure(session, UUID(asked["id"]))
        assert row is not None
        stone = purge._stone(session, row, tools.clock)
    tombstones.bury(tools.settings.tombstones_path, stone)
    assert list(read(tools.settings.tombstones_path)) == [stone]
    keeping.hold(sent, who="approver")
    keeping.live.work()
    assert keeping.get(f"/erasures/{asked['id']}").json()["state"] == "denied"
    assert list(read(tools.settings.tombstones_path)) == []
    assert len(keeping.refs(sent)) == 4


def test_a_lock_is_noted_and_tried_again(keeping: Keeping, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = keeping.ask(keeping.sent())
    keeping.post("legal", f"/erasures/{asked['id']}/approve")
    tools = keeping.live.tools

    def locked(object_id: UUID) -> None:
        raise StoreRefused(f"{object_id} is locked")

    with monkeypatch.context() as patch:
        patch.setattr(tools.archive, "delete", locked)
        purge.purge(tools, UUID(asked["id"]))
    found = keeping.get(f"/erasures/{asked['id']}").json()
    assert {one["note"] for one in found["objects"]} == {"store_refused"}
    purge.purge(tools, UUID(asked["id"]))
    found = keeping.get(f"/erasures/{asked['id']}").json()
    assert all(one["deleted_at"] and one["note"] is None for one in found["objects"])


def test_after_three_years_the_act_forgets(keeping: Keeping) -> None:
    told = keeping.erased(keeping.sent())
    purge.check(keeping.live.tools, UUID(told["id"]))
    keeping.as_owner("ALTER TABLE erasures DISABLE TRIGGER erasures_guard")
    keeping.as_owner("UPDATE erasures SET executed_at = executed_at - interval '4 years'")
    keeping.as_owner("ALTER TABLE erasures ENABLE TRIGGER erasures_guard")
    jobs.handle_daily(keeping.live.tools)
    assert keeping.get(f"/erasures/{told['id']}/act").json()["subject"] is None
    private = (
        "SELECT count(*) FROM custody_private p JOIN custody_entries e ON e.id = p.entry_id"
        " WHERE e.object_kind = 'erasure'"
    )
    assert keeping.rows(private) == [(0,)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sealed_objects SET wrapped_key = NULL",
        "DELETE FROM custody_private",
        "DELETE FROM leg_sounds",
        "UPDATE recordings SET outside_number = NULL",
        "UPDATE recordings SET erased_at = now()",
        "UPDATE screenshots SET erased_at = now()",
        "UPDATE assertions SET evidence = '{}'",
        "UPDATE erasures SET executed_at = now()",
        "UPDATE retention_notices SET announced_at = now()",
        "SELECT destroy_recording(gen_random_uuid(), now())",
        (
            "INSERT INTO erasure_objects (erasure_id, object_id, store)"
            " SELECT gen_random_uuid(), gen_random_uuid(), 'archive'"
        ),
    ],
)
def test_the_application_has_no_right_to(keeping: Keeping, statement: str) -> None:
    keeping.sent()
    with (
        psycopg.connect(
            keeping.live.database_url,
            options="-c role=audiatur_app -c audiatur.erasing=on",
        ) as app,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        app.execute(statement.encode())


@pytest.mark.parametrize("who", ["web", "owner"])
def test_nothing_comes_in_erased(keeping: Keeping, own_database: Urls, who: str) -> None:
    """Whoever is told 410 may delete his copy: it must mean that an erasure was carried out."""
    keeping.sent()
    role = "-c role=audiatur_app -c audiatur.erasing=on" if who == "web" else ""
    with (
        psycopg.connect(getattr(own_database, who), options=role) as connection,
        pytest.raises(psycopg.errors.RestrictViolation, match="by an erasure alone"),
    ):
        connection.execute(
            "INSERT INTO recordings (id, device_id, source_call_id, started_at, direction,"
            " capture, event_id, linked_by, received_at, erased_at)"
            " SELECT gen_random_uuid(), device_id, 'other', started_at, direction,"
            " capture, event_id, linked_by, now(), now() FROM recordings"
        )


def test_not_even_the_owner_says_erased_where_nothing_was(keeping: Keeping) -> None:
    sent = keeping.sent()
    with pytest.raises(psycopg.errors.RestrictViolation, match="by an erasure alone"):
        keeping.as_owner("UPDATE recordings SET erased_at = now() WHERE id = %s", sent)
    assert keeping.live.send(metadata("c1"), wav(1.0)).status_code == 200


def test_what_was_erased_stays_so(keeping: Keeping, own_database: Urls) -> None:
    keeping.erased(keeping.sent())
    with psycopg.connect(own_database.owner) as owner:
        owner.execute("SELECT set_config('audiatur.erasing', 'on', true)")
        with pytest.raises(psycopg.errors.RestrictViolation, match="stays so"):
            owner.execute("UPDATE recordings SET erased_at = NULL")


def test_the_database_executes_nothing_unapproved(keeping: Keeping, own_database: Urls) -> None:
    asked = keeping.ask(keeping.sent())
    with (
        psycopg.connect(own_database.web, options="-c role=audiatur_app") as app,
        pytest.raises(psycopg.errors.CheckViolation, match="approved before"),
    ):
        app.execute("SELECT execute_erasure(%s)", [asked["id"]])


def test_the_database_erases_nothing_held(keeping: Keeping, own_database: Urls) -> None:
    sent = keeping.sent()
    asked = keeping.ask(sent)
    keeping.post("legal", f"/erasures/{asked['id']}/approve")
    keeping.hold(sent, who="approver")
    with (
        psycopg.connect(own_database.web, options="-c role=audiatur_app") as app,
        pytest.raises(psycopg.errors.CheckViolation, match="held"),
    ):
        app.execute("SELECT execute_erasure(%s)", [asked["id"]])
    keeping.live.work()
    found = keeping.get(f"/erasures/{asked['id']}").json()
    assert found["state"] == "denied"
    assert "held by А40-1/2026" in found["denial"]


def test_no_requester_votes_by_the_table(keeping: Keeping, own_database: Urls) -> None:
    asked = keeping.ask(keeping.sent(), who="legal")
    with (
        psycopg.connect(own_database.web, options="-c role=audiatur_app") as app,
        pytest.raises(psycopg.errors.CheckViolation, match="did not ask"),
    ):
        app.execute(
            "INSERT INTO erasure_approvals (erasure_id, approver_id, approver_role, at)"
            " SELECT id, requested_by, 'legal', now() FROM erasures WHERE id = %s",
            [asked["id"]],
        )
