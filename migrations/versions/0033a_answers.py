"""Keep what recipients answer on the page of a link, and let the process of the links take it in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033a"
down_revision = "0033"
branch_labels = None
depends_on = None

# What the page shows of it: that it was heard, and the answer as it was given.
LINK_ANSWERED = """
CREATE FUNCTION link_answered(asked_digest bytea) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT jsonb_agg(jsonb_build_object('kind', a.kind, 'words', a.words, 'name', a.name, 'at', a.at)
                     ORDER BY a.at)
    FROM link_answers a JOIN share_links l ON l.id = a.link_id
    WHERE l.token_digest = asked_digest AND a.release_id = link_release(asked_digest)
$$
"""

# Only who has opened the link answers, once of each: what he said stays as he said it.
LINK_ANSWER = """
CREATE FUNCTION link_answer(asked_digest bytea, asked_view bytea, told jsonb) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    l share_links;
    new_id uuid := gen_random_uuid();
    is_heard boolean := told ->> 'kind' = 'heard';
BEGIN
    SELECT * INTO l FROM share_links s WHERE s.token_digest = asked_digest FOR UPDATE;
    IF l.id IS NULL THEN
        RETURN NULL;
    END IF;
    IF link_release(asked_digest) IS NULL THEN
        PERFORM link_denied(l.id, l.release_id);
        RETURN NULL;
    END IF;
    IF NOT EXISTS (SELECT FROM share_views v WHERE v.link_id = l.id AND v.view_digest = asked_view
                   AND now() < v.at + interval '12 hours') THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM link_answers a
               WHERE a.link_id = l.id AND (a.kind = 'heard') = is_heard) THEN
        RETURN false;
    END IF;
    INSERT INTO link_answers (id, link_id, release_id, kind, words, name, at)
    VALUES (new_id, l.id, l.release_id, told ->> 'kind', nullif(btrim(told ->> 'words'), ''),
            nullif(btrim(told ->> 'name'), ''), clock_timestamp());
    INSERT INTO custody_entries (id, at, act, object_kind, object_id, actor_kind, actor_id,
                                 actor_role, outcome, facts)
    VALUES (gen_random_uuid(), clock_timestamp(), 'release.answered', 'release', l.release_id,
            'link', l.id, NULL, 'success',
            jsonb_build_object('answer_id', new_id, 'kind', told ->> 'kind'));
    IF NOT is_heard THEN
        PERFORM procrastinate_defer_jobs_v1(ARRAY[ROW('audiatur', 'releases.note_answer', 0, NULL,
            NULL, jsonb_build_object('answer_id', new_id), NULL)::procrastinate_job_to_defer_v1]);
    END IF;
    RETURN true;
END $$
"""

FUNCTIONS = {
    "link_answered(bytea)": LINK_ANSWERED,
    "link_answer(bytea, bytea, jsonb)": LINK_ANSWER,
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "link_answers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("link_id", sa.Uuid(), nullable=False),
        sa.Column("release_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('heard', 'acknowledged', 'disputes', 'took_measures')",
            name=op.f("ck_link_answers_kind"),
        ),
        sa.CheckConstraint(
            "num_nonnulls(words, name) = CASE WHEN kind = 'heard' THEN 0 ELSE 2 END",
            name=op.f("ck_link_answers_said"),
        ),
        sa.CheckConstraint(
            "length(words) <= 10000 AND length(name) <= 200", name=op.f("ck_link_answers_length")
        ),
        sa.ForeignKeyConstraint(
            ["link_id"], ["share_links.id"], name=op.f("fk_link_answers_link_id_share_links")
        ),
        sa.ForeignKeyConstraint(
            ["release_id"], ["releases.id"], name=op.f("fk_link_answers_release_id_releases")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_answers")),
    )
    op.create_index(
        "uq_link_answers_once",
        "link_answers",
        ["link_id", sa.text("(kind = 'heard')")],
        unique=True,
    )
    op.create_index("ix_link_answers_release_id", "link_answers", ["release_id"])
    op.alter_column("dispute_statements", "noted_by", nullable=True)
    op.add_column("dispute_statements", sa.Column("release_id", sa.Uuid(), nullable=True))
    op.add_column("dispute_statements", sa.Column("answer_id", sa.Uuid(), nullable=True))
    op.create_unique_constraint(
        op.f("uq_dispute_statements_answer_id"), "dispute_statements", ["answer_id"]
    )
    op.create_check_constraint(
        op.f("ck_dispute_statements_by_link"),
        "dispute_statements",
        "num_nonnulls(release_id, answer_id) = CASE WHEN noted_by IS NULL THEN 2 ELSE 0 END "
        "AND (noted_by IS NOT NULL OR kind = 'answer')",
    )
    for function in FUNCTIONS.values():
        op.execute(function)
    for name, when, level in (
        ("kept", "UPDATE OR DELETE", "ROW"),
        ("never_emptied", "TRUNCATE", "STATEMENT"),
    ):
        op.execute(
            f"CREATE TRIGGER link_answers_{name} BEFORE {when} ON link_answers "
            f"FOR EACH {level} EXECUTE FUNCTION refuse_change()"
        )
    op.execute("GRANT SELECT ON link_answers TO audiatur_app")
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO audiatur_public")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.drop_table("link_answers")
    op.drop_constraint(op.f("ck_dispute_statements_by_link"), "dispute_statements", type_="check")
    op.drop_column("dispute_statements", "answer_id")
    op.drop_column("dispute_statements", "release_id")
    op.alter_column("dispute_statements", "noted_by", nullable=False)
