"""Let who appraised a call replace his appraisal by another; the first stays as it was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0050b"
down_revision = "0053a"
branch_labels = None
depends_on = None

REPLACE = """
CREATE FUNCTION replace_appraisal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    NEW.replaced_at := NULL;
    IF NEW.replaces IS NOT NULL THEN
        UPDATE appraisals SET replaced_at = NEW.made_at
        WHERE id = NEW.replaces AND replaced_at IS NULL
          AND (recording_id, made_by, form_id, form_version) = (NEW.recording_id, NEW.made_by, NEW.form_id, NEW.form_version)
          AND calibration_id IS NOT DISTINCT FROM NEW.calibration_id;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'an appraisal is replaced once, by who wrote it, of the same call and form'
                USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("appraisals", sa.Column("replaces", sa.Uuid(), nullable=True))
    op.add_column(
        "appraisals", sa.Column("replaced_at", sa.TIMESTAMP(timezone=True), nullable=True)
    )
    op.create_foreign_key(
        op.f("fk_appraisals_replaces_appraisals"), "appraisals", "appraisals", ["replaces"], ["id"]
    )
    op.create_unique_constraint(op.f("uq_appraisals_replaces"), "appraisals", ["replaces"])
    _one_each("calibration_id IS NOT NULL AND replaced_at IS NULL")
    op.execute(REPLACE)
    op.execute("REVOKE ALL ON FUNCTION replace_appraisal() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER appraisals_replace BEFORE INSERT ON appraisals "
        "FOR EACH ROW EXECUTE FUNCTION replace_appraisal()"
    )


def downgrade() -> None:
    """Forget which appraisals replace others; where one was calibrated twice, it cannot be."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TRIGGER appraisals_replace ON appraisals")
    op.execute("DROP FUNCTION replace_appraisal()")
    _one_each("calibration_id IS NOT NULL")
    op.drop_constraint(op.f("uq_appraisals_replaces"), "appraisals", type_="unique")
    op.drop_constraint(op.f("fk_appraisals_replaces_appraisals"), "appraisals", type_="foreignkey")
    op.drop_column("appraisals", "replaced_at")
    op.drop_column("appraisals", "replaces")


def _one_each(where: str) -> None:
    op.drop_index("uq_appraisals_calibration", "appraisals")
    op.create_index(
        "uq_appraisals_calibration",
        "appraisals",
        ["calibration_id", "made_by"],
        unique=True,
        postgresql_where=sa.text(where),
    )
