"""Make the tables of review, and let the database keep what was frozen, drawn and found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLES = (
    "auto_verify_stops",
    "review_claims",
    "review_notes",
    "review_batches",
    "review_batch_items",
    "review_sample_periods",
    "review_sample_checks",
)
INSERT_ONLY = (
    "auto_verify_stops",
    "review_notes",
    "review_batch_items",
    "review_sample_periods",
    "review_sample_checks",
)
CHANGEABLE = {
    "review_claims": "user_id, claimed_at, expires_at",
    "review_batches": "verdict, reason, decided_by, decided_at, undone_by, undone_at",
}

# A batch is decided once and undone once; whoever decided it has given a person's name to it.
BATCH_GUARD = """
CREATE FUNCTION guard_review_batch() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    before review_batches := OLD;
BEGIN
    before.verdict := NEW.verdict;
    before.reason := NEW.reason;
    before.decided_by := NEW.decided_by;
    before.decided_at := NEW.decided_at;
    before.undone_by := NEW.undone_by;
    before.undone_at := NEW.undone_at;
    IF NEW IS DISTINCT FROM before
       OR (OLD.decided_at IS NOT NULL AND
           (NEW.verdict, NEW.reason, NEW.decided_by, NEW.decided_at)
           IS DISTINCT FROM (OLD.verdict, OLD.reason, OLD.decided_by, OLD.decided_at))
       OR (OLD.undone_at IS NOT NULL
           AND (NEW.undone_by, NEW.undone_at) IS DISTINCT FROM (OLD.undone_by, OLD.undone_at)) THEN
        RAISE EXCEPTION 'a frozen list is never changed' USING ERRCODE = 'restrict_violation';
    END IF;
    -- What had to be opened was: the ledger names each recording and who asked for its sound.
    IF OLD.decided_at IS NULL AND NEW.decided_at IS NOT NULL AND EXISTS (
        SELECT FROM review_batch_items i
        WHERE i.batch_id = NEW.id AND i.must_be_opened AND NOT EXISTS (
            SELECT FROM custody_entries e
            WHERE e.object_kind = 'recording' AND e.object_id = i.recording_id
              AND e.act = 'media.played' AND e.actor_id = NEW.decided_by AND e.at >= NEW.made_at)
    ) THEN
        RAISE EXCEPTION 'what was picked has not been opened' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

ITEM_GUARD = """
CREATE FUNCTION guard_review_batch_item() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM review_batches b JOIN assertions a ON a.id = NEW.assertion_id
        WHERE b.id = NEW.batch_id AND b.decided_at IS NULL AND a.kind = b.kind
          AND a.recording_id = NEW.recording_id
    ) THEN
        RAISE EXCEPTION 'a batch holds evidence of one kind, each of a recording'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

PERIOD_GUARD = """
CREATE FUNCTION guard_review_sample_period() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('review_sample_periods'));
    IF EXISTS (
        SELECT FROM review_sample_periods p
        WHERE p.starts_at < NEW.ends_at AND NEW.starts_at < p.ends_at
    ) THEN
        RAISE EXCEPTION 'the periods of samples do not overlap' USING ERRCODE = 'exclusion_violation';
    END IF;
    RETURN NEW;
