"""The parts of one listening: decided once, told one by one, ended by whatever changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from sqlalchemy import select

from app.consent import policy, review
from app.consent import service as consent
from app.consent.models import Verdict
from app.consent.purposes import Kind, Purpose, RecipientClass
from app.consent.review import Proposal
from app.core.clock import SetClock, SystemClock
from app.core.ids import new_id
from app.core.ranges import ByteRange
from app.custody.models import CustodyEntry
from app.embedded.postgres import Cluster
from app.identity import service as identity
from app.identity.actor import Actor
from app.identity.models import User
from app.identity.permissions import Role
from app.inspection.sandbox import Sandbox
from app.playback import door, listening
from app.playback.door import PIECE_BYTES, CutOff
from tests.conftest import Urls, new_database
from tests.consent.test_policy import body_of
from tests.factories import Make, set_erased, wav
from tests.identity.people import Browser, browser
from tests.live import Live, live_archive
from tests.releases.house import ACKNOWLEDGED, DETAILS

BODY = wav(40)  # 640 kB: three pieces.
A_SECOND = timedelta(seconds=1)
SYSTEM = Actor.system("tests")


@dataclass(kw_only=True)
class Listener:
    """A manager who may hear a recording for a day, at a clock that the test moves."""

    live: Live
    clock: SetClock
    owner_url: str
    recording: UUID
    manager: Actor
    key: str
    agent_key: str
    reviewer_key: str

    def part(
        self, first: int = 0, last: int = 99, *, key: str | None = None, query: str = ""
    ) -> httpx.Response:
        return httpx.get(
            f"{self.live.url}/v1/recordings/{self.recording}/audio{query}",
            headers={
                "Authorization": f"Bearer {key or self.key}",
                "Range": f"bytes={first}-{last}",
            },
            timeout=60,
        )

    def told(self, act: str = "media.played") -> list[CustodyEntry]:
        with self.live.tools.database.transaction() as session:
            rows = session.scalars(
                select(CustodyEntry)
                .where(CustodyEntry.object_id == self.recording, CustodyEntry.act == act)
                .order_by(CustodyEntry.position)
            ).all()
            session.expunge_all()
        return list(rows)

    def decided(self) -> int:
        return len(self.told("decision.made"))

    def owner(self, sql: str, *values: object) -> None:
        """Change something as the owner of the database may."""
        with psycopg.connect(self.owner_url) as owner:
            assert owner.execute(sql, values).rowcount == 1

    def propose(self, kind: Kind, evidence: dict[str, Any]) -> None:
        with self.live.tools.database.transaction() as session:
            no = Proposal(kind=kind, evidence=evidence, party="cli")
            review.propose(session, self.manager, self.recording, no, at=self.clock.now())


@pytest.fixture(scope="module")
def shared_database(cluster: Cluster) -> Iterator[Urls]:
    """Give a database for the tests of this module; each has people and a call of its own."""
    with new_database(cluster) as urls:
        yield urls


@pytest.fixture
def listener(shared_database: Urls, tmp_path: Path, sandbox: Sandbox) -> Iterator[Listener]:
    with _listening(shared_database, tmp_path, sandbox) as made:
        yield made


@contextmanager
def _listening(urls: Urls, folder: Path, sandbox: Sandbox) -> Iterator[Listener]:
    clock = SetClock(SystemClock().now())
    with live_archive(folder, urls.web, sandbox, clock=clock) as live:
        with live.tools.database.transaction() as session:
            make = Make(session, clock, live.tools.archive)
            ref = f"agent {new_id()}"
            agent = make.user(Role.AGENT, agent_ref=ref)
            recording = make.recording(body=BODY, agent=ref)
            proposals = (
                Proposal(kind=Kind.EMPLOYEE_ACK, evidence=ACKNOWLEDGED, party="own", wide=True),
                Proposal(
                    kind=Kind.VERBAL_CONSENT,
                    evidence=DETAILS,
                    party="cli",
                    purposes=(Purpose.INTERNAL_QUALITY,),
                    recipients=(RecipientClass.OWN_STAFF_MANAGER,),
                    valid_to=clock.now() + timedelta(days=1),
                ),
            )
            for one in proposals:
                row = review.propose(session, make.manager, recording.id, one, at=clock.now())
                review.decide(
                    session, make.reviewer, row.id, Verdict.VERIFY, reason="x", at=clock.now()
                )
            keys = [make.key(who) for who in (make.manager, agent, make.reviewer)]
        yield Listener(
            live=live,
            clock=clock,
            owner_url=urls.owner,
            recording=recording.id,
            manager=make.manager,
            key=keys[0],
            agent_key=keys[1],
            reviewer_key=keys[2],
        )


def refused(answer: httpx.Response) -> tuple[int, list[str]]:
    return answer.status_code, answer.json().get("reasons", [])


def test_parts_are_decided_once_and_told_one_by_one(listener: Listener) -> None:
    places = [(0, 99), (300_000, 365_535), (100, 199), (len(BODY) - 5, len(BODY) + 9)]
    for begin, last in places:
        answer = listener.part(begin, last)
        assert answer.status_code == 206
        assert answer.content == BODY[begin : last + 1]
        assert answer.headers["Content-Range"].startswith(f"bytes {begin}-")
    assert listener.decided() == 1
    told = listener.told()
    places[-1] = (places[-1][0], len(BODY) - 1)
    assert [(one.facts["first_byte"], one.facts["last_byte"]) for one in told] == places
    first, further = told[0], told[1:]
    assert first.content_commitment is not None
    assert "goes_on" not in first.facts
    for one in further:
        assert one.facts == first.facts | {
            "goes_on": str(first.id),
            "first_byte": one.facts["first_byte"],
            "last_byte": one.facts["last_byte"],
        }
        same = ("actor_kind", "actor_id", "actor_role", "outcome", "object_kind")
        assert all(getattr(one, name) == getattr(first, name) for name in same)


def test_a_further_part_of_several_pieces_and_the_whole_are_given(listener: Listener) -> None:
    listener.part()
    long = listener.part(10, 10 + 2 * PIECE_BYTES)
    assert long.content == BODY[10 : 11 + 2 * PIECE_BYTES]
    key = {"Authorization": f"Bearer {listener.key}"}
    path = f"/v1/recordings/{listener.recording}/audio"
    whole = httpx.get(listener.live.url + path, headers=key, timeout=60)
    assert (whole.status_code, whole.content) == (200, BODY)
    assert "Content-Range" not in whole.headers
    assert listener.decided() == 1
    assert listener.told()[-1].facts["last_byte"] == len(BODY) - 1


def test_who_hears_something_else_is_decided_for_himself(listener: Listener) -> None:
    reviewer = listener.reviewer_key
    listener.part()
    others: tuple[dict[str, Any], ...] = (
        {"key": listener.agent_key},
        {"key": reviewer},
        {"key": reviewer, "query": "?purpose=integrity_forensics"},
        {"query": "?form=original"},
        {"query": "?leg=mixed"},
    )
    for other in others:
        before = listener.decided()
        assert listener.part(**other).status_code == 206
        assert listener.part(**other).status_code == 206
        assert listener.decided() == before + 1


def test_a_part_that_is_not_there_is_decided_before_the_size_is_told(listener: Listener) -> None:
    listener.part()
    beyond = listener.part(len(BODY), len(BODY) + 1)
    assert (beyond.status_code, listener.decided()) == (416, 2)
    listener.propose(Kind.REFUSAL, {"quote": "Нет"})
    beyond = listener.part(len(BODY), len(BODY) + 1)
    assert beyond.status_code == 403
    assert str(len(BODY)) not in beyond.text


@pytest.mark.parametrize(
    ("kind", "evidence"),
    [
        (Kind.REFUSAL, {"quote": "Не записывайте"}),
        (Kind.WITHDRAWAL, {"received_at": "2026-11-20T10:00:00Z", "channel": "letter"}),
    ],
)
def test_a_no_between_two_parts_ends_it(
    listener: Listener, kind: Kind, evidence: dict[str, str]
) -> None:
    assert listener.part().status_code == 206
    listener.propose(kind, evidence)
    status, reasons = refused(listener.part())
    assert (status, reasons) == (403, [f"C_{kind.name}_PROPOSED:cli"])
    assert (len(listener.told()), len(listener.told("access.denied"))) == (1, 1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("restricted_at = now()", "R_RESTRICTED"),
        ("integrity_failed_at = now()", "R_INTEGRITY"),
        ("kept_only_by_hold = true", "R_HELD_ONLY"),
    ],
)
def test_what_blocks_the_recording_between_two_parts_ends_it(
    listener: Listener, change: str, reason: str
) -> None:
    assert listener.part().status_code == 206
    listener.owner(f"UPDATE recordings SET {change} WHERE id = %s", listener.recording)  # noqa: S608 - of the list above.
    assert refused(listener.part()) == (403, [reason])
    assert len(listener.told()) == 1


def test_erasure_between_two_parts_ends_it(listener: Listener) -> None:
    assert listener.part().status_code == 206
    set_erased(listener.owner_url, listener.recording)
    assert refused(listener.part()) == (403, ["R_ERASED"])
    assert len(listener.told()) == 1


def test_a_key_that_was_destroyed_between_two_parts_opens_nothing(listener: Listener) -> None:
    assert listener.part().status_code == 206
    with psycopg.connect(listener.owner_url) as owner:
        owner.execute("SELECT set_config('audiatur.erasing', 'on', true)")
        gone = owner.execute(
            "UPDATE sealed_objects SET wrapped_key = NULL WHERE object_id IN"
            " (SELECT object_id FROM legs WHERE recording_id = %s)",
            [listener.recording],
        )
        assert gone.rowcount == 1
    assert listener.part().status_code == 410
    assert len(listener.told()) == 1


def test_a_pack_activated_between_two_parts_is_asked(
    own_database: Urls, tmp_path: Path, sandbox: Sandbox
) -> None:
    with _listening(own_database, tmp_path, sandbox) as listener:
        assert listener.part().status_code == 206
        _activate(listener)
        assert refused(listener.part()) == (403, ["C_TOO_WEAK:cli"])


def _activate(listener: Listener) -> None:
    told = body_of(record_outside_min="WRITTEN")
    with listener.live.tools.database.transaction() as session:
        make, at = Make(session, listener.clock, listener.live.tools.archive), listener.clock.now()
        kept = policy.propose(session, make.admin, told, at=at)
        for who in (make.approver, make.legal):
            policy.activate(session, who, "RU", kept.pack.version, at=at)


def test_another_role_between_two_parts_is_another_listener(listener: Listener) -> None:
    assert listener.part().status_code == 206
    reviewer = _given(listener, Role.REVIEWER)
    assert (reviewer.status_code, listener.decided()) == (206, 2)
    assert listener.told()[-1].facts["purpose"] == "consent_review"
    assert _given(listener, Role.MANAGER).status_code == 206
    taken = _given(listener, Role.ADMIN)
    assert (taken.status_code, taken.json()["permission"]) == (403, "recording:listen")
    assert len(listener.told()) == 3


def _given(listener: Listener, role: Role) -> httpx.Response:
    """Make the listener's person one of another role, and ask for a part when it is known."""
    with listener.live.tools.database.transaction() as session:
        user = session.get_one(User, listener.manager.id)
        identity.change_user(
            session,
            SYSTEM,
            user.name,
            role=role,
            full_name="",
            agent_ref=None,
            email=None,
            at=listener.clock.now(),
        )
    listener.live.forget()
    return listener.part()


