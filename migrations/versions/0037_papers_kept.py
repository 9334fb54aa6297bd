"""Let holds, retention, restriction and erasure speak of documents and of what clients write by links."""

# ruff: noqa: S608 - put together of the constants above; no value of anybody comes in.

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0045a"
branch_labels = None
depends_on = None

NEW = {"document": "documents", "upload": "dispute_uploads", "answer": "link_answers"}
KINDS = ("recording", "screenshot", *NEW)
COLUMNS = ", ".join(f"{kind}_id" for kind in KINDS)
OLD_COLUMNS = "recording_id, screenshot_id"
OPEN = {
    "retention_notices": "cancelled_at IS NULL",
    "restrictions": "lifted_at IS NULL",
    "erasures": "denied_at IS NULL",
}
FOUND_BY = ("legal_hold_items", "retention_reviews")
ABOUT_ONE = (*OPEN, *FOUND_BY)
_HEAD = "LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$"
_ACTS = (
    "LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$"
)
_TRIGGER = "RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$"
_RULE = "num_nonnulls(h.rule_client_id, h.rule_agent, h.rule_dispute_id) > 0"

# A paper of a call is held with it, by a rule or by name.
FITS_DOCUMENT = f"""
CREATE FUNCTION hold_fits_document(h legal_holds, d documents) RETURNS boolean
{_HEAD}
    SELECT ({_RULE}
        AND (h.rule_client_id IS NULL OR h.rule_client_id = d.client_id)
        AND (h.rule_agent IS NULL OR h.rule_agent = d.agent)
        AND (h.rule_dispute_id IS NULL OR d.id IN (
             SELECT c.document_id FROM dispute_request_documents c
             JOIN dispute_requests q ON q.id = c.request_id WHERE q.dispute_id = h.rule_dispute_id))
        AND (h.rule_from IS NULL OR d.uploaded_at >= h.rule_from)
        AND (h.rule_to IS NULL OR d.uploaded_at < h.rule_to))
     OR EXISTS (SELECT FROM recordings r WHERE r.id = d.recording_id AND (
                hold_fits(h, r) OR EXISTS (SELECT FROM legal_hold_items i
                                           WHERE i.hold_id = h.id AND i.recording_id = r.id)))
$$
"""

FITS_UPLOAD = f"""
CREATE FUNCTION hold_fits_upload(h legal_holds, u dispute_uploads) RETURNS boolean
{_HEAD}
    SELECT {_RULE} AND h.rule_agent IS NULL
        AND EXISTS (SELECT FROM dispute_requests q JOIN disputes d ON d.id = q.dispute_id
                    WHERE q.id = u.request_id
                      AND (h.rule_client_id IS NULL OR h.rule_client_id = d.client_id)
                      AND (h.rule_dispute_id IS NULL OR h.rule_dispute_id = d.id))
        AND (h.rule_from IS NULL OR u.at >= h.rule_from)
        AND (h.rule_to IS NULL OR u.at < h.rule_to)
$$
"""

FITS_ANSWER = f"""
CREATE FUNCTION hold_fits_answer(h legal_holds, a link_answers) RETURNS boolean
{_HEAD}
    SELECT {_RULE} AND h.rule_agent IS NULL
        AND EXISTS (SELECT FROM releases r WHERE r.id = a.release_id
                      AND (h.rule_client_id IS NULL OR h.rule_client_id = r.client_id)
                      AND (h.rule_dispute_id IS NULL OR h.rule_dispute_id = r.dispute_id))
        AND (h.rule_from IS NULL OR a.at >= h.rule_from)
        AND (h.rule_to IS NULL OR a.at < h.rule_to)
$$
"""

# What is about something erased goes with it: its papers, but not those that say why it had to go,
# and what was answered to a release of which nothing is left.
GOING = f"""
CREATE FUNCTION going_with(erased uuid) RETURNS TABLE (kind text, id uuid)
{_HEAD}
    SELECT 'document', d.id FROM documents d
    WHERE d.recording_id = erased AND d.erased_at IS NULL
      AND d.role NOT IN ('refusal', 'withdrawal', 'demand')
    UNION ALL
    SELECT 'answer', a.id FROM link_answers a
    WHERE a.words IS NOT NULL AND a.erased_at IS NULL
      AND a.release_id IN (SELECT i.release_id FROM release_items i
                           WHERE erased IN (i.recording_id, i.screenshot_id))
      AND NOT EXISTS (
        SELECT FROM release_items i
        LEFT JOIN recordings r ON r.id = i.recording_id
        LEFT JOIN screenshots s ON s.id = i.screenshot_id
        WHERE i.release_id = a.release_id AND coalesce(r.erased_at, s.erased_at) IS NULL)
$$
"""

