"""Somebody who has taken the application over cannot rewrite what the ledger tells."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import exc, text

from app.core.db import Database
from app.custody import ledger
from app.custody.ledger import Act
from app.identity.actor import Actor
from tests.conftest import Urls
from tests.factories import Make


@pytest.fixture
def told(make: Make) -> None:
    """Let the ledger hold an entry with words beside it, and one link's history."""
    recording = make.recording()
    ledger.append(
        make.session,
        Actor.system("tests"),
        Act.CONFIG_CHANGED,
        ("recording", recording.id),
        at=make.clock.now(),
        detail={"reason": "words"},
    )


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE custody_entries SET act = 'recording.ingested'",
        "DELETE FROM custody_entries",
        "TRUNCATE custody_entries CASCADE",
        "MERGE INTO custody_entries USING (VALUES (1)) v (one) ON true WHEN MATCHED THEN DELETE",
        (
            "INSERT INTO custody_entries (id, at, act, object_kind, object_id, actor_kind, outcome,"
            " facts) SELECT id, at, act, object_kind, object_id, actor_kind, outcome, facts"
            " FROM custody_entries ON CONFLICT (id) DO UPDATE SET act = 'x'"
        ),
        "SELECT setval('custody_entries_position_seq', 1)",
        "UPDATE custody_private SET salt = ''",
        "DELETE FROM custody_private",
        "TRUNCATE custody_private",
        "UPDATE link_changes SET reason = 'x'",
        "DELETE FROM link_changes",
        "ALTER TABLE custody_entries DISABLE TRIGGER ALL",
        "DROP TABLE custody_private",
        "SET session_replication_role = replica",
        "SET ROLE audiatur_purge",
        "SET ROLE audiatur_owner",
        "GRANT audiatur_purge TO audiatur_web",
        (
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql"
            " AS 'BEGIN RETURN NEW; END'"
        ),
    ],
)
def test_the_application_cannot_rewrite_the_ledger(database: Database, statement: str) -> None:
    with (
        pytest.raises(exc.DBAPIError, match=r"permission denied|must be owner") as refused,
        database.transaction() as session,
    ):
        session.execute(text(statement))
    assert isinstance(refused.value.orig, psycopg.errors.InsufficientPrivilege)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE custody_entries SET at = now()",
        "DELETE FROM custody_entries",
        "TRUNCATE custody_entries CASCADE",
        "UPDATE custody_private SET salt = ''",
    ],
)
def test_the_owner_rewrites_nothing_by_mistake(own_database: Urls, statement: str) -> None:
    with psycopg.connect(own_database.owner) as owner:
        owner.execute(
            "INSERT INTO custody_entries (id, at, act, object_kind, object_id, actor_kind,"
            " outcome, facts) VALUES (gen_random_uuid(), now(), 'config.changed', 'user',"
            " gen_random_uuid(), 'system', 'success', '{}')"
        )
        owner.execute(
            "INSERT INTO custody_private (entry_id, label, salt, ciphertext)"
            " SELECT id, 'detail', 'salt', 'words' FROM custody_entries"
        )
        with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
            owner.execute(statement)
