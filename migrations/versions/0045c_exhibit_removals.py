"""Let an exhibit be taken out of its dispute, with a reason; what was shown stays known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0045c"
down_revision = "0045b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "exhibit_removals",
        sa.Column("exhibit_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("removed_by", sa.Uuid(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("btrim(reason) <> ''", name=op.f("ck_exhibit_removals_reason")),
        sa.ForeignKeyConstraint(
            ["exhibit_id"], ["exhibits.id"], name=op.f("fk_exhibit_removals_exhibit_id_exhibits")
        ),
        sa.ForeignKeyConstraint(
            ["removed_by"], ["users.id"], name=op.f("fk_exhibit_removals_removed_by_users")
        ),
        sa.PrimaryKeyConstraint("exhibit_id", name=op.f("pk_exhibit_removals")),
    )
    op.execute("GRANT SELECT, INSERT ON exhibit_removals TO audiatur_app")
    op.execute(
        "CREATE TRIGGER exhibit_removals_kept BEFORE UPDATE OR DELETE ON exhibit_removals "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TABLE exhibit_removals")
