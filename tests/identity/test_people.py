"""People, devices, keys and log-ins."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from app.core.clock import SetClock
from app.core.db import Database
from app.identity import login, queries, service, sessions
from app.identity.login import LoginRefused, LoginThrottled
from app.identity.passwords import PasswordTooShort
from app.identity.permissions import Role
from app.identity.secrets import digest
from app.identity.service import NameTaken
from tests.factories import Make

PASSWORD = "correct horse battery"


def test_a_device_key_opens_until_it_is_rotated_and_a_week_has_passed(
    session: Session, make: Make, clock: SetClock
) -> None:
    device, old = make.new_device()
    new = service.rotate_device(session, make.admin, device.name, at=clock.now())
    session.flush()
    assert queries.device_by_key(session, digest(old), clock.now()) == device
    clock.advance(timedelta(days=8))
    assert queries.device_by_key(session, digest(old), clock.now()) is None
    assert queries.device_by_key(session, digest(new), clock.now()) == device


def test_a_disabled_person_is_out(session: Session, make: Make, clock: SetClock) -> None:
    key = make.key(make.manager)
    session.flush()
    assert queries.user_by_key(session, digest(key), clock.now()) == make.manager
    service.disable_user(session, make.admin, make.manager.name, at=clock.now())
    session.flush()
    assert queries.user_by_key(session, digest(key), clock.now()) is None


def test_a_name_is_taken_in_any_case(session: Session, make: Make, clock: SetClock) -> None:
    service.add_user(session, make.admin, "Anna", role=Role.AGENT, at=clock.now())
    with pytest.raises(NameTaken):
        service.add_user(session, make.admin, "ANNA", role=Role.AGENT, at=clock.now())


def test_a_short_password_is_refused(session: Session, make: Make, clock: SetClock) -> None:
    with pytest.raises(PasswordTooShort):
        service.add_user(
            session, make.admin, "anna", role=Role.AGENT, password="short", at=clock.now()
        )


def test_log_in_gives_a_session_that_ends(
    session: Session, database: Database, make: Make, clock: SetClock
) -> None:
    service.add_user(
        session, make.admin, "anna", role=Role.MANAGER, password=PASSWORD, at=clock.now()
    )
    session.flush()
    token = login.log_in(database, "Anna", PASSWORD, at=clock.now())
    session.flush()
    found = queries.user_by_session(session, digest(token), clock.now())
    assert found is not None
    assert found.name == "anna"
    later = clock.now() + sessions.SESSION_LIFETIME
    assert queries.user_by_session(session, digest(token), later) is None
    assert found.browser is not None
    sessions.end(session, found, found.browser.session_id, at=clock.now())
    assert queries.user_by_session(session, digest(token), clock.now()) is None


@pytest.mark.parametrize("name", ["anna", "nobody"])
def test_failed_log_ins_are_slowed_whether_or_not_the_name_exists(
    session: Session, database: Database, make: Make, clock: SetClock, name: str
) -> None:
    service.add_user(
        session, make.admin, "anna", role=Role.MANAGER, password=PASSWORD, at=clock.now()
    )
    session.flush()
    for _ in range(login.FAILURES_ALLOWED):
        with pytest.raises(LoginRefused):
            login.log_in(database, name, "wrong password", at=clock.now())
    with pytest.raises(LoginThrottled):
        login.log_in(database, name, PASSWORD, at=clock.now())
