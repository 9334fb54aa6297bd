"""Who is heard does not approve, however he is spelt; who was shut out decides nothing more."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text

from app.consent import queries as consent_queries
from app.consent import review
from app.consent.models import Verdict
from app.consent.purposes import Kind
from app.consent.review import Proposal
from app.core.errors import Conflict
from app.core.ids import ReleaseId
from app.identity import service as identity
from app.identity.actor import Actor
from app.identity.models import User
from app.identity.permissions import Role
from app.identity.service import NoLongerHere
from app.releases import service as releases
from storage.sealed import SealedStore
from tests.factories import Make, wav
from tests.live import Live, metadata
from tests.releases.world import World


@pytest.mark.parametrize("spelt", ["Ivanov", " IVANOV ", "ivanov"])
def test_a_person_is_the_one_who_is_heard_in_whatever_case(make: Make, spelt: str) -> None:
    recording = make.recording(agent=spelt)
    heard = make.user(Role.APPROVER, agent_ref="ivanoV ")
    found = consent_queries.parties(make.session, [recording.id])[recording.id]
    people = {user for _, _, user in found}
    assert heard.id in people


@pytest.mark.parametrize("spelt", ["Ivanov", " IVANOV "])
def test_an_upload_is_of_the_person_in_whatever_case(live: Live, spelt: str) -> None:
    live.add_agent("ivanov")
    sent = live.send(metadata("c1", agent=spelt), wav(0.2)).json()["id"]
    assert live.call("GET", f"/v1/recordings/{sent}", who="ivanov").json()["agent"] == "ivanov"
    found = live.call("GET", f"/v1/recordings?agent={spelt.strip()}", who="manager").json()
    assert [one["id"] for one in found["items"]] == [sent]
    with live.tools.database.transaction() as session:
        asked = "SELECT agent FROM parties WHERE label = 'own'"
        assert session.scalars(text(asked)).all() == ["ivanov"]


def test_two_people_do_not_share_a_name_in_other_letters(make: Make) -> None:
    make.user(Role.AGENT, agent_ref="ivanov")
    with pytest.raises(Conflict), make.session.begin_nested():
        make.user(Role.APPROVER, agent_ref="IVANOV")


@pytest.fixture
def released(make: Make, store: SealedStore) -> World:
    world = World.new(make.session, make, make.clock, store)
    world.request()
    return world


def test_an_approver_shut_out_a_moment_ago_is_refused(released: World) -> None:
    approver = released.make.approver
    release_id = ReleaseId(released.release_id)
    _shut_out(released.make, approver)
    with pytest.raises(NoLongerHere):
        releases.approve(
            released.make.session, approver, release_id, note=None, at=released.clock.now()
        )


@pytest.mark.parametrize("verdict", [Verdict.VERIFY, Verdict.REJECT])
def test_a_reviewer_shut_out_a_moment_ago_is_refused(make: Make, verdict: Verdict) -> None:
    recording = make.recording()
    proposal = Proposal(kind=Kind.REFUSAL, evidence={"quote": "не записывайте меня"})
    at = make.clock.now()
    row = review.propose(make.session, make.manager, recording.id, proposal, at=at)
    reviewer = make.reviewer
    _shut_out(make, reviewer)
    with pytest.raises(NoLongerHere):
        review.decide(make.session, reviewer, row.id, verdict, reason="x", at=at)


def test_who_has_another_role_now_is_refused(make: Make) -> None:
    reviewer = make.reviewer
    make.session.get_one(User, reviewer.id).role = Role.APPROVER
    make.session.flush()
    with pytest.raises(NoLongerHere):
        identity.must_be_here(make.session, reviewer)


def test_the_edge_refuses_whom_it_still_remembers(live: Live) -> None:
    sent = live.send(metadata("c1"), wav(0.2)).json()["id"]
    proposed = live.call(
        "POST",
        f"/v1/recordings/{sent}/assertions",
        who="manager",
        json={"kind": "refusal", "evidence": {"quote": "не записывайте меня"}},
    ).json()["id"]
    assert live.call("GET", f"/v1/recordings/{sent}", who="reviewer").status_code == 200
    with live.tools.database.transaction() as session:
        at = live.tools.clock.now()
        identity.disable_user(session, Actor.system("tests"), "reviewer", at=at)
    path = f"/v1/assertions/{proposed}/verify"
    answer = live.call("POST", path, who="reviewer", json={})
    assert answer.status_code in {401, 403}, answer.text


def _shut_out(make: Make, actor: Actor) -> None:
    name = make.session.scalars(select(User.name).where(User.id == actor.id)).one()
    identity.disable_user(make.session, Actor.system("tests"), name, at=make.clock.now())
    make.session.flush()
