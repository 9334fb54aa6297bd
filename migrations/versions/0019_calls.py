"""Keep what sources tell of calls, what is missing among the recordings, and what was stated of days."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0024"
branch_labels = None
depends_on = None

# What is known of a call goes with its recording: whose number it was, and all that was told.
FORGET = """
CREATE FUNCTION forget_calls() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE known_call_versions SET told = '{}' WHERE known_call_id IN (
        SELECT c.id FROM known_calls c
        WHERE c.recording_id = NEW.id
           OR c.part_of IN (SELECT h.id FROM known_calls h WHERE h.recording_id = NEW.id));
    UPDATE known_calls SET from_party = NULL, to_party = NULL, outside_number = NULL, line = NULL, agent = NULL
    WHERE recording_id = NEW.id
       OR part_of IN (SELECT h.id FROM known_calls h WHERE h.recording_id = NEW.id);
    UPDATE call_gaps SET words = NULL WHERE recording_id = NEW.id OR known_call_id IN (
        SELECT c.id FROM known_calls c WHERE c.recording_id = NEW.id);
    RETURN NULL;
END $$
"""

TABLES = (
    "call_statements",
    "reconciled_days",
    "call_counters",
    "recording_exceptions",
    "refused_uploads",
    "known_calls",
    "call_gaps",
    "known_call_versions",
)
INSERT_ONLY = ("call_statements", "call_counters", "refused_uploads", "known_call_versions")
CHANGED = {
    "known_calls": "linked_id, version, started_at, duration_ms, talk_ms, direction, from_party, to_party, "
    "outside_number, line, agent, disposition, not_recorded, told_sha256, received_at, recording_id, "
    "matched_by, part_of",
    "call_gaps": "day, at, counted, reason, found_reason, words, explained_by, explained_at, closed_at",
    "recording_exceptions": "until",
    "reconciled_days": "is_dirty, looked_at",
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    make_tables()
    op.execute(FORGET)
    op.execute("REVOKE ALL ON FUNCTION forget_calls() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER recordings_forget_calls AFTER UPDATE OF erased_at ON recordings FOR EACH ROW "
        "WHEN (OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL) EXECUTE FUNCTION forget_calls()"
    )
    for table in TABLES:
        what = "UPDATE OR DELETE" if table in INSERT_ONLY else "DELETE"
        when = "WHEN (NOT being_erased()) " if table == "known_call_versions" else ""
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE {what} ON {table} "
            f"FOR EACH ROW {when}EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_never_emptied BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(f"GRANT SELECT, INSERT ON {table} TO audiatur_app")
    for table, columns in CHANGED.items():
        op.execute(f"GRANT UPDATE ({columns}) ON {table} TO audiatur_app")


def make_tables() -> None:
    op.create_table(
        "call_statements",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("supersedes", sa.Uuid(), nullable=True),
        sa.Column("since", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("until", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("made_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(version = 1) = (supersedes IS NULL)", name=op.f("ck_call_statements_supersedes")
        ),
        sa.CheckConstraint("sha256 = sha256(body)", name=op.f("ck_call_statements_digest")),
        sa.ForeignKeyConstraint(
            ["supersedes"],
            ["call_statements.id"],
            name=op.f("fk_call_statements_supersedes_call_statements"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_statements")),
        sa.UniqueConstraint("day", "version", name=op.f("uq_call_statements_day_version")),
    )
    op.create_index("ix_call_statements_span", "call_statements", ["since", "until"], unique=False)
    op.create_table(
        "reconciled_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("is_dirty", sa.Boolean(), nullable=False),
        sa.Column("looked_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_reconciled_days")),
        sa.UniqueConstraint("id", name=op.f("uq_reconciled_days_id")),
    )
    op.create_index(
        "ix_reconciled_days_dirty",
        "reconciled_days",
        ["day"],
        unique=False,
        postgresql_where=sa.text("is_dirty"),
    )
    op.create_table(
        "call_counters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("recorded", sa.Integer(), nullable=False),
        sa.Column("not_recorded", postgresql.JSONB(), nullable=False),
        sa.Column("told_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "calls >= 0 AND recorded >= 0 AND recorded <= calls",
            name=op.f("ck_call_counters_counts"),
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_call_counters_device_id_devices")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_counters")),
        sa.UniqueConstraint(
            "device_id", "day", "version", name=op.f("uq_call_counters_device_id_day_version")
        ),
    )
    op.create_index("ix_call_counters_day", "call_counters", ["day"], unique=False)
    op.create_table(
        "recording_exceptions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=True),
        sa.Column("line", sa.Text(), nullable=True),
        sa.Column("direction", sa.Text(), nullable=True),
        sa.Column("since", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Uuid(), nullable=False),
        sa.Column("set_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "direction IN ('inbound', 'outbound', 'internal')",
            name=op.f("ck_recording_exceptions_direction"),
        ),
        sa.CheckConstraint(
            "kind IN ('excluded', 'outage')", name=op.f("ck_recording_exceptions_kind")
        ),
        sa.CheckConstraint(
            "num_nonnulls(device_id, line, direction) > 0",
            name=op.f("ck_recording_exceptions_narrowed"),
        ),
        sa.CheckConstraint("until > since", name=op.f("ck_recording_exceptions_span")),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_recording_exceptions_device_id_devices")
        ),
        sa.ForeignKeyConstraint(
            ["set_by"], ["users.id"], name=op.f("fk_recording_exceptions_set_by_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recording_exceptions")),
    )
    op.create_table(
        "refused_uploads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("refusal", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_refused_uploads_device_id_devices")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refused_uploads")),
        sa.UniqueConstraint(
            "device_id",
            "call_id",
            "refusal",
            name=op.f("uq_refused_uploads_device_id_call_id_refusal"),
        ),
    )
    op.create_table(
        "known_calls",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("linked_id", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("talk_ms", sa.BigInteger(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("from_party", sa.Text(), nullable=True),
        sa.Column("to_party", sa.Text(), nullable=True),
        sa.Column("outside_number", sa.Text(), nullable=True),
        sa.Column("line", sa.Text(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("disposition", sa.Text(), nullable=False),
        sa.Column("not_recorded", sa.Text(), nullable=True),
        sa.Column("told_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=True),
        sa.Column("matched_by", sa.Text(), nullable=True),
        sa.Column("part_of", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "direction IN ('inbound', 'outbound', 'internal')",
            name=op.f("ck_known_calls_direction"),
        ),
        sa.CheckConstraint(
            "disposition IN ('answered', 'no_answer', 'busy', 'failed', 'congestion')",
            name=op.f("ck_known_calls_disposition"),
        ),
        sa.CheckConstraint(
            "matched_by IN ('call_id', 'linked_id', 'number')",
            name=op.f("ck_known_calls_matched_by"),
        ),
        sa.CheckConstraint(
            "not_recorded IN ('private', 'too_short', 'excluded', 'failed', 'refused', 'device_down', 'erased', 'lost', 'not_a_call', 'feed_incomplete', 'other', 'ambiguous', 'no_call_record', 'count_differs', 'unexplained')",
            name=op.f("ck_known_calls_not_recorded"),
        ),
        sa.CheckConstraint(
            "(recording_id IS NULL) = (matched_by IS NULL)", name=op.f("ck_known_calls_matched")
        ),
        sa.CheckConstraint(
            "duration_ms >= 0 AND talk_ms >= 0", name=op.f("ck_known_calls_durations")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_known_calls_device_id_devices")
        ),
        sa.ForeignKeyConstraint(
            ["part_of"], ["known_calls.id"], name=op.f("fk_known_calls_part_of_known_calls")
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"], ["recordings.id"], name=op.f("fk_known_calls_recording_id_recordings")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_known_calls")),
    )
    op.create_index(
        "ix_known_calls_number", "known_calls", ["outside_number", "started_at"], unique=False
    )
    op.create_index(
        "ix_known_calls_received",
        "known_calls",
        ["device_id", sa.literal_column("received_at DESC")],
        unique=False,
    )
    op.create_index("ix_known_calls_recording", "known_calls", ["recording_id"], unique=False)
    op.create_index("ix_known_calls_started", "known_calls", ["started_at"], unique=False)
    op.create_index("uq_known_calls_call", "known_calls", ["device_id", "call_id"], unique=True)
    op.create_index(
        "uq_known_calls_recording",
        "known_calls",
        ["device_id", "recording_id"],
        unique=True,
        postgresql_where=sa.text("recording_id IS NOT NULL"),
    )
    op.create_table(
        "call_gaps",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("known_call_id", sa.Uuid(), nullable=True),
        sa.Column("recording_id", sa.Uuid(), nullable=True),
        sa.Column("counted", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("found_reason", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=True),
        sa.Column("explained_by", sa.Uuid(), nullable=True),
        sa.Column("explained_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("found_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("closed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "CASE kind WHEN 'call' THEN num_nonnulls(known_call_id, device_id) = 2 WHEN 'recording' THEN num_nonnulls(recording_id, device_id) = 2 ELSE num_nonnulls(device_id, counted) = 2 END",
            name=op.f("ck_call_gaps_subject"),
        ),
        sa.CheckConstraint(
            "found_reason IN ('private', 'too_short', 'excluded', 'failed', 'refused', 'device_down', 'erased', 'lost', 'not_a_call', 'feed_incomplete', 'other', 'ambiguous', 'no_call_record', 'count_differs', 'unexplained')",
            name=op.f("ck_call_gaps_found_reason"),
        ),
        sa.CheckConstraint(
            "kind IN ('call', 'recording', 'count')", name=op.f("ck_call_gaps_kind")
        ),
        sa.CheckConstraint(
            "reason IN ('private', 'too_short', 'excluded', 'failed', 'refused', 'device_down', 'erased', 'lost', 'not_a_call', 'feed_incomplete', 'other', 'ambiguous', 'no_call_record', 'count_differs', 'unexplained')",
            name=op.f("ck_call_gaps_reason"),
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_call_gaps_device_id_devices")
        ),
        sa.ForeignKeyConstraint(
            ["explained_by"], ["users.id"], name=op.f("fk_call_gaps_explained_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["known_call_id"],
            ["known_calls.id"],
            name=op.f("fk_call_gaps_known_call_id_known_calls"),
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"], ["recordings.id"], name=op.f("fk_call_gaps_recording_id_recordings")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_gaps")),
    )
    op.create_index(
        "ix_call_gaps_at",
        "call_gaps",
        [sa.literal_column("at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index("ix_call_gaps_day", "call_gaps", ["day"], unique=False)
    op.create_index(
        "ix_call_gaps_open",
        "call_gaps",
        ["reason"],
        unique=False,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(
        "uq_call_gaps_call",
        "call_gaps",
        ["known_call_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'call'"),
    )
    op.create_index(
        "uq_call_gaps_count",
        "call_gaps",
        ["device_id", "day"],
        unique=True,
        postgresql_where=sa.text("kind = 'count'"),
    )
    op.create_index(
        "uq_call_gaps_recording",
        "call_gaps",
        ["recording_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'recording'"),
    )
    op.create_table(
        "known_call_versions",
        sa.Column("known_call_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("told", postgresql.JSONB(), nullable=False),
        sa.Column("told_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["known_call_id"],
            ["known_calls.id"],
            name=op.f("fk_known_call_versions_known_call_id_known_calls"),
        ),
        sa.PrimaryKeyConstraint("known_call_id", "version", name=op.f("pk_known_call_versions")),
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER recordings_forget_calls ON recordings")
    op.execute("DROP FUNCTION forget_calls()")
    op.execute(f"DROP TABLE {', '.join(reversed(TABLES))}")
