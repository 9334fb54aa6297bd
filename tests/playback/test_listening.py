"""Listening inside the house: a decision, an entry, then bytes."""

from __future__ import annotations

from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from app.consent import service as consent
from app.core.clock import SystemClock
from app.core.ranges import ByteRange
from app.custody.models import CustodyEntry
from app.identity import queries as identity
from app.identity.secrets import digest
from app.playback import asking, door
from app.playback.door import CutOff
from app.recordings.models import Recording
from tests.conftest import Urls
from tests.factories import set_erased, wav
from tests.live import Live, metadata

BODY = wav(40)  # 640 kB: several pieces.


@pytest.fixture
def sent(live: Live) -> str:
    """Give the id of a recording that was kept and inspected; nobody was told of it."""
    answer = live.send(metadata("c1"), BODY)
    live.work()
    return str(answer.json()["id"])


def _audio(
    live: Live, recording_id: str, *, who: str, query: str = "", **more: str
) -> httpx.Response:
    return live.call("GET", f"/v1/recordings/{recording_id}/audio{query}", who=who, headers=more)


def _acts(live: Live, recording_id: str) -> list[str]:
    with live.tools.database.transaction() as session:
        return list(
            session.scalars(
                select(CustodyEntry.act)
                .where(CustodyEntry.object_id == recording_id)
                .order_by(CustodyEntry.position)
            )
        )


def _refuse(live: Live, recording_id: str) -> None:
    refusal = live.call(
        "POST",
        f"/v1/recordings/{recording_id}/assertions",
        who="manager",
        json={
            "kind": "refusal",
            "party": "cli",
            "evidence": {"offset_ms": 1000, "quote": "Не записывайте", "scope": "all"},
        },
    )
    assert refusal.status_code == 201, refusal.text


def test_a_manager_is_refused_what_nobody_was_told_of(live: Live, sent: str) -> None:
    answer = _audio(live, sent, who="manager")
    assert answer.status_code == 403
    found = answer.json()
    assert found["type"] == "/problems/consent-refused"
    assert "C_UNKNOWN:cli" in found["reasons"]
    assert found["outcome"] == "DENY"
    assert "access.denied" in _acts(live, sent)
    assert "media.played" not in _acts(live, sent)


def test_compliance_listens_to_decide_and_the_ledger_knows(live: Live, sent: str) -> None:
    answer = _audio(live, sent, who="reviewer")
    assert answer.status_code == 200
    assert answer.content == BODY
    assert answer.headers["X-Audiatur-Form"] == "original"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "media.played" in _acts(live, sent)


def test_a_purpose_may_be_named_and_never_helps(live: Live, sent: str) -> None:
    assert _audio(live, sent, who="manager", query="?purpose=consent_review").status_code == 403
    assert _audio(live, sent, who="reviewer", query="?purpose=dispute_client").status_code == 403
    assert _audio(live, sent, who="reviewer", query="?purpose=publish").status_code == 403
    assert _audio(live, sent, who="reviewer", query="?purpose=fun").status_code == 422


def test_parts_are_given_exactly(live: Live, sent: str) -> None:
    answer = _audio(live, sent, who="reviewer", Range="bytes=100000-400000")
    assert answer.status_code == 206
    assert answer.content == BODY[100000:400001]
    assert answer.headers["Content-Range"] == f"bytes 100000-400000/{len(BODY)}"
    tail = _audio(live, sent, who="reviewer", Range="bytes=-10")
    assert tail.content == BODY[-10:]
    beyond = _audio(live, sent, who="reviewer", Range=f"bytes={len(BODY)}-")
    assert beyond.status_code == 416


@pytest.mark.parametrize("part", ["bytes=999999999-", "bytes=-0", "bytes=0-0"])
def test_a_refused_listener_learns_nothing_of_the_size(live: Live, sent: str, part: str) -> None:
    answer = _audio(live, sent, who="manager", Range=part)
    assert answer.status_code == 403
    assert "Content-Range" not in answer.headers
    assert str(len(BODY)) not in answer.text
    no_leg = _audio(live, sent, who="manager", query="?leg=sent", Range=part)
    assert no_leg.status_code == 403


def test_the_playable_copy_is_an_mp3(live: Live, sent: str) -> None:
    answer = _audio(live, sent, who="reviewer", query="?form=playable")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.content[:2] in {b"\xff\xf3", b"\xff\xf2", b"\xff\xfb", b"ID"}


def test_the_waveform_stands_behind_the_same_decision(live: Live, sent: str) -> None:
    path = f"/v1/recordings/{sent}/waveform?points=100"
    assert live.call("GET", path, who="manager").status_code == 403
    found = live.call("GET", path, who="reviewer").json()
    assert found["version"] == 2
    assert found["length"] <= 100
    assert len(found["data"]) == 2 * found["length"] * found["channels"]


def test_a_missing_leg_and_a_missing_recording_are_not_found(live: Live, sent: str) -> None:
    assert _audio(live, sent, who="reviewer", query="?leg=sent").status_code == 404
    nowhere = "00000000-0000-7000-8000-000000000000"
    assert _audio(live, nowhere, who="reviewer").status_code == 404


def test_what_is_restricted_plays_for_review_and_stops_when_erased(
    live: Live, sent: str, own_database: Urls
) -> None:
    with live.tools.database.transaction() as session:
        session.get_one(Recording, sent).restricted_at = SystemClock().now()
    assert _audio(live, sent, who="reviewer").status_code == 200
    set_erased(own_database.owner, sent)
    refused = _audio(live, sent, who="reviewer")
    assert refused.status_code in {403, 410}


def test_the_sound_breaks_off_when_consent_changes_on_the_way(live: Live) -> None:
    """A reader that is held back does not get the rest after a refusal's commit."""
    body = wav(1200)  # 19 MB: more than all buffers between the two hold.
    sent = str(live.send(metadata("c9"), body).json()["id"])
    headers = {"Authorization": f"Bearer {live.key('reviewer')}"}
    live.key("agent")
    received = 0
    with (
        httpx.Client(timeout=30) as client,
        client.stream(
            "GET", f"{live.url}/v1/recordings/{sent}/audio?form=original", headers=headers
        ) as answer,
    ):
        pieces = answer.iter_raw(65536)
        received += len(next(pieces))
        _refuse(live, sent)
        rest: list[bytes] = []
        with pytest.raises(httpx.RemoteProtocolError):
            rest.extend(pieces)
    assert received + sum(map(len, rest)) < len(body)


def test_what_changes_behind_the_decision_counts_before_the_first_byte(
    live: Live, sent: str
) -> None:
    """A refusal that is committed while the listening is still being written down."""
    database, at = live.tools.database, SystemClock().now()
    with database.transaction() as session:
        reviewer = identity.user_by_key(session, digest(live.key("reviewer")), at)
        assert reviewer is not None
        purpose, recipient, asker = asking.question_of(reviewer, None)
        question = consent.question(
            session, purpose=purpose, recipient_class=recipient, requested_by=asker
        )
        permit = consent.permit_for(session, reviewer, UUID(sent), question, at=at)
        _refuse(live, sent)
        sound = door.sound_of(session, UUID(sent), leg=None, form=None)
        part = ByteRange(start=0, end=10)
        door.tell(session, reviewer, permit, sound, part=part, at=at)
    pieces = door.pieces(
        database, live.tools.archive, permit, sound, part=part, clock=live.tools.clock
    )
    with pytest.raises(CutOff):
        next(pieces)
