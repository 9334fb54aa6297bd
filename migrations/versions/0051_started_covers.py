"""Let the index of recordings by time hold what the sums of a time are made of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0050a"
branch_labels = None
depends_on = None

_KEYS = (sa.text("started_at DESC"), sa.text("id DESC"))


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_recordings_started", "recordings")
    op.create_index(
        "ix_recordings_started",
        "recordings",
        _KEYS,
        postgresql_include=["event_id", "duration_ms", "erased_at"],
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_recordings_started", "recordings")
    op.create_index("ix_recordings_started", "recordings", _KEYS)
