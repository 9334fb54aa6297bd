"""The database refuses every shortcut to a released recording, whoever writes the row."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import exc, text
from sqlalchemy.orm import SessionTransaction

from app.core.ids import new_id
from app.identity.permissions import Role
from app.releases.models import Release
from tests.releases.world import DAY, World


def test_the_whole_way_is_open(world: World) -> None:
    world.open()
    assert _is_open(world)


def _approved(world: World) -> None:
    world.request()
    world.approve()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"outcome": "DENY"}, "allows exactly this"),
        ({"outcome": "NEEDS_APPROVAL"}, "allows exactly this"),
        ({"release_id": None}, "allows exactly this"),
        ({"contact_id": None}, "allows exactly this"),
        ({"purpose": "internal_quality"}, "allows exactly this"),
        ({"recipient_class": "third_party"}, "allows exactly this"),
        ({"from_ms": 5000}, "allows exactly this"),
        ({"to_ms": 5000}, "allows exactly this"),
        ({"stamp": "r0.stale"}, "no longer holds"),
        ({"inputs_digest": bytes(32)}, "approval of another person"),
    ],
)
def test_no_item_without_a_decision_that_allows_exactly_this(
    world: World, changes: dict[str, object], said: str
) -> None:
    _approved(world)
    decision = world.decide(**changes)
    with pytest.raises(exc.IntegrityError, match=said):
        world.item(decision)


CARD = {"from_ms": 5, "to_ms": 9, "how": "beep", "reason": "card_number", "channel": None}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"redactions": []}, "as it was asked for"),
        ({"redactions": [CARD | {"to_ms": 8}]}, "as it was asked for"),
        ({"derivation": None}, "says how it was made"),
    ],
)
def test_no_item_without_exactly_the_redactions_that_were_approved(
    world: World, changes: dict[str, object], said: str
) -> None:
    world.redactions = [dict(CARD)]
    _approved(world)
    decision = world.decide()
    with (
        pytest.raises(exc.IntegrityError, match=said),
        world.session.begin_nested(),
    ):
        world.item(decision, **changes)
    world.item(decision)
    with pytest.raises(exc.DBAPIError, match="permission denied"), world.session.begin_nested():
        world.session.execute(text("UPDATE release_wishes SET redactions = '[]'"))


def test_no_item_by_a_decision_on_another_recording(world: World) -> None:
    _approved(world)
    other = world.make.recording(client=world.client)
    decision = world.decide(recording_id=other.id)
    with pytest.raises(exc.IntegrityError, match="allows exactly this"):
        world.item(decision)


def test_no_item_by_an_expired_decision(world: World) -> None:
    _approved(world)
    decision = world.decide(valid_until=world.clock.now() - DAY)
    with pytest.raises(exc.IntegrityError, match="no longer holds"):
        world.item(decision)


def test_no_item_after_the_consent_state_has_changed(world: World) -> None:
    _approved(world)
    decision = world.decide()
    world.recording.restricted_at = world.clock.now()
    world.session.flush()
    with pytest.raises(exc.IntegrityError, match="no longer holds"):
        world.item(decision)


def test_no_item_of_a_recording_that_is_blocked_now(world: World) -> None:
    _approved(world)
    world.recording.restricted_at = world.clock.now()
    world.session.flush()
    decision = world.decide()
    assert decision.stamp == world.stamp()
    with pytest.raises(exc.IntegrityError, match="no longer holds"):
        world.item(decision)


def test_no_item_without_an_approval(world: World) -> None:
    world.request()
    with pytest.raises(exc.IntegrityError, match="approval of another person"):
        world.item(world.decide())


def test_no_item_where_what_was_said_without_approval_is_not_written_down(world: World) -> None:
    _approved(world)
    world.approve(inputs_digest=bytes(32))
    with pytest.raises(exc.IntegrityError, match="approval of another person"):
        world.item(world.decide(inputs_digest=bytes(32)))


def test_one_approval_is_too_few_where_two_are_needed(world: World) -> None:
    _approved(world)
    world.decide(outcome="NEEDS_APPROVAL", reasons=["A_COMPLIANCE_2"])
    decision = world.decide()
    with pytest.raises(exc.IntegrityError, match="approval of another person"), _undone(world):
        world.item(decision)
    world.approve(world.make.legal)
    world.item(decision)


def test_an_approval_counts_no_more_when_its_giver_was_disabled(world: World) -> None:
    _approved(world)
    world.session.execute(
        text("UPDATE users SET disabled_at = now() WHERE id = :id"), {"id": world.make.approver.id}
    )
    with pytest.raises(exc.IntegrityError, match="approval of another person"):
        world.item(world.decide())


def test_no_item_of_something_else_than_was_wished(world: World) -> None:
    _approved(world)
    decision = world.decide(to_ms=1000)
    with pytest.raises(exc.IntegrityError, match="what was asked for"):
        world.item(decision, to_ms=1000)


def test_the_whole_way_is_open_for_a_screenshot(world: World) -> None:
    world.picture()
    world.open()
    assert _is_open(world)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"areas": []}, "what was asked for"),
        ({"derivation": None}, "drawn anew"),
        ({"media_type": "image/jpeg"}, "drawn anew"),
        ({"screenshot_id": None}, "what was asked for"),
        ({"direction": "inbound"}, "direction"),
        ({"stamp": "s.stale"}, "allows exactly this"),
    ],
)
def test_no_item_of_a_screenshot_but_what_was_asked_for(
    world: World, changes: dict[str, object], said: str
) -> None:
    world.picture()
    _approved(world)
    decision = world.decide()
    with pytest.raises(exc.IntegrityError, match=said):
        world.item(decision, **changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"outcome": "DENY"}, "allows exactly this"),
        ({"stamp": "s.stale"}, "no longer holds"),
        ({"inputs_digest": bytes(32)}, "approval of another person"),
    ],
)
def test_no_screenshot_without_a_decision_and_an_approval(
    world: World, changes: dict[str, object], said: str
) -> None:
    world.picture()
    _approved(world)
    decision = world.decide(**changes)
    with pytest.raises(exc.IntegrityError, match=said):
        world.item(decision)


def test_a_decision_on_the_recording_lets_no_screenshot_out(world: World) -> None:
    world.picture()
    _approved(world)
    decision = world.decide(recording_id=world.recording.id, screenshot_id=None)
    with pytest.raises(exc.IntegrityError, match="allows exactly this"):
        world.item(decision)


@pytest.mark.parametrize("role", [Role.MANAGER, Role.REVIEWER, Role.ADMIN, Role.AGENT])
def test_only_who_may_approve_approves(world: World, role: Role) -> None:
    world.request()
    somebody = world.make.user(role)
    with pytest.raises(exc.IntegrityError):
        world.approve(somebody)


def test_a_role_is_not_made_up(world: World) -> None:
    world.request()
    with pytest.raises(exc.IntegrityError, match="another person who may approve"):
        world.approve(world.make.reviewer, approver_role="approver")


def test_nobody_approves_what_he_asked_for(world: World) -> None:
    world.request()
    world.session.execute(
        text("UPDATE users SET role = 'approver' WHERE id = :id"), {"id": world.make.manager.id}
    )
    with pytest.raises(exc.IntegrityError, match="another person who may approve"):
        world.approve(world.make.manager, approver_role="approver")


def test_an_approval_belongs_to_the_release_of_its_wish(world: World) -> None:
    world.request()
    other = World.new(world.session, world.make, world.clock, world.store)
    other.request()
    with pytest.raises(exc.IntegrityError, match="of its own release"):
        world.approve(release_id=other.release_id)


def test_an_approval_of_another_release_helps_nothing(world: World) -> None:
    world.request()
    other = World.new(world.session, world.make, world.clock, world.store)
    other.request()
    other.approve()
    with pytest.raises(exc.IntegrityError, match="approval of another person"):
        world.item(world.decide())


def test_wishes_are_not_added_after_an_approval(world: World) -> None:
    _approved(world)
    world.wish_id = new_id()
    with pytest.raises(exc.IntegrityError, match="part of a request"), _undone(world):
        world.session.execute(
            text(
                "INSERT INTO release_wishes (id, release_id, position, recording_id, decision_id) "
                "SELECT :id, release_id, 7, recording_id, decision_id FROM release_wishes"
            ),
            {"id": world.wish_id},
        )


def test_a_release_is_granted_as_a_whole(world: World) -> None:
    _approved(world)
    with pytest.raises(exc.IntegrityError, match="as a whole"):
        world.grant()


def test_a_release_ends_with_what_it_stands_on(world: World) -> None:
    _approved(world)
    world.item(world.decide(valid_until=world.clock.now() + 3 * DAY))
    with pytest.raises(exc.IntegrityError, match="ends with what it stands on"), _undone(world):
        world.grant()
    world.session.expire_all()
    world.grant(expires_at=world.clock.now() + 2 * DAY)


def test_a_release_ends_with_the_lifetime_that_was_approved(world: World) -> None:
    _approved(world)
    world.item(world.decide())
    with pytest.raises(exc.IntegrityError, match="ends with what it stands on"):
        world.grant(expires_at=world.clock.now() + 15 * DAY)


def test_no_link_to_a_release_that_is_only_asked_for(world: World) -> None:
    _approved(world)
    with pytest.raises(exc.IntegrityError, match="leads to a granted release"):
        world.link()


def test_no_link_outlives_its_release(world: World) -> None:
    _approved(world)
    world.item(world.decide())
    world.grant(expires_at=world.clock.now() + 2 * DAY)
    with pytest.raises(exc.IntegrityError, match="ends with it"):
        world.link(expires_at=world.clock.now() + 3 * DAY)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE releases SET expires_at = expires_at + interval '1 day'",
        "UPDATE releases SET state = 'requested', granted_at = NULL, expires_at = NULL",
        "UPDATE release_items SET wrapped_key = 'x'",
        "UPDATE share_links SET revoked_at = NULL",
    ],
)
def test_what_was_granted_is_never_widened(world: World, statement: str) -> None:
    world.open()
    with pytest.raises(exc.IntegrityError), _undone(world):
        world.session.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE releases SET requested_by = contact_id",
        "UPDATE releases SET contact_id = id",
        "UPDATE release_items SET recording_id = id",
        "UPDATE release_items SET object_id = id",
        "UPDATE release_approvals SET approver_id = approver_id",
        "UPDATE release_wishes SET to_ms = NULL",
        "UPDATE share_links SET token_digest = sha256('mine')",
        "UPDATE share_links SET expires_at = now() + interval '9 years'",
        "UPDATE share_links SET view_limit = NULL",
        "UPDATE share_views SET at = now()",
        "INSERT INTO share_views SELECT id, id, now(), token_digest FROM share_links",
        "UPDATE consent_decisions SET outcome = 'ALLOW'",
        "DELETE FROM releases",
        "DELETE FROM release_wishes",
        "DELETE FROM release_approvals",
        "DELETE FROM release_items",
        "DELETE FROM share_links",
        "DELETE FROM share_views",
        "DELETE FROM disputes",
        "DELETE FROM exhibits",
        "TRUNCATE releases CASCADE",
        "ALTER TABLE release_items DISABLE TRIGGER ALL",
        "DROP TRIGGER release_items_guard ON release_items",
        "ALTER FUNCTION consent_blocked(uuid, text) RENAME TO consent_blocked_once",
    ],
)
def test_the_application_has_no_right_to(world: World, statement: str) -> None:
    world.open()
    with (
        pytest.raises(exc.ProgrammingError, match=r"permission denied|must be owner"),
        _undone(world),
    ):
        world.session.execute(text(statement))


def test_nobody_puts_a_table_of_his_own_before_ours(world: World) -> None:
    world.request()
    made = "CREATE TEMPORARY TABLE release_approvals (release_id uuid, wish_id uuid)"
    with pytest.raises(exc.ProgrammingError, match="permission denied"), _undone(world):
        world.session.execute(text(made))
    with pytest.raises(exc.IntegrityError, match="approval of another person"):
        world.item(world.decide())


def test_an_ended_release_stays_ended(world: World) -> None:
    world.open()
    world.session.execute(
        text("UPDATE releases SET state = 'revoked', revoked_at = now(), end_reason = 'person'")
    )
    with pytest.raises(exc.IntegrityError, match="cannot go from revoked"), _undone(world):
        world.session.execute(
            text("UPDATE releases SET state = 'granted', revoked_at = NULL, end_reason = NULL")
        )


def test_a_change_of_the_consent_state_closes_until_it_is_decided_anew(world: World) -> None:
    world.open()
    world.make.party(world.recording, "guest", present=(1000, None))
    assert not _is_open(world)
    world.decide()
    assert _is_open(world)


def test_a_new_decision_on_other_inputs_opens_nothing(world: World) -> None:
    world.open()
    world.decide(inputs_digest=bytes(32))
    assert not _is_open(world)


def test_a_later_denial_closes(world: World) -> None:
    world.open()
    world.decide(outcome="DENY")
    assert not _is_open(world)


def test_a_restriction_closes_whatever_was_decided(world: World) -> None:
    world.open()
    world.recording.restricted_at = world.clock.now()
    world.session.flush()
    world.decide()
    assert not _is_open(world)


def test_a_decision_that_is_over_closes(world: World) -> None:
    world.open()
    world.decide(valid_until=world.clock.now() - timedelta(days=2))
    assert not _is_open(world)


def test_the_key_of_a_copy_stays_while_its_release_is_open(world: World) -> None:
    item = world.open()
    item.wrapped_key = None
    with pytest.raises(exc.DBAPIError, match="when its release has ended"):
        world.session.flush()


def _is_open(world: World) -> bool:
    found = world.session.execute(
        text("SELECT release_is_open(:id)"), {"id": world.release_id}
    ).scalar_one()
    assert isinstance(found, bool)
    return found


def _undone(world: World) -> SessionTransaction:
    return world.session.begin_nested()


def test_the_world_of_these_tests_is_a_request(world: World) -> None:
    assert world.request().state == "requested"
    assert world.session.get_one(Release, world.release_id).granted_at is None
