"""Find recordings by what was marked in them and by the names of their files."""

from __future__ import annotations

from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

WORDS = r"to_tsvector('simple'::regconfig, regexp_replace(lower({}), '\W+', ' ', 'g'))"
STEM = r"regexp_replace(file_name, '\.[^.]*$', '')"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table, column in (("marks", "note"), ("legs", STEM)):
        words = WORDS.format(column)
        op.execute(f"CREATE INDEX ix_{table}_words ON {table} USING gin ({words})")


def downgrade() -> None:
    op.drop_index("ix_legs_words", "legs")
    op.drop_index("ix_marks_words", "marks")
