"""Logging in, with and without a second factor. Source: OWASP ASVS 5.0, V6 and V7."""

from __future__ import annotations

import math
import re
import time
from datetime import timedelta

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.core.clock import SetClock
from app.core.db import Database
from app.core.ids import new_id
from app.custody.models import CustodyEntry
from app.identity import account, login, oidc, passwords, queries, second_factor, service, sessions
from app.identity.actor import Actor, ProofNeeded
from app.identity.actor import Browser as Through
from app.identity.login import CodeAsked, CodeRefused, LoginRefused, LoginThrottled
from app.identity.models import LoginAttempt, RecoveryCode, User, WebSession
from app.identity.permissions import Role
from app.identity.secrets import digest
from app.identity.sessions import Source
from tests.factories import Make
from tests.identity.people import PASSWORD, Browser, browser
from tests.live import Live


@pytest.fixture
def anna(session: Session, make: Make, clock: SetClock) -> User:
    """Give a person with a password."""
    return service.add_user(
        session, make.admin, "anna", role=Role.MANAGER, password=PASSWORD, at=clock.now()
    )


def _code(session: Session, user: User, clock: SetClock) -> tuple[str, list[str]]:
    """Give `user` a second factor that was confirmed a minute ago."""
    secret = second_factor.begin(session, user)
    totp = pyotp.TOTP(secret)
    before = clock.now() - timedelta(minutes=1)
    codes = second_factor.confirm(
        session, queries.as_actor(session, user), user, totp.at(before), at=before
    )
    session.flush()
    return totp.at(clock.now()), codes


def _facts(session: Session, user: User, act: str) -> list[dict[str, object]]:
    return list(
        session.scalars(
            select(CustodyEntry.facts)
            .where(CustodyEntry.object_id == user.id, CustodyEntry.act == act)
            .order_by(CustodyEntry.position)
        )
    )


def test_v6_3_3_with_a_second_factor_the_password_alone_opens_nothing(
    session: Session, database: Database, anna: User, clock: SetClock
) -> None:
    code, _ = _code(session, anna, clock)
    with pytest.raises(CodeAsked):
        login.log_in(database, "anna", PASSWORD, at=clock.now())
    token = login.log_in(database, "anna", PASSWORD, code=code, at=clock.now())
    assert queries.user_by_session(session, digest(token), clock.now()) is not None
    assert _facts(session, anna, "login.succeeded") == [{"how": "password+totp"}]


def test_v6_5_1_a_code_is_good_once(
    session: Session, database: Database, anna: User, clock: SetClock
) -> None:
    code, _ = _code(session, anna, clock)
    login.log_in(database, "anna", PASSWORD, code=code, at=clock.now())
    with pytest.raises(CodeRefused):
        login.log_in(database, "anna", PASSWORD, code=code, at=clock.now())


def test_v6_5_5_a_code_of_long_ago_is_refused(
    session: Session, database: Database, anna: User, clock: SetClock
) -> None:
    code, _ = _code(session, anna, clock)
    clock.advance(timedelta(minutes=2))
    with pytest.raises(CodeRefused):
        login.log_in(database, "anna", PASSWORD, code=code, at=clock.now())


def test_v6_5_1_a_recovery_code_is_good_once_however_it_is_written(
    session: Session, database: Database, anna: User, clock: SetClock
) -> None:
    _, codes = _code(session, anna, clock)
    assert len(set(codes)) == second_factor.RECOVERY_CODES
    written = codes[0].upper().replace("-", " ")
    login.log_in(database, "anna", PASSWORD, code=written, at=clock.now())
    session.expire_all()
    assert second_factor.recovery_codes_left(session, anna) == len(codes) - 1
    with pytest.raises(CodeRefused):
        login.log_in(database, "anna", PASSWORD, code=codes[0], at=clock.now())


def test_v6_5_2_codes_and_secrets_are_kept_so_that_the_database_alone_opens_nothing(
    session: Session, anna: User, clock: SetClock
) -> None:
    _, codes = _code(session, anna, clock)
    kept = {row.digest for row in session.scalars(select(RecoveryCode))}
    assert all(len(one) == 32 for one in kept)
    assert not any(code.encode() in one for code in codes for one in kept)
    sealed = anna.totp_secret
    assert sealed is not None
    assert not re.search(rb"[A-Z2-7]{32}", sealed)


