"""Keep what people learn from: exemplary calls, forms, appraisals, calibrations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

# What was said of a recording goes with it, whoever erases it.
FORGET = """
CREATE FUNCTION forget_learning() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE exemplary_calls SET title = '-', why = '-', topics = '{}' WHERE recording_id = NEW.id;
    UPDATE appraisal_replies SET words = NULL WHERE appraisal_id IN (
        SELECT a.id FROM appraisals a WHERE a.recording_id = NEW.id);
    UPDATE appraisals SET note = NULL, answers = coalesce(
        (SELECT jsonb_object_agg(key, value - 'note') FROM jsonb_each(answers)), '{}')
    WHERE recording_id = NEW.id;
    RETURN NULL;
END $$
"""
TABLES = ("exemplary_calls", "call_forms", "calibrations", "appraisals", "appraisal_replies")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "call_forms",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("pass_percent", sa.Integer(), nullable=False),
        sa.Column("questions", postgresql.JSONB(), nullable=False),
        sa.Column("is_offered", sa.Boolean(), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("version >= 1", name=op.f("ck_call_forms_version")),
        sa.CheckConstraint(
            "pass_percent BETWEEN 0 AND 100", name=op.f("ck_call_forms_pass_percent")
        ),
        sa.ForeignKeyConstraint(
            ["made_by"], ["users.id"], name=op.f("fk_call_forms_made_by_users")
        ),
        sa.PrimaryKeyConstraint("id", "version", name=op.f("pk_call_forms")),
    )
    op.create_table(
        "exemplary_calls",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("topics", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("start_ms", sa.Integer(), nullable=False),
        sa.Column("added_by", sa.Uuid(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_by", sa.Uuid(), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("start_ms >= 0", name=op.f("ck_exemplary_calls_start")),
        sa.CheckConstraint(
            "(removed_at IS NULL) = (removed_by IS NULL)", name=op.f("ck_exemplary_calls_removed")
        ),
        sa.ForeignKeyConstraint(
            ["added_by"], ["users.id"], name=op.f("fk_exemplary_calls_added_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_exemplary_calls_recording_id_recordings"),
        ),
        sa.ForeignKeyConstraint(
            ["removed_by"], ["users.id"], name=op.f("fk_exemplary_calls_removed_by_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exemplary_calls")),
    )
    op.create_index(
        "uq_exemplary_calls_recording",
        "exemplary_calls",
        ["recording_id"],
        unique=True,
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_index(
        "ix_exemplary_calls_added",
        "exemplary_calls",
        [sa.text("added_at DESC"), sa.text("id DESC")],
    )
    op.create_table(
        "calibrations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("form_id", sa.Uuid(), nullable=False),
        sa.Column("form_version", sa.Integer(), nullable=False),
        sa.Column("opened_by", sa.Uuid(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (closed_by IS NULL)", name=op.f("ck_calibrations_closed")
        ),
        sa.ForeignKeyConstraint(
            ["closed_by"], ["users.id"], name=op.f("fk_calibrations_closed_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["form_id", "form_version"],
            ["call_forms.id", "call_forms.version"],
            name=op.f("fk_calibrations_form_id_form_version_call_forms"),
        ),
        sa.ForeignKeyConstraint(
            ["opened_by"], ["users.id"], name=op.f("fk_calibrations_opened_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_calibrations_recording_id_recordings"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calibrations")),
    )
    op.create_index(
        "ix_calibrations_opened", "calibrations", [sa.text("opened_at DESC"), sa.text("id DESC")]
    )
    op.create_table(
        "appraisals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("form_id", sa.Uuid(), nullable=False),
        sa.Column("form_version", sa.Integer(), nullable=False),
        sa.Column("calibration_id", sa.Uuid(), nullable=True),
        sa.Column("answers", postgresql.JSONB(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("percent", sa.Integer(), nullable=True),
        sa.Column("failed", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("is_passed", sa.Boolean(), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("percent BETWEEN 0 AND 100", name=op.f("ck_appraisals_percent")),
        sa.ForeignKeyConstraint(
            ["calibration_id"],
            ["calibrations.id"],
            name=op.f("fk_appraisals_calibration_id_calibrations"),
        ),
        sa.ForeignKeyConstraint(
            ["form_id", "form_version"],
            ["call_forms.id", "call_forms.version"],
            name=op.f("fk_appraisals_form_id_form_version_call_forms"),
        ),
        sa.ForeignKeyConstraint(
            ["made_by"], ["users.id"], name=op.f("fk_appraisals_made_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"], ["recordings.id"], name=op.f("fk_appraisals_recording_id_recordings")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appraisals")),
    )
    op.create_index("ix_appraisals_recording", "appraisals", ["recording_id", "made_at"])
    op.create_index(
        "ix_appraisals_agent", "appraisals", ["agent", sa.text("made_at DESC"), sa.text("id DESC")]
    )
    op.create_index(
        "uq_appraisals_calibration",
        "appraisals",
        ["calibration_id", "made_by"],
        unique=True,
        postgresql_where=sa.text("calibration_id IS NOT NULL"),
    )
    op.create_table(
        "appraisal_replies",
        sa.Column("appraisal_id", sa.Uuid(), nullable=False),
        sa.Column("by", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("words", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["appraisal_id"],
            ["appraisals.id"],
            name=op.f("fk_appraisal_replies_appraisal_id_appraisals"),
        ),
        sa.ForeignKeyConstraint(["by"], ["users.id"], name=op.f("fk_appraisal_replies_by_users")),
        sa.PrimaryKeyConstraint("appraisal_id", name=op.f("pk_appraisal_replies")),
    )
    for table in TABLES:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO audiatur_app")
    op.execute("GRANT UPDATE (removed_at, removed_by) ON exemplary_calls TO audiatur_app")
    op.execute("GRANT UPDATE (closed_at, closed_by) ON calibrations TO audiatur_app")
    op.execute(FORGET)
    op.execute("REVOKE ALL ON FUNCTION forget_learning() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER recordings_forget_learning AFTER UPDATE OF erased_at ON recordings "
        "FOR EACH ROW WHEN (OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL) "
        "EXECUTE FUNCTION forget_learning()"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TRIGGER recordings_forget_learning ON recordings")
    op.execute("DROP FUNCTION forget_learning()")
    for table in (
        "appraisal_replies",
        "appraisals",
        "calibrations",
        "exemplary_calls",
        "call_forms",
    ):
        op.drop_table(table)
