"""Make the tables of consent, and let the database witness who may do what with them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = (
    "notice_texts",
    "assertions",
    "assertion_votes",
    "screenings",
    "contact_verifications",
    "policy_packs",
    "consent_epochs",
    "consent_decisions",
)
INSERT_ONLY = ("assertion_votes", "screenings", "contact_verifications", "consent_decisions")
CHANGEABLE = {
    "notice_texts": "approved_by, approved_at, valid_to",
    "assertions": "status, decided_by, decided_at, second_by, second_at, reason",
    "policy_packs": "activated_by, second_by, activated_at",
}

# A text is approved once and ended once, and ending it never reaches further than before.
NOTICE_GUARD = """
CREATE FUNCTION guard_notice_text() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    before notice_texts := OLD;
BEGIN
    before.approved_by := NEW.approved_by;
    before.approved_at := NEW.approved_at;
    before.valid_to := NEW.valid_to;
    IF NEW IS DISTINCT FROM before
       OR (OLD.approved_by IS NOT NULL
           AND (NEW.approved_by, NEW.approved_at) IS DISTINCT FROM (OLD.approved_by, OLD.approved_at))
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

NOTICE_BEGINS = """
CREATE FUNCTION begin_notice_text() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.approved_by IS NOT NULL THEN
        RAISE EXCEPTION 'a notice text begins without approval' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

VOTE_GUARD = """
CREATE FUNCTION guard_assertion_vote() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    a assertions;
BEGIN
    SELECT * INTO a FROM assertions WHERE id = NEW.assertion_id FOR UPDATE;
    IF a.proposed_by = NEW.voter_id THEN
        RAISE EXCEPTION 'who proposed it does not decide on it' USING ERRCODE = 'check_violation';
    END IF;
    IF NOT EXISTS (
        SELECT FROM users u WHERE u.id = NEW.voter_id AND u.role = NEW.voter_role
          AND u.role IN ('reviewer', 'approver', 'legal') AND u.disabled_at IS NULL
    ) THEN
        RAISE EXCEPTION 'a verdict is given by a reviewer, approver or legal'
            USING ERRCODE = 'check_violation';
    END IF;
    IF a.status IS DISTINCT FROM (CASE NEW.verdict WHEN 'invalidate' THEN 'verified' ELSE 'proposed' END)
       OR (NEW.verdict = 'invalidate' AND a.kind IN ('refusal', 'withdrawal')) THEN
        RAISE EXCEPTION 'no verdict % on what is %', NEW.verdict, a.status
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

# Which roles must have given a verdict before the status follows it; each by another person.
VOTES_NEEDED = """
CREATE FUNCTION assertion_votes_needed(asked uuid, wanted text) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT CASE
        WHEN wanted = 'invalidate' THEN ARRAY['any', 'approver']
        WHEN wanted = 'reject' AND a.kind IN ('refusal', 'withdrawal') THEN ARRAY['any', 'approver']
        WHEN wanted = 'reject' THEN ARRAY['any']
        WHEN a.kind = 'other_ground' THEN ARRAY['approver', 'legal']
        WHEN a.kind = 'legal_demand' THEN ARRAY['legal']
        WHEN a.kind = 'contract_clause' AND NOT EXISTS (
            SELECT FROM assertions x WHERE x.kind = 'contract_clause' AND x.status = 'verified'
              AND x.evidence ->> 'contract_id' = a.evidence ->> 'contract_id'
        ) THEN ARRAY['any', 'approver']
        ELSE ARRAY['any']
    END
    FROM assertions a WHERE a.id = asked
$$
"""

VOTES_ENOUGH = """
CREATE FUNCTION assertion_votes_enough(asked uuid, wanted text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce(
        (SELECT count(DISTINCT v.voter_id) >= cardinality(assertion_votes_needed(asked, wanted))
            AND bool_and(v.voter_id IS NOT NULL)
         FROM assertion_votes v WHERE v.assertion_id = asked AND v.verdict = wanted)
        AND (SELECT bool_and(role = 'any' OR EXISTS (
                SELECT FROM assertion_votes v WHERE v.assertion_id = asked AND v.verdict = wanted
                  AND v.voter_role = role))
             FROM unnest(assertion_votes_needed(asked, wanted)) role),
        false)
$$
"""

