"""Keep what was found in pictures: a small copy, the text in them, what their metadata tell."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None

WORDS = r"to_tsvector('simple'::regconfig, regexp_replace(lower(words), '\W+', ' ', 'g'))"
# An erasure that runs at the same time waits for this row, and its trigger takes it along.
KEPT = """
CREATE FUNCTION look_of_kept() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.screenshot_id IS NOT NULL THEN
        PERFORM FROM screenshots WHERE id = NEW.screenshot_id AND erased_at IS NULL FOR SHARE;
    ELSE
        PERFORM FROM documents WHERE id = NEW.document_id AND erased_at IS NULL FOR SHARE;
    END IF;
    RETURN CASE WHEN FOUND THEN NEW END;
END
$$
"""
OF = {"screenshots": "screenshot_id", "documents": "document_id"}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "picture_looks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("screenshot_id", sa.Uuid(), nullable=True),
        sa.Column("document_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("small", sa.LargeBinary(), nullable=True),
        sa.Column("told", sa.LargeBinary(), nullable=True),
        sa.Column("personal", sa.LargeBinary(), nullable=True),
        sa.Column("text_state", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=True),
        sa.Column("reader", sa.Text(), nullable=True),
        sa.Column("looked_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('seen', 'unreadable', 'damaged')", name=op.f("ck_picture_looks_state")
        ),
        sa.CheckConstraint(
            "text_state IN ('read', 'none', 'failed', 'no_reader')",
            name=op.f("ck_picture_looks_text_state"),
        ),
        sa.CheckConstraint(
            "(screenshot_id IS NULL) <> (document_id IS NULL)", name=op.f("ck_picture_looks_of_one")
        ),
        sa.CheckConstraint(
            "(state = 'seen') = (small IS NOT NULL)", name=op.f("ck_picture_looks_small")
        ),
        sa.CheckConstraint(
            "(text_state = 'read') = (words IS NOT NULL)", name=op.f("ck_picture_looks_words")
        ),
        sa.ForeignKeyConstraint(
            ["screenshot_id"],
            ["screenshots.id"],
            name=op.f("fk_picture_looks_screenshot_id_screenshots"),
        ),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name=op.f("fk_picture_looks_document_id_documents")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_picture_looks")),
    )
    op.create_index("uq_picture_looks_screenshot", "picture_looks", ["screenshot_id"], unique=True)
    op.create_index("uq_picture_looks_document", "picture_looks", ["document_id"], unique=True)
    op.create_index(
        "ix_picture_looks_words", "picture_looks", [sa.text(WORDS)], postgresql_using="gin"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON picture_looks TO audiatur_app")
    op.execute(KEPT)
    op.execute("REVOKE ALL ON FUNCTION look_of_kept() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER picture_looks_kept BEFORE INSERT ON picture_looks "
        "FOR EACH ROW EXECUTE FUNCTION look_of_kept()"
    )
    for table, column in OF.items():
        op.execute(
            f"""
            CREATE FUNCTION forget_look_of_{table}() RETURNS trigger
            LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
            BEGIN
                DELETE FROM picture_looks WHERE {column} = NEW.id;
                RETURN NULL;
            END
            $$
            """  # noqa: S608 - names of this file.
        )
        op.execute(f"REVOKE ALL ON FUNCTION forget_look_of_{table}() FROM PUBLIC")
        op.execute(
            f"""
            CREATE TRIGGER {table}_forget_look AFTER UPDATE OF erased_at ON {table}
            FOR EACH ROW WHEN (OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL)
            EXECUTE FUNCTION forget_look_of_{table}()
            """
        )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in OF:
        op.execute(f"DROP TRIGGER {table}_forget_look ON {table}")
        op.execute(f"DROP FUNCTION forget_look_of_{table}()")
    op.drop_table("picture_looks")
    op.execute("DROP FUNCTION look_of_kept()")
