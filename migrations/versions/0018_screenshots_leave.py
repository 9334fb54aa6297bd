"""Let screenshots be released as recordings are, and let an erasure end the bundles too."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0019"
branch_labels = None
depends_on = None

ABOUT_ONE = ("consent_decisions", "release_wishes", "release_items", "screenings")
WITH_AREAS = ("release_wishes", "release_items", "screenings")
INDEXES = {
    "ix_consent_decisions_screenshot": ("consent_decisions", ["screenshot_id", "at"], False),
    "ix_screenings_screenshot": ("screenings", ["screenshot_id"], False),
    "ix_release_wishes_screenshot_id": ("release_wishes", ["screenshot_id"], False),
    "uq_release_wishes_screenshot": ("release_wishes", ["release_id", "screenshot_id"], True),
    "ix_release_items_screenshot_id": ("release_items", ["screenshot_id"], False),
}
PURPOSES = (
    "internal_quality",
    "internal_training",
    "dispute_client",
    "claim_defence",
    "legal_demand",
    "subject_access",
    "consent_review",
    "integrity_forensics",
    "transcription",
)

# All that a decision on a screenshot rests on; nothing but time changes one under the same stamp.
STAMP = """
CREATE FUNCTION screenshot_stamp(screenshot_id uuid, contact_id uuid) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT 's.' || encode(sha256(convert_to(jsonb_build_array(
        s.event_id, s.captured_at, s.device_id, s.agent, encode(s.sha256, 'hex'), s.erased_at,
        e.client_id, $2,
        (SELECT jsonb_agg(to_jsonb(x) ORDER BY x.id) FROM screenings x
         WHERE x.screenshot_id = s.id),
        (SELECT jsonb_agg(to_jsonb(x) ORDER BY x.scope, x.key) FROM consent_epochs x
         WHERE (x.scope, x.key) IN (
            SELECT 'policy', 'all'
            UNION SELECT 'contact', $2::text
            UNION SELECT 'client', e.client_id::text
            UNION SELECT 'client', c.client_id::text FROM contacts c WHERE c.id = $2
            UNION SELECT 'agent', s.agent))
    )::text, 'UTF8')), 'hex')
    FROM screenshots s JOIN events e ON e.id = s.event_id
    WHERE s.id = $1