# A bundle for a client encloses his contract.
BUNDLES = f"""
CREATE FUNCTION bundles_with(asked uuid) RETURNS TABLE (release_id uuid, object_id uuid)
{_HEAD}
    SELECT b.release_id, b.object_id FROM release_bundles b
    JOIN releases r ON r.id = b.release_id
    JOIN contracts c ON c.client_id = r.client_id
    JOIN documents d ON d.sha256 = c.document_sha256
    WHERE d.id = asked AND b.object_id IS NOT NULL
$$
"""

# What was said by a link, and what of the house's own words corrects it.
SAID = f"""
CREATE FUNCTION statements_of(answer uuid) RETURNS TABLE (id uuid)
{_HEAD}
    WITH RECURSIVE said (id) AS (
        SELECT s.id FROM dispute_statements s WHERE s.answer_id = answer
        UNION
        SELECT s.id FROM dispute_statements s JOIN said ON s.replaces = said.id)
    SELECT said.id FROM said
$$
"""

DESTROY_DOCUMENT = f"""
CREATE FUNCTION destroy_document(asked uuid, moment timestamptz) RETURNS void
{_ACTS}
BEGIN
    PERFORM set_config('audiatur.erasing', 'on', true);
    PERFORM forget_words_of(asked);
    UPDATE sealed_objects SET wrapped_key = NULL
    WHERE wrapped_key IS NOT NULL AND object_id IN (SELECT o.object_id FROM erasable_objects(asked) o);
    UPDATE release_bundles SET state = 'destroyed', reason = NULL, wrapped_key = NULL
    WHERE state <> 'destroyed' AND release_id IN (SELECT b.release_id FROM bundles_with(asked) b);
    DELETE FROM custody_private WHERE entry_id IN (
        SELECT e.id FROM custody_entries e
        WHERE e.object_kind = 'document' AND e.object_id = asked);
    UPDATE dispute_uploads SET file_name = NULL WHERE document_id = asked AND file_name IS NOT NULL;
    UPDATE documents SET title = '-', file_name = NULL, agent = NULL, kept_only_by_hold = false,
        erased_at = coalesce(erased_at, moment)
    WHERE id = asked;
    PERFORM set_config('audiatur.erasing', 'off', true);
END $$
"""

DESTROY_UPLOAD = f"""
CREATE FUNCTION destroy_upload(asked uuid, moment timestamptz) RETURNS void
{_ACTS}
BEGIN
    PERFORM set_config('audiatur.erasing', 'on', true);
    PERFORM forget_words_of(asked);
    DELETE FROM custody_private WHERE entry_id IN (
        SELECT e.id FROM custody_entries e
        WHERE (e.object_kind = 'upload' AND e.object_id = asked)
           OR (e.object_kind = 'dispute' AND e.object_id IN (
                SELECT q.dispute_id FROM dispute_uploads u
                JOIN dispute_requests q ON q.id = u.request_id WHERE u.id = destroy_upload.asked)
               AND e.facts ->> 'upload_id' = asked::text));
    UPDATE dispute_uploads SET words = CASE WHEN words IS NOT NULL THEN '' END, file_name = NULL,
        kept_only_by_hold = false, erased_at = coalesce(erased_at, moment)
    WHERE id = asked;
    PERFORM set_config('audiatur.erasing', 'off', true);
END $$
"""

