"""Tell the client by the link why something is asked for again."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0063"
down_revision = "0066"
branch_labels = None
depends_on = None

_BEFORE = "'asked', q.asked, 'due_at', q.due_at,"
_AFTER = f"'again', CASE WHEN q.state = 'asked_again' THEN q.words END, {_BEFORE}"
PAGE = ((_BEFORE, _AFTER, 1),)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    rewrite("ask_page(bytea)", PAGE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    rewrite("ask_page(bytea)", [(after, before, n) for before, after, n in PAGE])


def rewrite(function: str, changes: Sequence[tuple[str, str, int]]) -> None:
    """Put other texts in the place of some in a function; each must be there so many times."""
    bind = op.get_bind()
    body = str(
        bind.scalar(
            sa.text("SELECT pg_get_functiondef(CAST(:name AS regprocedure))"), {"name": function}
        )
    )
    for before, after, times in changes:
        if body.count(before) != times:
            raise RuntimeError(f"{function} is not what this migration changes: {before!r}")
        body = body.replace(before, after)
    bind.execute(sa.text(body))
