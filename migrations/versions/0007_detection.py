"""Keep what searches for notices found, and let the detector verify by rule and by nothing else."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = ("notice_searches", "notice_hits")

# The rule of automatic verification: the detector proposed it, a complete hit in this recording
# stands behind it, and the text was approved by a person and not stopped since.
BY_RULE = """
CREATE FUNCTION verified_by_rule(asked assertions) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT asked.proposed_service = 'detector' AND asked.kind = 'ivr_notice'
        AND asked.decided_by IS NULL AND asked.second_by IS NULL
        AND EXISTS (
            SELECT FROM notice_hits h
            JOIN notice_texts t ON t.id = h.text_id AND t.version = h.text_version
            WHERE h.id::text = asked.evidence #>> '{match,hit_id}'
              AND h.recording_id = asked.recording_id AND h.complete
              AND h.text_id::text = asked.evidence #>> '{notice,id}'
              AND h.text_version::text = asked.evidence #>> '{notice,version}'
              AND h.end_ms <= asked.from_ms
              AND t.approved_at IS NOT NULL
              AND NOT EXISTS (SELECT FROM auto_verify_stops s
                              WHERE s.text_id = t.id AND s.version = t.version))
$$
"""

GUARD = """
CREATE OR REPLACE FUNCTION guard_assertion() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    before assertions := OLD;
    wanted text;
BEGIN
    before.status := NEW.status;
    before.decided_by := NEW.decided_by;
    before.decided_at := NEW.decided_at;
    before.second_by := NEW.second_by;
    before.second_at := NEW.second_at;
    before.reason := NEW.reason;
    IF NEW IS DISTINCT FROM before THEN
        RAISE EXCEPTION 'what was asserted is never changed; make a new one'
            USING ERRCODE = 'restrict_violation';
    END IF;
    wanted := CASE
        WHEN OLD.status = 'proposed' AND NEW.status = 'verified' THEN 'verify'
        WHEN OLD.status = 'proposed' AND NEW.status = 'rejected' THEN 'reject'
        WHEN OLD.status = 'verified' AND NEW.status = 'invalidated' THEN 'invalidate'
    END;
    IF wanted IS NULL THEN
        RAISE EXCEPTION 'no way leads from % to %', OLD.status, NEW.status
            USING ERRCODE = 'restrict_violation';
    END IF;
{by_rule}    IF NOT assertion_votes_enough(NEW.id, wanted)
       OR NOT EXISTS (SELECT FROM assertion_votes v WHERE v.assertion_id = NEW.id
                      AND v.verdict = wanted AND v.voter_id = NEW.decided_by)
       OR (cardinality(assertion_votes_needed(NEW.id, wanted)) > 1
           AND NOT EXISTS (SELECT FROM assertion_votes v WHERE v.assertion_id = NEW.id
                           AND v.verdict = wanted AND v.voter_id = NEW.second_by)) THEN
        RAISE EXCEPTION 'the verdicts that this needs are not there' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""
_ALLOWED = """    IF wanted = 'verify' AND verified_by_rule(NEW) THEN
        RETURN NEW;
    END IF;
"""
DECIDED_BY_PEOPLE = "status = 'proposed' OR (decided_by IS NOT NULL AND decided_at IS NOT NULL)"
DECIDED = (
    "status = 'proposed' OR (decided_at IS NOT NULL"
    " AND (decided_by IS NOT NULL OR proposed_service = 'detector'))"
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "notice_searches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("leg_id", sa.Uuid(), nullable=False),
        sa.Column("method_version", sa.Text(), nullable=False),
        sa.Column("texts", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("is_whole", sa.Boolean(), nullable=False),
        sa.Column("decoder", sa.Text(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["leg_id"], ["legs.id"], name=op.f("fk_notice_searches_leg_id_legs")
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_notice_searches_recording_id_recordings"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice_searches")),
    )
    op.create_index("ix_notice_searches_leg", "notice_searches", ["leg_id", "at"])
    op.create_index(op.f("ix_notice_searches_recording_id"), "notice_searches", ["recording_id"])
    op.create_table(
        "notice_hits",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("search_id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("text_id", sa.Uuid(), nullable=False),
        sa.Column("text_version", sa.Integer(), nullable=False),
        sa.Column("channel", sa.Integer(), nullable=False),
        sa.Column("start_ms", sa.Integer(), nullable=False),
        sa.Column("end_ms", sa.Integer(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reasons", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("clock_ppm", sa.Float(), nullable=False),
        sa.Column("heard", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reference_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.CheckConstraint("0 <= start_ms AND start_ms < end_ms", name=op.f("ck_notice_hits_span")),
        sa.CheckConstraint("share BETWEEN 0 AND 1", name=op.f("ck_notice_hits_share")),
        sa.CheckConstraint(
            "NOT complete OR (verdict = 'full' AND share >= 0.9)",
            name=op.f("ck_notice_hits_complete"),
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_notice_hits_recording_id_recordings"),
        ),
        sa.ForeignKeyConstraint(
            ["search_id"],
            ["notice_searches.id"],
            name=op.f("fk_notice_hits_search_id_notice_searches"),
        ),
        sa.ForeignKeyConstraint(
            ["text_id", "text_version"],
            ["notice_texts.id", "notice_texts.version"],
            name=op.f("fk_notice_hits_text_id_notice_texts"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice_hits")),
    )
    op.create_index(op.f("ix_notice_hits_recording_id"), "notice_hits", ["recording_id"])
    op.create_index(op.f("ix_notice_hits_search_id"), "notice_hits", ["search_id"])
    for table in TABLES:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO audiatur_app")
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
    op.execute(BY_RULE)
    op.execute("REVOKE EXECUTE ON FUNCTION verified_by_rule(assertions) FROM PUBLIC")
    op.execute(GUARD.format(by_rule=_ALLOWED))
    _let_decide(DECIDED)


def downgrade() -> None:
    _let_decide(DECIDED_BY_PEOPLE)
    op.execute(GUARD.format(by_rule=""))
    op.execute("DROP FUNCTION verified_by_rule(assertions)")
    op.execute("DROP TABLE notice_hits, notice_searches")


def _let_decide(condition: str) -> None:
    op.drop_constraint(op.f("ck_assertions_decided"), "assertions")
    op.create_check_constraint(op.f("ck_assertions_decided"), "assertions", condition)