DESTROY_ANSWER = f"""
CREATE FUNCTION destroy_answer(asked uuid, moment timestamptz) RETURNS void
{_ACTS}
BEGIN
    PERFORM set_config('audiatur.erasing', 'on', true);
    PERFORM forget_words_of(asked);
    DELETE FROM custody_private WHERE entry_id IN (
        SELECT e.id FROM custody_entries e
        WHERE (e.object_kind = 'answer' AND e.object_id = asked)
           OR (e.object_kind = 'dispute' AND e.object_id IN (
                SELECT r.dispute_id FROM link_answers a
                JOIN releases r ON r.id = a.release_id WHERE a.id = asked)
               AND e.facts ->> 'statement_id' IN (SELECT s.id::text FROM statements_of(asked) s)));
    UPDATE dispute_statements SET words = '-', said_by = '-', contact_id = NULL
    WHERE id IN (SELECT s.id FROM statements_of(asked) s);
    UPDATE link_answers SET words = '', name = '', kept_only_by_hold = false,
        erased_at = coalesce(erased_at, moment)
    WHERE id = asked AND words IS NOT NULL;
    PERFORM set_config('audiatur.erasing', 'off', true);
END $$
"""

# Only by whom they are kept ever changes; and an erasure takes what they tell.
GUARD = f"""
CREATE FUNCTION guard_kept() {_TRIGGER}
BEGIN
    IF to_jsonb(NEW) - ARRAY['kept_only_by_hold', 'restricted_at', 'erased_at']
       IS DISTINCT FROM to_jsonb(OLD) - ARRAY['kept_only_by_hold', 'restricted_at', 'erased_at'] THEN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""

UPLOAD_GUARD = """
CREATE OR REPLACE FUNCTION guard_dispute_upload() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF to_jsonb(NEW) - ARRAY['kept_only_by_hold', 'restricted_at', 'erased_at']
       IS NOT DISTINCT FROM to_jsonb(OLD) - ARRAY['kept_only_by_hold', 'restricted_at', 'erased_at'] THEN
        RETURN NEW;
    END IF;
    IF OLD.state <> 'waiting' OR NEW.state = 'waiting' THEN
        RAISE EXCEPTION 'an upload is settled once' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""
