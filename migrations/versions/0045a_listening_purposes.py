"""Keep for what a person listens in a dispute, so that he is asked once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0045a"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "listening_purposes",
        sa.Column("dispute_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["dispute_id"], ["disputes.id"], name=op.f("fk_listening_purposes_dispute_id_disputes")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_listening_purposes_user_id_users")
        ),
        sa.PrimaryKeyConstraint("dispute_id", "user_id", name=op.f("pk_listening_purposes")),
        sa.CheckConstraint(
            "purpose IN ('internal_quality', 'internal_training', 'dispute_client', "
            "'claim_defence', 'legal_demand', 'subject_access', 'consent_review', "
            "'integrity_forensics', 'transcription')",
            name=op.f("ck_listening_purposes_purpose"),
        ),
    )
    op.execute("GRANT SELECT, INSERT ON listening_purposes TO audiatur_app")
    op.execute("GRANT UPDATE (purpose, at) ON listening_purposes TO audiatur_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TABLE listening_purposes")