def test_a_disabled_person_hears_no_further_part(listener: Listener) -> None:
    assert listener.part().status_code == 206
    name = listener.manager.name
    with listener.live.tools.database.transaction() as session:
        identity.disable_user(session, SYSTEM, name, at=listener.clock.now())
    listener.live.forget()
    assert listener.part().status_code == 401


def test_an_ended_log_in_hears_no_further_part(listener: Listener) -> None:
    made: Browser = browser(listener.live, "anna", Role.MANAGER)
    path = f"/v1/recordings/{listener.recording}/audio"
    assert made.send("GET", path, Range="bytes=0-9").status_code == 206
    assert made.send("GET", path, Range="bytes=5-9").status_code == 206
    assert listener.decided() == 1
    cookie = made.cookie
    assert made.send("DELETE", "/v1/session").status_code == 204
    made.cookie = cookie
    assert made.send("GET", path, Range="bytes=0-9").status_code == 401
    assert len(listener.told()) == 2


def test_whose_recording_it_is_no_more_hears_no_further_part(listener: Listener) -> None:
    key = listener.agent_key
    assert listener.part(key=key).status_code == 206
    listener.owner("UPDATE recordings SET agent = '102' WHERE id = %s", listener.recording)
    assert listener.part(key=key).status_code == 404
    assert len(listener.told()) == 1