UPLOAD_GUARD_BEFORE = """
CREATE OR REPLACE FUNCTION guard_dispute_upload() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF OLD.state <> 'waiting' OR NEW.state = 'waiting' THEN
        RAISE EXCEPTION 'an upload is settled once' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""

FOR_APP = {"going_with(uuid)": GOING, "statements_of(uuid)": SAID}
INTERNAL = {
    "hold_fits_document(legal_holds, documents)": FITS_DOCUMENT,
    "hold_fits_upload(legal_holds, dispute_uploads)": FITS_UPLOAD,
    "hold_fits_answer(legal_holds, link_answers)": FITS_ANSWER,
    "bundles_with(uuid)": BUNDLES,
    "guard_kept()": GUARD,
    "destroy_document(uuid, timestamptz)": DESTROY_DOCUMENT,
    "destroy_upload(uuid, timestamptz)": DESTROY_UPLOAD,
    "destroy_answer(uuid, timestamptz)": DESTROY_ANSWER,
}


def _caught(kind: str, table: str) -> str:
    # A file that became a document is that document, and whoever said nothing left no words.
    settled = {
        "document": "",
        "upload": " AND k.document_id IS NULL AND k.state <> 'waiting'",
        "answer": " AND k.words IS NOT NULL",
    }[kind]
    return (
        f"        UNION ALL\n        SELECT '{kind}', k.id FROM {table} k\n"
        f"        WHERE k.erased_at IS NULL{settled} AND (\n"
        f"            k.id IN (SELECT i.{kind}_id FROM legal_hold_items i WHERE i.hold_id = asked)\n"
        f"            OR EXISTS (SELECT FROM legal_holds h WHERE h.id = asked AND hold_fits_{kind}(h, k)))\n"
    )


_SHOT_HELD = "                      WHERE s.id = asked AND hold_fits_screenshot(h, s)))"
_SHOT_LOCKED = "    PERFORM FROM screenshots WHERE id = e.screenshot_id FOR UPDATE;\n"
_SHOT_OBJECT = "    UNION SELECT s.object_id, 'archive' FROM screenshots s WHERE s.id = asked\n"
_SHOT_RESTRICTED = "    WHERE id = NEW.screenshot_id;\n"
_ONE_OF_TWO = "coalesce(e.recording_id, e.screenshot_id)"
_ONE = f"coalesce({', '.join(f'e.{kind}_id' for kind in KINDS)})"
_ITS_NOTICE = (
    "(n.recording_id, n.screenshot_id)\n"
    "                  IS NOT DISTINCT FROM (e.recording_id, e.screenshot_id)"
)
_BY_APPROVAL = "    ELSE\n        is_agreed := e.approvals_needed <= ("
_EITHER = "    IF EXISTS (SELECT FROM screenshots s WHERE s.id = asked) THEN\n"
_REVIEWS = "UPDATE retention_reviews SET note = '' WHERE asked IN (recording_id, screenshot_id);"
_RESTRICTIONS = (
    "CASE WHEN lift_reason IS NOT NULL THEN '-' END\n"
    "    WHERE asked IN (recording_id, screenshot_id);"
)
_NAMED = "            SELECT FROM documents d WHERE d.id::text = named ->> 'document_id'\n"

# What of a function is another text from now on, and how often it is there. It is read from the
# database, so that what other migrations have changed of it stays.
CHANGED: dict[str, Sequence[tuple[str, str, int]]] = {
    "holds_of(uuid)": (
        (
            _SHOT_HELD,
            _SHOT_HELD[:-1]
            + "".join(
                f"\n           OR EXISTS (SELECT FROM {table} k WHERE k.id = asked AND hold_fits_{kind}(h, k))"
                for kind, table in NEW.items()
            )
            + ")",
            1,
        ),
    ),
    "objects_caught_by(uuid, uuid, integer)": (
        (
            "    ) caught\n",
            "".join(_caught(kind, table) for kind, table in NEW.items()) + "    ) caught\n",
            1,
        ),
    ),
    "erasable_objects(uuid)": (
        (
            _SHOT_OBJECT,
            _SHOT_OBJECT
            + "    UNION SELECT d.object_id, 'archive' FROM documents d WHERE d.id = asked\n"
            + "    UNION SELECT b.object_id, 'release' FROM bundles_with(asked) b\n"
            + "    UNION SELECT u.object_id, 'release' FROM dispute_uploads u\n"
            + "        WHERE asked IN (u.id, u.document_id) AND u.object_id IS NOT NULL\n",
            1,
        ),
    ),
    "execute_erasure(uuid)": (
        (
            _SHOT_LOCKED,
            _SHOT_LOCKED
            + "".join(
                f"    PERFORM FROM {table} WHERE id = e.{kind}_id FOR UPDATE;\n"
                for kind, table in NEW.items()
            ),
            1,
        ),
        (_ONE_OF_TWO, _ONE, 3),
        (
            _ITS_NOTICE,
            f"{_ONE.replace('e.', 'n.')}\n                  = {_ONE}",
            1,
        ),
        (
            _BY_APPROVAL,
            (
                "    ELSIF e.with_id IS NOT NULL THEN\n"
                "        is_agreed := EXISTS (\n"
                "            SELECT FROM erasures w WHERE w.id = e.with_id AND w.executed_at IS NOT NULL\n"
                f"              AND {_ONE} IN (\n"
                "                SELECT g.id FROM going_with(coalesce(w.recording_id, w.screenshot_id)) g));\n"
                + _BY_APPROVAL
            ),
            1,
        ),
    ),
    "keep_restriction()": (
        (
            _SHOT_RESTRICTED,
            _SHOT_RESTRICTED
            + "".join(
                f"    UPDATE {table} SET restricted_at = CASE WHEN NEW.lifted_at IS NULL THEN NEW.set_at END\n"
                f"    WHERE id = NEW.{kind}_id;\n"
                for kind, table in NEW.items()
            ),
            1,
        ),
    ),
    "destroy_object(uuid, timestamptz)": (
        (
            _EITHER,
            "".join(
                f"    {'IF' if kind == 'document' else 'ELSIF'} EXISTS (SELECT FROM {table} k WHERE k.id = asked) THEN\n"
                f"        PERFORM destroy_{kind}(asked, moment);\n"
                for kind, table in NEW.items()
            )
            + _EITHER.replace("    IF", "    ELSIF", 1),
            1,
        ),
    ),
    "forget_words_of(uuid)": (
        (_REVIEWS, _REVIEWS.replace(OLD_COLUMNS, COLUMNS), 1),
        (_RESTRICTIONS, _RESTRICTIONS.replace(OLD_COLUMNS, COLUMNS), 1),
    ),
    "must_be_verifiable(assertions)": (
        (_NAMED, _NAMED + "              AND d.erased_at IS NULL\n", 1),
    ),
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in NEW.values():
        make_keepable(table)
    for table in ABOUT_ONE:
        speak_of_all(table)
    remake_items(KINDS)
    for table, where in OPEN.items():
        for kind in NEW:
            op.create_index(
                f"uq_{table}_open_{kind}",
                table,
                [f"{kind}_id"],
                unique=True,
                postgresql_where=sa.text(where),
            )
    for table in FOUND_BY:
        for kind in NEW:
            op.create_index(f"ix_{table}_{kind}_id", table, [f"{kind}_id"])
    kinds = ", ".join(f"'{kind}'" for kind in KINDS)
    op.drop_constraint(op.f("ck_retention_rules_kinds"), "retention_rules", type_="check")
    op.create_check_constraint(
        op.f("ck_retention_rules_kinds"),
        "retention_rules",
        f"cardinality(kinds) > 0 AND kinds <@ ARRAY[{kinds}]",
    )
    op.add_column("erasures", sa.Column("with_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_erasures_with_id_erasures"), "erasures", "erasures", ["with_id"], ["id"]
    )
    op.drop_constraint(op.f("ck_erasures_asked"), "erasures", type_="check")
    op.create_check_constraint(
        op.f("ck_erasures_asked"),
        "erasures",
        "CASE WHEN ground = 'retention' THEN requested_by IS NULL AND notice_id IS NOT NULL"
        " AND approvals_needed = 0 AND with_id IS NULL"
        " WHEN with_id IS NOT NULL THEN notice_id IS NULL AND approvals_needed = 0"
        " ELSE requested_by IS NOT NULL AND notice_id IS NULL"
        " AND approvals_needed IN (1, 2) END",
    )
    for function, body in (INTERNAL | FOR_APP).items():
        op.execute(body)
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    for function in FOR_APP:
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO audiatur_app")
    for function, changes in CHANGED.items():
        rewrite(function, changes)
    op.execute(UPLOAD_GUARD)
    watch()


def make_keepable(table: str) -> None:
    """Let rows be restricted, kept only by a hold, and erased."""
    moment, no = sa.TIMESTAMP(timezone=True), sa.text("false")
    for column in ("restricted_at", "erased_at"):
        op.add_column(table, sa.Column(column, moment, nullable=True))
    op.add_column(
        table, sa.Column("kept_only_by_hold", sa.Boolean(), server_default=no, nullable=False)
    )
    op.execute(f"GRANT UPDATE (kept_only_by_hold) ON {table} TO audiatur_app")


def speak_of_all(table: str) -> None:
    """Let a row be of one of the five."""
    for kind, named in NEW.items():
        op.add_column(table, sa.Column(f"{kind}_id", sa.Uuid(), nullable=True))
        op.create_foreign_key(
            op.f(f"fk_{table}_{kind}_id_{named}"), table, named, [f"{kind}_id"], ["id"]
        )
    op.drop_constraint(op.f(f"ck_{table}_one_object"), table, type_="check")
    op.create_check_constraint(
        op.f(f"ck_{table}_one_object"), table, f"num_nonnulls({COLUMNS}) = 1"
    )


def remake_items(kinds: Sequence[str]) -> None:
    """Let the id of what a hold names be one of these."""
    op.drop_constraint(op.f("pk_legal_hold_items"), "legal_hold_items", type_="primary")
    op.drop_column("legal_hold_items", "object_id")
    names = ", ".join(f"{kind}_id" for kind in kinds)
    op.add_column(
        "legal_hold_items",
        sa.Column(
            "object_id",
            sa.Uuid(),
            sa.Computed(f"coalesce({names})", persisted=True),
            nullable=False,
        ),
    )
    op.create_primary_key(op.f("pk_legal_hold_items"), "legal_hold_items", ["hold_id", "object_id"])


def watch() -> None:
    """Let the database itself say no, and yield to an erasure alone."""
    for table in ("documents", "link_answers"):
        op.execute(f"DROP TRIGGER {table}_kept ON {table}")
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_guard BEFORE UPDATE ON {table} "
            "FOR EACH ROW WHEN (NOT being_erased()) EXECUTE FUNCTION guard_kept()"
        )
    op.execute("DROP TRIGGER dispute_uploads_guard ON dispute_uploads")
    op.execute(
        "CREATE TRIGGER dispute_uploads_guard BEFORE UPDATE ON dispute_uploads "
        "FOR EACH ROW WHEN (NOT being_erased()) EXECUTE FUNCTION guard_dispute_upload()"
    )
    op.execute("DROP TRIGGER dispute_statements_kept ON dispute_statements")
    op.execute(
        "CREATE TRIGGER dispute_statements_kept BEFORE UPDATE OR DELETE ON dispute_statements "
        "FOR EACH ROW WHEN (NOT being_erased()) EXECUTE FUNCTION refuse_change()"
    )
    for table in NEW.values():
        op.execute(
            f"CREATE TRIGGER {table}_never_erased BEFORE INSERT ON {table} FOR EACH ROW "
            "WHEN (NEW.erased_at IS NOT NULL) EXECUTE FUNCTION guard_erased_at()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_erased_at BEFORE UPDATE OF erased_at ON {table} FOR EACH ROW "
            "WHEN (NEW.erased_at IS DISTINCT FROM OLD.erased_at) EXECUTE FUNCTION guard_erased_at()"
        )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    watch_as_before()
    for function, changes in CHANGED.items():
        rewrite(function, [(after, before, n) for before, after, n in reversed(changes)])
    for function in reversed(INTERNAL | FOR_APP):
        op.execute(f"DROP FUNCTION {function}")
    forget_columns()


def watch_as_before() -> None:
    """Let no row change again."""
    for table in NEW.values():
        for name in ("never_erased", "erased_at"):
            op.execute(f"DROP TRIGGER {table}_{name} ON {table}")
    op.execute("DROP TRIGGER dispute_statements_kept ON dispute_statements")
    op.execute(
        "CREATE TRIGGER dispute_statements_kept BEFORE UPDATE OR DELETE ON dispute_statements "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute("DROP TRIGGER dispute_uploads_guard ON dispute_uploads")
    op.execute(
        "CREATE TRIGGER dispute_uploads_guard BEFORE UPDATE ON dispute_uploads "
        "FOR EACH ROW EXECUTE FUNCTION guard_dispute_upload()"
    )
    op.execute(UPLOAD_GUARD_BEFORE)
    for table in ("documents", "link_answers"):
        for name in ("kept", "guard"):
            op.execute(f"DROP TRIGGER {table}_{name} ON {table}")
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )


def forget_columns() -> None:
    """Speak of recordings and screenshots alone."""
    op.drop_constraint(op.f("ck_erasures_asked"), "erasures", type_="check")
    op.drop_column("erasures", "with_id")
    op.create_check_constraint(
        op.f("ck_erasures_asked"),
        "erasures",
        "CASE WHEN ground = 'retention' THEN requested_by IS NULL AND notice_id IS NOT NULL"
        " AND approvals_needed = 0 ELSE requested_by IS NOT NULL AND notice_id IS NULL"
        " AND approvals_needed IN (1, 2) END",
    )
    op.drop_constraint(op.f("ck_retention_rules_kinds"), "retention_rules", type_="check")
    op.create_check_constraint(
        op.f("ck_retention_rules_kinds"),
        "retention_rules",
        "cardinality(kinds) > 0 AND kinds <@ ARRAY['recording', 'screenshot']",
    )
    remake_items(("recording", "screenshot"))
    for table in ABOUT_ONE:
        op.drop_constraint(op.f(f"ck_{table}_one_object"), table, type_="check")
        for kind in NEW:
            op.drop_column(table, f"{kind}_id")
        op.create_check_constraint(
            op.f(f"ck_{table}_one_object"), table, f"num_nonnulls({OLD_COLUMNS}) = 1"
        )
    for table in NEW.values():
        for column in ("restricted_at", "erased_at", "kept_only_by_hold"):
            op.drop_column(table, column)


def rewrite(function: str, changes: Sequence[tuple[str, str, int]]) -> None:
    """Put other texts in the place of some in a function; each must be there so many times."""
    bind = op.get_bind()
    body = str(
        bind.scalar(
            sa.text("SELECT pg_get_functiondef(CAST(:name AS regprocedure))"), {"name": function}
        )
    )
    for before, after, times in changes:
        if body.count(before) != times:
            raise RuntimeError(f"{function} is not what this migration changes: {before!r}")
        body = body.replace(before, after)
    bind.execute(sa.text(body))
