"""Find events by the words of their subject and clients by those of their name."""

from __future__ import annotations

from alembic import op

revision = "0022b"
down_revision = "0022a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(
        "CREATE INDEX ix_events_words ON events USING gin (to_tsvector('simple'::regconfig, subject))"
    )
    op.execute(
        "CREATE INDEX ix_clients_words ON clients USING gin (to_tsvector('simple'::regconfig, name))"
    )


def downgrade() -> None:
    op.drop_index("ix_clients_words", "clients")
    op.drop_index("ix_events_words", "events")
