"""Find the oldest recording that is not inspected without reading all of them."""

from __future__ import annotations

from alembic import op

revision = "0062"
down_revision = "0057a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(
        "CREATE INDEX ix_recordings_uninspected ON recordings (received_at) "
        "WHERE inspection_state = 'pending'"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_recordings_uninspected", "recordings")
