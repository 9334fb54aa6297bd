"""What nobody sends by mistake: no answer is a fault, and no list breaks by it afterwards."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any, get_args
from uuid import uuid4

import httpx
import pytest
from pydantic import BaseModel, ValidationError

from app.clients.models import ClausePurpose, ClauseRecipient, ClauseScope
from app.consent import purposes
from app.consent.evidence import (
    MAX_DEPTH,
    EvidenceIncomplete,
    EvidenceUnfit,
    canonical,
    is_deep,
    require,
)
from app.consent.purposes import Kind
from app.core.moments import Day, Moment
from app.core.paging import Cursor, CursorInvalid
from tests.factories import wav
from tests.live import Live, metadata

BEYOND = ("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "1969-12-31T23:59:59Z")
WORDS = ("a\x00b", "a\ud800b")
TOO_LARGE = (2**31, 2**63, 10**30)
NOBODY = str(uuid4())
CONTRACT = {
    "number": "7",
    "signed_on": "2026-01-10",
    "our_entity": "ООО Мы",
    "document_sha256": "0" * 64,
    "signature_kind": "ukep",
    "valid_from": "2026-01-10T00:00:00Z",
}
CLAUSE = {"clause_ref": "7.2", "quote": "Разговоры записываются.", "scope": ["notice"]}
EVENT = {
    "kind": "call",
    "occurred_at": "2026-11-20T10:00:00Z",
    "subject": "Звонок",
    "client": "C-1",
}
HEARD = {
    "notice": {"id": NOBODY, "version": 1},
    "played_ms": [0, 4000],
    "stayed_after_ms": 20_000,
    "heard": {"quote": "Разговор записывается."},
}
ASSESSED: dict[str, Any] = {
    "code": "legal_claims",
    "document_id": NOBODY,
    "document_sha256": "0" * 64,
    "author": "А. Б.",
    "matter": "А40-1/2026",
    "expires_on": "2027-01-10",
}
SAID = {"from_ms": 0, "to_ms": 10, "speaker": "own", "quote": "Запись.", "reaction": "continued"}
ACKNOWLEDGED = {
    "act_number": "7",
    "act_version": "1",
    "employee": "106",
    "signed_on": "2026-01-10",
    "log": "x",
}


class _Told(BaseModel):
    at: Moment
    on: Day


def _json(live: Live, method: str, path: str, body: object, who: str) -> httpx.Response:
    """Send what `httpx` itself would not: lone surrogates, as the escapes of JSON."""
    headers = {"Content-Type": "application/json"}
    return live.call(method, path, who=who, headers=headers, content=json.dumps(body))


def _put(live: Live, path: str, body: object) -> httpx.Response:
    return _json(live, "PUT", path, body, "manager")


def _client(live: Live, **changes: object) -> httpx.Response:
    return _put(live, "/v1/clients/C-1", {"name": "ООО"} | changes)


def _post(live: Live, path: str, body: object, who: str = "manager") -> int:
    return _json(live, "POST", path, body, who).status_code


def _where(answer: httpx.Response) -> str:
    """Return the field that is refused, so that no other fault of a request hides it."""
    assert answer.status_code == 422, answer.text
    places = {str(error["where"]) for error in answer.json()["errors"]}
    return " ".join(sorted(places))


def _wrong(live: Live, path: str, body: object, who: str = "manager") -> str:
    return _where(_json(live, "POST", path, body, who))


def _sent(live: Live) -> str:
    answer = live.send(metadata("c1"), wav(0.2))
    assert answer.status_code == 201
    return str(answer.json()["id"])


def test_a_moment_is_in_utc_and_of_the_years_kept() -> None:
    told = _Told.model_validate({"at": "2026-11-20T10:00:00+03:00", "on": "2200-12-31"})
    assert told.at.tzinfo is UTC
    assert told.at == datetime(2026, 11, 20, 7, tzinfo=UTC)
    for beyond in (*BEYOND, "2201-01-01T00:00:00Z", "2200-12-31T23:00:00-02:00"):
        with pytest.raises(ValidationError, match="1970 to 2200"):
            _Told.model_validate({"at": beyond, "on": "2026-11-20"})
    for day in ("0001-01-01", "1969-12-31", "2201-01-01", "9999-12-31"):
        with pytest.raises(ValidationError, match="1970 to 2200"):
            _Told.model_validate({"at": "2026-11-20T10:00:00Z", "on": day})


@pytest.mark.parametrize("at", [*BEYOND, "2026-11-20T10:00:00", "x"])
def test_a_cursor_of_no_moment_was_not_given_out(at: str) -> None:
    with pytest.raises(CursorInvalid):
        Cursor.decode(base64.urlsafe_b64encode(f"{at} {NOBODY}".encode()).decode())


def test_a_cursor_is_read_as_it_was_given_out() -> None:
    given = Cursor(at=datetime(2026, 11, 20, 7, 0, 0, 5, tzinfo=UTC), id=uuid4())
    assert Cursor.decode(given.encode()) == given


def test_no_list_breaks_by_a_moment_beyond_the_years(live: Live) -> None:
    live.put_client("C-1")
    screenshot = {"captured_at": "", "agent": "106"}
    for at in BEYOND:
        answers = [
            live.send(metadata("c1", started_at=at), wav(0.2)),
            live.send(metadata("c1", ended_at=at), wav(0.2)),
            live.send(screenshot | {"captured_at": at}, b"x", path="/v1/screenshots"),
            _put(live, "/v1/events/E-1", EVENT | {"occurred_at": at}),
            _put(live, "/v1/events/E-1", EVENT | {"closed_at": at}),
            _client(live, contracts=[CONTRACT | {"valid_from": at}]),
            _client(live, contracts=[CONTRACT | {"terminated_at": at}]),
            _client(live, contracts=[CONTRACT | {"signed_on": at[:10]}]),
            _client(live, contracts=[CONTRACT | {"clauses": [CLAUSE | {"survives_until": at}]}]),
            live.call("GET", "/v1/recordings", who="manager", params={"from": at}),
            live.call("GET", "/v1/recordings", who="manager", params={"to": at}),
        ]
        assert [answer.status_code for answer in answers] == [422] * len(answers)
    _sent(live)
    for path in ("/v1/recordings", "/v1/triage", "/v1/clients/C-1"):
        assert live.call("GET", path, who="manager").status_code == 200, path


def test_ids_in_addresses_are_words_that_can_be_kept(live: Live) -> None:
    for name in ("a%00b", "a%FFb", "a%ED%A0%80b", "a" * 201):
        for path in (f"/v1/clients/{name}", f"/v1/events/{name}"):
            assert live.call("GET", path, who="manager").status_code == 422, path
        assert _put(live, f"/v1/clients/{name}", {"name": "ООО"}).status_code == 422
        assert _put(live, f"/v1/events/{name}", EVENT).status_code == 422
    assert _put(live, f"/v1/clients/{'a' * 200}", {"name": "ООО"}).status_code == 201


@pytest.mark.parametrize("name", ["client", "agent", "event", "number", "q"])
def test_what_a_list_is_narrowed_to_is_a_word(live: Live, name: str) -> None:
    for asked in ("a%00b", "a" * 256):
        answer = live.call("GET", f"/v1/recordings?{name}={asked}", who="manager")
        assert answer.status_code == 422, asked
    assert live.call("GET", f"/v1/recordings?{name}=a", who="manager").status_code == 200


def test_words_in_bodies_can_be_kept(live: Live) -> None:
    live.put_client("C-1")
    recording = _sent(live)
    dispute = live.call(
        "POST", "/v1/disputes", who="manager", json={"client": "C-1", "subject": "Счёт"}
    ).json()["id"]
    exhibits = f"/v1/disputes/{dispute}/exhibits"
    approval = f"/v1/releases/{NOBODY}/approve"
    link = f"/v1/recordings/{recording}/link"
    event = {"external_id": "E-1"}
    for word in WORDS:
        other = {"external_id": word}
        wrong = [
            _wrong(live, "/v1/session", {"name": word, "password": "x"}),
            _wrong(live, "/v1/session", {"name": "x", "password": word}),
            _wrong(live, "/v1/disputes", {"client": word, "subject": "Счёт"}),
            _wrong(live, "/v1/disputes", {"client": "C-1", "subject": word}),
            _wrong(live, exhibits, {"recording_id": recording, "note": word}),
            _wrong(live, approval, {"note": word}, who="approver"),
            _wrong(live, link, {"event": event, "reason": f"wrong {word}"}),
            _wrong(live, link, {"event": other, "reason": "wrong one"}),
            _where(_client(live, contacts=[{"name": "П", "phones": [f"+7495{word}"]}])),
        ]
        assert [where.removeprefix("body/") for where in wrong] == [
            "name",
            "password",
            "client",
            "subject",
            "note",
            "note",
            "reason",
            "event/external_id",
            "contacts/0/phones/0",
        ]


def test_a_clause_names_words_that_the_room_of_consent_has() -> None:
    assert list(get_args(ClauseScope)) == list(purposes.ClauseScope)
    assert list(get_args(ClausePurpose)) == list(purposes.Purpose)
    assert list(get_args(ClauseRecipient)) == list(purposes.RecipientClass)


@pytest.mark.parametrize("field", ["scope", "purposes", "recipients"])
def test_a_clause_of_an_unknown_word_is_refused(live: Live, field: str) -> None:
    for word in (*WORDS, "everything"):
        told = CONTRACT | {"clauses": [CLAUSE | {field: [word]}]}
        where = _where(_client(live, contracts=[told]))
        assert where == f"body/contracts/0/clauses/0/{field}/0"
    told = CONTRACT | {"clauses": [CLAUSE]}
    assert _client(live, contracts=[told]).status_code == 201


def test_numbers_are_of_those_that_can_be_kept(live: Live) -> None:
    recording = _sent(live)
    about = f"/v1/recordings/{recording}"
    refusal = {"kind": "refusal", "evidence": {"quote": "нет"}}
    dispute = f"/v1/disputes/{NOBODY}/exhibits"
    release = {"contact_id": NOBODY, "purpose": "dispute_client"}
    asked = "purpose=internal_quality&recipient=own_staff_manager"
    for number in TOO_LARGE:
        party = {"name": "П", "from_ms": number}
        uploads = (
            {"duration_ms": number},
            {"parties": [party]},
            {"parties": [party | {"from_ms": 0, "to_ms": number}]},
            {"notice": {"text_id": "t", "version": number, "played_at_ms": 0}},
            {"notice": {"text_id": "t", "version": 1, "played_at_ms": number}},
        )
        for told in uploads:
            assert live.send(metadata("c2", **told), wav(0.2)).status_code == 422, told
        for bound in ("from_ms", "to_ms"):
            bounded = {bound: number}
            item = {"recording_id": recording} | bounded
            screened = {"result": "clear"} | bounded
            path = f"{about}/decision?{asked}&{bound}={number}"
            wrong = [
                _wrong(live, dispute, item),
                _wrong(live, "/v1/releases", release | {"items": [item]}),
                _wrong(live, f"{about}/assertions", refusal | bounded),
                _wrong(live, f"{about}/screenings", screened, who="reviewer"),
                _where(live.call("GET", path, who="manager")),
            ]
            places = ("body", "body/items/0", "body", "body", "query")
            assert wrong == [f"{place}/{bound}" for place in places]
        approval = f"/v1/notice-texts/{NOBODY}/approve"
        assert _wrong(live, approval, {"version": number}, who="approver") == "body/version"
        path = f"/v1/recordings?limit={number}"
        assert _where(live.call("GET", path, who="manager")) == "query/limit"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"contracts": [CONTRACT, CONTRACT | {"number": " 7 "}]}, "contract: '7'"),
        ({"contracts": [CONTRACT | {"clauses": [CLAUSE, CLAUSE]}]}, "clause: '7.2'"),
        (
            {"contacts": [{"external_id": "P", "name": "А"}, {"external_id": "P", "name": "Б"}]},
            "contact: 'P'",
        ),
        ({"contacts": [{"name": "А"}, {"name": "А "}]}, "contact without external_id: 'А'"),
    ],
)
def test_what_is_told_of_twice_is_refused_by_name(
    live: Live, changes: dict[str, object], named: str
) -> None:
    answer = _client(live, **changes)
    assert answer.status_code == 422
    assert named in answer.json()["errors"][0]["what"]


def test_namesakes_with_ids_are_two_people(live: Live) -> None:
    people = [{"external_id": "P1", "name": "А"}, {"external_id": "P2", "name": "А"}]
    assert len(_client(live, contacts=people).json()["contacts"]) == 2


@pytest.mark.parametrize("wrong", [["continued"], {"continued": 1}, 7, "x"])
def test_evidence_in_the_place_of_a_word(wrong: object) -> None:
    with pytest.raises(EvidenceIncomplete) as refused:
        require(Kind.VERBAL_NOTICE, SAID | {"reaction": wrong}, from_ms=10)
    assert refused.value.facts["missing"] == ["reaction"]
    with pytest.raises(EvidenceIncomplete) as refused:
        require(Kind.OTHER_GROUND, ASSESSED | {"code": wrong}, from_ms=0)
    assert refused.value.facts["missing"] == ["code"]


@pytest.mark.parametrize("version", [0, 2**31, 2**63, 1.5, True, "1", [1]])
def test_evidence_of_a_version_that_no_notice_has(version: object) -> None:
    told = HEARD | {"notice": {"id": NOBODY, "version": version}}
    with pytest.raises(EvidenceIncomplete) as refused:
        require(Kind.IVR_NOTICE, told, from_ms=4000)
    assert refused.value.facts["missing"] == ["notice.version"]
    require(Kind.IVR_NOTICE, HEARD, from_ms=4000)


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "x", 7, ["2026-01-10"]])
def test_evidence_of_a_day_beyond_the_years(day: object) -> None:
    with pytest.raises(EvidenceIncomplete):
        require(Kind.OTHER_GROUND, ASSESSED | {"expires_on": day}, from_ms=0)
    with pytest.raises(EvidenceIncomplete):
        require(Kind.EMPLOYEE_ACK, ACKNOWLEDGED | {"signed_on": day}, from_ms=0)
    require(Kind.OTHER_GROUND, ASSESSED, from_ms=0)
    require(Kind.EMPLOYEE_ACK, ACKNOWLEDGED, from_ms=0)


def _nested(depth: int, *, in_lists: bool) -> dict[str, Any]:
    value: Any = "inmost"
    for _ in range(depth - 1):
        value = [value] if in_lists else {"a": value}
    return {"quote": value}


@pytest.mark.parametrize("in_lists", [True, False])
def test_evidence_is_not_deeper_than_can_be_read(*, in_lists: bool) -> None:
    assert not is_deep(_nested(MAX_DEPTH, in_lists=in_lists))
    canonical(_nested(MAX_DEPTH, in_lists=in_lists))
    for depth in (MAX_DEPTH + 1, 600, 5000):
        with pytest.raises(EvidenceUnfit):
            canonical(_nested(depth, in_lists=in_lists))


def test_evidence_that_is_no_evidence_is_refused(live: Live) -> None:
    recording = _sent(live)
    path = f"/v1/recordings/{recording}/assertions"
    refusal: dict[str, Any] = {"kind": "refusal", "evidence": {"quote": "нет"}}
    for depth in (MAX_DEPTH + 1, 600):
        for in_lists in (True, False):
            body = refusal | {"evidence": _nested(depth, in_lists=in_lists)}
            assert _wrong(live, path, body) == "body/evidence", depth
    spoken = {"kind": "verbal_notice", "party": "cli"}
    assert _post(live, path, spoken | {"evidence": SAID | {"reaction": ["x"]}}) == 400
    ground = {"kind": "other_ground"}
    assert _post(live, path, ground | {"evidence": ASSESSED | {"code": {}}}) == 400
    assert _post(live, path, ground | {"evidence": ASSESSED | {"code": ["x"]}}) == 400
    played = HEARD | {"notice": {"id": NOBODY, "version": 2**40}}
    heard = {"kind": "ivr_notice", "party": "cli", "evidence": played}
    assert _post(live, path, heard) == 400
    for word in WORDS:
        assert _post(live, path, refusal | {"evidence": {"quote": word}}) == 400
        assert _wrong(live, path, refusal | {"party": word}) == "body/party"


def test_evidence_supersedes_only_what_is_about_the_same_people(live: Live) -> None:
    one = _sent(live)
    other = live.send(metadata("c2", **{"from": "8 (495) 000-84-15"}), wav(0.3)).json()["id"]
    refusal: dict[str, Any] = {"kind": "refusal", "evidence": {"quote": "нет"}}
    first = live.call("POST", f"/v1/recordings/{one}/assertions", who="manager", json=refusal)
    later = refusal | {"supersedes": first.json()["id"]}
    assert _post(live, f"/v1/recordings/{one}/assertions", refusal | {"supersedes": NOBODY}) == 400
    assert _post(live, f"/v1/recordings/{other}/assertions", later) == 400
    assert _post(live, f"/v1/recordings/{one}/assertions", later) == 201
