"""Let the index that a repeat is known by win where Postgres knows nothing of a table yet.

In an empty archive it costs the same to find a call by its device and id (`uq_recordings_call`) or to
look through all recordings of the device (`ix_recordings_received`), and of two that cost the same
the planner takes the newer. A connection keeps that plan until the table is analysed for the
first time, and until then each upload reads all recordings of its device: 4,000 of them tripled the
processor time of the transaction. So the unique one is made anew, and is the newer one.
"""

from __future__ import annotations

from alembic import op

revision = "0071"
down_revision = "0070"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "uq_recordings_call_0071", "recordings", ["device_id", "source_call_id"], unique=True
    )
    op.drop_index("uq_recordings_call", "recordings")
    op.execute("ALTER INDEX uq_recordings_call_0071 RENAME TO uq_recordings_call")


def downgrade() -> None:
    """Leave it: which of the two is newer is nothing that an older version asks for."""
