"""Find what is kept by its digest, so that a copy of it is known before it is kept once more."""

from __future__ import annotations

from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index("ix_sealed_objects_sha256", "sealed_objects", ["sha256"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_sealed_objects_sha256", "sealed_objects")
