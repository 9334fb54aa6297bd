"""Know a call of something erased by what was told of it before, too, where it was known by number."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

# An event that says nothing any more was emptied by an erasure; its call has an id of the exchange.
BEFORE = """        ELSE EXISTS (SELECT FROM recordings r WHERE r.source_call_id IN (named, linked)
                     AND r.erased_at IS NOT NULL)
"""
AFTER = """        ELSE (EXISTS (SELECT FROM recordings r WHERE r.source_call_id IN (named, linked)
                      AND r.erased_at IS NOT NULL)
              OR EXISTS (SELECT FROM call_events t WHERE t.call_id = named AND t.told = '{}'))
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    rewrite("is_call_of_erased(uuid, text, text, uuid)", BEFORE, AFTER)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    rewrite("is_call_of_erased(uuid, text, text, uuid)", AFTER, BEFORE)


def rewrite(function: str, before: str, after: str) -> None:
    """Put another text in the place of one in a function, which must be there once."""
    bind = op.get_bind()
    body = str(
        bind.scalar(
            sa.text("SELECT pg_get_functiondef(CAST(:name AS regprocedure))"), {"name": function}
        )
    )
    if body.count(before) != 1:
        raise RuntimeError(f"{function} is not what this migration changes: {before!r}")
    bind.execute(sa.text(body.replace(before, after)))