END $$
"""

GUARDS = {
    "review_batches": ("UPDATE", "guard_review_batch"),
    "review_batch_items": ("INSERT", "guard_review_batch_item"),
    "review_sample_periods": ("INSERT", "guard_review_sample_period"),
}
QUEUES = "queue IN ('unknown', 'proposed', 'blocks', 'releases', 'policy', 'sample', 'mobile')"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    make_queue_tables()
    make_batch_tables()
    make_sample_tables()
    watch()
    grant()


def watch() -> None:
    """Make the functions and triggers by which the database itself says no."""
    for function in (BATCH_GUARD, ITEM_GUARD, PERIOD_GUARD):
        op.execute(function)
    for table, (when, function) in GUARDS.items():
        op.execute(
            f"CREATE TRIGGER {table}_{when.lower()}_guard BEFORE {when} ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {function}()"
        )
        op.execute(f"REVOKE EXECUTE ON FUNCTION {function}() FROM PUBLIC")
    for table in TABLES:
        when = "UPDATE OR DELETE" if table in INSERT_ONLY else "DELETE"
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE {when} ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_never_emptied BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def grant() -> None:
    """Grant the application what it needs: nothing is removed, little is changed."""
    for table in TABLES:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO audiatur_app")
    for table, columns in CHANGEABLE.items():
        op.execute(f"GRANT UPDATE ({columns}) ON {table} TO audiatur_app")


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.TIMESTAMP(timezone=True), nullable=nullable)


def _person(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], ["users.id"], name=op.f(f"fk_{table}_{column}_users"))


def make_queue_tables() -> None:
    op.create_table(
        "review_claims",
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        _time("claimed_at"),
        _time("expires_at"),
        sa.CheckConstraint(QUEUES, name=op.f("ck_review_claims_queue")),
        _person("review_claims", "user_id"),
        sa.PrimaryKeyConstraint("queue", "subject_id", name=op.f("pk_review_claims")),
    )
    op.create_table(
        "review_notes",
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("noted_by", sa.Uuid(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        _time("at"),
        sa.CheckConstraint(QUEUES, name=op.f("ck_review_notes_queue")),
        _person("review_notes", "noted_by"),
        sa.PrimaryKeyConstraint("queue", "subject_id", name=op.f("pk_review_notes")),
    )


def make_batch_tables() -> None:
    op.create_table(
        "review_batches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("query", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("pick_seed", sa.LargeBinary(length=32), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=False),
        _time("made_at"),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        _time("decided_at", nullable=True),
        sa.Column("undone_by", sa.Uuid(), nullable=True),
        _time("undone_at", nullable=True),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_review_batches_digest")),
        sa.CheckConstraint(
            "octet_length(pick_seed) = 32", name=op.f("ck_review_batches_pick_seed")
        ),
        sa.CheckConstraint(
            "verdict IN ('verify', 'reject')", name=op.f("ck_review_batches_verdict")
        ),
        sa.CheckConstraint(
            "num_nonnulls(verdict, decided_by, decided_at) IN (0, 3)",
            name=op.f("ck_review_batches_decided"),
        ),
        sa.CheckConstraint(
            "num_nonnulls(undone_by, undone_at) IN (0, 2)", name=op.f("ck_review_batches_undone")
        ),
        sa.CheckConstraint(
            "undone_at IS NULL OR decided_at IS NOT NULL",
            name=op.f("ck_review_batches_undone_later"),
        ),
        _person("review_batches", "made_by"),
        _person("review_batches", "decided_by"),
        _person("review_batches", "undone_by"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_batches")),
    )
    op.create_table(
        "review_batch_items",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("assertion_id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("must_be_opened", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["assertion_id"],
            ["assertions.id"],
            name=op.f("fk_review_batch_items_assertion_id_assertions"),
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["review_batches.id"],
            name=op.f("fk_review_batch_items_batch_id_review_batches"),
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_review_batch_items_recording_id_recordings"),
        ),
        sa.PrimaryKeyConstraint("batch_id", "assertion_id", name=op.f("pk_review_batch_items")),
    )
    op.create_index(
        op.f("ix_review_batch_items_assertion_id"), "review_batch_items", ["assertion_id"]
    )


def _text_version(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["text_id", "version"],
        ["notice_texts.id", "notice_texts.version"],
        name=op.f(f"fk_{table}_text_id_version_notice_texts"),
    )


def make_sample_tables() -> None:
    op.create_table(
        "auto_verify_stops",
        sa.Column("text_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        _time("at"),
        _text_version("auto_verify_stops"),
        sa.PrimaryKeyConstraint("text_id", "version", name=op.f("pk_auto_verify_stops")),
    )
    op.create_table(
        "review_sample_periods",
        sa.Column("id", sa.Uuid(), nullable=False),
        _time("starts_at"),
        _time("ends_at"),
        sa.Column("seed", sa.LargeBinary(length=32), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("low", sa.Float(), nullable=True),
        sa.Column("high", sa.Float(), nullable=True),
        sa.Column("error_percent", sa.Integer(), nullable=False),
        sa.Column("least_checked", sa.Integer(), nullable=False),
        sa.Column("published_by", sa.Uuid(), nullable=True),
        _time("published_at"),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_review_sample_periods_period")),
        sa.CheckConstraint(
            "published_at <= starts_at", name=op.f("ck_review_sample_periods_published_before")
        ),
        sa.CheckConstraint("octet_length(seed) = 32", name=op.f("ck_review_sample_periods_seed")),
        sa.CheckConstraint(
            "percent BETWEEN 0 AND 100", name=op.f("ck_review_sample_periods_percent")
        ),
        sa.CheckConstraint(
            "error_percent BETWEEN 0 AND 100", name=op.f("ck_review_sample_periods_error_percent")
        ),
        sa.CheckConstraint(
            "least_checked > 0", name=op.f("ck_review_sample_periods_least_checked")
        ),
        sa.CheckConstraint(
            "num_nonnulls(low, high) IN (0, 2) AND high >= low",
            name=op.f("ck_review_sample_periods_band"),
        ),
        _person("review_sample_periods", "published_by"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_sample_periods")),
    )
    op.create_index(
        "uq_review_sample_periods_starts_at", "review_sample_periods", ["starts_at"], unique=True
    )
    op.create_table(
        "review_sample_checks",
        sa.Column("assertion_id", sa.Uuid(), nullable=False),
        sa.Column("period_id", sa.Uuid(), nullable=False),
        sa.Column("text_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("checked_by", sa.Uuid(), nullable=False),
        _time("at"),
        sa.CheckConstraint(
            "verdict IN ('right', 'wrong')", name=op.f("ck_review_sample_checks_verdict")
        ),
        sa.CheckConstraint(
            "verdict = 'right' OR coalesce(btrim(reason), '') <> ''",
            name=op.f("ck_review_sample_checks_reason"),
        ),
        sa.ForeignKeyConstraint(
            ["assertion_id"],
            ["assertions.id"],
            name=op.f("fk_review_sample_checks_assertion_id_assertions"),
        ),
        sa.ForeignKeyConstraint(
            ["period_id"],
            ["review_sample_periods.id"],
            name=op.f("fk_review_sample_checks_period_id_review_sample_periods"),
        ),
        _text_version("review_sample_checks"),
        _person("review_sample_checks", "checked_by"),
        sa.PrimaryKeyConstraint("assertion_id", name=op.f("pk_review_sample_checks")),
    )
    op.create_index(
        "ix_review_sample_checks_version",
        "review_sample_checks",
        ["period_id", "text_id", "version"],
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in (
        "review_sample_checks",
        "review_sample_periods",
        "review_batch_items",
        "review_batches",
        "review_notes",
        "review_claims",
        "auto_verify_stops",
    ):
        op.execute(f"DROP TABLE {table}")
    for _, function in GUARDS.values():
        op.execute(f"DROP FUNCTION {function}()")
