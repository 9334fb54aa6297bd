"""Count whose refusals the ledger was told of, for all processes together."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039a"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    # What a crash loses of it is a minute's count.
    op.create_table(
        "refusals_told",
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("began_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("actor_id", name=op.f("pk_refusals_told")),
        prefixes=["UNLOGGED"],
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON refusals_told TO audiatur_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("refusals_told")
