"""Somebody who has taken the application over changes no evidence and blocks nobody else."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import exc, text

from app.core.db import Database
from tests.conftest import Urls
from tests.factories import Make

_ENTRY = (
    "INSERT INTO custody_entries (id, at, act, object_kind, object_id, actor_kind, outcome,"
    " facts{column}) {overriding} VALUES (gen_random_uuid(), now(), 'config.changed', 'user',"
    " gen_random_uuid(), 'system', 'success', '{{}}'{value})"
)


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    "statement",
    [
        _ENTRY.format(column=", position", overriding="OVERRIDING SYSTEM VALUE", value=", -5"),
        _ENTRY.format(column=", written_at", overriding="", value=", '2020-01-01Z'"),
        "UPDATE recordings SET started_at = now()",
        "UPDATE recordings SET agent = 'somebody else'",
        "UPDATE recordings SET claimed_notice = '{}'",
        "UPDATE legs SET object_id = gen_random_uuid()",
        "UPDATE legs SET received_at = now()",
        "UPDATE legs SET recording_id = gen_random_uuid()",
        "UPDATE parties SET number = '+74950000000'",
        "UPDATE parties SET agent = 'somebody else'",
        "UPDATE parties SET recording_id = gen_random_uuid()",
        "UPDATE screenshots SET note = 'x'",
        "UPDATE screenshots SET sha256 = ''",
        "UPDATE sealed_objects SET stored_at = now()",
        "UPDATE sealed_objects SET sha256 = ''",
        "UPDATE sealed_objects SET wrapped_key = NULL",
        "CREATE TEMPORARY TABLE mine (id int)",
        "SELECT lo_creat(-1)",
        "SELECT lo_create(0)",
        "SELECT lo_from_bytea(0, 'x')",
    ],
)
def test_the_application_has_no_right_to(database: Database, statement: str) -> None:
    with (
        pytest.raises(exc.DBAPIError, match="permission denied") as refused,
        database.transaction() as session,
    ):
        session.execute(text(statement))
    assert isinstance(refused.value.orig, psycopg.errors.InsufficientPrivilege)


@pytest.fixture
def told(make: Make) -> None:
    """Let there be something to change."""
    make.recording()


def test_an_entry_has_the_databases_own_time(own_database: Urls) -> None:
    told = _ENTRY.format(column="", overriding="", value="").replace("now()", "'2020-01-01Z'")
    with psycopg.connect(own_database.web, options="-c role=audiatur_app") as app:
        app.execute(told)
        row = app.execute("SELECT now() - written_at < interval '1 minute' FROM custody_entries")
        assert row.fetchall() == [(True,)]


def test_a_key_is_destroyed_and_never_put_back(own_database: Urls) -> None:
    """Whoever may destroy keys, as the owner may, brings none back."""
    kept = (
        "INSERT INTO sealed_objects (object_id, wrapped_key, size_bytes, sha256, crc32, stored_at)"
        " VALUES (gen_random_uuid(), 'key', 1, sha256('x'), 1, now())"
    )
    with psycopg.connect(own_database.owner, autocommit=True) as owner:
        owner.execute(kept)
        owner.execute("UPDATE sealed_objects SET wrapped_key = NULL")
        with pytest.raises(psycopg.errors.RestrictViolation, match="was destroyed"):
            owner.execute("UPDATE sealed_objects SET wrapped_key = 'key'")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_try_advisory_xact_lock(1, 2)",
        "SELECT lo_creat(-1)",
        "SELECT lo_put(1, 0, 'x')",
        "SELECT procrastinate_retry_job_v1(1, now(), 1, '', '')",
        (
            "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW('q', 't', 0, NULL, NULL, '{}', NULL)"
            "::procrastinate_job_to_defer_v1])"
        ),
    ],
)
def test_the_public_role_has_no_right_to(own_public: str, statement: str) -> None:
    with (
        psycopg.connect(own_public, options="-c role=audiatur_public") as outsider,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        outsider.execute(statement.encode())


@pytest.fixture
def own_public(own_database: Urls) -> str:
    """Give the address that the process of the links has."""
    return own_database.link


def test_nobody_but_the_owner_fills_the_disk_with_temporary_tables(database: Database) -> None:
    asked = (
        "SELECT has_database_privilege(r, current_database(), 'TEMPORARY') FROM unnest(ARRAY"
        "['audiatur_public', 'audiatur_app', 'audiatur_link', 'audiatur_web', 'audiatur_owner']) r"
    )
    with database.transaction() as session:
        found = list(session.scalars(text(asked)))
    assert found == [False, False, False, False, True]
