"""Make the tables of holds, retention and erasure; only an approved erasure destroys keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TABLES = (
    "legal_holds",
    "legal_hold_items",
    "retention_rules",
    "retention_reviews",
    "retention_notices",
    "restrictions",
    "erasures",
    "erasure_approvals",
    "erasure_objects",
)
INSERT_ONLY = ("legal_hold_items", "retention_reviews", "erasure_approvals")
CHANGEABLE = {
    "legal_holds": "review_at, approved_by, approved_at, released_by, released_at, release_reason",
    "retention_rules": "approved_by, approved_at, retired_at",
    "retention_notices": "cancelled_at, cancelled_why",
    "restrictions": "lifted_by, lifted_at, lift_reason",
    "erasures": (
        "denied_by, denied_at, denial, verified_at, alarm, "
        "subject, reason, identity_basis, forgotten_at"
    ),
    "erasure_objects": "deleted_at, note",
}
# What no trigger lets anybody change, an erasure does: it runs as the owner, inside one function.
YIELDING = {
    "assertions": ("assertions_update_guard", "BEFORE UPDATE", "guard_assertion"),
    "party_changes": ("party_changes_update_guard", "BEFORE UPDATE", "guard_party_change"),
    "call_events": ("call_events_kept", "BEFORE UPDATE OR DELETE", "refuse_change"),
    "leg_sounds": ("leg_sounds_kept", "BEFORE UPDATE OR DELETE", "refuse_change"),
    "screenings": ("screenings_kept", "BEFORE UPDATE OR DELETE", "refuse_change"),
    "exhibits": ("exhibits_append_only", "BEFORE UPDATE OR DELETE", "refuse_change"),
}

BEING_ERASED = """
CREATE FUNCTION being_erased() RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce(current_setting('audiatur.erasing', true) = 'on', false)
        AND pg_has_role(current_user,
            (SELECT relowner FROM pg_class WHERE oid = 'public.erasures'::regclass), 'USAGE')
$$
"""

# Legal and approvers alone bind the house; who was shut out does not.
BINDS = """
CREATE FUNCTION may_bind(asked uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM users u WHERE u.id = asked AND u.disabled_at IS NULL
                   AND u.role IN ('approver', 'legal'))
$$
"""

HOLD_FITS = """
CREATE FUNCTION hold_fits(h legal_holds, r recordings) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT num_nonnulls(h.rule_client_id, h.rule_agent) > 0
        AND (h.rule_client_id IS NULL
             OR h.rule_client_id IN (SELECT e.client_id FROM events e WHERE e.id = r.event_id)
             OR h.rule_client_id IN (SELECT p.client_id FROM parties p WHERE p.recording_id = r.id))
        AND (h.rule_agent IS NULL OR h.rule_agent = r.agent)
        AND (h.rule_from IS NULL OR r.started_at >= h.rule_from)
        AND (h.rule_to IS NULL OR r.started_at < h.rule_to)
$$
"""

# A rule is asked of the recording as it is now, so what comes in is held from its first moment.
HOLDS_OF = """
CREATE FUNCTION holds_of(asked uuid) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT h.id FROM legal_holds h JOIN recordings r ON r.id = asked
    WHERE h.released_at IS NULL
      AND (EXISTS (SELECT FROM legal_hold_items i WHERE i.hold_id = h.id AND i.recording_id = asked)
           OR hold_fits(h, r))
$$
"""

# What a rule has caught stays caught when the recording is tied to another event.
FREEZE = """
CREATE FUNCTION freeze_held() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO legal_hold_items (hold_id, recording_id, by_rule, at)
    SELECT h.id, OLD.id, true, clock_timestamp() FROM legal_holds h
    WHERE h.released_at IS NULL AND hold_fits(h, OLD)
    ON CONFLICT DO NOTHING;
    RETURN NEW;
