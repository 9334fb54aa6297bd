"""Keep when each object was looked at, how it is to be locked, and what was noted beside it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# The house's own wish is extended and never shortened, as the store would refuse it too.
LOCK_GUARD = """
CREATE FUNCTION guard_object_lock() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.object_id <> OLD.object_id OR (
        OLD.wanted_until IS NOT NULL
        AND (NEW.wanted_until IS NULL OR NEW.wanted_until < OLD.wanted_until)
    ) THEN
        RAISE EXCEPTION 'the lock of % is never shortened', OLD.object_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    # Whatever is kept already was never read back by this code, so it is due now.
    op.add_column(
        "sealed_objects",
        sa.Column(
            "check_due_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
    )
    op.create_index(
        "ix_sealed_objects_check_due",
        "sealed_objects",
        ["check_due_at"],
        postgresql_where="wrapped_key IS NOT NULL",
    )
    make_tables()
    op.execute(LOCK_GUARD)
    op.execute(
        "CREATE TRIGGER object_locks_guard BEFORE UPDATE ON object_locks "
        "FOR EACH ROW EXECUTE FUNCTION guard_object_lock()"
    )
    op.execute("REVOKE EXECUTE ON FUNCTION guard_object_lock() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER fixity_checks_kept BEFORE UPDATE OR DELETE ON fixity_checks "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER fixity_checks_never_emptied BEFORE TRUNCATE ON fixity_checks "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute("GRANT UPDATE (check_due_at) ON sealed_objects TO audiatur_app")
    op.execute("GRANT SELECT, INSERT ON fixity_checks TO audiatur_app")
    op.execute("GRANT SELECT, INSERT, UPDATE ON object_locks, object_notes TO audiatur_app")


def make_tables() -> None:
    op.create_table(
        "fixity_checks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("over", sa.Text(), nullable=False),
        sa.Column("sealed_sha256", sa.LargeBinary(32), nullable=True),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "occasion IN ('ingest', 'day', 'quarter', 'sample', 'release', 'restore', 'repair')",
            name=op.f("ck_fixity_checks_occasion"),
        ),
        sa.CheckConstraint(
            "outcome IN ('success', 'damaged', 'missing')", name=op.f("ck_fixity_checks_outcome")
        ),
        sa.CheckConstraint("over IN ('plaintext', 'seal')", name=op.f("ck_fixity_checks_over")),
        _to_object("fixity_checks"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fixity_checks")),
    )
    op.create_index("ix_fixity_checks_object", "fixity_checks", ["object_id", "at", "id"])
    op.create_index(
        "ix_fixity_checks_failed",
        "fixity_checks",
        ["at"],
        postgresql_where="outcome <> 'success'",
    )
    op.create_table(
        "object_locks",
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("wanted_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("wants_hold", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("mode", sa.Text(), nullable=True),
        sa.Column("locked_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("is_held", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("seen_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("difference", sa.Text(), nullable=True),
        sa.Column("differed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "mode IN ('GOVERNANCE', 'COMPLIANCE')", name=op.f("ck_object_locks_mode")
        ),
        sa.CheckConstraint(
            "num_nonnulls(mode, locked_until) IN (0, 2)", name=op.f("ck_object_locks_locked")
        ),
        _to_object("object_locks"),
        sa.PrimaryKeyConstraint("object_id", name=op.f("pk_object_locks")),
    )
    op.create_table(
        "object_notes",
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        _to_object("object_notes"),
        sa.PrimaryKeyConstraint("object_id", name=op.f("pk_object_notes")),
    )


def _to_object(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["object_id"],
        ["sealed_objects.object_id"],
        name=op.f(f"fk_{table}_object_id_sealed_objects"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("object_notes", "object_locks", "fixity_checks"):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP FUNCTION guard_object_lock()")
    op.drop_index("ix_sealed_objects_check_due", "sealed_objects")
    op.drop_column("sealed_objects", "check_due_at")
