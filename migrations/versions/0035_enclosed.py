"""Keep what a bundle encloses from its first making on, until it is ready or over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0035"
down_revision = "0044a"
branch_labels = None
depends_on = None

# What the ledger tells of stays as it was told, and nothing of it stays longer than it is needed.
KEEP = """
CREATE FUNCTION keep_enclosed() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.state IN ('ready', 'destroyed') THEN
        NEW.enclosed := NULL;
    ELSIF OLD.enclosed IS NOT NULL AND NEW.enclosed IS DISTINCT FROM OLD.enclosed THEN
        RAISE EXCEPTION 'what the ledger tells of a bundle is never changed'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "release_bundles",
        sa.Column("enclosed", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    )
    op.execute(KEEP)
    op.execute("REVOKE ALL ON FUNCTION keep_enclosed() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER release_bundles_keep_enclosed BEFORE UPDATE ON release_bundles "
        "FOR EACH ROW EXECUTE FUNCTION keep_enclosed()"
    )
    op.execute("GRANT UPDATE (enclosed) ON release_bundles TO audiatur_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TRIGGER release_bundles_keep_enclosed ON release_bundles")
    op.execute("DROP FUNCTION keep_enclosed()")
    op.drop_column("release_bundles", "enclosed")
