"""Keep why a person ended a release, or turned it down."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0032a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("releases", sa.Column("end_note", sa.Text(), nullable=True))
    op.execute("GRANT UPDATE (end_note) ON releases TO audiatur_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("releases", "end_note")
