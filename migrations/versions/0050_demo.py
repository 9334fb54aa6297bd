"""Mark demo data from its first moment, so that it goes again and never leaves the archive."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0053"
branch_labels = None
depends_on = None

_MARKED = ("devices", "clients")
_GROUNDS = "'request', 'withdrawal', 'duty', 'retention'"

# What is demo data was said when it was made; nothing becomes it, and nothing ceases to be it.
KEEP_MARK = """
CREATE FUNCTION keep_demo_mark() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.is_demo IS DISTINCT FROM OLD.is_demo THEN
        RAISE EXCEPTION 'what is demo data stays it, and nothing else becomes it'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""

NOT_HANDED_OUT = """
CREATE FUNCTION keep_demo_here() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM recordings r JOIN devices d ON d.id = r.device_id
               WHERE r.id = NEW.recording_id AND d.is_demo)
       OR EXISTS (SELECT FROM screenshots s JOIN devices d ON d.id = s.device_id
                  WHERE s.id = NEW.screenshot_id AND d.is_demo)
       OR EXISTS (SELECT FROM releases r JOIN clients c ON c.id = r.client_id
                  WHERE r.id = NEW.release_id AND c.is_demo) THEN
        RAISE EXCEPTION 'demo data is handed to nobody' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

_BY_APPROVAL = "    ELSE\n        is_agreed := e.approvals_needed <= ("
_BY_MARK = (
    "    ELSIF e.ground = 'demo' THEN\n"
    "        is_agreed := EXISTS (\n"
    "            SELECT FROM recordings r JOIN devices d ON d.id = r.device_id\n"
    "            WHERE r.id = e.recording_id AND d.is_demo);\n"
)

_ASKED = (
    "CASE WHEN ground = 'retention' THEN requested_by IS NULL AND notice_id IS NOT NULL"
    " AND approvals_needed = 0 AND with_id IS NULL"
    " WHEN with_id IS NOT NULL THEN notice_id IS NULL AND approvals_needed = 0"
)
_ASKED_END = (
    " ELSE requested_by IS NOT NULL AND notice_id IS NULL AND approvals_needed IN (1, 2) END"
)
_ASKED_DEMO = " WHEN ground = 'demo' THEN notice_id IS NULL AND approvals_needed = 0"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in _MARKED:
        no = sa.text("false")
        op.add_column(table, sa.Column("is_demo", sa.Boolean(), server_default=no, nullable=False))
    op.add_column("clients", sa.Column("removed_at", sa.TIMESTAMP(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_clients_removed"), "clients", "removed_at IS NULL OR is_demo"
    )
    op.create_index(
        "ix_clients_removed", "clients", ["id"], postgresql_where=sa.text("removed_at IS NOT NULL")
    )
    op.create_table(
        "demo_sets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=True),
        sa.Column("asked_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("loaded_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("unload_by", sa.Uuid(), nullable=True),
        sa.Column("unload_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("unloaded_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("language IN ('ru', 'en')", name=op.f("ck_demo_sets_language")),
        sa.CheckConstraint(
            "unloaded_at IS NULL OR unload_at IS NOT NULL", name=op.f("ck_demo_sets_unloaded")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_demo_sets_device_id_devices")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_demo_sets_owner_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["asked_by"], ["users.id"], name=op.f("fk_demo_sets_asked_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["unload_by"], ["users.id"], name=op.f("fk_demo_sets_unload_by_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_demo_sets")),
    )
    op.create_index(
        "uq_demo_sets_here",
        "demo_sets",
        [sa.literal_column("(true)")],
        unique=True,
        postgresql_where=sa.text("unloaded_at IS NULL"),
    )
    op.execute("GRANT SELECT, INSERT ON demo_sets TO audiatur_app")
    op.execute(
        "GRANT UPDATE (loaded_at, unload_by, unload_at, unloaded_at) ON demo_sets TO audiatur_app"
    )
    _allow(f"{_GROUNDS}, 'demo'", _ASKED + _ASKED_DEMO + _ASKED_END)
    for body, name in ((KEEP_MARK, "keep_demo_mark"), (NOT_HANDED_OUT, "keep_demo_here")):
        op.execute(body)
        op.execute(f"REVOKE ALL ON FUNCTION {name}() FROM PUBLIC")
    for table in _MARKED:
        op.execute(
            f"CREATE TRIGGER {table}_demo_mark BEFORE UPDATE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION keep_demo_mark()"
        )
    op.execute(
        "CREATE TRIGGER release_items_demo BEFORE INSERT ON release_items "
        "FOR EACH ROW EXECUTE FUNCTION keep_demo_here()"
    )
    _rewrite(_BY_APPROVAL, _BY_MARK + _BY_APPROVAL)


def downgrade() -> None:
    """Forget which data is a demo; it must have been unloaded."""
    _rewrite(_BY_MARK + _BY_APPROVAL, _BY_APPROVAL)
    op.execute("DROP TRIGGER release_items_demo ON release_items")
    for table in _MARKED:
        op.execute(f"DROP TRIGGER {table}_demo_mark ON {table}")
    op.execute("DROP FUNCTION keep_demo_mark(), keep_demo_here()")
    _allow(_GROUNDS, _ASKED + _ASKED_END)
    op.drop_table("demo_sets")
    op.drop_index("ix_clients_removed", "clients")
    op.drop_constraint(op.f("ck_clients_removed"), "clients", type_="check")
    op.drop_column("clients", "removed_at")
    for table in _MARKED:
        op.drop_column(table, "is_demo")


def _allow(grounds: str, asked: str) -> None:
    for name in ("ground", "asked"):
        op.drop_constraint(op.f(f"ck_erasures_{name}"), "erasures", type_="check")
    op.create_check_constraint(op.f("ck_erasures_ground"), "erasures", f"ground IN ({grounds})")
    op.create_check_constraint(op.f("ck_erasures_asked"), "erasures", asked)


def _rewrite(before: str, after: str) -> None:
    """Put another text into the function that destroys, as other migrations have left it."""
    bind = op.get_bind()
    body = str(
        bind.scalar(sa.text("SELECT pg_get_functiondef('execute_erasure(uuid)'::regprocedure)"))
    )
    if body.count(before) != 1:
        raise RuntimeError("execute_erasure is not what this migration changes")
    bind.execute(sa.text(body.replace(before, after)))
