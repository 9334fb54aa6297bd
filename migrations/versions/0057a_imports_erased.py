"""Forget what the file of an erased recording was called: names of files have numbers and people."""

from __future__ import annotations

from alembic import op

revision = "0057a"
down_revision = "0050b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index("ix_import_files_recording", "import_files", ["recording_id"])
    op.execute(
        """
        CREATE FUNCTION forget_imported_names() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE import_files SET path = ''::bytea, detail = NULL, source_call_id = NULL
            WHERE recording_id = NEW.id;
            RETURN NULL;
        END
        $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER forget_imported_names AFTER UPDATE OF erased_at ON recordings
        FOR EACH ROW WHEN (OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL)
        EXECUTE FUNCTION forget_imported_names()
        """
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TRIGGER forget_imported_names ON recordings")
    op.execute("DROP FUNCTION forget_imported_names")
    op.drop_index("ix_import_files_recording", "import_files")
