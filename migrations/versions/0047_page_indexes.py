"""Find events by their time and kind, and a device's newest recording, without reading all of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0039a"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_events_time": ("events", ("occurred_at DESC", "id DESC")),
    "ix_events_kind": ("events", ("kind", "occurred_at DESC", "id DESC")),
    "ix_recordings_received": ("recordings", ("device_id", "received_at DESC")),
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, [sa.text(column) for column in columns])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name, (table, _) in INDEXES.items():
        op.drop_index(name, table)
