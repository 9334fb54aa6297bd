"""Keep until when a lock of the store keeps the bytes of what was erased."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020b"
down_revision = "0020a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "erasure_objects", sa.Column("locked_until", sa.TIMESTAMP(timezone=True), nullable=True)
    )
    op.execute("GRANT UPDATE (locked_until) ON erasure_objects TO audiatur_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("erasure_objects", "locked_until")
