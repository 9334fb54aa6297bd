"""Give who sends something by a link the digest of it, and its receipt once the archive has it."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_BEFORE = "                'file_name', u.file_name, 'is_text', u.words IS NOT NULL,\n"
_AFTER = (
    "                'id', u.id, 'receipt', u.receipt, 'sha256', encode(coalesce(\n"
    "                    u.sha256, sha256(convert_to(u.words, 'UTF8'))), 'hex'),\n"
)
PAGE = ((_BEFORE, _AFTER + _BEFORE, 1),)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("dispute_uploads", sa.Column("receipt", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("ck_dispute_uploads_receipt"),
        "dispute_uploads",
        "receipt IS NULL OR state = 'kept'",
    )
    op.execute("GRANT UPDATE (receipt) ON dispute_uploads TO audiatur_app")
    rewrite("ask_page(bytea)", PAGE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    rewrite("ask_page(bytea)", [(after, before, n) for before, after, n in PAGE])
    op.drop_constraint(op.f("ck_dispute_uploads_receipt"), "dispute_uploads")
    op.drop_column("dispute_uploads", "receipt")


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
