"""Keep marks: what somebody says of a place in a recording."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022a"
down_revision = "0026"
branch_labels = None
depends_on = None

# What was said of a recording goes with it, whoever erases it.
FORGET = """
CREATE FUNCTION forget_marks() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE marks SET note = NULL WHERE recording_id = NEW.id AND note IS NOT NULL;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "marks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("from_ms", sa.Integer(), nullable=False),
        sa.Column("to_ms", sa.Integer(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("made_by", sa.Uuid(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('praise', 'mistake', 'key_moment', 'comment')", name=op.f("ck_marks_kind")
        ),
        sa.CheckConstraint("from_ms >= 0 AND to_ms > from_ms", name=op.f("ck_marks_span")),
        sa.ForeignKeyConstraint(["made_by"], ["users.id"], name=op.f("fk_marks_made_by_users")),
        sa.ForeignKeyConstraint(
            ["recording_id"], ["recordings.id"], name=op.f("fk_marks_recording_id_recordings")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_marks")),
    )
    op.create_index("ix_marks_recording", "marks", ["recording_id", "from_ms"], unique=False)
    op.execute("GRANT SELECT, INSERT ON marks TO audiatur_app")
    op.execute("GRANT UPDATE (removed_at) ON marks TO audiatur_app")
    op.execute(FORGET)
    op.execute("REVOKE ALL ON FUNCTION forget_marks() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER recordings_forget_marks AFTER UPDATE OF erased_at ON recordings "
        "FOR EACH ROW WHEN (OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL) "
        "EXECUTE FUNCTION forget_marks()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER recordings_forget_marks ON recordings")
    op.execute("DROP FUNCTION forget_marks()")
    op.drop_table("marks")
