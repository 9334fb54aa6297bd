"""Keep which recordings are of no client, by whose word and why."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "triage_asides",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("set_by", sa.Uuid(), nullable=False),
        sa.Column("set_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("undone_by", sa.Uuid(), nullable=True),
        sa.Column("undone_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "reason IN ('private', 'wrong_number', 'supplier', 'advertising', 'test', 'other')",
            name=op.f("ck_triage_asides_reason"),
        ),
        sa.CheckConstraint(
            "num_nonnulls(undone_by, undone_at) IN (0, 2)", name=op.f("ck_triage_asides_undone")
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_triage_asides_recording_id_recordings"),
        ),
        sa.ForeignKeyConstraint(
            ["set_by"], ["users.id"], name=op.f("fk_triage_asides_set_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["undone_by"], ["users.id"], name=op.f("fk_triage_asides_undone_by_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_triage_asides")),
    )
    op.create_index(
        "uq_triage_asides_open",
        "triage_asides",
        ["recording_id"],
        unique=True,
        postgresql_where=sa.text("undone_at IS NULL"),
    )
    op.execute("GRANT SELECT, INSERT ON triage_asides TO audiatur_app")
    op.execute("GRANT UPDATE (undone_by, undone_at) ON triage_asides TO audiatur_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TABLE triage_asides")
