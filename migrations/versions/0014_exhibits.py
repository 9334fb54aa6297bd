"""Let exhibits be screenshots and have parts taken out; what leaves is redacted as it was asked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

ONE_OBJECT = "(recording_id IS NOT NULL) = (kind = 'recording') AND (screenshot_id IS NOT NULL) = (kind = 'screenshot')"
REDACTIONS = "jsonb_typeof(redactions) = 'array' AND jsonb_typeof(areas) = 'array' AND (kind = 'recording' OR redactions = '[]') AND (kind = 'screenshot' OR areas = '[]')"

# An exhibit follows one of its own dispute that shows the same object.
EXHIBIT_GUARD = """
CREATE FUNCTION guard_exhibit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.replaces IS NOT NULL AND NOT EXISTS (
        SELECT FROM exhibits e WHERE e.id = NEW.replaces AND e.dispute_id = NEW.dispute_id
          AND (e.kind, e.recording_id, e.screenshot_id)
              IS NOT DISTINCT FROM (NEW.kind, NEW.recording_id, NEW.screenshot_id)
    ) THEN
        RAISE EXCEPTION 'an exhibit replaces one of its dispute that shows the same'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

# What was approved is a wish with its redactions, which is never changed; what leaves is that.
ITEM_GUARD = """
CREATE FUNCTION guard_item_redactions() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.redactions IS DISTINCT FROM
       (SELECT w.redactions FROM release_wishes w WHERE w.id = NEW.wish_id) THEN
        RAISE EXCEPTION 'an item is redacted as it was asked for' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.redactions <> '[]' AND NEW.derivation IS NULL THEN
        RAISE EXCEPTION 'a redacted item says how it was made' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""


def _list(name: str) -> sa.Column[object]:
    empty = sa.text("'[]'")
    return sa.Column(name, postgresql.JSONB(), server_default=empty, nullable=False)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "exhibits", sa.Column("kind", sa.Text(), server_default="recording", nullable=False)
    )
    op.add_column("exhibits", sa.Column("screenshot_id", sa.Uuid(), nullable=True))
    op.add_column("exhibits", _list("redactions"))
    op.add_column("exhibits", _list("areas"))
    op.add_column("exhibits", sa.Column("replaces", sa.Uuid(), nullable=True))
    op.alter_column("exhibits", "recording_id", existing_type=sa.Uuid(), nullable=True)
    op.create_foreign_key(
        op.f("fk_exhibits_screenshot_id_screenshots"),
        "exhibits",
        "screenshots",
        ["screenshot_id"],
        ["id"],
    )
    op.create_foreign_key(
        op.f("fk_exhibits_replaces_exhibits"), "exhibits", "exhibits", ["replaces"], ["id"]
    )
    op.create_unique_constraint(op.f("uq_exhibits_replaces"), "exhibits", ["replaces"])
    op.create_index(op.f("ix_exhibits_screenshot_id"), "exhibits", ["screenshot_id"], unique=False)
    op.create_check_constraint(
        op.f("ck_exhibits_kind"), "exhibits", "kind IN ('recording', 'screenshot')"
    )
    op.create_check_constraint(op.f("ck_exhibits_one_object"), "exhibits", ONE_OBJECT)
    op.create_check_constraint(op.f("ck_exhibits_redactions"), "exhibits", REDACTIONS)
    op.add_column("release_wishes", _list("redactions"))
    op.add_column("release_items", _list("redactions"))
    op.add_column("release_items", sa.Column("derivation", sa.Text(), nullable=True))
    for function in (EXHIBIT_GUARD, ITEM_GUARD):
        op.execute(function)
    for table, function in (
        ("exhibits", "guard_exhibit"),
        ("release_items", "guard_item_redactions"),
    ):
        op.execute(f"REVOKE ALL ON FUNCTION {function}() FROM PUBLIC")
        op.execute(
            f"CREATE TRIGGER {table}_redactions BEFORE INSERT ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {function}()"
        )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table, function in (
        ("exhibits", "guard_exhibit"),
        ("release_items", "guard_item_redactions"),
    ):
        op.execute(f"DROP TRIGGER {table}_redactions ON {table}")
        op.execute(f"DROP FUNCTION {function}()")
    op.drop_column("release_items", "derivation")
    op.drop_column("release_items", "redactions")
    op.drop_column("release_wishes", "redactions")
    for name in ("redactions", "one_object", "kind"):
        op.drop_constraint(op.f(f"ck_exhibits_{name}"), "exhibits", type_="check")
    op.alter_column("exhibits", "recording_id", existing_type=sa.Uuid(), nullable=False)
    for name in ("replaces", "areas", "redactions", "screenshot_id", "kind"):
        op.drop_column("exhibits", name)