def test_v6_5_2_recovery_codes_have_the_bits_that_a_fast_digest_asks_for(
    session: Session, anna: User, clock: SetClock
) -> None:
    _, codes = _code(session, anna, clock)
    seen = {letter for code in codes for letter in code} - {"-"}
    assert seen <= set(second_factor._ALPHABET)
    for code in codes:
        assert len(code.replace("-", "")) * math.log2(len(second_factor._ALPHABET)) >= 112


def test_new_recovery_codes_void_the_older(
    session: Session, database: Database, anna: User, clock: SetClock
) -> None:
    _, old = _code(session, anna, clock)
    actor = queries.as_actor(session, anna)
    new = second_factor.renew_recovery_codes(session, actor, anna, at=clock.now())
    session.flush()
    with pytest.raises(CodeRefused):
        login.log_in(database, "anna", PASSWORD, code=old[1], at=clock.now())
    assert login.log_in(database, "anna", PASSWORD, code=new[1], at=clock.now())


def test_v6_6_3_guessing_codes_is_slowed_as_guessing_passwords_is(
    session: Session, database: Database, anna: User, clock: SetClock
) -> None:
    code, _ = _code(session, anna, clock)
    wrong = "000000" if code != "000000" else "000001"
    for _ in range(login.FAILURES_ALLOWED):
        with pytest.raises(CodeRefused):
            login.log_in(database, "anna", PASSWORD, code=wrong, at=clock.now())
    with pytest.raises(LoginThrottled):
        login.log_in(database, "anna", PASSWORD, code=code, at=clock.now())


@pytest.mark.usefixtures("anna")
def test_v6_3_1_a_source_that_tries_many_names_is_slowed(
    session: Session, database: Database, clock: SetClock
) -> None:
    where = Source(address="2001:db8::1")
    session.add_all(
        LoginAttempt(
            id=new_id(),
            name_digest=bytes([n]) * 32,
            source_digest=login._source_digest(Source(address=f"2001:db8::{n + 2}")),
            at=clock.now(),
        )
        for n in range(login.FAILURES_OF_A_SOURCE)
    )
    session.flush()
    with pytest.raises(LoginThrottled) as told:
        login.log_in(database, "anna", PASSWORD, source=where, at=clock.now())
    assert told.value.facts["retry_after_seconds"] == 900
    elsewhere = Source(address="2001:db8:1::1")
    assert login.log_in(database, "anna", PASSWORD, source=elsewhere, at=clock.now())
    clock.advance(login.THROTTLE_WINDOW)
    assert login.log_in(database, "anna", PASSWORD, source=where, at=clock.now())


