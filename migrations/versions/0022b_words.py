"""Find events by the words of their subject and clients by those of their name."""

from __future__ import annotations

from alembic import op

revision = "0022b"
down_revision = "0022a"
branch_labels = None
depends_on = None


# Quotation marks and other signs part words, whatever the database's locale makes of them.
WORDS = r"to_tsvector('simple'::regconfig, regexp_replace(lower({}), '\W+', ' ', 'g'))"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table, column in (("events", "subject"), ("clients", "name")):
        words = WORDS.format(column)
        op.execute(f"CREATE INDEX ix_{table}_words ON {table} USING gin ({words})")


def downgrade() -> None:
    op.drop_index("ix_clients_words", "clients")
    op.drop_index("ix_events_words", "events")
