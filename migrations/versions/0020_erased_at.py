"""Let nothing but an erasure say that something was erased."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0017"
branch_labels = None
depends_on = None

TABLES = ("recordings", "screenshots")

# Senders are told 410 by this column and may delete their copy, so no wish of the application's
# sets it: only the function that has destroyed the keys, and what erases again after a restore.
GUARD = """
CREATE FUNCTION guard_erased_at() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT being_erased() THEN
        RAISE EXCEPTION '% % is erased by an erasure alone', TG_TABLE_NAME, NEW.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.erased_at IS NOT NULL AND NEW.erased_at IS NULL THEN
        RAISE EXCEPTION '% % was erased and stays so', TG_TABLE_NAME, NEW.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(GUARD)
    op.execute("REVOKE EXECUTE ON FUNCTION guard_erased_at() FROM PUBLIC")
    for table in TABLES:
        op.execute(
            f"CREATE TRIGGER {table}_never_erased BEFORE INSERT ON {table} FOR EACH ROW "
            "WHEN (NEW.erased_at IS NOT NULL) EXECUTE FUNCTION guard_erased_at()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_erased_at BEFORE UPDATE OF erased_at ON {table} FOR EACH ROW "
            "WHEN (NEW.erased_at IS DISTINCT FROM OLD.erased_at) EXECUTE FUNCTION guard_erased_at()"
        )
        op.execute(f"REVOKE UPDATE (erased_at) ON {table} FROM audiatur_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in TABLES:
        op.execute(f"DROP TRIGGER {table}_erased_at ON {table}")
        op.execute(f"DROP TRIGGER {table}_never_erased ON {table}")
        op.execute(f"GRANT UPDATE (erased_at) ON {table} TO audiatur_app")
    op.execute("DROP FUNCTION guard_erased_at()")
