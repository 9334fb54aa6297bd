"""Search old recordings again, keep where a search differs from a verdict, and mark shipped texts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INSERT_ONLY = ("search_failures", "notice_differences")
PROGRESS = (
    "state, ended_at, total, done, failed, found_complete, found_partial, differing, busy_ms,"
    " batch, place_at, place_id, trying_id, tries"
)
LAWYER = (
    "CASE WHEN approved_at IS NULL THEN lawyer_reviewed_by IS NULL"
    " ELSE template IS NULL OR coalesce(btrim(lawyer_reviewed_by), '') <> '' END"
)
QUEUES = (
    "queue IN ('unknown', 'proposed', 'blocks', 'releases', 'policy', 'sample', 'mobile'{more})"
)

# A text is approved once, together with the name of the lawyer who reviewed it, and ended once.
NOTICE_GUARD = """
CREATE OR REPLACE FUNCTION guard_notice_text() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    before notice_texts := OLD;
BEGIN
    before.approved_by := NEW.approved_by;
    before.approved_at := NEW.approved_at;
    before.valid_to := NEW.valid_to;
{take_lawyer}    IF NEW IS DISTINCT FROM before
       OR (OLD.approved_by IS NOT NULL
           AND (NEW.approved_by, NEW.approved_at{lawyer_new}) IS DISTINCT FROM (OLD.approved_by, OLD.approved_at{lawyer_old}))
       OR (OLD.valid_to IS NOT NULL AND NEW.valid_to IS DISTINCT FROM OLD.valid_to) THEN
        RAISE EXCEPTION 'a notice text is never changed; make a further version'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.approved_by IS NULL AND NEW.approved_by IS NOT NULL AND NOT EXISTS (
        SELECT FROM users u WHERE u.id = NEW.approved_by AND u.role = 'approver' AND u.disabled_at IS NULL
    ) THEN
        RAISE EXCEPTION 'a notice text is approved by an approver' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    mark_texts()
    make_runs()
    make_outcomes()
    for table in ("search_runs", *INSERT_ONLY):
        op.execute(f"GRANT SELECT, INSERT ON {table} TO audiatur_app")
        when = "UPDATE OR DELETE" if table in INSERT_ONLY else "DELETE"
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE {when} ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_never_emptied BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.execute(f"GRANT UPDATE ({PROGRESS}) ON search_runs TO audiatur_app")
    _let_queues(QUEUES.format(more=", 'differs'"))


def downgrade() -> None:
    op.execute("ALTER TABLE review_claims DISABLE TRIGGER USER")
    op.execute("DELETE FROM review_claims WHERE queue = 'differs'")
    op.execute("ALTER TABLE review_claims ENABLE TRIGGER USER")
    op.execute("ALTER TABLE review_notes DISABLE TRIGGER USER")
    op.execute("DELETE FROM review_notes WHERE queue = 'differs'")
    op.execute("ALTER TABLE review_notes ENABLE TRIGGER USER")
    _let_queues(QUEUES.format(more=""))
    op.execute("DROP TABLE notice_differences, search_failures, search_runs")
    op.execute(NOTICE_GUARD.format(take_lawyer="", lawyer_new="", lawyer_old=""))
    op.drop_constraint(op.f("ck_notice_texts_lawyer"), "notice_texts")
    for column in ("shares", "lawyer_reviewed_by", "template"):
        op.drop_column("notice_texts", column)


def mark_texts() -> None:
    """Let a text say where its words come from, who reviewed them and whose sound it shares."""
    op.add_column("notice_texts", sa.Column("template", sa.Text(), nullable=True))
    op.add_column("notice_texts", sa.Column("lawyer_reviewed_by", sa.Text(), nullable=True))
    op.add_column(
        "notice_texts",
        sa.Column(
            "shares",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
        ),
    )
    op.create_check_constraint(op.f("ck_notice_texts_lawyer"), "notice_texts", LAWYER)
    op.execute("GRANT UPDATE (lawyer_reviewed_by) ON notice_texts TO audiatur_app")
    op.execute(
        NOTICE_GUARD.format(
            take_lawyer="    before.lawyer_reviewed_by := NEW.lawyer_reviewed_by;\n",
            lawyer_new=", NEW.lawyer_reviewed_by",
            lawyer_old=", OLD.lawyer_reviewed_by",
        )
    )