@pytest.mark.usefixtures("anna")
@pytest.mark.parametrize("name", ["anna", "nobody", "gone", "keys-only"])
def test_v6_3_8_nobody_learns_who_is_known(
    session: Session,
    database: Database,
    make: Make,
    clock: SetClock,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    service.add_user(
        session, make.admin, "gone", role=Role.MANAGER, password=PASSWORD, at=clock.now()
    )
    service.add_user(session, make.admin, "keys-only", role=Role.MANAGER, at=clock.now())
    session.flush()
    service.disable_user(session, make.admin, "gone", at=clock.now())
    session.flush()
    asked: list[str] = []
    verify = passwords._hasher.verify

    def noting(self: object, kept: str, given: str) -> bool:  # noqa: ARG001 - as it is called.
        asked.append(kept)
        return verify(kept, given)

    monkeypatch.setattr(
        type(passwords._hasher),
        "verify",
        noting,
    )
    with pytest.raises(LoginRefused) as told:
        login.log_in(database, name, "wrong " + PASSWORD, at=clock.now())
    assert told.value.facts == {}
    assert told.value.detail == ""
    assert len(asked) == 1
    assert asked[0].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.usefixtures("anna")
@pytest.mark.parametrize("name", ["anna", "nobody"])
def test_v6_3_8_a_refusal_waits_for_its_step_whoever_has_the_name(
    session: Session,
    database: Database,
    clock: SetClock,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    told: list[int] = []
    waited: list[float] = []

    def waiting(seconds: float) -> None:
        waited.append(seconds)
        told.append(session.scalar(select(func.count()).select_from(CustodyEntry)) or 0)

    monkeypatch.setattr(time, "sleep", waiting)
    for _ in range(login.FAILURES_ALLOWED):
        with pytest.raises(LoginRefused):
            login.log_in(database, name, "wrong " + PASSWORD, at=clock.now())
    with pytest.raises(LoginThrottled):
        login.log_in(database, name, PASSWORD, at=clock.now())
    assert len(waited) == login.FAILURES_ALLOWED + 1
    assert all(0 < one <= login.REFUSED_AT_STEPS_OF for one in waited)
    # What is written down of somebody is written before the wait, and nothing after it.
    assert told[-1] == session.scalar(select(func.count()).select_from(CustodyEntry))
    assert (told[-1] > told[0]) == (name == "anna")


@pytest.mark.usefixtures("anna")
def test_who_comes_in_does_not_wait(
    session: Session, database: Database, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    session.flush()
    assert login.log_in(database, "anna", PASSWORD, at=clock.now())
    assert waited == []


@given(st.floats(min_value=0, max_value=60, allow_nan=False))
def test_a_refusal_comes_at_a_whole_number_of_steps(passed: float) -> None:
    left = login.left_of_step(passed)
    assert 0 < left <= login.REFUSED_AT_STEPS_OF
    steps = (passed + left) / login.REFUSED_AT_STEPS_OF
    assert steps == pytest.approx(round(steps))


def test_failures_are_in_the_ledger_by_their_step(
    session: Session, database: Database, anna: User, clock: SetClock
) -> None:
    _code(session, anna, clock)
    with pytest.raises(LoginRefused):
        login.log_in(database, "anna", "wrong " + PASSWORD, at=clock.now())
    with pytest.raises(CodeRefused):
        login.log_in(database, "anna", PASSWORD, code="nothing", at=clock.now())
    assert _facts(session, anna, "login.failed") == [{"step": "password"}, {"step": "code"}]


def test_a_ticket_waits_five_minutes_for_its_code(
    session: Session, database: Database, anna: User, clock: SetClock
) -> None:
    code, codes = _code(session, anna, clock)
    with pytest.raises(CodeAsked) as asked:
        login.log_in(database, "anna", PASSWORD, at=clock.now())
    ticket = asked.value.ticket
    with pytest.raises(CodeRefused):
        login.give_code(database, "audt_unknown", code, at=clock.now())
    assert login.give_code(database, ticket, code, at=clock.now())
    with pytest.raises(CodeRefused):
        login.give_code(database, ticket, codes[0], at=clock.now())
    with pytest.raises(CodeAsked) as asked:
        login.log_in(database, "anna", PASSWORD, at=clock.now())
    clock.advance(timedelta(minutes=5))
    with pytest.raises(CodeRefused):
        login.give_code(database, asked.value.ticket, codes[0], at=clock.now())


@pytest.mark.usefixtures("anna")
def test_v7_3_1_a_log_in_that_is_left_alone_ends(
    session: Session, database: Database, clock: SetClock
) -> None:
    session.flush()
    key = digest(login.log_in(database, "anna", PASSWORD, at=clock.now()))
    for _ in range(3):
        clock.advance(sessions.IDLE_LIFETIME - timedelta(seconds=1))
        assert queries.user_by_session(session, key, clock.now()) is not None
        sessions.see(session, key, at=clock.now())
        session.expire_all()
    clock.advance(sessions.IDLE_LIFETIME)
    assert queries.user_by_session(session, key, clock.now()) is None


@pytest.mark.usefixtures("anna")
def test_v7_3_2_a_log_in_ends_however_much_it_is_used(
    session: Session, database: Database, clock: SetClock
) -> None:
    session.flush()
    key = digest(login.log_in(database, "anna", PASSWORD, at=clock.now()))
    began = clock.now()
    while clock.now() - began < sessions.SESSION_LIFETIME - timedelta(minutes=30):
        clock.advance(timedelta(minutes=30))
        sessions.see(session, key, at=clock.now())
        assert queries.user_by_session(session, key, clock.now()) is not None
    clock.advance(timedelta(minutes=30))
    assert queries.user_by_session(session, key, clock.now()) is None


# --- through the door -----------------------------------------------------------------------------


def test_a_role_that_needs_a_code_can_do_nothing_else_before(live: Live) -> None:
    boss = browser(live, "boris", Role.ADMIN)
    assert boss.send("GET", "/v1/session").json()["is_enrolling"] is True
    refused = boss.send("GET", "/v1/users")
    assert refused.status_code == 403
    assert refused.json()["type"] == "/problems/second-factor-missing"
    boss.enrol()
    assert boss.send("GET", "/v1/users").status_code == 200
    again = Browser(live)
    asked = again.log_in("boris")
    assert (asked.status_code, asked.json()["type"]) == (401, "/problems/code-asked")
    assert "audt_" not in asked.text
    assert "set-cookie" not in asked.headers
    again.secret = boss.secret
    assert again.log_in("boris", code=again.code()).status_code == 204


def test_a_key_for_programs_is_not_asked_for_a_code(live: Live) -> None:
    assert live.call("GET", "/v1/users", who="admin").status_code == 200


def test_v7_2_4_each_proof_gives_the_browser_another_token(live: Live) -> None:
    anna = browser(live, "anna")
    before = anna.cookie
    assert anna.send("POST", "/v1/session/proof", {"password": PASSWORD}).status_code == 204
    assert anna.cookie != before
    old = live.call("GET", "/v1/session", who=None, headers={"Cookie": before})
    assert old.status_code == 401
    assert anna.send("GET", "/v1/session").status_code == 200


@pytest.mark.parametrize("given", [{}, {"password": "wrong one, wrong one"}, {"code": "123456"}])
def test_a_wrong_proof_is_refused(live: Live, given: dict[str, str]) -> None:
    anna = browser(live, "anna")
    before = anna.cookie
    assert anna.send("POST", "/v1/session/proof", given).status_code == 401
    assert anna.cookie == before


def test_with_a_second_factor_the_password_is_no_proof(live: Live) -> None:
    anna = browser(live, "anna")
    anna.enrol()
    assert anna.send("POST", "/v1/session/proof", {"password": PASSWORD}).status_code == 401
    assert anna.send("POST", "/v1/session/proof", {"code": anna.code()}).status_code == 204


def test_v7_5_1_the_second_factor_is_touched_only_after_a_fresh_proof(live: Live) -> None:
    anna = browser(live, "anna")
    _age(live, minutes=11)
    for method, path in (("POST", "/v1/session/totp"), ("DELETE", "/v1/session/totp")):
        refused = anna.send(method, path)
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/proof-needed")
    anna.send("POST", "/v1/session/proof", {"password": PASSWORD})
    assert anna.send("POST", "/v1/session/totp").status_code == 201


def _age(live: Live, *, minutes: int) -> None:
    """Let the proofs of all log-ins be so old; what is remembered of them is forgotten."""
    with live.tools.database.transaction() as session:
        session.execute(
            text("UPDATE web_sessions SET proved_at = proved_at - make_interval(mins => :m)"),
            {"m": minutes},
        )
    live.forget()


def test_a_second_factor_is_removed_where_no_role_asks_for_it(live: Live) -> None:
    anna = browser(live, "anna")
    anna.enrol()
    assert anna.send("POST", "/v1/session/totp").status_code == 409
    assert anna.send("DELETE", "/v1/session/totp").status_code == 204
    assert Browser(live).log_in("anna").status_code == 204
    boss = browser(live, "boris", Role.ADMIN)
    boss.enrol()
    refused = boss.send("DELETE", "/v1/session/totp")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/second-factor-asked")


def test_what_a_telephone_takes_over_is_shown_as_a_picture_without_a_script(live: Live) -> None:
    told = browser(live, "anna").send("POST", "/v1/session/totp").json()
    assert told["uri"].startswith("otpauth://totp/Audiatur:anna?secret=" + told["secret"])
    assert told["svg"].startswith("<svg")
    assert "script" not in told["svg"]
    assert "style" not in told["svg"]


def test_v6_2_3_a_change_of_password_asks_for_the_old_one_and_ends_other_log_ins(
    live: Live,
) -> None:
    here, there = browser(live, "anna"), Browser(live)
    there.log_in("anna")
    new = "another horse battery"
    wrong = here.send("PUT", "/v1/session/password", {"old": "not that horse", "new": new})
    assert wrong.status_code == 401
    bad = here.send("PUT", "/v1/session/password", {"old": PASSWORD, "new": "short"})
    assert (bad.status_code, bad.json()["shortest"]) == (400, 15)
    before = here.cookie
    done = here.send("PUT", "/v1/session/password", {"old": PASSWORD, "new": new})
    assert done.status_code == 204
    assert here.cookie != before
    live.forget()
    assert [b.send("GET", "/v1/session").status_code for b in (here, there)] == [200, 401]
    assert [Browser(live).log_in("anna", p).status_code for p in (PASSWORD, new)] == [401, 204]


@pytest.mark.parametrize("has_code", [True, False])
def test_v7_5_3_a_change_of_password_proves_nothing_where_there_is_a_second_factor(
    session: Session, database: Database, anna: User, clock: SetClock, *, has_code: bool
) -> None:
    code = _code(session, anna, clock)[0] if has_code else None
    token = login.log_in(database, "anna", PASSWORD, code=code, at=clock.now())
    row = session.scalars(select(WebSession).where(WebSession.digest == digest(token))).one()
    clock.advance(timedelta(minutes=11))

    def actor() -> Actor:
        session.refresh(row)
        through = Through(session_id=row.id, proved_at=row.proved_at)
        return Actor.user(anna.id, Role.MANAGER, "anna", browser=through)

    new = "another horse battery"
    renewed = account.change_password(
        database, actor(), old=PASSWORD, new=new, source=Source(), at=clock.now()
    )
    assert actor().browser is not None
    assert row.digest == digest(renewed)
    if has_code:
        with pytest.raises(ProofNeeded):
            actor().proved(at=clock.now())
    else:
        assert actor().proved(at=clock.now()) == "browser"


@pytest.mark.parametrize(
    ("methods", "has_second"),
    [
        (["pwd", "mfa"], True),
        (["otp"], False),
        (["hwk"], False),
        ("mfa", False),
        ("no mfa", False),
        ({"mfa": 1}, False),
        (None, False),
    ],
)
def test_only_mfa_in_a_list_is_a_second_factor_of_the_provider(
    methods: object, *, has_second: bool
) -> None:
    assert oidc.has_second({"amr": methods}) is has_second


def test_an_address_and_its_check_are_of_one_place() -> None:
    token = {"sub": "1", "email": "a@example.org", "email_verified": True}
    assert oidc.joined(token, {"email": "b@example.org"}) == {"sub": "1", "email": "b@example.org"}
    unchecked = {"sub": "1", "email": "a@example.org"}
    told = {"email_verified": True, "preferred_username": "a"}
    assert oidc.joined(unchecked, told) == unchecked | {"preferred_username": "a"}


def test_v7_5_2_a_person_sees_and_ends_his_own_log_ins(live: Live) -> None:
    here, there = browser(live, "anna"), Browser(live)
    there.log_in("anna")
    foreign = browser(live, "berta")
    listed = here.send("GET", "/v1/sessions").json()["items"]
    assert [one["is_this"] for one in listed] == [False, True]
    assert {one["address"] for one in listed} == {"127.0.0.1"}
    other = listed[0]["id"]
    assert foreign.send("DELETE", f"/v1/sessions/{other}").status_code == 404
    assert here.send("DELETE", f"/v1/sessions/{other}").status_code == 204
    assert here.send("DELETE", f"/v1/sessions/{other}").status_code == 404
    live.forget()
    assert there.send("GET", "/v1/session").status_code == 401
    there.log_in("anna")
    assert here.send("DELETE", "/v1/sessions").status_code == 204
    live.forget()
    found = [b.send("GET", "/v1/session").status_code for b in (here, there, foreign)]
    assert found == [200, 401, 200]


def test_a_key_for_programs_changes_no_log_in(live: Live) -> None:
    for method, path, body in (
        ("POST", "/v1/session/totp", None),
        ("POST", "/v1/session/recovery-codes", None),
        ("POST", "/v1/session/totp/confirm", {"code": "1"}),
        ("PUT", "/v1/session/password", {"old": "x", "new": PASSWORD}),
    ):
        answer = live.call(method, path, who="manager", json=body)
        assert answer.status_code in {401, 404}, path


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/session/proof"),
        ("PUT", "/v1/session/password"),
        ("POST", "/v1/session/totp"),
        ("DELETE", "/v1/sessions"),
    ],
)
def test_v3_5_1_no_other_site_changes_an_account(live: Live, method: str, path: str) -> None:
    anna = browser(live, "anna")
    body = {"password": PASSWORD, "old": PASSWORD, "new": "another horse battery"}
    answer = anna.send(method, path, body, **{"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/cross-site")