$$
"""

# Nobody is heard in it: only a no of the client, whose event it is of, blocks.
BLOCKED = """
CREATE FUNCTION screenshot_blocked(screenshot_id uuid, purpose text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce((
        SELECT s.erased_at IS NOT NULL
            OR $2 IN ('publish', 'ai_training')
            OR $2 NOT IN (#PURPOSES#)
            OR ($2 NOT IN ('legal_demand', 'claim_defence', 'subject_access', 'consent_review', 'integrity_forensics')
                AND EXISTS (
                    SELECT FROM assertions a
                    WHERE a.kind IN ('refusal', 'withdrawal') AND a.status IN ('proposed', 'verified')
                      AND (cardinality(a.purposes) = 0 OR $2 = ANY (a.purposes))
                      AND a.client_id = e.client_id
                      AND NOT (a.status = 'verified' AND EXISTS (
                        SELECT FROM assertions c
                        WHERE c.kind IN ('dtmf_consent', 'verbal_consent', 'written_consent')
                          AND c.status = 'verified' AND $2 = ANY (c.purposes)
                          AND c.client_id = e.client_id
                          AND c.proposed_at > a.proposed_at
                          AND coalesce(c.valid_from, c.proposed_at) >= coalesce(a.valid_from, a.proposed_at)
                          AND (c.valid_from IS NULL OR c.valid_from <= now())
                          AND (c.valid_to IS NULL OR now() < c.valid_to)))))
        FROM screenshots s JOIN events e ON e.id = s.event_id
        WHERE s.id = $1
    ), true)
$$
"""

NEW = {
    "screenshot_stamp(uuid, uuid)": STAMP,
    "screenshot_blocked(uuid, text)": BLOCKED,
}

# What of a function is another text from now on. It is read from the database, so that what other
# migrations have changed of it stays.
CHANGED: dict[str, Sequence[tuple[str, str]]] = {
    "guard_item()": (
        (
            "    PERFORM FROM recordings WHERE id = NEW.recording_id FOR SHARE;\n",
            (
                "    PERFORM FROM recordings WHERE id = NEW.recording_id FOR SHARE;\n"
                "    PERFORM FROM screenshots WHERE id = NEW.screenshot_id FOR SHARE;\n"
            ),
        ),
        (
            (
                "(w.release_id, w.recording_id, w.from_ms, w.to_ms)\n"
                "       IS DISTINCT FROM (NEW.release_id, NEW.recording_id, NEW.from_ms, NEW.to_ms)"
            ),
            (
                "(w.release_id, w.recording_id, w.screenshot_id, w.from_ms, w.to_ms, w.areas)\n"
                "       IS DISTINCT FROM (NEW.release_id, NEW.recording_id, NEW.screenshot_id,\n"
                "        NEW.from_ms, NEW.to_ms, NEW.areas)"
            ),
        ),
        (
            (
                "(d.outcome, d.release_id, d.recording_id, d.contact_id, d.purpose, d.recipient_class,\n"
                "        d.from_ms, d.to_ms, d.stamp)\n"
                "       IS DISTINCT FROM ('ALLOW', r.id, NEW.recording_id, r.contact_id, r.purpose,\n"
            ),
            (
                "(d.outcome, d.release_id, d.recording_id, d.screenshot_id, d.contact_id, d.purpose,\n"
                "        d.recipient_class, d.from_ms, d.to_ms, d.stamp)\n"
                "       IS DISTINCT FROM ('ALLOW', r.id, NEW.recording_id, NEW.screenshot_id,\n"
                "        r.contact_id, r.purpose,\n"
            ),
        ),
        (
            (
                "NEW.stamp IS DISTINCT FROM consent_stamp(NEW.recording_id, r.contact_id)\n"
                "       OR coalesce(consent_blocked(NEW.recording_id, r.purpose), true)"
            ),
            (
                "NEW.stamp IS DISTINCT FROM (CASE WHEN NEW.screenshot_id IS NULL\n"
                "            THEN consent_stamp(NEW.recording_id, r.contact_id)\n"
                "            ELSE screenshot_stamp(NEW.screenshot_id, r.contact_id) END)\n"
                "       OR coalesce(CASE WHEN NEW.screenshot_id IS NULL\n"
                "            THEN consent_blocked(NEW.recording_id, r.purpose)\n"
                "            ELSE screenshot_blocked(NEW.screenshot_id, r.purpose) END, true)"
            ),
        ),
        (
            "WHERE u.release_id = r.id AND u.recording_id = NEW.recording_id AND u.id <> d.id",
            (
                "WHERE u.release_id = r.id AND u.id <> d.id\n"
                "      AND (u.recording_id, u.screenshot_id)\n"
                "          IS NOT DISTINCT FROM (NEW.recording_id, NEW.screenshot_id)"
            ),
        ),
    ),
    "guard_item_redactions()": (
        (
            "    RETURN NEW;\n",
            (
                "    IF NEW.screenshot_id IS NOT NULL\n"
                "       AND (NEW.derivation IS NULL OR NEW.media_type <> 'image/png') THEN\n"
                "        RAISE EXCEPTION 'a screenshot leaves drawn anew' USING ERRCODE = 'check_violation';\n"
                "    END IF;\n"
                "    RETURN NEW;\n"
            ),
        ),
    ),
    "release_is_open(uuid)": (
        (
            "consent_blocked(i.recording_id, r.purpose) IS FALSE",
            (
                "CASE WHEN i.screenshot_id IS NULL\n"
                "                THEN consent_blocked(i.recording_id, r.purpose)\n"
                "                ELSE screenshot_blocked(i.screenshot_id, r.purpose) END IS FALSE"
            ),
        ),
        (
            "latest.stamp = consent_stamp(i.recording_id, r.contact_id)",
            (
                "latest.stamp = CASE WHEN i.screenshot_id IS NULL\n"
                "                THEN consent_stamp(i.recording_id, r.contact_id)\n"
                "                ELSE screenshot_stamp(i.screenshot_id, r.contact_id) END"
            ),
        ),
        (
            "WHERE d.release_id = r.id AND d.recording_id = i.recording_id\n",
            (
                "WHERE d.release_id = r.id\n"
                "              AND (d.recording_id, d.screenshot_id)\n"
                "                  IS NOT DISTINCT FROM (i.recording_id, i.screenshot_id)\n"
            ),
        ),
    ),
    "link_page(bytea, bytea)": (
        (
            "                'id', i.id, 'direction', i.direction,",
            (
                "                'id', i.id,\n"
                "                'kind', CASE WHEN i.screenshot_id IS NULL THEN 'recording' ELSE 'screenshot' END,\n"
                "                'redactions', i.redactions, 'areas', i.areas, 'direction', i.direction,"
            ),
        ),
    ),
    "link_open(bytea, uuid, bytea)": (
        (
            "    view_id uuid;\n",
            "    view_id uuid;\n    about text;\n    about_id uuid;\n",
        ),
        (
            "    played := jsonb_build_object(",
            (
                "    about := CASE WHEN i.screenshot_id IS NULL THEN 'recording' ELSE 'screenshot' END;\n"
                "    about_id := coalesce(i.recording_id, i.screenshot_id);\n"
                "    played := jsonb_build_object("
            ),
        ),
        (
            (
                "    IF NOT EXISTS (SELECT FROM custody_entries e\n"
                "                   WHERE e.object_kind = 'recording' AND e.object_id = i.recording_id\n"
            ),
            (
                "    IF NOT EXISTS (SELECT FROM custody_entries e\n"
                "                   WHERE e.object_kind = about AND e.object_id = about_id\n"
            ),
        ),
        (
            "SELECT gen_random_uuid(), now(), 'media.played', 'recording', i.recording_id, 'link', l.id,",
            "SELECT gen_random_uuid(), now(), 'media.played', about, about_id, 'link', l.id,",
        ),
        (
            (
                "        WHERE NOT EXISTS (SELECT FROM custody_entries e\n"
                "                          WHERE e.object_kind = 'recording' AND e.object_id = i.recording_id\n"
            ),
            (
                "        WHERE NOT EXISTS (SELECT FROM custody_entries e\n"
                "                          WHERE e.object_kind = about AND e.object_id = about_id\n"
            ),
        ),
    ),
    # What only a hold keeps is for the purposes of the hold alone.
    "consent_blocked(uuid, text)": (
        (
            "            OR (r.restricted_at IS NOT NULL\n",
            "            OR ((r.restricted_at IS NOT NULL OR r.kept_only_by_hold)\n",
        ),
    ),
    # A bundle is one file under one key: with a recording in it, all of it goes.
    "erasable_objects(uuid)": (
        (
            "    UNION SELECT i.object_id, 'release' FROM release_items i WHERE i.recording_id = asked\n",
            (
                "    UNION SELECT i.object_id, 'release' FROM release_items i WHERE i.recording_id = asked\n"
                "    UNION SELECT b.object_id, 'release' FROM release_bundles b\n"
                "        JOIN release_items i ON i.release_id = b.release_id\n"
                "        WHERE i.recording_id = asked AND b.object_id IS NOT NULL\n"
            ),
        ),
    ),
    "destroy_recording(uuid, timestamptz)": (
        (
            "    UPDATE share_links SET revoked_at = moment\n",
            (
                "    UPDATE release_bundles SET state = 'destroyed', reason = NULL, wrapped_key = NULL\n"
                "    WHERE state <> 'destroyed'\n"
                "      AND release_id IN (SELECT i.release_id FROM release_items i WHERE i.recording_id = asked);\n"
                "    UPDATE share_links SET revoked_at = moment\n"
            ),
        ),
    ),
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ABOUT_ONE:
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
    for table in WITH_AREAS:
        empty = sa.text("'[]'")
        op.add_column(
            table, sa.Column("areas", postgresql.JSONB(), server_default=empty, nullable=False)
        )
        op.create_check_constraint(
            op.f(f"ck_{table}_areas"), table, "screenshot_id IS NOT NULL OR areas = '[]'"
        )
    for name, (table, columns, is_unique) in INDEXES.items():
        op.create_index(name, table, columns, unique=is_unique)
    op.alter_column("release_items", "direction", existing_type=sa.Text(), nullable=True)
    op.create_check_constraint(
        op.f("ck_release_items_direction"),
        "release_items",
        "(direction IS NOT NULL) = (recording_id IS NOT NULL)",
    )
    for function, body in NEW.items():
        op.execute(sa.text(body.replace("#PURPOSES#", ", ".join(f"'{p}'" for p in PURPOSES))))
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO audiatur_app")
    for function, changes in CHANGED.items():
        rewrite(function, changes)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for function, changes in CHANGED.items():
        rewrite(function, [(after, before) for before, after in reversed(changes)])
    for function in NEW:
        op.execute(f"DROP FUNCTION {function}")
    op.drop_constraint(op.f("ck_release_items_direction"), "release_items", type_="check")
    op.alter_column("release_items", "direction", existing_type=sa.Text(), nullable=False)
    for table in WITH_AREAS:
        op.drop_column(table, "areas")
    for table in ABOUT_ONE:
        op.drop_column(table, "screenshot_id")
        op.alter_column(table, "recording_id", existing_type=sa.Uuid(), nullable=False)


def rewrite(function: str, changes: Sequence[tuple[str, str]]) -> None:
    """Put other texts in the place of some in a function; each must be there once."""
    bind = op.get_bind()
    body = bind.scalar(
        sa.text("SELECT pg_get_functiondef(CAST(:name AS regprocedure))"), {"name": function}
    )
    for before, after in changes:
        if str(body).count(before) != 1:
            raise RuntimeError(f"{function} is not what this migration changes: {before!r}")
        body = str(body).replace(before, after)
    bind.execute(sa.text(str(body)))