def make_runs() -> None:
    """Make the table of the walks through the old recordings."""
    counts = ("done", "failed", "found_complete", "found_partial", "differing", "batch", "tries")
    op.create_table(
        "search_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("method_version", sa.Text(), nullable=False),
        sa.Column("text_id", sa.Uuid(), nullable=True),
        sa.Column("text_version", sa.Integer(), nullable=True),
        _time("since", nullable=True),
        sa.Column("is_whole", sa.Boolean(), nullable=False),
        sa.Column("begun_by", sa.Uuid(), nullable=True),
        _time("begun_at"),
        _time("ended_at", nullable=True),
        sa.Column("total", sa.Integer(), nullable=True),
        *(sa.Column(name, sa.Integer(), server_default="0", nullable=False) for name in counts),
        sa.Column("busy_ms", sa.BigInteger(), server_default="0", nullable=False),
        _time("place_at", nullable=True),
        sa.Column("place_id", sa.Uuid(), nullable=True),
        sa.Column("trying_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "reason IN ('text', 'method', 'request')", name=op.f("ck_search_runs_reason")
        ),
        sa.CheckConstraint(
            "state IN ('running', 'done', 'cancelled')", name=op.f("ck_search_runs_state")
        ),
        sa.CheckConstraint(
            "num_nonnulls(text_id, text_version) IN (0, 2)", name=op.f("ck_search_runs_text")
        ),
        sa.CheckConstraint(
            "num_nonnulls(place_at, place_id) IN (0, 2)", name=op.f("ck_search_runs_place")
        ),
        sa.CheckConstraint(
            "(state = 'running') = (ended_at IS NULL)", name=op.f("ck_search_runs_ended")
        ),
        _text("search_runs"),
        _to("search_runs", "begun_by", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_runs")),
    )
    op.create_index("ix_search_runs_begun", "search_runs", ["begun_at", "id"])
    op.create_index(
        "uq_search_runs_text",
        "search_runs",
        ["text_id", "text_version"],
        unique=True,
        postgresql_where="reason = 'text'",
    )
    op.create_index(
        "uq_search_runs_method",
        "search_runs",
        ["method_version"],
        unique=True,
        postgresql_where="reason = 'method'",
    )


def make_outcomes() -> None:
    """Make the tables of what a run could not search, and of what differs from a verdict."""
    op.create_table(
        "search_failures",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        _time("at"),
        _to("search_failures", "run_id", "search_runs"),
        _to("search_failures", "recording_id", "recordings"),
        sa.PrimaryKeyConstraint("run_id", "recording_id", name=op.f("pk_search_failures")),
    )
    op.create_index(op.f("ix_search_failures_recording_id"), "search_failures", ["recording_id"])
    op.create_table(
        "notice_differences",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("assertion_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("by_person", sa.Boolean(), nullable=False),
        sa.Column("method_version", sa.Text(), nullable=False),
        sa.Column("search_id", sa.Uuid(), nullable=False),
        sa.Column("hit_id", sa.Uuid(), nullable=True),
        _time("at"),
        sa.CheckConstraint(
            "kind IN ('heard', 'not_heard')", name=op.f("ck_notice_differences_kind")
        ),
        sa.CheckConstraint(
            "(kind = 'heard') = (hit_id IS NOT NULL)", name=op.f("ck_notice_differences_hit")
        ),
        _to("notice_differences", "recording_id", "recordings"),
        _to("notice_differences", "assertion_id", "assertions"),
        _to("notice_differences", "search_id", "notice_searches"),
        _to("notice_differences", "hit_id", "notice_hits"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice_differences")),
    )
    op.create_index("ix_notice_differences_recording", "notice_differences", ["recording_id"])
    op.create_index(
        "uq_notice_differences_one",
        "notice_differences",
        ["assertion_id", "kind", "method_version"],
        unique=True,
    )


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.TIMESTAMP(timezone=True), nullable=nullable)


def _to(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}_{other}")
    )


def _text(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["text_id", "text_version"],
        ["notice_texts.id", "notice_texts.version"],
        name=op.f(f"fk_{table}_text_id_text_version_notice_texts"),
    )


def _let_queues(condition: str) -> None:
    for table in ("review_claims", "review_notes"):
        name = op.f(f"ck_{table}_queue")
        op.drop_constraint(name, table)
        op.create_check_constraint(name, table, condition)