END $$
"""

HOLD_GUARD = """
CREATE FUNCTION guard_hold() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    before legal_holds;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.approved_at IS NOT NULL OR NEW.released_at IS NOT NULL
           OR NOT may_bind(NEW.placed_by) THEN
            RAISE EXCEPTION 'a hold is placed by an approver or legal' USING ERRCODE = 'check_violation';
        END IF;
    ELSE
        before := OLD;
        before.review_at := NEW.review_at;
        before.approved_by := NEW.approved_by;
        before.approved_at := NEW.approved_at;
        before.released_by := NEW.released_by;
        before.released_at := NEW.released_at;
        before.release_reason := NEW.release_reason;
        IF NEW IS DISTINCT FROM before OR OLD.released_at IS NOT NULL
           OR (OLD.approved_at IS NOT NULL AND (NEW.approved_by, NEW.approved_at)
               IS DISTINCT FROM (OLD.approved_by, OLD.approved_at)) THEN
            RAISE EXCEPTION 'a hold is approved once, released once, never changed'
                USING ERRCODE = 'restrict_violation';
        END IF;
        IF (NEW.approved_by IS DISTINCT FROM OLD.approved_by AND NOT may_bind(NEW.approved_by))
           OR (NEW.released_by IS DISTINCT FROM OLD.released_by AND NOT may_bind(NEW.released_by)) THEN
            RAISE EXCEPTION 'a hold is settled by an approver or legal' USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    IF NEW.released_at IS NULL AND NEW.review_at > clock_timestamp() + interval '6 months 1 day' THEN
        RAISE EXCEPTION 'a hold is looked at again within six months' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

RULE_GUARD = """
CREATE FUNCTION guard_retention_rule() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    before retention_rules;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.approved_at IS NOT NULL OR NEW.retired_at IS NOT NULL OR NOT may_bind(NEW.proposed_by) THEN
            RAISE EXCEPTION 'a rule is proposed by an approver or legal' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    before := OLD;
    before.approved_by := NEW.approved_by;
    before.approved_at := NEW.approved_at;
    before.retired_at := NEW.retired_at;
    IF NEW IS DISTINCT FROM before OR OLD.retired_at IS NOT NULL
       OR (OLD.approved_at IS NOT NULL AND (NEW.approved_by, NEW.approved_at)
           IS DISTINCT FROM (OLD.approved_by, OLD.approved_at)) THEN
        RAISE EXCEPTION 'a rule is never changed; propose a further version'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.approved_by IS DISTINCT FROM OLD.approved_by AND NOT may_bind(NEW.approved_by) THEN
        RAISE EXCEPTION 'a rule is approved by an approver or legal' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

APPROVAL_GUARD = """
CREATE FUNCTION guard_erasure_approval() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    e erasures;
BEGIN
    SELECT * INTO e FROM erasures WHERE id = NEW.erasure_id FOR UPDATE;
    IF e.denied_at IS NOT NULL OR e.executed_at IS NOT NULL OR e.requested_by = NEW.approver_id
       OR NOT EXISTS (SELECT FROM users u WHERE u.id = NEW.approver_id AND u.role = NEW.approver_role
                      AND u.role IN ('approver', 'legal') AND u.disabled_at IS NULL) THEN
        RAISE EXCEPTION 'an erasure is approved by an approver or legal who did not ask for it'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

# When something was announced is the database's own word, which fourteen days are counted from.
NOTICE_BEGINS = """
CREATE FUNCTION begin_retention_notice() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    NEW.announced_at := clock_timestamp();
    RETURN NEW;
END $$
"""

ERASURE_BEGINS = """
CREATE FUNCTION begin_erasure() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF num_nonnulls(NEW.denied_at, NEW.executed_at, NEW.verified_at, NEW.alarm, NEW.forgotten_at) > 0 THEN
        RAISE EXCEPTION 'an erasure begins as a wish' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

# A denied erasure stays denied; what was executed is only ever verified and forgotten.
ERASURE_GUARD = """
CREATE FUNCTION guard_erasure() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (OLD.denied_at IS NOT NULL AND (NEW.denied_by, NEW.denied_at) IS DISTINCT FROM (OLD.denied_by, OLD.denied_at))
       OR (OLD.executed_at IS NOT NULL AND (NEW.denied_at IS NOT NULL OR NEW.executed_at IS DISTINCT FROM OLD.executed_at))
       OR (NEW.verified_at IS NOT NULL AND NEW.executed_at IS NULL)
       OR (NEW.forgotten_at IS NULL AND (NEW.subject, NEW.reason, NEW.identity_basis)
           IS DISTINCT FROM (OLD.subject, OLD.reason, OLD.identity_basis))
       OR (NEW.forgotten_at IS NOT NULL AND NEW.executed_at IS NULL AND NEW.denied_at IS NULL) THEN
        RAISE EXCEPTION 'an erasure is told as it was' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""