ASSERTION_BEGINS = """
CREATE FUNCTION begin_assertion() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.status <> 'proposed' OR num_nonnulls(NEW.decided_by, NEW.decided_at, NEW.second_by, NEW.second_at) > 0 THEN
        RAISE EXCEPTION 'an assertion begins as proposed' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.party_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM parties p WHERE p.id = NEW.party_id AND p.recording_id = NEW.recording_id
    ) THEN
        RAISE EXCEPTION 'the party is heard in another recording' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

ASSERTION_GUARD = """
CREATE FUNCTION guard_assertion() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
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
    IF NOT assertion_votes_enough(NEW.id, wanted)
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

PACK_GUARD = """
CREATE FUNCTION guard_policy_pack() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    before policy_packs := OLD;
BEGIN
    before.activated_by := NEW.activated_by;
    before.second_by := NEW.second_by;
    before.activated_at := NEW.activated_at;
    IF NEW IS DISTINCT FROM before OR OLD.activated_at IS NOT NULL THEN
        RAISE EXCEPTION 'a pack is activated once and never changed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""

EPOCH = """
CREATE FUNCTION bump_consent_epoch(of_scope text, of_key text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    INSERT INTO consent_epochs (scope, key, epoch)
    SELECT of_scope, of_key, 1 WHERE of_key IS NOT NULL
    ON CONFLICT (scope, key) DO UPDATE SET epoch = consent_epochs.epoch + 1
$$
"""

# One function for all tables: what a row is about tells which epochs grow.
BUMP = """
CREATE FUNCTION bump_consent() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    row_before jsonb := CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE to_jsonb(OLD) END;
    row_after jsonb := CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE to_jsonb(NEW) END;
    one jsonb;
    recording uuid;
BEGIN
    FOREACH one IN ARRAY ARRAY[row_before, row_after] LOOP
        CONTINUE WHEN one IS NULL;
        CASE TG_TABLE_NAME
            WHEN 'clients' THEN PERFORM bump_consent_epoch('client', one ->> 'id');
            WHEN 'contacts' THEN PERFORM bump_consent_epoch('contact', one ->> 'id');
            WHEN 'contact_verifications' THEN PERFORM bump_consent_epoch('contact', one ->> 'contact_id');
            WHEN 'policy_packs' THEN PERFORM bump_consent_epoch('policy', 'all');
            WHEN 'contract_clauses' THEN
                PERFORM bump_consent_epoch('client', (
                    SELECT c.client_id::text FROM contracts c WHERE c.id = (one ->> 'contract_id')::uuid));
            WHEN 'events' THEN
                UPDATE recordings SET consent_epoch = consent_epoch + 1
                WHERE event_id = (one ->> 'id')::uuid;
            ELSE
                recording := (one ->> 'recording_id')::uuid;
                IF recording IS NOT NULL THEN
                    UPDATE recordings SET consent_epoch = consent_epoch + 1 WHERE id = recording;
                ELSE
                    PERFORM bump_consent_epoch('client', one ->> 'client_id');
                    PERFORM bump_consent_epoch('contact', one ->> 'contact_id');
                    PERFORM bump_consent_epoch('agent', one ->> 'agent');
                END IF;
        END CASE;
    END LOOP;
    RETURN NULL;
END $$
"""

# The hot path of receiving inserts parties and updates nothing, so they stand in the stamp itself
# and only their later changes bump.
BUMPED_BY = {
    "assertions": "INSERT OR UPDATE",
    "screenings": "INSERT",
    "parties": "UPDATE OR DELETE",
    "contact_verifications": "INSERT",
    "contacts": "UPDATE OF client_id, left_at",
    "contracts": "INSERT OR UPDATE OR DELETE",
    "contract_clauses": "INSERT OR UPDATE OR DELETE",
    "clients": "UPDATE OF jurisdiction",
    "events": "UPDATE OF client_id",
    "policy_packs": "INSERT OR UPDATE",
}

RECORDING_EPOCH = """
CREATE FUNCTION keep_consent_epoch() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (NEW.restricted_at, NEW.integrity_failed_at, NEW.erased_at, NEW.event_id, NEW.started_at, NEW.duration_ms)
       IS DISTINCT FROM
       (OLD.restricted_at, OLD.integrity_failed_at, OLD.erased_at, OLD.event_id, OLD.started_at, OLD.duration_ms) THEN
        NEW.consent_epoch := greatest(NEW.consent_epoch, OLD.consent_epoch + 1);
    END IF;
    IF NEW.consent_epoch < OLD.consent_epoch THEN
        RAISE EXCEPTION 'the consent epoch only grows' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""

STAMP = """
CREATE FUNCTION consent_stamp(recording_id uuid, contact_id uuid) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT 'r' || r.consent_epoch || '.' || encode(sha256(convert_to(jsonb_build_array(
        r.event_id, r.started_at, r.duration_ms, r.restricted_at, r.integrity_failed_at, r.erased_at,
        e.client_id, $2,
        (SELECT jsonb_agg(to_jsonb(p) ORDER BY p.id) FROM parties p WHERE p.recording_id = r.id),
        (SELECT jsonb_agg(jsonb_build_array(l.leg, l.object_id) ORDER BY l.leg) FROM legs l
         WHERE l.recording_id = r.id),
        (SELECT jsonb_agg(to_jsonb(x) ORDER BY x.scope, x.key) FROM consent_epochs x
         WHERE (x.scope, x.key) IN (
            SELECT 'policy', 'all'
            UNION SELECT 'contact', $2::text
            UNION SELECT 'client', e.client_id::text
            UNION SELECT 'client', c.client_id::text FROM contacts c WHERE c.id = $2
            UNION SELECT 'client', p.client_id::text FROM parties p WHERE p.recording_id = r.id
            UNION SELECT 'contact', p.contact_id::text FROM parties p WHERE p.recording_id = r.id
            UNION SELECT 'agent', p.agent FROM parties p WHERE p.recording_id = r.id))
    )::text, 'UTF8')), 'hex')
    FROM recordings r JOIN events e ON e.id = r.event_id
    WHERE r.id = $1
$$
"""

# A refusal or withdrawal blocks for every party it speaks of, until a later express or written
# consent of that party names the purpose; one that is only proposed is never lifted.
BLOCKED = """
CREATE FUNCTION consent_blocked(recording_id uuid, purpose text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce((
        SELECT r.erased_at IS NOT NULL
            OR $2 IN ('publish', 'ai_training')
            OR $2 NOT IN (#PURPOSES#)
            OR (r.integrity_failed_at IS NOT NULL AND $2 NOT IN ('legal_demand', 'integrity_forensics'))
            OR (r.restricted_at IS NOT NULL
                AND $2 NOT IN ('legal_demand', 'claim_defence', 'subject_access', 'consent_review'))
            OR ($2 NOT IN ('legal_demand', 'claim_defence', 'subject_access', 'consent_review', 'integrity_forensics')
                AND EXISTS (
                    SELECT FROM assertions a
                    WHERE a.kind IN ('refusal', 'withdrawal') AND a.status IN ('proposed', 'verified')
                      AND (cardinality(a.purposes) = 0 OR $2 = ANY (a.purposes))
                      AND (
                        (a.recording_id = r.id AND NOT EXISTS (
                            SELECT FROM parties p WHERE p.recording_id = r.id
                              AND (a.party_id IS NULL OR a.party_id = p.id)))
                        OR EXISTS (
                            SELECT FROM parties p
                            WHERE p.recording_id = r.id
                              AND ((a.recording_id = r.id AND (a.party_id IS NULL OR a.party_id = p.id))
                                   OR a.client_id = p.client_id OR a.contact_id = p.contact_id
                                   OR a.agent = p.agent)
                              AND NOT (a.status = 'verified' AND EXISTS (
                                SELECT FROM assertions c
                                WHERE c.kind IN ('dtmf_consent', 'verbal_consent', 'written_consent')
                                  AND c.status = 'verified' AND $2 = ANY (c.purposes)
                                  AND (c.party_id = p.id OR c.contact_id = p.contact_id
                                       OR c.client_id = p.client_id OR c.agent = p.agent)
                                  AND c.proposed_at > a.proposed_at
                                  AND coalesce(c.valid_from, c.proposed_at) >= coalesce(a.valid_from, a.proposed_at)
                                  AND (c.valid_from IS NULL OR c.valid_from <= now())
                                  AND (c.valid_to IS NULL OR now() < c.valid_to)))))))
        FROM recordings r WHERE r.id = $1
    ), true)
$$
"""
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

GUARDS = {
    "notice_texts": (("INSERT", "begin_notice_text"), ("UPDATE", "guard_notice_text")),
    "assertions": (("INSERT", "begin_assertion"), ("UPDATE", "guard_assertion")),
    "assertion_votes": (("INSERT", "guard_assertion_vote"),),
    "policy_packs": (("UPDATE", "guard_policy_pack"),),
}
FOR_APP = (
    "consent_stamp(uuid, uuid)",
    "consent_blocked(uuid, text)",
    "assertion_votes_needed(uuid, text)",
    "assertion_votes_enough(uuid, text)",
)
INTERNAL = (
    "guard_notice_text()",
    "begin_notice_text()",
    "guard_assertion_vote()",
    "begin_assertion()",
    "guard_assertion()",
    "guard_policy_pack()",
    "bump_consent_epoch(text, text)",
    "bump_consent()",
    "keep_consent_epoch()",
)


def watch() -> None:
    """Make the functions and triggers by which the database itself says no."""
    blocked = BLOCKED.replace("#PURPOSES#", ", ".join(f"'{purpose}'" for purpose in PURPOSES))
    for function in (NOTICE_GUARD, NOTICE_BEGINS, VOTE_GUARD, VOTES_NEEDED, VOTES_ENOUGH):
        op.execute(function)
    for function in (ASSERTION_BEGINS, ASSERTION_GUARD, PACK_GUARD, EPOCH, BUMP, RECORDING_EPOCH):
        op.execute(function)
    op.execute(STAMP)
    op.execute(sa.text(blocked))
    for table, guards in GUARDS.items():
        for when, function in guards:
            op.execute(
                f"CREATE TRIGGER {table}_{when.lower()}_guard BEFORE {when} ON {table} "
                f"FOR EACH ROW EXECUTE FUNCTION {function}()"
            )
    for table, when in BUMPED_BY.items():
        op.execute(
            f"CREATE TRIGGER {table}_consent_epoch AFTER {when} ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION bump_consent()"
        )
    op.execute(
        "CREATE TRIGGER recordings_consent_epoch BEFORE UPDATE ON recordings "
        "FOR EACH ROW EXECUTE FUNCTION keep_consent_epoch()"
    )
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
        rights = "SELECT" if table == "consent_epochs" else "SELECT, INSERT"
        op.execute(f"GRANT {rights} ON {table} TO audiatur_app")
    for table, columns in CHANGEABLE.items():
        op.execute(f"GRANT UPDATE ({columns}) ON {table} TO audiatur_app")
    for function in (*FOR_APP, *INTERNAL):
        op.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
    for function in FOR_APP:
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO audiatur_app")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    make_tables()
    watch()
    grant()


def make_tables() -> None:
    """Make the tables, as the models have them."""
    op.create_table(
        "notice_texts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("purposes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("recipients", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("lines", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("valid_from", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("valid_to", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("audio_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("approved_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "purposes <@ ARRAY['internal_quality', 'internal_training', 'dispute_client', 'claim_defence', 'legal_demand', 'subject_access', 'consent_review', 'integrity_forensics', 'transcription', 'publish', 'ai_training']",
            name=op.f("ck_notice_texts_purposes"),
        ),
        sa.CheckConstraint(
            "recipients <@ ARRAY['own_staff_manager', 'own_compliance', 'own_counsel', 'client_same_entity', 'client_other_entity', 'third_party', 'processor', 'authority', 'data_subject', 'public']",
            name=op.f("ck_notice_texts_recipients"),
        ),
        sa.CheckConstraint("approved_by <> created_by", name=op.f("ck_notice_texts_four_eyes")),
        sa.CheckConstraint(
            "cardinality(purposes) > 0", name=op.f("ck_notice_texts_names_a_purpose")
        ),
        sa.CheckConstraint(
            "num_nonnulls(approved_by, approved_at) IN (0, 2)",
            name=op.f("ck_notice_texts_approval"),
        ),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_notice_texts_validity")),
        sa.CheckConstraint("version > 0", name=op.f("ck_notice_texts_version")),
        sa.ForeignKeyConstraint(
            ["approved_by"], ["users.id"], name=op.f("fk_notice_texts_approved_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_notice_texts_created_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["object_id"],
            ["sealed_objects.object_id"],
            name=op.f("fk_notice_texts_object_id_sealed_objects"),
        ),
        sa.PrimaryKeyConstraint("id", "version", name=op.f("pk_notice_texts")),
        sa.UniqueConstraint("object_id", name=op.f("uq_notice_texts_object_id")),
    )
    op.create_table(
        "assertions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("strength", sa.Text(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=True),
        sa.Column("party_id", sa.Uuid(), nullable=True),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=True),
        sa.Column("valid_from", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("valid_to", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("purposes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("recipients", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("evidence_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=True),
        sa.Column("proposed_service", sa.Text(), nullable=True),
        sa.Column("proposed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("second_by", sa.Uuid(), nullable=True),
        sa.Column("second_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("supersedes", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "jsonb_typeof(evidence) = 'object' AND (status <> 'verified' OR evidence <> '{}'::jsonb)",
            name=op.f("ck_assertions_evidence"),
        ),
        sa.CheckConstraint(
            "kind IN ('ivr_notice', 'beep', 'dtmf_consent', 'verbal_notice', 'verbal_consent', 'contract_clause', 'written_consent', 'employee_ack', 'other_ground', 'legal_demand', 'refusal', 'withdrawal', 'none')",
            name=op.f("ck_assertions_kind"),
        ),
        sa.CheckConstraint(
            "purposes <@ ARRAY['internal_quality', 'internal_training', 'dispute_client', 'claim_defence', 'legal_demand', 'subject_access', 'consent_review', 'integrity_forensics', 'transcription', 'publish', 'ai_training']",
            name=op.f("ck_assertions_purposes"),
        ),
        sa.CheckConstraint(
            "status = 'proposed' OR (decided_by IS NOT NULL AND decided_at IS NOT NULL)",
            name=op.f("ck_assertions_decided"),
        ),
        sa.CheckConstraint(
            "status IN ('proposed', 'verified', 'rejected', 'invalidated')",
            name=op.f("ck_assertions_status"),
        ),
        sa.CheckConstraint(
            "strength = CASE kind WHEN 'ivr_notice' THEN 'NOTICE' WHEN 'beep' THEN 'NOTICE' WHEN 'dtmf_consent' THEN 'EXPRESS' WHEN 'verbal_notice' THEN 'NOTICE' WHEN 'verbal_consent' THEN 'EXPRESS' WHEN 'contract_clause' THEN 'NOTICE' WHEN 'written_consent' THEN 'WRITTEN' WHEN 'employee_ack' THEN 'NOTICE' WHEN 'other_ground' THEN 'NONE' WHEN 'legal_demand' THEN 'NONE' WHEN 'refusal' THEN 'NONE' WHEN 'withdrawal' THEN 'NONE' WHEN 'none' THEN 'NONE' END",
            name=op.f("ck_assertions_strength"),
        ),
        sa.CheckConstraint(
            "CASE WHEN recording_id IS NULL THEN party_id IS NULL AND num_nonnulls(client_id, contact_id, agent) = 1 ELSE num_nonnulls(client_id, contact_id, agent) = 0 END",
            name=op.f("ck_assertions_about"),
        ),
        sa.CheckConstraint(
            "decided_by <> proposed_by AND second_by <> proposed_by AND second_by <> decided_by",
            name=op.f("ck_assertions_four_eyes"),
        ),
        sa.CheckConstraint(
            "from_ms >= 0 AND (to_ms IS NULL OR to_ms > from_ms)",
            name=op.f("ck_assertions_segment"),
        ),
        sa.CheckConstraint(
            "num_nonnulls(proposed_by, proposed_service) = 1", name=op.f("ck_assertions_proposer")
        ),
        sa.CheckConstraint(
            "octet_length(evidence_sha256) = 32", name=op.f("ck_assertions_evidence_sha256")
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_assertions_client_id_clients")
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_assertions_contact_id_contacts")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["users.id"], name=op.f("fk_assertions_decided_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["party_id"], ["parties.id"], name=op.f("fk_assertions_party_id_parties")
        ),
        sa.ForeignKeyConstraint(
            ["proposed_by"], ["users.id"], name=op.f("fk_assertions_proposed_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"], ["recordings.id"], name=op.f("fk_assertions_recording_id_recordings")
        ),
        sa.ForeignKeyConstraint(
            ["second_by"], ["users.id"], name=op.f("fk_assertions_second_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["supersedes"], ["assertions.id"], name=op.f("fk_assertions_supersedes_assertions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assertions")),
    )
    op.create_index("ix_assertions_agent", "assertions", ["agent"], unique=False)
    op.create_index("ix_assertions_client", "assertions", ["client_id"], unique=False)
    op.create_index("ix_assertions_contact", "assertions", ["contact_id"], unique=False)
    op.create_index(
        "ix_assertions_open",
        "assertions",
        ["proposed_at"],
        unique=False,
        postgresql_where="status = 'proposed'",
    )
    op.create_index("ix_assertions_recording", "assertions", ["recording_id"], unique=False)
    op.create_table(
        "assertion_votes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("assertion_id", sa.Uuid(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("voter_id", sa.Uuid(), nullable=False),
        sa.Column("voter_role", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "verdict IN ('verify', 'reject', 'invalidate')", name=op.f("ck_assertion_votes_verdict")
        ),
        sa.ForeignKeyConstraint(
            ["assertion_id"],
            ["assertions.id"],
            name=op.f("fk_assertion_votes_assertion_id_assertions"),
        ),
        sa.ForeignKeyConstraint(
            ["voter_id"], ["users.id"], name=op.f("fk_assertion_votes_voter_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assertion_votes")),
    )
    op.create_index(
        "uq_assertion_votes_one",
        "assertion_votes",
        ["assertion_id", "verdict", "voter_id"],
        unique=True,
    )
    op.create_table(
        "screenings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("screened_by", sa.Uuid(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "result IN ('clear', 'private', 'third_party_secret')",
            name=op.f("ck_screenings_result"),
        ),
        sa.CheckConstraint(
            "from_ms >= 0 AND (to_ms IS NULL OR to_ms > from_ms)",
            name=op.f("ck_screenings_segment"),
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"], ["recordings.id"], name=op.f("fk_screenings_recording_id_recordings")
        ),
        sa.ForeignKeyConstraint(
            ["screened_by"], ["users.id"], name=op.f("fk_screenings_screened_by_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_screenings")),
    )
    op.create_index("ix_screenings_recording", "screenings", ["recording_id"], unique=False)
    op.create_table(
        "contact_verifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("identity_basis", sa.Text(), nullable=False),
        sa.Column("mandate_basis", sa.Text(), nullable=False),
        sa.Column("verified_by", sa.Uuid(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "btrim(identity_basis) <> ''", name=op.f("ck_contact_verifications_identity_basis")
        ),
        sa.CheckConstraint(
            "btrim(mandate_basis) <> ''", name=op.f("ck_contact_verifications_mandate_basis")
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_contact_verifications_client_id_clients")
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"],
            ["contacts.id"],
            name=op.f("fk_contact_verifications_contact_id_contacts"),
        ),
        sa.ForeignKeyConstraint(
            ["verified_by"], ["users.id"], name=op.f("fk_contact_verifications_verified_by_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_verifications")),
    )
    op.create_index(
        "ix_contact_verifications_contact", "contact_verifications", ["contact_id"], unique=False
    )
    op.create_table(
        "policy_packs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("jurisdiction", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("activated_by", sa.Uuid(), nullable=True),
        sa.Column("second_by", sa.Uuid(), nullable=True),
        sa.Column("activated_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("activated_by <> second_by", name=op.f("ck_policy_packs_four_eyes")),
        sa.CheckConstraint(
            "num_nonnulls(activated_by, second_by, activated_at) IN (0, 3)",
            name=op.f("ck_policy_packs_activation"),
        ),
        sa.ForeignKeyConstraint(
            ["activated_by"], ["users.id"], name=op.f("fk_policy_packs_activated_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_policy_packs_created_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["second_by"], ["users.id"], name=op.f("fk_policy_packs_second_by_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_packs")),
    )
    op.create_index(
        "uq_policy_packs_version", "policy_packs", ["jurisdiction", "version"], unique=True
    )
    op.create_table(
        "consent_epochs",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "scope IN ('client', 'contact', 'agent', 'policy')",
            name=op.f("ck_consent_epochs_scope"),
        ),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_consent_epochs")),
    )
    op.create_table(
        "consent_decisions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("release_id", sa.Uuid(), nullable=True),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("recipient_class", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("inputs_digest", sa.LargeBinary(), nullable=False),
        sa.Column("policy_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("stamp", sa.Text(), nullable=False),
        sa.Column("valid_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('ALLOW', 'NEEDS_APPROVAL', 'REVIEW', 'DENY')",
            name=op.f("ck_consent_decisions_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["asked_by"], ["users.id"], name=op.f("fk_consent_decisions_asked_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_consent_decisions_contact_id_contacts")
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_consent_decisions_recording_id_recordings"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_decisions")),
    )
    op.create_index(
        "ix_consent_decisions_recording", "consent_decisions", ["recording_id", "at"], unique=False
    )
    op.create_index(
        "ix_consent_decisions_release",
        "consent_decisions",
        ["release_id", "recording_id", "at"],
        unique=False,
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TRIGGER recordings_consent_epoch ON recordings")
    for table in BUMPED_BY:
        op.execute(f"DROP TRIGGER {table}_consent_epoch ON {table}")
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE {table}")
    for function in (*FOR_APP, *INTERNAL):
        op.execute(f"DROP FUNCTION {function}")
