"""What an exchange tells, through the doors: who is on the line, whatever order and sender."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError

from app.clients.models import Contact
from app.identity.models import Device
from app.recordings.models import CallEvent, Party, PartyChange, Recording
from tests.factories import notice, wav
from tests.live import Live, metadata

START = "2026-11-20T10:00:00+03:00"
PHONE = "+74950008414"
ROW = "ab" * 32


def moment(second: float) -> str:
    minutes, seconds = divmod(second, 60)
    return f"2026-11-20T10:{int(minutes):02}:{seconds:06.3f}+03:00"


def event(kind: str, second: float, leg: str | None = "guest", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "event_id": f"{kind} {second} {leg}",
        "kind": kind,
        "at": moment(second),
        "leg": leg,
    } | more


BEGUN = {"event_id": "begun", "kind": "recording_started", "at": START}
JOINS = event("join", 300)
TRANSFERS = event(
    "transfer", 300, "caller", mode="attended", target={"leg": "guest", "number": "+74950001122"}
)


@pytest.fixture
def house(live: Live) -> House:
    return House(live)


class House:
    """An archive with an exchange, and one call of a known client."""

    def __init__(self, live: Live) -> None:
        self.live = live
        live.put_client("firm", PHONE)
        live.key("pbx")
        with live.tools.database.transaction() as session:
            session.execute(update(Device).where(Device.name == "pbx").values(is_exchange=True))

    def upload(self, call: str = "c1", *, seconds: float = 0.5, **told: object) -> str:
        sent = self.live.send(metadata(call, started_at=START, **told), wav(seconds))
        assert sent.status_code == 201, sent.text
        return str(sent.json()["id"])

    def tell(self, *events: dict[str, Any], who: str = "pbx", call: str = "c1", **more: Any) -> Any:  # noqa: ANN401
        now = self.live.tools.clock.now().isoformat()
        body = {"call_id": call, "sent_at": now, "events": list(events)} | more
        return self.live.call("POST", "/v1/call-events", who=who, json=body)

    def must_tell(self, *events: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401
        answer = self.tell(*events, **more)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def get(self, recording: str, part: str = "", **params: Any) -> Any:  # noqa: ANN401
        path = f"/v1/recordings/{recording}{part}"
        answer = self.live.call("GET", path, who="reviewer", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def spans(self, recording: str) -> dict[str, tuple[int, int | None]]:
        parties = self.get(recording)["consent"]["parties"]
        return {p["label"]: (p["present_from_ms"], p["present_to_ms"]) for p in parties}

    def post(self, path: str, who: str, **body: Any) -> Any:  # noqa: ANN401
        return self.live.call("POST", path, who=who, json=body)

    def patch(self, recording: str, label: str, who: str = "reviewer", **body: Any) -> Any:  # noqa: ANN401
        path = f"/v1/recordings/{recording}/parties/{label}"
        return self.live.call("PATCH", path, who=who, json={"reason": "Прослушано."} | body)

    def epoch(self, recording: str) -> int:
        with self.live.tools.database.transaction() as session:
            return session.get_one(Recording, UUID(recording)).consent_epoch


def test_a_guest_who_joins_counts_from_the_commit(house: House) -> None:
    recording = house.upload()
    house.live.work()
    before = house.epoch(recording)
    assert house.must_tell(BEGUN, JOINS) == {
        "kept": 2,
        "repeated": 0,
        "skew_ms": house.get(recording, "/call-events")["items"][0]["skew_ms"],
        "recordings": [],
    }
    assert house.spans(recording) == {"own": (0, None), "cli": (0, None), "guest": (300_000, None)}
    assert house.epoch(recording) > before
    (change,) = house.get(recording, "/party-changes")["items"]
    assert (change["party"], change["source"], change["state"]) == ("guest", "exchange", "applied")
    (first, second) = house.get(recording, "/call-events")["items"]
    assert (first["kind"], second["from_ms"], second["by"]) == (
        "recording_started",
        300_000,
        "exchange",
    )


def test_repeats_change_nothing_and_others_of_the_same_id_are_refused(house: House) -> None:
    recording = house.upload()
    house.must_tell(BEGUN, JOINS)
    before = house.epoch(recording)
    assert house.must_tell(JOINS, BEGUN)["repeated"] == 2
    assert house.epoch(recording) == before
    other = house.tell(JOINS | {"at": moment(10)})
    assert (other.status_code, other.json()["event_id"]) == (409, JOINS["event_id"])
    assert house.tell(event("leave", 400), JOINS, call="c2").status_code == 409
    with house.live.tools.database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(CallEvent)) == 2


@pytest.mark.parametrize("first", ["events", "recording"])
def test_events_may_come_before_their_recording(house: House, first: str) -> None:
    events = (event("leave", 420), TRANSFERS, BEGUN)
    if first == "events":
        for one in events:
            house.must_tell(one)
    recording = house.upload()
    if first == "recording":
        for one in reversed(events):
            house.must_tell(one)
    house.live.work()
    assert house.spans(recording) == {
        "own": (0, None),
        "cli": (0, 300_000),
        "guest": (300_000, 420_000),
    }


def test_a_call_of_another_id_is_known_by_number_and_moment(house: House) -> None:
    begun = event("call_started", 2, None, number="8 (495) 000-84-14")
    house.must_tell(begun, JOINS, call="1732212177.42")
    recording = house.upload("sip-1")
    house.live.work()
    assert house.spans(recording)["guest"] == (300_000, None)
    second = house.upload("sip-2")
    house.live.work()
    assert "guest" not in house.spans(second), "two calls are alike; neither is taken for the other"


def test_a_softphone_speaks_for_its_own_calls_and_shortens_nothing(house: House) -> None:
    recording = house.upload()
    house.must_tell(JOINS, who="another-phone")
    assert "guest" not in house.spans(recording)
    house.must_tell(BEGUN, event("join", 200, "caller"), event("leave", 250, "caller"), who="phone")
    assert house.spans(recording)["cli"] == (0, None)
    house.must_tell(JOINS, event("leave", 400), who="phone")
    assert house.spans(recording)["guest"] == (300_000, None)


def test_a_wrong_clock_makes_the_longer_presence(house: House) -> None:
    recording = house.upload()
    house.must_tell(JOINS, event("leave", 400), sent_at="2026-11-20T10:00:00Z")
    assert house.spans(recording)["guest"] == (0, None)
    assert abs(house.get(recording, "/call-events")["items"][0]["skew_ms"]) > 2_000
    house.must_tell(BEGUN)
    assert house.spans(recording)["guest"] == (300_000, 400_000)


def test_what_a_person_has_set_is_never_made_shorter(house: House) -> None:
    recording = house.upload()
    house.must_tell(BEGUN, JOINS)
    wider = house.patch(recording, "guest", present_from_ms=100_000)
    assert wider.json()["change"]["state"] == "applied"
    house.must_tell(event("leave", 400))
    assert house.spans(recording)["guest"] == (100_000, None)
    assert house.get(recording)["consent"]["parties"][1]["presence_by"] == "person"


NARROWER = [
    {"present_from_ms": 400_000},
    {"present_to_ms": 310_000},
    {"side": "own"},
    {"side": "client", "client": "firm"},
    {"jurisdiction": "RU"},
]


@pytest.mark.parametrize("said", NARROWER, ids=str)
def test_what_could_let_out_more_waits_for_another_person(
    house: House, said: dict[str, Any]
) -> None:
    recording = house.upload()
    house.must_tell(BEGUN, JOINS)
    before = house.get(recording)["consent"]["parties"]
    proposed = house.patch(recording, "guest", **said).json()["change"]
    assert proposed["state"] == "proposed"
    assert house.get(recording)["consent"]["parties"] == before
    path = f"/v1/recordings/{recording}/party-changes/{proposed['id']}"
    assert house.post(f"{path}/confirm", "reviewer", reason="Верно.").status_code == 403
    assert house.post(f"{path}/confirm", "manager", reason="Верно.").status_code == 403
    done = house.post(f"{path}/confirm", "approver", reason="Верно.")
    assert done.status_code == 200, done.text
    party = done.json()["party"]
    for name in said.keys() - {"client"}:
        assert party[name] == said[name]
    assert house.post(f"{path}/reject", "legal", reason="Нет.").status_code == 409


def test_a_rejected_or_outdated_change_does_nothing(house: House) -> None:
    recording = house.upload()
    house.must_tell(BEGUN, JOINS)
    paths = [
        f"/v1/recordings/{recording}/party-changes/"
        + house.patch(recording, "guest", present_from_ms=ms).json()["change"]["id"]
        for ms in (310_000, 320_000)
    ]
    assert house.post(f"{paths[0]}/reject", "approver", reason="Слышно раньше.").status_code == 200
    house.patch(recording, "guest", present_from_ms=5_000)
    outdated = house.post(f"{paths[1]}/confirm", "approver", reason="Верно.")
    assert outdated.json()["type"] == "/problems/change-settled"
    assert house.spans(recording)["guest"] == (5_000, None)


def test_somebody_is_named_at_once_and_his_firm_by_two(house: House) -> None:
    recording = house.upload()
    path = f"/v1/recordings/{recording}/parties"
    told = {"label": "second", "reason": "Слышен.", "side": "client", "client": "firm"}
    added = house.post(path, "manager", **told)
    assert added.status_code == 201, added.text
    assert (added.json()["party"]["side"], added.json()["party"]["client"]) == ("other", None)
    assert added.json()["change"]["state"] == "proposed"
    assert house.post(path, "manager", **told).status_code == 409
    house.post(
        f"/v1/recordings/{recording}/party-changes/{added.json()['change']['id']}/confirm",
        "reviewer",
        reason="Представился.",
    )
    party = next(p for p in house.get(recording)["consent"]["parties"] if p["label"] == "second")
    assert (party["side"], party["how_identified"]) == ("client", "person")
    assert party["client"] is not None


def test_the_database_lets_nobody_shorten_a_presence_alone(house: House) -> None:
    recording = house.upload()
    house.must_tell(BEGUN, JOINS)
    proposed = house.patch(recording, "guest", present_to_ms=310_000).json()["change"]["id"]
    shorten = "UPDATE parties SET present_to_ms = 310000 WHERE label = 'guest'"
    alone = (
        "UPDATE party_changes SET state = 'confirmed', decided_at = now(), decided_by ="
        " (SELECT proposed_by FROM party_changes WHERE id = :id) WHERE id = :id"
    )
    for statement, message in (
        (shorten, "narrowed by two people"),
        (alone, "four_eyes"),
        ("UPDATE party_changes SET state = 'applied' WHERE id = :id", "settled once"),
        ("UPDATE party_changes SET after = '{}' WHERE id = :id", "permission denied"),
        ("DELETE FROM call_events", "permission denied"),
    ):
        with pytest.raises(DBAPIError, match=message), house.live.tools.database.transaction() as s:
            s.execute(text(statement), {"id": proposed} if ":id" in statement else {})


HOSTILE: list[dict[str, Any]] = [
    {"kind": "join"},
    {"kind": "explode", "leg": "x"},
    {"kind": "join", "leg": "x", "at": "2026-11-20T10:00:00"},
    {"kind": "join", "leg": "x", "at": "9999-11-20T10:00:00Z"},
    {"kind": "join", "leg": "x\x00"},
    {"kind": "join", "leg": "x", "number": "\ud800"},
    {"kind": "join", "leg": "x", "channel": -1},
    {"kind": "join", "leg": "x", "channel": True, "sequence": 2**40},
    {"kind": "transfer", "leg": "x", "mode": "blind", "target": {"leg": "x"}},
    {"kind": "transfer", "leg": "x", "mode": "sideways", "target": {"leg": "y"}},
    {"kind": "prompt_played", "leg": "x", "prompt_id": "n", "row_sha256": "zz"},
    {"kind": "prompt_played", "leg": "x", "prompt_id": "n"},
    {"kind": "dtmf", "leg": "x", "prompt_id": "n", "row_sha256": ROW, "digit": "11"},
    {"kind": "join", "leg": "x", "ended_at": "2026-11-20T09:00:00+03:00"},
    {"kind": "join", "leg": "x", "told": {}},
]


@pytest.mark.parametrize("wrong", HOSTILE, ids=lambda w: json.dumps(w)[:60])
def test_what_is_no_event_is_refused(house: House, wrong: dict[str, Any]) -> None:
    one = {"event_id": "1", "at": START} | wrong
    now = house.live.tools.clock.now().isoformat()
    body = json.dumps({"call_id": "c1", "sent_at": now, "events": [one]})
    answer = house.live.call(
        "POST",
        "/v1/call-events",
        who="pbx",
        content=body,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 422, answer.text


def test_extreme_values_are_kept_and_read_back(house: House) -> None:
    recording = house.upload()
    late = event("join", 1, "Robert'); DROP TABLE parties;--", at="2026-11-21T09:59:59Z")
    house.must_tell(
        BEGUN, late, event("join", 2, "\U0001f4de", number="sip:x@y"), event("leave", 0.0001, "z")
    )
    assert house.tell().status_code == 422
    assert house.tell(*[event("hold", n, "a") for n in range(201)]).status_code == 422
    labels = house.spans(recording)
    assert labels["guest"] == (2_000, None)
    assert set(labels) == {"own", "cli", "guest"}, "a day later is another call"


TEXT = {
    "language": "ru",
    "text": "Разговор записывается для контроля качества и разрешения спорных вопросов.",
    "purposes": ["internal_quality", "dispute_client"],
    "recipients": ["client_same_entity"],
    "valid_from": "2026-01-01T00:00:00+03:00",
}


def post_text(house: House) -> str:
    sent = house.live.send(TEXT, notice(), who="admin", name="n.wav", path="/v1/notice-texts")
    assert sent.status_code == 201, sent.text
    text_id = str(sent.json()["id"])
    assert house.post(f"/v1/notice-texts/{text_id}/approve", "approver").status_code == 200
    return text_id


def prompt(text_id: str, second: float, end: float, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return (
        event(
            "prompt_played",
            second,
            "caller",
            ended_at=moment(end),
            prompt_id="n-main-v1",
            notice={"text_id": text_id, "version": 1},
            row_sha256=ROW,
        )
        | more
    )


def key(text_id: str, second: float, answer: str | None) -> dict[str, Any]:
    return event(
        "dtmf",
        second,
        "caller",
        prompt_id="n-main-v1",
        notice={"text_id": text_id, "version": 1},
        row_sha256=ROW,
        digit="1",
        answer=answer,
    )


def evidence(house: House, recording: str) -> list[tuple[str, str]]:
    rows = house.get(recording, "/assertions")["items"]
    return [(row["kind"], row["status"]) for row in rows]


def cli(house: House, recording: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        p for p in house.get(recording)["consent"]["parties"] if p["label"] == "cli"
    )
    return found


BEGUN_LATER = BEGUN | {"at": moment(20)}


def test_a_prompt_before_the_recording_is_proved_by_the_log_alone(house: House) -> None:
    text_id = post_text(house)
    house.must_tell(BEGUN_LATER, prompt(text_id, 10, 14))
    recording = house.upload(seconds=5)
    house.live.work()
    assert evidence(house, recording) == [("ivr_notice", "verified")]
    found = house.get(recording)["consent"]
    assert (found["flag"], found["proof"]) == ("notified", "B")
    proved = cli(house, recording)["proof"]
    assert (proved["class"], proved["log_only"]) == ("B", True)
    (by,) = proved["evidence"]
    assert (by["played_ms"], by["notice"], by["notice_version"]) == ([-10_000, -6_000], text_id, 1)
    assert by["call_event"] is not None
    listed = house.live.call("GET", "/v1/recordings?proof=B", who="reviewer").json()["items"]
    assert [(r["id"], r["proof"]) for r in listed] == [(recording, "B")]
    assert house.live.call("GET", "/v1/recordings?proof=A", who="reviewer").json()["items"] == []
    house.must_tell(prompt(text_id, 10, 14))
    house.live.work()
    assert len(evidence(house, recording)) == 1


def _not_approved(house: House, text_id: str) -> None:
    with house.live.tools.database.transaction() as session:
        session.execute(text("INSERT INTO auto_verify_stops VALUES (:t, 1, now())"), {"t": text_id})


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("heard too late", [("ivr_notice", "proposed")]),
        ("of a softphone", [("ivr_notice", "proposed")]),
        ("stopped", [("ivr_notice", "proposed")]),
        ("cut off", []),
        ("hung up at once", []),
        ("for somebody else", []),
        ("of unknown words", []),
    ],
)
def test_the_log_alone_clears_nobody_where_more_is_needed(
    house: House, case: str, expected: list[tuple[str, str]]
) -> None:
    text_id = post_text(house)
    told, who = prompt(text_id, 10, 14), "pbx"
    match case:
        case "heard too late":
            told = prompt(text_id, 18, 21)
        case "of a softphone":
            who = "phone"
        case "stopped":
            _not_approved(house, text_id)
        case "cut off":
            del told["ended_at"]
        case "for somebody else":
            told |= {"leg": "callee"}
        case "of unknown words":
            told |= {"audio_sha256": "cd" * 32}
    begun = BEGUN_LATER if who == "pbx" else BEGUN_LATER | {"kind": "hold", "leg": "caller"}
    start = START if who == "pbx" else moment(20)
    seconds = 2.0 if case == "hung up at once" else 6.0
    sent = house.live.send(metadata("c1", started_at=start), wav(seconds))
    assert sent.status_code == 201
    house.must_tell(begun, told, who=who)
    house.live.work()
    assert evidence(house, sent.json()["id"]) == expected


@pytest.mark.parametrize(
    ("answer", "asked", "expected", "flag"),
    [
        ("agreed", True, ("dtmf_consent", "verified"), "consented"),
        ("refused", True, ("refusal", "proposed"), "refusal_proposed"),
        ("agreed", False, None, "unknown"),
        (None, True, None, "notified"),
    ],
)
def test_a_key_says_what_the_exchange_says_it_means(
    house: House,
    answer: str | None,
    asked: bool,  # noqa: FBT001 - a column of the table above.
    expected: tuple[str, str] | None,
    flag: str,
) -> None:
    text_id = post_text(house)
    recording = house.upload(seconds=30)
    house.live.work()
    said = [BEGUN_LATER, key(text_id, 21, answer)]
    house.must_tell(*said, *([prompt(text_id, 10, 14)] if asked else []))
    house.live.work()
    found = evidence(house, recording)
    assert (expected in found) is (expected is not None)
    assert house.get(recording)["consent"]["flag"] == flag


def _clear_for_dispute(house: House, recording: str) -> None:
    def done(path: str, who: str, **body: Any) -> dict[str, Any]:  # noqa: ANN401
        answer = house.post(path, who, **body)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    acknowledged = {"act_number": "7", "act_version": "1", "signed_on": "2026-01-10", "log": "x"}
    ack = done(
        f"/v1/recordings/{recording}/assertions",
        "manager",
        kind="employee_ack",
        party="own",
        wide=True,
        evidence=acknowledged,
    )
    done(f"/v1/assertions/{ack['id']}/verify", "reviewer")
    done(f"/v1/recordings/{recording}/screenings", "reviewer", result="clear")
    with house.live.tools.database.transaction() as session:
        contact = session.scalars(select(Contact.id)).one()
    done(
        f"/v1/contacts/{contact}/verify",
        "reviewer",
        identity_basis="Паспорт.",
        mandate_basis="Устав.",
    )


def test_a_clip_that_leaves_out_who_was_not_told_may_go(house: House) -> None:
    """The rows D27 and D28 of the decision table, from an exchange's events."""
    house.live.call(
        "PUT",
        "/v1/clients/firm",
        who="manager",
        json={
            "name": "ООО",
            "jurisdiction": "RU",
            "contacts": [{"name": "Директор", "phones": [PHONE], "is_management": True}],
        },
    )
    text_id = post_text(house)
    house.must_tell(
        BEGUN,
        prompt(text_id, -0.0, 0.0)
        | {"at": "2026-11-20T09:59:50+03:00", "ended_at": "2026-11-20T09:59:56+03:00"},
    )
    recording = house.upload(seconds=8)
    house.live.work()
    _clear_for_dispute(house, recording)
    with house.live.tools.database.transaction() as session:
        contact = session.scalars(select(Contact.id)).one()
    question = {"purpose": "dispute_client", "contact": str(contact)}
    whole = house.get(recording, "/decision", **question)
    assert (whole["outcome"], whole["proof"]) == ("NEEDS_APPROVAL", "B"), whole["reasons"]
    house.must_tell(
        event("transfer", 5, "callee", mode="blind", target={"leg": "77", "side": "other"})
    )
    denied = house.get(recording, "/decision", **question)
    codes = {f"{r['code']}:{r['subject']}" for r in denied["reasons"] if r["subject"]}
    assert (denied["outcome"], denied["proof"]) == ("DENY", "F")
    assert "C_UNKNOWN:guest" in codes
    assert denied["allowed_segments"] == [{"from_ms": 0, "to_ms": 5_000}]
    assert "CUT_SEGMENT:0-5000" in {r["code"] for r in denied["remedies"]}
    clip = house.get(recording, "/decision", **question, from_ms=0, to_ms=5_000)
    assert clip["outcome"] == "NEEDS_APPROVAL"
    places = {p["label"]: (p["place"], p["place_by"]) for p in clip["parties"]}
    assert places["cli"] == ("RU", "card")
    assert places["guest"] == (None, "unknown")


