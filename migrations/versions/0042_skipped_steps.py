"""Remember which steps of setting up were skipped."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "skipped_steps",
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("skipped_by", sa.Uuid(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["skipped_by"], ["users.id"], name=op.f("fk_skipped_steps_skipped_by_users")
        ),
        sa.PrimaryKeyConstraint("step", name=op.f("pk_skipped_steps")),
    )
    op.execute("GRANT SELECT, INSERT, DELETE ON skipped_steps TO audiatur_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("skipped_steps")
