"""Keep which drafts were withdrawn or rejected: proposed packs and notice texts, each for good."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

PACKS, TEXTS = "policy_packs_set_aside", "notice_texts_set_aside"
HOW = "how IN ('withdrawn', 'rejected')"
REASON = "btrim(reason) <> ''"

# Who made a draft withdraws it, another rejects it, and neither what is in force already. The
# draft's row is locked, so that nobody agrees to it in the same moment.
PACK_GUARD = """
CREATE FUNCTION guard_pack_set_aside() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    draft policy_packs;
BEGIN
    SELECT * INTO draft FROM policy_packs WHERE id = NEW.pack_id FOR UPDATE;
    IF draft.activated_at IS NOT NULL OR (NEW.how = 'withdrawn') <> (draft.created_by = NEW.set_by) THEN
        RAISE EXCEPTION 'a proposed pack is withdrawn by who proposed it or rejected by another'
            USING ERRCODE = 'check_violation';
    END IF;
    IF NOT EXISTS (
        SELECT FROM users u WHERE u.id = NEW.set_by AND u.disabled_at IS NULL
        AND u.role IN ('approver', 'legal', CASE NEW.how WHEN 'withdrawn' THEN 'admin' END)
    ) THEN
        RAISE EXCEPTION 'a pack is rejected by an approver or by legal' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

TEXT_GUARD = """
CREATE FUNCTION guard_text_set_aside() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    draft notice_texts;
BEGIN
    SELECT * INTO draft FROM notice_texts WHERE id = NEW.text_id AND version = NEW.version FOR UPDATE;
    IF draft.approved_at IS NOT NULL OR (NEW.how = 'withdrawn') <> (draft.created_by = NEW.set_by) THEN
        RAISE EXCEPTION 'a draft text is withdrawn by who wrote it or rejected by another'
            USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.how = 'rejected' AND NOT EXISTS (
        SELECT FROM users u WHERE u.id = NEW.set_by AND u.role = 'approver' AND u.disabled_at IS NULL
    ) THEN
        RAISE EXCEPTION 'a draft text is rejected by an approver' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

STAYS_PACK = """
CREATE FUNCTION refuse_set_aside_pack() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM policy_packs_set_aside s WHERE s.pack_id = NEW.id) THEN
        RAISE EXCEPTION 'the pack was set aside; propose it again' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""

STAYS_TEXT = """
CREATE FUNCTION refuse_set_aside_text() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM notice_texts_set_aside s WHERE s.text_id = NEW.id AND s.version = NEW.version) THEN
        RAISE EXCEPTION 'the text was set aside; write a further version' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""

WATCHED = (
    (PACKS, "guard", "INSERT", "guard_pack_set_aside"),
    (TEXTS, "guard", "INSERT", "guard_text_set_aside"),
    ("policy_packs", "set_aside", "UPDATE", "refuse_set_aside_pack"),
    ("notice_texts", "set_aside", "UPDATE", "refuse_set_aside_text"),
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    make_tables()
    for function in (PACK_GUARD, TEXT_GUARD, STAYS_PACK, STAYS_TEXT):
        op.execute(function)
    for table, name, when, function in WATCHED:
        op.execute(
            f"CREATE TRIGGER {table}_{name} BEFORE {when} ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {function}()"
        )
        op.execute(f"REVOKE EXECUTE ON FUNCTION {function}() FROM PUBLIC")
    for table in (PACKS, TEXTS):
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_never_emptied BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(f"GRANT SELECT, INSERT ON {table} TO audiatur_app")


def make_tables() -> None:
    op.create_table(
        PACKS,
        sa.Column("pack_id", sa.Uuid(), nullable=False),
        *_how(PACKS),
        sa.ForeignKeyConstraint(
            ["pack_id"], ["policy_packs.id"], name=op.f(f"fk_{PACKS}_pack_id_policy_packs")
        ),
        sa.PrimaryKeyConstraint("pack_id", name=op.f(f"pk_{PACKS}")),
    )
    op.create_table(
        TEXTS,
        sa.Column("text_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        *_how(TEXTS),
        sa.ForeignKeyConstraint(
            ["text_id", "version"],
            ["notice_texts.id", "notice_texts.version"],
            name=op.f(f"fk_{TEXTS}_text_id_version_notice_texts"),
        ),
        sa.PrimaryKeyConstraint("text_id", "version", name=op.f(f"pk_{TEXTS}")),
    )


def _how(table: str) -> tuple[sa.schema.SchemaItem, ...]:
    """Return the columns that say how, by whom, why and when."""
    return (
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(HOW, name=op.f(f"ck_{table}_how")),
        sa.CheckConstraint(REASON, name=op.f(f"ck_{table}_reason")),
        sa.ForeignKeyConstraint(["set_by"], ["users.id"], name=op.f(f"fk_{table}_set_by_users")),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table, name, _, function in reversed(WATCHED):
        op.execute(f"DROP TRIGGER {table}_{name} ON {table}")
        op.execute(f"DROP FUNCTION {function}()")
    op.drop_table(TEXTS)
    op.drop_table(PACKS)
