"""Let an erasure find copies that were replaced, and a restore note bytes that a lock still keeps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0022b"
branch_labels = None
depends_on = None

# Whoever replaces a copy, its object stays known, so that an erasure destroys that key too.
NOTE_REPLACED = """
CREATE FUNCTION note_replaced_copies() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO replaced_copies (object_id, recording_id, at)
    SELECT o.id, OLD.recording_id, clock_timestamp()
    FROM (VALUES (OLD.playable_object_id, NEW.playable_object_id),
                 (OLD.peaks_object_id, NEW.peaks_object_id)) o (id, now_id)
    WHERE o.id IS NOT NULL AND o.id IS DISTINCT FROM o.now_id
    ON CONFLICT DO NOTHING;
    RETURN NEW;
END $$
"""

# Those from before: a repair makes anew what a check has found damaged, and the ledger says of what.
FOUND_BEFORE = """
INSERT INTO replaced_copies (object_id, recording_id, at)
SELECT DISTINCT ON (o.object_id) o.object_id, l.recording_id, e.at
FROM custody_entries e
JOIN legs l ON l.id = e.object_id
JOIN sealed_objects o ON o.object_id::text = e.facts->>'object_id'
WHERE e.act = 'fixity.checked' AND e.object_kind = 'derived'
    AND o.object_id NOT IN (
        SELECT named.id FROM legs n
        CROSS JOIN LATERAL (VALUES (n.object_id), (n.playable_object_id), (n.peaks_object_id)) named (id)
        WHERE named.id IS NOT NULL)
ORDER BY o.object_id, e.at
"""

TALK = (
    "    UNION SELECT s.talk_object_id, 'archive' FROM leg_sounds s WHERE s.recording_id = asked\n"
)
REPLACED = (
    "    UNION SELECT c.object_id, 'archive' FROM replaced_copies c WHERE c.recording_id = asked\n"
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "replaced_copies",
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["object_id"],
            ["sealed_objects.object_id"],
            name=op.f("fk_replaced_copies_object_id_sealed_objects"),
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_replaced_copies_recording_id_recordings"),
        ),
        sa.PrimaryKeyConstraint("object_id", name=op.f("pk_replaced_copies")),
    )
    op.create_index("ix_replaced_copies_recording_id", "replaced_copies", ["recording_id"])
    op.create_table(
        "left_bytes",
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("erasure_id", sa.Uuid(), nullable=False),
        sa.Column("noted_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("locked_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("store IN ('archive', 'release')", name=op.f("ck_left_bytes_store")),
        sa.PrimaryKeyConstraint("object_id", "store", name=op.f("pk_left_bytes")),
    )
    op.execute(FOUND_BEFORE)
    op.execute(NOTE_REPLACED)
    op.execute("REVOKE ALL ON FUNCTION note_replaced_copies() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER legs_note_replaced BEFORE UPDATE OF playable_object_id, peaks_object_id "
        "ON legs FOR EACH ROW EXECUTE FUNCTION note_replaced_copies()"
    )
    for table in ("replaced_copies", "left_bytes"):
        op.execute(f"GRANT SELECT ON {table} TO audiatur_app")
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_never_emptied BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.execute("GRANT UPDATE (note, locked_until, deleted_at) ON left_bytes TO audiatur_app")
    rewrite("erasable_objects(uuid)", TALK, TALK + REPLACED)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    rewrite("erasable_objects(uuid)", TALK + REPLACED, TALK)
    op.execute("DROP TRIGGER legs_note_replaced ON legs")
    op.execute("DROP FUNCTION note_replaced_copies()")
    op.execute("DROP TABLE left_bytes, replaced_copies")


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