# While a restriction is there it stands in the recording, which decisions read.
RESTRICT = """
CREATE FUNCTION keep_restriction() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (OLD.lifted_at IS NOT NULL OR NEW.lifted_at IS NULL) THEN
        RAISE EXCEPTION 'a restriction is lifted once' USING ERRCODE = 'restrict_violation';
    END IF;
    UPDATE recordings SET restricted_at = CASE WHEN NEW.lifted_at IS NULL THEN NEW.set_at END
    WHERE id = NEW.recording_id;
    RETURN NULL;
END $$
"""

ITEM_ENDS = """
CREATE FUNCTION end_item() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM releases r WHERE r.id = NEW.release_id AND r.state = 'revoked') THEN
        RAISE EXCEPTION 'the key of a copy goes when its release has ended, or by an erasure'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

ERASABLE = """
CREATE FUNCTION erasable_objects(asked uuid) RETURNS TABLE (object_id uuid, store text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT o.id, 'archive' FROM legs l
    CROSS JOIN LATERAL unnest(ARRAY[l.object_id, l.playable_object_id, l.peaks_object_id]) o (id)
    WHERE l.recording_id = asked AND o.id IS NOT NULL
    UNION SELECT s.talk_object_id, 'archive' FROM leg_sounds s WHERE s.recording_id = asked
    UNION SELECT i.object_id, 'release' FROM release_items i WHERE i.recording_id = asked
$$
"""

# Keys, salts, persons and links of a recording, all in one transaction. May run twice.
DESTROY = """
CREATE FUNCTION destroy_recording(asked uuid, moment timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM set_config('audiatur.erasing', 'on', true);
    UPDATE sealed_objects SET wrapped_key = NULL
    WHERE wrapped_key IS NOT NULL AND object_id IN (SELECT o.object_id FROM erasable_objects(asked) o);
    UPDATE release_items SET wrapped_key = NULL WHERE recording_id = asked AND wrapped_key IS NOT NULL;
    UPDATE share_links SET revoked_at = moment
    WHERE revoked_at IS NULL
      AND release_id IN (SELECT i.release_id FROM release_items i WHERE i.recording_id = asked);
    DELETE FROM custody_private WHERE entry_id IN (
        SELECT e.id FROM custody_entries e
        WHERE (e.object_kind = 'recording' AND e.object_id = asked)
           OR (e.object_kind = 'assertion'
               AND e.object_id IN (SELECT a.id FROM assertions a WHERE a.recording_id = asked)));
    DELETE FROM leg_sounds WHERE recording_id = asked;
    UPDATE assertions SET evidence = '{"erased": true}', reason = NULL WHERE recording_id = asked;
    UPDATE screenings SET note = NULL WHERE recording_id = asked;
    UPDATE exhibits SET note = NULL WHERE recording_id = asked;
    UPDATE party_changes SET before = NULL, after = '{}', reason = NULL WHERE recording_id = asked;
    UPDATE call_events SET told = '{}', number = NULL
    WHERE call_id = (SELECT r.source_call_id FROM recordings r WHERE r.id = asked);
    UPDATE legs SET file_name = NULL, idempotency_key = NULL WHERE recording_id = asked;
    UPDATE parties SET label = id::text, number = NULL, agent = NULL, contact_id = NULL,
        exchange_leg = NULL WHERE recording_id = asked;
    UPDATE recordings SET from_party = NULL, to_party = NULL, outside_number = NULL, agent = NULL,
        line = NULL, claimed_notice = NULL, kept_only_by_hold = false,
        erased_at = coalesce(erased_at, moment)
    WHERE id = asked;
    PERFORM set_config('audiatur.erasing', 'off', true);
END $$
"""

EXECUTE = """
CREATE FUNCTION execute_erasure(asked uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    e erasures;
    is_agreed boolean;
BEGIN
    SELECT * INTO e FROM erasures WHERE id = asked FOR UPDATE;
    IF e.executed_at IS NOT NULL THEN
        RETURN false;
    END IF;
    -- Whoever places a hold on it meanwhile waits, or is waited for.
    PERFORM FROM recordings WHERE id = e.recording_id FOR UPDATE;
    IF EXISTS (SELECT FROM holds_of(e.recording_id)) THEN
        RAISE EXCEPTION 'what is held is not erased' USING ERRCODE = 'check_violation';
    END IF;
    IF e.ground = 'retention' THEN
        is_agreed := EXISTS (
            SELECT FROM retention_notices n
            WHERE n.id = e.notice_id AND n.recording_id = e.recording_id AND n.cancelled_at IS NULL
              AND n.announced_at <= clock_timestamp() - interval '14 days'
              AND n.due_at <= clock_timestamp() AND cardinality(n.rule_ids) > 0
              AND NOT EXISTS (
                SELECT FROM unnest(n.rule_ids) wanted (id)
                LEFT JOIN retention_rules r ON r.id = wanted.id
                WHERE r.approved_at IS NULL OR r.retired_at IS NOT NULL));
    ELSE
        is_agreed := e.approvals_needed <= (
            SELECT count(*) FROM erasure_approvals a
            WHERE a.erasure_id = e.id AND a.approver_id <> e.requested_by);
    END IF;
    IF e.id IS NULL OR e.denied_at IS NOT NULL OR is_agreed IS NOT TRUE THEN
        RAISE EXCEPTION 'an erasure is approved before anything is destroyed'
            USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO erasure_objects (erasure_id, object_id, store)
    SELECT e.id, o.object_id, o.store FROM erasable_objects(e.recording_id) o
    ON CONFLICT DO NOTHING;
    PERFORM destroy_recording(e.recording_id, clock_timestamp());
    UPDATE erasures SET executed_at = clock_timestamp() WHERE id = e.id;
    RETURN true;
END $$
"""

# The private details of an erasure's own entries, once its act need not be kept any longer.
FORGET = """
CREATE FUNCTION forget_erasure(asked uuid) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DELETE FROM custody_private WHERE entry_id IN (
        SELECT c.id FROM custody_entries c JOIN erasures e ON e.id = asked
        WHERE c.object_kind = 'erasure' AND c.object_id = asked
          AND e.executed_at < clock_timestamp() - interval '3 years')
$$
"""

FUNCTIONS = (
    BEING_ERASED,
    BINDS,
    HOLD_FITS,
    HOLDS_OF,
    FREEZE,
    HOLD_GUARD,
    RULE_GUARD,
    APPROVAL_GUARD,
    NOTICE_BEGINS,
    ERASURE_BEGINS,
    ERASURE_GUARD,
    RESTRICT,
    ITEM_ENDS,
    ERASABLE,
    DESTROY,
    EXECUTE,
    FORGET,
)
TRIGGERS = (
    ("legal_holds", "guard", "BEFORE INSERT OR UPDATE", "guard_hold"),
    ("retention_rules", "guard", "BEFORE INSERT OR UPDATE", "guard_retention_rule"),
    ("erasure_approvals", "guard", "BEFORE INSERT", "guard_erasure_approval"),
    ("retention_notices", "begin", "BEFORE INSERT", "begin_retention_notice"),
    ("erasures", "begin", "BEFORE INSERT", "begin_erasure"),
    ("erasures", "guard", "BEFORE UPDATE", "guard_erasure"),
    ("restrictions", "stand", "AFTER INSERT OR UPDATE", "keep_restriction"),
    ("recordings", "freeze_held", "BEFORE UPDATE OF event_id, agent", "freeze_held"),
)
FOR_APP = (
    "being_erased()",
    "holds_of(uuid)",
    "erasable_objects(uuid)",
    "execute_erasure(uuid)",
    "forget_erasure(uuid)",
)
INTERNAL = (
    "may_bind(uuid)",
    "freeze_held()",
    "guard_hold()",
    "guard_retention_rule()",
    "guard_erasure_approval()",
    "begin_retention_notice()",
    "begin_erasure()",
    "guard_erasure()",
    "keep_restriction()",
    "end_item()",
    "destroy_recording(uuid, timestamptz)",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    make_tables()
    for function in FUNCTIONS:
        op.execute(function)
    watch()
    grant()


def watch() -> None:
    """Let the database itself say no, and yield to an erasure alone."""
    for table, name, when, function in TRIGGERS:
        op.execute(
            f"CREATE TRIGGER {table}_{name} {when} ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {function}()"
        )
    op.execute(
        "CREATE TRIGGER release_items_ended BEFORE UPDATE OF wrapped_key ON release_items "
        "FOR EACH ROW WHEN (NOT being_erased()) EXECUTE FUNCTION end_item()"
    )
    for table, (name, when, function) in YIELDING.items():
        op.execute(f"DROP TRIGGER {name} ON {table}")
        op.execute(
            f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW "
            f"WHEN (NOT being_erased()) EXECUTE FUNCTION {function}()"
        )
    for table in TABLES:
        what = "UPDATE OR DELETE" if table in INSERT_ONLY else "DELETE"
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE {what} ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_never_emptied BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def grant() -> None:
    """Take from the application the right to destroy keys, and give it the function that looks."""
    op.execute("REVOKE UPDATE (wrapped_key) ON sealed_objects FROM audiatur_app")
    for table in TABLES:
        op.execute(f"GRANT SELECT ON {table} TO audiatur_app")
        if table != "erasure_objects":
            op.execute(f"GRANT INSERT ON {table} TO audiatur_app")
    for table, columns in CHANGEABLE.items():
        op.execute(f"GRANT UPDATE ({columns}) ON {table} TO audiatur_app")
    for function in (*FOR_APP, *INTERNAL):
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    op.execute("REVOKE ALL ON FUNCTION hold_fits(legal_holds, recordings) FROM PUBLIC")
    for function in FOR_APP:
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO audiatur_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table, (name, when, function) in YIELDING.items():
        op.execute(f"DROP TRIGGER {name} ON {table}")
        op.execute(
            f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()"
        )
    op.execute("DROP TRIGGER release_items_ended ON release_items")
    op.execute("DROP TRIGGER recordings_freeze_held ON recordings")
    op.execute("DROP FUNCTION hold_fits(legal_holds, recordings)")
    op.execute(f"DROP TABLE {', '.join(reversed(TABLES))}")
    for function in (*FOR_APP, *INTERNAL):
        op.execute(f"DROP FUNCTION IF EXISTS {function}")
    op.execute("GRANT UPDATE (wrapped_key) ON sealed_objects TO audiatur_app")


def make_tables() -> None:
    """Make the tables, as the models have them."""
    op.create_table(
        "legal_holds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("matter", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("is_order", sa.Boolean(), nullable=False),
        sa.Column("rule_client_id", sa.Uuid(), nullable=True),
        sa.Column("rule_agent", sa.Text(), nullable=True),
        sa.Column("rule_from", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("rule_to", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("placed_by", sa.Uuid(), nullable=False),
        sa.Column("placed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("review_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("approved_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("released_by", sa.Uuid(), nullable=True),
        sa.Column("released_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("release_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "btrim(matter) <> '' AND btrim(reason) <> ''", name=op.f("ck_legal_holds_words")
        ),
        sa.CheckConstraint(
            "approved_by <> placed_by AND released_by <> placed_by",
            name=op.f("ck_legal_holds_four_eyes"),
        ),
        sa.CheckConstraint(
            "num_nonnulls(approved_by, approved_at) IN (0, 2)", name=op.f("ck_legal_holds_approval")
        ),
        sa.CheckConstraint(
            "num_nonnulls(released_by, released_at, release_reason) IN (0, 3)",
            name=op.f("ck_legal_holds_ended"),
        ),
        sa.ForeignKeyConstraint(
            ["approved_by"], ["users.id"], name=op.f("fk_legal_holds_approved_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["placed_by"], ["users.id"], name=op.f("fk_legal_holds_placed_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["released_by"], ["users.id"], name=op.f("fk_legal_holds_released_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["rule_client_id"], ["clients.id"], name=op.f("fk_legal_holds_rule_client_id_clients")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legal_holds")),
    )
    op.create_table(
        "legal_hold_items",
        sa.Column("hold_id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("by_rule", sa.Boolean(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["hold_id"], ["legal_holds.id"], name=op.f("fk_legal_hold_items_hold_id_legal_holds")
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_legal_hold_items_recording_id_recordings"),
        ),
        sa.PrimaryKeyConstraint("hold_id", "recording_id", name=op.f("pk_legal_hold_items")),
    )
    op.create_index(
        op.f("ix_legal_hold_items_recording_id"), "legal_hold_items", ["recording_id"], unique=False
    )
    op.create_table(
        "retention_rules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("flags", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("minimum", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("maximum", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("min_is_law", sa.Boolean(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=False),
        sa.Column("proposed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("approved_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("retired_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("action IN ('erase', 'review')", name=op.f("ck_retention_rules_action")),
        sa.CheckConstraint("btrim(basis) <> ''", name=op.f("ck_retention_rules_basis")),
        sa.CheckConstraint(
            "trigger IN ('call_end', 'contract_end', 'dispute_closed', 'last_share', 'reviewed')",
            name=op.f("ck_retention_rules_trigger"),
        ),
        sa.CheckConstraint("approved_by <> proposed_by", name=op.f("ck_retention_rules_four_eyes")),
        sa.CheckConstraint(
            "num_nonnulls(approved_by, approved_at) IN (0, 2)",
            name=op.f("ck_retention_rules_approval"),
        ),
        sa.CheckConstraint("version > 0", name=op.f("ck_retention_rules_version")),
        sa.ForeignKeyConstraint(
            ["approved_by"], ["users.id"], name=op.f("fk_retention_rules_approved_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_retention_rules_client_id_clients")
        ),
        sa.ForeignKeyConstraint(
            ["proposed_by"], ["users.id"], name=op.f("fk_retention_rules_proposed_by_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_rules")),
    )
    op.create_index(
        "uq_retention_rules_version", "retention_rules", ["name", "version"], unique=True
    )
    op.create_table(
        "retention_reviews",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("reviewed_by", sa.Uuid(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_retention_reviews_recording_id_recordings"),
        ),
        sa.ForeignKeyConstraint(
            ["reviewed_by"], ["users.id"], name=op.f("fk_retention_reviews_reviewed_by_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_reviews")),
    )
    op.create_index(
        op.f("ix_retention_reviews_recording_id"),
        "retention_reviews",
        ["recording_id"],
        unique=False,
    )
    op.create_table(
        "retention_notices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("rule_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("due_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "announced_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("cancelled_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("cancelled_why", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "num_nonnulls(cancelled_at, cancelled_why) IN (0, 2)",
            name=op.f("ck_retention_notices_cancelled"),
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_retention_notices_recording_id_recordings"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_notices")),
    )
    op.create_index(
        "ix_retention_notices_due",
        "retention_notices",
        ["due_at"],
        unique=False,
        postgresql_where="cancelled_at IS NULL",
    )
    op.create_index(
        "uq_retention_notices_open",
        "retention_notices",
        ["recording_id"],
        unique=True,
        postgresql_where="cancelled_at IS NULL",
    )
    op.create_table(
        "restrictions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Uuid(), nullable=False),
        sa.Column("set_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("lifted_by", sa.Uuid(), nullable=True),
        sa.Column("lifted_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("lift_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("btrim(reason) <> ''", name=op.f("ck_restrictions_reason")),
        sa.CheckConstraint("lifted_by <> set_by", name=op.f("ck_restrictions_four_eyes")),
        sa.CheckConstraint(
            "num_nonnulls(lifted_by, lifted_at, lift_reason) IN (0, 3)",
            name=op.f("ck_restrictions_ended"),
        ),
        sa.ForeignKeyConstraint(
            ["lifted_by"], ["users.id"], name=op.f("fk_restrictions_lifted_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_restrictions_recording_id_recordings"),
        ),
        sa.ForeignKeyConstraint(
            ["set_by"], ["users.id"], name=op.f("fk_restrictions_set_by_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restrictions")),
    )
    op.create_index(
        "uq_restrictions_open",
        "restrictions",
        ["recording_id"],
        unique=True,
        postgresql_where="lifted_at IS NULL",
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("ground", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("identity_basis", sa.Text(), nullable=True),
        sa.Column("approvals_needed", sa.Integer(), nullable=False),
        sa.Column("notice_id", sa.Uuid(), nullable=True),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        sa.Column("requested_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("denied_by", sa.Uuid(), nullable=True),
        sa.Column("denied_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("denial", sa.Text(), nullable=True),
        sa.Column("executed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("verified_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("alarm", sa.Text(), nullable=True),
        sa.Column("forgotten_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "CASE WHEN ground = 'retention' THEN requested_by IS NULL AND notice_id IS NOT NULL AND approvals_needed = 0 ELSE requested_by IS NOT NULL AND notice_id IS NULL AND approvals_needed IN (1, 2) END",
            name=op.f("ck_erasures_asked"),
        ),
        sa.CheckConstraint(
            "ground IN ('request', 'withdrawal', 'duty', 'retention')",
            name=op.f("ck_erasures_ground"),
        ),
        sa.CheckConstraint(
            "num_nonnulls(denied_at, denial) IN (0, 2)", name=op.f("ck_erasures_denied")
        ),
        sa.ForeignKeyConstraint(
            ["denied_by"], ["users.id"], name=op.f("fk_erasures_denied_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["notice_id"],
            ["retention_notices.id"],
            name=op.f("fk_erasures_notice_id_retention_notices"),
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"], ["recordings.id"], name=op.f("fk_erasures_recording_id_recordings")
        ),
        sa.ForeignKeyConstraint(
            ["requested_by"], ["users.id"], name=op.f("fk_erasures_requested_by_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )
    op.create_index(
        "ix_erasures_requested",
        "erasures",
        [sa.literal_column("requested_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "uq_erasures_open",
        "erasures",
        ["recording_id"],
        unique=True,
        postgresql_where="denied_at IS NULL",
    )
    op.create_table(
        "erasure_approvals",
        sa.Column("erasure_id", sa.Uuid(), nullable=False),
        sa.Column("approver_id", sa.Uuid(), nullable=False),
        sa.Column("approver_role", sa.Text(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "approver_role IN ('approver', 'legal')",
            name=op.f("ck_erasure_approvals_approver_role"),
        ),
        sa.ForeignKeyConstraint(
            ["approver_id"], ["users.id"], name=op.f("fk_erasure_approvals_approver_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["erasure_id"], ["erasures.id"], name=op.f("fk_erasure_approvals_erasure_id_erasures")
        ),
        sa.PrimaryKeyConstraint("erasure_id", "approver_id", name=op.f("pk_erasure_approvals")),
    )
    op.create_table(
        "erasure_objects",
        sa.Column("erasure_id", sa.Uuid(), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("deleted_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "store IN ('archive', 'release')", name=op.f("ck_erasure_objects_store")
        ),
        sa.ForeignKeyConstraint(
            ["erasure_id"], ["erasures.id"], name=op.f("fk_erasure_objects_erasure_id_erasures")
        ),
        sa.PrimaryKeyConstraint("erasure_id", "object_id", name=op.f("pk_erasure_objects")),
    )