def test_a_presence_set_by_one_person_lets_no_rule_clear_the_party(house: House) -> None:
    text_id = post_text(house)
    recording = house.upload(seconds=8)
    house.live.work()
    house.must_tell(BEGUN_LATER, event("join", 25, "caller"))
    assert house.spans(recording)["cli"] == (5_000, None)
    assert house.patch(recording, "cli", present_from_ms=0).json()["change"]["state"] == "applied"
    house.must_tell(prompt(text_id, 10, 14))
    house.live.work()
    assert evidence(house, recording) == [("ivr_notice", "proposed")]


def test_every_change_is_in_the_history_and_the_ledger(house: House) -> None:
    recording = house.upload()
    house.must_tell(BEGUN, JOINS)
    house.patch(recording, "guest", present_from_ms=1)
    with house.live.tools.database.transaction() as session:
        rows = session.execute(
            select(PartyChange.source, PartyChange.reason, Party.label)
            .join(Party, Party.id == PartyChange.party_id)
            .order_by(PartyChange.proposed_at)
        ).all()
        acts = session.scalars(
            text("SELECT act FROM custody_entries WHERE act LIKE 'party%' OR act LIKE 'call%'")
        ).all()
    assert [tuple(row) for row in rows] == [
        ("exchange", None, "guest"),
        ("person", "Прослушано.", "guest"),
    ]
    assert sorted(acts) == ["call_event.received"] * 2 + ["party.changed"] * 2