def test_a_client_of_another_office_is_heard_no_further(listener: Listener) -> None:
    far = new_id()
    at = listener.clock.now()
    listener.owner("INSERT INTO offices (id, name, created_at) VALUES (%s, 'far', %s)", far, at)
    assert listener.part().status_code == 206
    assert listener.part().status_code == 206
    assert listener.decided() == 1
    listener.owner(
        "UPDATE clients SET office_id = %s WHERE id = (SELECT e.client_id FROM events e"
        " JOIN recordings r ON r.event_id = e.id WHERE r.id = %s)",
        far,
        listener.recording,
    )
    assert listener.part().status_code == 404
    assert len(listener.told()) == 2


def test_what_ends_by_time_is_heard_no_further(listener: Listener) -> None:
    listener.clock.advance(timedelta(days=1) - 2 * A_SECOND)
    assert listener.part().status_code == 206
    listener.clock.advance(A_SECOND)
    assert listener.part().status_code == 206
    assert listener.decided() == 1
    listener.clock.advance(A_SECOND)
    assert refused(listener.part()) == (403, ["C_EXPIRED:cli"])
    assert len(listener.told()) == 2


def test_what_ends_by_time_is_cut_off_on_the_way(listener: Listener) -> None:
    tools, at = listener.live.tools, listener.clock.now()
    with tools.database.transaction() as session:
        question = consent.question(
            session,
            purpose=Purpose.INTERNAL_QUALITY,
            recipient_class=RecipientClass.OWN_STAFF_MANAGER,
            requested_by=listener.manager.id or new_id(),
        )
        permit = consent.permit_for(session, listener.manager, listener.recording, question, at=at)
        sound = door.sound_of(session, listener.recording, leg=None, form=None)
    part = ByteRange(start=0, end=len(BODY))
    pieces = door.pieces(
        tools.database, tools.archive, permit, sound, part=part, clock=listener.clock
    )
    assert next(pieces) == BODY[:PIECE_BYTES]
    listener.clock.advance(timedelta(days=1))
    with pytest.raises(CutOff):
        next(pieces)


def test_a_decision_carries_a_minute_and_no_clock_that_was_set_back(listener: Listener) -> None:
    assert listener.part().status_code == 206
    listener.clock.advance(listening.LASTS - A_SECOND)
    assert (listener.part().status_code, listener.decided()) == (206, 1)
    listener.clock.advance(A_SECOND)
    assert (listener.part().status_code, listener.decided()) == (206, 2)
    listener.clock.advance(-A_SECOND)
    assert (listener.part().status_code, listener.decided()) == (206, 3)


def test_listenings_that_are_over_are_forgotten(listener: Listener) -> None:
    def going() -> int:
        assert listener.live.app is not None
        return len(listener.live.app.state.listenings)

    listener.part()
    listener.clock.advance(A_SECOND)
    listener.part(key=listener.reviewer_key)
    assert going() == 2
    listener.clock.advance(listening.LASTS - A_SECOND)
    listener.part(key=listener.agent_key)
    assert going() == 2, "the first has been heard for a minute"
    listener.clock.advance(-listening.LASTS)
    listener.part(key=listener.agent_key)
    assert going() == 1, "the others began later than now"
