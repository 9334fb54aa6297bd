"""Let holds, retention, restriction and erasure speak of screenshots as they do of recordings."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032a"
down_revision = "0032"
branch_labels = None
depends_on = None

ABOUT_ONE = ("retention_reviews", "retention_notices", "restrictions", "erasures")
INDEXES = {
    "ix_retention_reviews_screenshot_id": ("retention_reviews", None),
    "uq_retention_notices_open_screenshot": ("retention_notices", "cancelled_at IS NULL"),
    "uq_restrictions_open_screenshot": ("restrictions", "lifted_at IS NULL"),
    "uq_erasures_open_screenshot": ("erasures", "denied_at IS NULL"),
}

FITS = """
CREATE FUNCTION hold_fits_screenshot(h legal_holds, s screenshots) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT num_nonnulls(h.rule_client_id, h.rule_agent, h.rule_dispute_id) > 0
        AND (h.rule_client_id IS NULL
             OR h.rule_client_id IN (SELECT e.client_id FROM events e WHERE e.id = s.event_id))
        AND (h.rule_agent IS NULL OR h.rule_agent = s.agent)
        AND (h.rule_dispute_id IS NULL
             OR s.event_id IN (SELECT d.event_id FROM disputes d WHERE d.id = h.rule_dispute_id)
             OR s.id IN (SELECT x.screenshot_id FROM exhibits x
                         WHERE x.dispute_id = h.rule_dispute_id))
        AND (h.rule_from IS NULL OR s.captured_at >= h.rule_from)
        AND (h.rule_to IS NULL OR s.captured_at < h.rule_to)
$$
"""

FREEZE = """
CREATE FUNCTION freeze_held_screenshot() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO legal_hold_items (hold_id, screenshot_id, by_rule, at)
    SELECT h.id, OLD.id, true, clock_timestamp() FROM legal_holds h
    WHERE h.released_at IS NULL AND hold_fits_screenshot(h, OLD)
    ON CONFLICT DO NOTHING;
    RETURN NEW;
END $$
"""

# What a hold keeps or kept, of either kind. A hold that is over is asked too.
CAUGHT = """
CREATE FUNCTION objects_caught_by(asked uuid, after uuid, most integer) RETURNS TABLE (kind text, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT caught.kind, caught.id FROM (
        SELECT 'recording' AS kind, r.id FROM recordings r
        WHERE r.erased_at IS NULL AND (
            r.id IN (SELECT i.recording_id FROM legal_hold_items i WHERE i.hold_id = asked)
            OR EXISTS (SELECT FROM legal_holds h WHERE h.id = asked
                       AND num_nonnulls(h.rule_client_id, h.rule_agent, h.rule_dispute_id) > 0
                       AND hold_fits(h, r)))
        UNION ALL
        SELECT 'screenshot', s.id FROM screenshots s
        WHERE s.erased_at IS NULL AND (
            s.id IN (SELECT i.screenshot_id FROM legal_hold_items i WHERE i.hold_id = asked)
            OR EXISTS (SELECT FROM legal_holds h WHERE h.id = asked
                       AND num_nonnulls(h.rule_client_id, h.rule_agent, h.rule_dispute_id) > 0
                       AND hold_fits_screenshot(h, s)))
    ) caught
    WHERE after IS NULL OR caught.id > after
    ORDER BY caught.id LIMIT most
$$
"""

# Keys, salts, persons and links of a screenshot, all in one transaction. May run twice.
DESTROY = """
CREATE FUNCTION destroy_screenshot(asked uuid, moment timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM set_config('audiatur.erasing', 'on', true);
    UPDATE sealed_objects SET wrapped_key = NULL
    WHERE wrapped_key IS NOT NULL AND object_id IN (SELECT o.object_id FROM erasable_objects(asked) o);
    UPDATE release_items SET wrapped_key = NULL WHERE screenshot_id = asked AND wrapped_key IS NOT NULL;
    UPDATE release_bundles SET state = 'destroyed', reason = NULL, wrapped_key = NULL
    WHERE state <> 'destroyed'
      AND release_id IN (SELECT i.release_id FROM release_items i WHERE i.screenshot_id = asked);
    UPDATE share_links SET revoked_at = moment
    WHERE revoked_at IS NULL
      AND release_id IN (SELECT i.release_id FROM release_items i WHERE i.screenshot_id = asked);
    DELETE FROM custody_private WHERE entry_id IN (
        SELECT e.id FROM custody_entries e
        WHERE e.object_kind = 'screenshot' AND e.object_id = asked);
    UPDATE screenings SET note = NULL WHERE screenshot_id = asked;
    UPDATE exhibits SET note = NULL WHERE screenshot_id = asked;
    UPDATE screenshots SET agent = NULL, note = NULL, file_name = NULL, kept_only_by_hold = false,
        erased_at = coalesce(erased_at, moment)
    WHERE id = asked;
    PERFORM set_config('audiatur.erasing', 'off', true);
END $$
"""

# An id is of one of them alone.
DESTROY_EITHER = """
CREATE FUNCTION destroy_object(asked uuid, moment timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM screenshots s WHERE s.id = asked) THEN
        PERFORM destroy_screenshot(asked, moment);
    ELSE
        PERFORM destroy_recording(asked, moment);
    END IF;
END $$
"""

FOR_APP = {"objects_caught_by(uuid, uuid, integer)": CAUGHT}
INTERNAL = {
    "hold_fits_screenshot(legal_holds, screenshots)": FITS,
    "freeze_held_screenshot()": FREEZE,
    "destroy_screenshot(uuid, timestamptz)": DESTROY,
    "destroy_object(uuid, timestamptz)": DESTROY_EITHER,
}

_OF_HOLD = (
    "EXISTS (SELECT FROM legal_hold_items i WHERE i.hold_id = h.id AND i.recording_id = asked)"
)
_ITEM = "WHERE i.recording_id = asked"

# What of a function is another text from now on, and how often it is there. It is read from the
# database, so that what other migrations have changed of it stays.
CHANGED: dict[str, Sequence[tuple[str, str, int]]] = {
    "hold_fits(legal_holds, recordings)": (
        (
            "num_nonnulls(h.rule_client_id, h.rule_agent) > 0\n",
            (
                "num_nonnulls(h.rule_client_id, h.rule_agent, h.rule_dispute_id) > 0\n"
                "        AND (h.rule_dispute_id IS NULL\n"
                "             OR r.event_id IN (SELECT d.event_id FROM disputes d\n"
                "                               WHERE d.id = h.rule_dispute_id)\n"
                "             OR r.id IN (SELECT x.recording_id FROM exhibits x\n"
                "                         WHERE x.dispute_id = h.rule_dispute_id))\n"
            ),
            1,
        ),
    ),
    "holds_of(uuid)": (
        (
            "FROM legal_holds h JOIN recordings r ON r.id = asked\n",
            "FROM legal_holds h\n",
            1,
        ),
        (
            f"({_OF_HOLD}\n           OR hold_fits(h, r))",
            (
                "(EXISTS (SELECT FROM legal_hold_items i WHERE i.hold_id = h.id AND i.object_id = asked)\n"
                "           OR EXISTS (SELECT FROM recordings r WHERE r.id = asked AND hold_fits(h, r))\n"
                "           OR EXISTS (SELECT FROM screenshots s\n"
                "                      WHERE s.id = asked AND hold_fits_screenshot(h, s)))"
            ),
            1,
        ),
    ),
    "erasable_objects(uuid)": (
        (_ITEM, "WHERE asked IN (i.recording_id, i.screenshot_id)", 2),
        (
            "    UNION SELECT s.talk_object_id,",
            (
                "    UNION SELECT s.object_id, 'archive' FROM screenshots s WHERE s.id = asked\n"
                "    UNION SELECT s.talk_object_id,"
            ),
            1,
        ),
    ),
    "execute_erasure(uuid)": (
        (
            "    PERFORM FROM recordings WHERE id = e.recording_id FOR UPDATE;\n",
            (
                "    PERFORM FROM recordings WHERE id = e.recording_id FOR UPDATE;\n"
                "    PERFORM FROM screenshots WHERE id = e.screenshot_id FOR UPDATE;\n"
            ),
            1,
        ),
        ("holds_of(e.recording_id)", "holds_of(coalesce(e.recording_id, e.screenshot_id))", 1),
        (
            "n.recording_id = e.recording_id",
            (
                "(n.recording_id, n.screenshot_id)\n"
                "                  IS NOT DISTINCT FROM (e.recording_id, e.screenshot_id)"
            ),
            1,
        ),
        (
            "erasable_objects(e.recording_id)",
            "erasable_objects(coalesce(e.recording_id, e.screenshot_id))",
            1,
        ),
        (
            "destroy_recording(e.recording_id, clock_timestamp())",
            "destroy_object(coalesce(e.recording_id, e.screenshot_id), clock_timestamp())",
            1,
        ),
    ),
    "keep_restriction()": (
        (
            "    WHERE id = NEW.recording_id;\n",
            (
                "    WHERE id = NEW.recording_id;\n"
                "    UPDATE screenshots SET restricted_at = CASE WHEN NEW.lifted_at IS NULL THEN NEW.set_at END\n"
                "    WHERE id = NEW.screenshot_id;\n"
            ),
            1,
        ),
    ),
    "screenshot_blocked(uuid, text)": (
        (
            "SELECT s.erased_at IS NOT NULL\n",
            (
                "SELECT s.erased_at IS NOT NULL\n"
                "            OR ((s.restricted_at IS NOT NULL OR s.kept_only_by_hold)\n"
                "                AND $2 NOT IN ('legal_demand', 'claim_defence', 'subject_access', 'consent_review'))\n"
            ),
            1,
        ),
    ),
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    moment, no = sa.TIMESTAMP(timezone=True), sa.text("false")
    op.add_column("screenshots", sa.Column("restricted_at", moment, nullable=True))
    op.add_column(
        "screenshots",
        sa.Column("kept_only_by_hold", sa.Boolean(), server_default=no, nullable=False),
    )
    op.execute("GRANT UPDATE (kept_only_by_hold) ON screenshots TO audiatur_app")
    op.add_column("legal_holds", sa.Column("rule_dispute_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_legal_holds_rule_dispute_id_disputes"),
        "legal_holds",
        "disputes",
        ["rule_dispute_id"],
        ["id"],
    )
    op.add_column(
        "retention_rules",
        sa.Column(
            "kinds",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{recording}'"),
            nullable=False,
        ),
    )
    op.create_check_constraint(
        op.f("ck_retention_rules_kinds"),
        "retention_rules",
        "cardinality(kinds) > 0 AND kinds <@ ARRAY['recording', 'screenshot']",
    )
    op.create_check_constraint(
        op.f("ck_retention_rules_flags"),
        "retention_rules",
        "cardinality(flags) = 0 OR kinds = ARRAY['recording']",
    )
    for table in ABOUT_ONE:
        speak_of_both(table)
    for name, (table, where) in INDEXES.items():
        op.create_index(
            name,
            table,
            ["screenshot_id"],
            unique=name.startswith("uq_"),
            postgresql_where=where,
        )
    op.drop_constraint(op.f("pk_legal_hold_items"), "legal_hold_items", type_="primary")
    speak_of_both("legal_hold_items")
    op.create_index("ix_legal_hold_items_screenshot_id", "legal_hold_items", ["screenshot_id"])
    # One of the two, so that a hold has either but once.
    op.add_column(
        "legal_hold_items",
        sa.Column(
            "object_id",
            sa.Uuid(),
            sa.Computed("coalesce(recording_id, screenshot_id)", persisted=True),
            nullable=False,
        ),
    )
    op.create_primary_key(op.f("pk_legal_hold_items"), "legal_hold_items", ["hold_id", "object_id"])
    for function, body in (INTERNAL | FOR_APP).items():
        op.execute(body)
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    for function in FOR_APP:
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO audiatur_app")
    op.execute(
        "CREATE TRIGGER screenshots_freeze_held BEFORE UPDATE OF event_id, agent ON screenshots "
        "FOR EACH ROW EXECUTE FUNCTION freeze_held_screenshot()"
    )
    for function, changes in CHANGED.items():
        rewrite(function, changes)


def speak_of_both(table: str) -> None:
    """Let a row be of a recording or of a screenshot."""
    op.add_column(table, sa.Column("screenshot_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f(f"fk_{table}_screenshot_id_screenshots"),
        table,
        "screenshots",
        ["screenshot_id"],
        ["id"],
    )
    op.alter_column(table, "recording_id", existing_type=sa.Uuid(), nullable=True)
    op.create_check_constraint(
        op.f(f"ck_{table}_one_object"), table, "num_nonnulls(recording_id, screenshot_id) = 1"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for function, changes in CHANGED.items():
        rewrite(function, [(after, before, n) for before, after, n in reversed(changes)])
    op.execute("DROP TRIGGER screenshots_freeze_held ON screenshots")
    for function in reversed(INTERNAL | FOR_APP):
        op.execute(f"DROP FUNCTION {function}")
    op.drop_column("legal_hold_items", "object_id")
    for table in (*ABOUT_ONE, "legal_hold_items"):
        op.drop_column(table, "screenshot_id")
        op.alter_column(table, "recording_id", existing_type=sa.Uuid(), nullable=False)
    op.create_primary_key(
        op.f("pk_legal_hold_items"), "legal_hold_items", ["hold_id", "recording_id"]
    )
    op.drop_constraint(op.f("ck_retention_rules_flags"), "retention_rules", type_="check")
    op.drop_column("retention_rules", "kinds")
    op.drop_column("legal_holds", "rule_dispute_id")
    op.drop_column("screenshots", "kept_only_by_hold")
    op.drop_column("screenshots", "restricted_at")


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
