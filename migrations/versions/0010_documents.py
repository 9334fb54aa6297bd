"""Keep documents, and let the database know what each kind of evidence must carry.

With them the papers that rest on documents: contracts with processors, the house's own rules on
recording and who has acknowledged them. A verified contact is bound to what was looked at, a
proposal can be taken back by who made it, and a recording can be kept by a hold alone.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

INSERT_ONLY = ("documents", "local_acts", "acknowledgements")
TABLES = (*INSERT_ONLY, "processing_contracts")
STATUSES = "status IN ('proposed', 'verified', 'rejected', 'invalidated', 'retracted')"
STATUSES_BEFORE = "status IN ('proposed', 'verified', 'rejected', 'invalidated')"
VERDICTS = "verdict IN ('verify', 'reject', 'invalidate', 'retract')"
VERDICTS_BEFORE = "verdict IN ('verify', 'reject', 'invalidate')"
DECIDED = (
    "status = 'proposed' OR (decided_at IS NOT NULL"
    " AND (decided_by IS NOT NULL OR status = 'retracted' OR proposed_service = 'detector'))"
)
DECIDED_BEFORE = (
    "status = 'proposed' OR (decided_at IS NOT NULL"
    " AND (decided_by IS NOT NULL OR proposed_service = 'detector'))"
)

# A bar parts the ways of which one suffices, a plus what must be there together; what ends in
# brackets may be an empty list, since it says where was looked.
REQUIRED = {
    "ivr_notice": (
        "notice.id",
        "notice.version",
        "played_ms",
        "stayed_after_ms",
        "pbx.call_id+pbx.leg+pbx.prompt+pbx.start+pbx.end+pbx.row_sha256|match.algo+match.ref_sha256+match.offset_ms+match.score+match.threshold+match.matched_share|heard.quote",
    ),
    "beep": ("frequency_hz", "interval_ms", "first_offset_ms"),
    "dtmf_consent": ("prompt.version", "digit", "offset_ms", "pbx.row_sha256"),
    "verbal_notice": ("from_ms", "to_ms", "speaker", "quote", "reaction"),
    "verbal_consent": (
        "question.from_ms",
        "question.quote",
        "answer.from_ms",
        "answer.quote",
        "identity_basis",
    ),
    "contract_clause": (
        "contract_id",
        "clause_ref",
        "document_id",
        "document_sha256",
        "scope[]",
        "wording",
    ),
    "written_consent": (
        "document_id",
        "document_sha256",
        "person",
        "operator",
        "data",
        "actions",
        "term",
        "how_to_withdraw",
        "signed_on",
        "signature_kind",
    ),
    "employee_ack": (
        "act_number",
        "act_version",
        "employee",
        "signed_on",
        "signature.document_id+signature.document_sha256|log",
    ),
    "other_ground": (
        "code",
        "document_id",
        "document_sha256",
        "author",
        "matter",
        "expires_on",
    ),
    "legal_demand": (
        "authority",
        "number",
        "date",
        "article",
        "scope",
        "deadline",
        "document_id",
        "document_sha256",
        "verified_how",
        "may_tell_subjects",
    ),
    "refusal": ("quote|offset_ms|document_id+document_sha256", "scope"),
    "withdrawal": ("received_at", "channel", "effective_at", "scope"),
    "none": ("searched.window", "searched.prompts[]", "searched.contracts[]"),
}

HAS = """
CREATE FUNCTION evidence_has(evidence jsonb, path text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce(
        found <> 'null'::jsonb AND found <> '""'::jsonb AND found <> '{}'::jsonb
        AND (found <> '[]'::jsonb OR path LIKE '%[]'), false)
    FROM (SELECT evidence #> string_to_array(replace(path, '[]', ''), '.')) told (found)
$$
"""
LACKS = """
CREATE FUNCTION evidence_lacks(kind text, evidence jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce(array_agg(wanted), '{}')
    FROM unnest(CASE kind #CASES# ELSE ARRAY['kind'] END) wanted
    WHERE NOT EXISTS (
        SELECT FROM unnest(string_to_array(wanted, '|')) way
        WHERE (SELECT bool_and(evidence_has(evidence, part))
               FROM unnest(string_to_array(way, '+')) part))
$$
"""

# What an assertion must be before anybody's verdict makes it true, whoever asks.
VERIFIABLE = """
CREATE FUNCTION must_be_verifiable(asked assertions) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    lacking text[] := evidence_lacks(asked.kind, asked.evidence);
    named jsonb;
BEGIN
    IF cardinality(lacking) > 0 THEN
        RAISE EXCEPTION 'the evidence lacks %', array_to_string(lacking, ', ')
            USING ERRCODE = 'check_violation';
    END IF;
    FOREACH named IN ARRAY ARRAY[asked.evidence, asked.evidence -> 'signature'] LOOP
        CONTINUE WHEN jsonb_typeof(named) IS DISTINCT FROM 'object'
            OR NOT (named ? 'document_sha256' OR named ? 'document_id');
        IF NOT EXISTS (
            SELECT FROM documents d WHERE d.id::text = named ->> 'document_id'
              AND encode(d.sha256, 'hex') = named ->> 'document_sha256'
        ) THEN
            RAISE EXCEPTION 'the evidence names a document that is not kept'
                USING ERRCODE = 'check_violation';
        END IF;
    END LOOP;
    IF asked.kind IN ('verbal_consent', 'written_consent')
       AND (cardinality(asked.purposes) = 0 OR cardinality(asked.recipients) = 0) THEN
        RAISE EXCEPTION 'a consent names purposes and recipients' USING ERRCODE = 'check_violation';
    END IF;
    IF asked.kind = 'other_ground' AND (
        asked.valid_to IS NULL OR asked.valid_to <= coalesce(asked.decided_at, now())
        OR asked.valid_to > asked.proposed_at + interval '12 months 1 day'
    ) THEN
        RAISE EXCEPTION 'an assessment holds for twelve months at most' USING ERRCODE = 'check_violation';
    END IF;
    IF asked.kind = 'employee_ack' AND asked.evidence #>> '{log,acknowledgement_id}' IS NOT NULL
       AND NOT EXISTS (
        SELECT FROM acknowledgements k JOIN local_acts l ON l.id = k.act_id
        WHERE k.id::text = asked.evidence #>> '{log,acknowledgement_id}'
          AND k.agent = asked.agent AND l.number = asked.evidence ->> 'act_number'
          AND l.version = asked.evidence ->> 'act_version'
    ) THEN
        RAISE EXCEPTION 'nobody has acknowledged so' USING ERRCODE = 'check_violation';
    END IF;
    -- A withdrawal is confirmed once somebody has said how he knew who asked for it.
    IF asked.kind = 'withdrawal' AND NOT evidence_has(asked.evidence, 'identity_check')
       AND NOT EXISTS (
        SELECT FROM assertion_votes v WHERE v.assertion_id = asked.id AND v.verdict = 'verify'
          AND btrim(coalesce(v.reason, '')) <> ''
    ) THEN
        RAISE EXCEPTION 'the evidence lacks identity_check' USING ERRCODE = 'check_violation';
    END IF;
END $$
"""

# Who puts a refusal aside has heard it, or has read the paper that tells of it.
LISTENED = """
CREATE FUNCTION has_listened(person uuid, asked assertions) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT asked.recording_id IS NULL OR EXISTS (
        SELECT FROM custody_entries e
        WHERE e.actor_id = person AND e.outcome = 'success'
          AND ((e.act = 'media.played' AND e.object_kind = 'recording'
                AND e.object_id = asked.recording_id)
               OR (e.act = 'document.opened' AND e.object_kind = 'document'
                   AND e.object_id::text = asked.evidence ->> 'document_id')))
$$
"""

VOTE_GUARD = """
CREATE OR REPLACE FUNCTION guard_assertion_vote() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    a assertions;
BEGIN
    SELECT * INTO a FROM assertions WHERE id = NEW.assertion_id FOR UPDATE;
{retracting}    IF a.proposed_by = NEW.voter_id THEN
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
{reasoned}    RETURN NEW;
END $$
"""
_RETRACTING = """    IF NEW.verdict = 'retract' THEN
        IF a.proposed_by IS DISTINCT FROM NEW.voter_id OR a.status <> 'proposed'
           OR a.kind IN ('refusal', 'withdrawal') THEN
            RAISE EXCEPTION 'a proposal is taken back by who made it, and no block is'
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
"""
_REASONED = """    IF NEW.verdict <> 'verify' AND btrim(coalesce(NEW.reason, '')) = '' THEN
        RAISE EXCEPTION 'putting evidence aside needs a reason' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.verdict = 'reject' AND a.kind = 'refusal' AND NOT has_listened(NEW.voter_id, a) THEN
        RAISE EXCEPTION 'who puts a refusal aside has listened to it' USING ERRCODE = 'check_violation';
    END IF;
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
{ways}    END;
    IF wanted IS NULL THEN
        RAISE EXCEPTION 'no way leads from % to %', OLD.status, NEW.status
            USING ERRCODE = 'restrict_violation';
    END IF;
{retracted}    IF wanted = 'verify' AND verified_by_rule(NEW) THEN
{by_rule}        RETURN NEW;
    END IF;
    IF NOT assertion_votes_enough(NEW.id, wanted)
       OR NOT EXISTS (SELECT FROM assertion_votes v WHERE v.assertion_id = NEW.id
                      AND v.verdict = wanted AND v.voter_id = NEW.decided_by)
       OR (cardinality(assertion_votes_needed(NEW.id, wanted)) > 1
           AND NOT EXISTS (SELECT FROM assertion_votes v WHERE v.assertion_id = NEW.id
                           AND v.verdict = wanted AND v.voter_id = NEW.second_by)) THEN
        RAISE EXCEPTION 'the verdicts that this needs are not there' USING ERRCODE = 'check_violation';
    END IF;
{complete}    RETURN NEW;
END $$
"""
_WAYS = """        WHEN OLD.status = 'proposed' AND NEW.status = 'retracted' THEN 'retract'
"""
_RETRACTED = """    IF wanted = 'retract' THEN
        IF NEW.decided_by IS NOT NULL OR NEW.second_by IS NOT NULL
           OR NOT EXISTS (SELECT FROM assertion_votes v WHERE v.assertion_id = NEW.id
                          AND v.verdict = 'retract' AND v.voter_id = NEW.proposed_by) THEN
            RAISE EXCEPTION 'a proposal is taken back by who made it' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
"""
_BY_RULE = """        PERFORM must_be_verifiable(NEW);
"""
_COMPLETE = """    IF wanted = 'verify' THEN
        PERFORM must_be_verifiable(NEW);
    END IF;
"""

BEGINS = """
CREATE OR REPLACE FUNCTION begin_assertion() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.status <> 'proposed' OR num_nonnulls(NEW.decided_by, NEW.decided_at, NEW.second_by, NEW.second_at) > 0 THEN
        RAISE EXCEPTION 'an assertion begins as proposed' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.party_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM parties p WHERE p.id = NEW.party_id AND p.recording_id = NEW.recording_id
    ) THEN
        RAISE EXCEPTION 'the party is heard in another recording' USING ERRCODE = 'check_violation';
    END IF;
{proposer}    RETURN NEW;
END $$
"""
_PROPOSER = """    -- Everybody but auditors may report a no, an administrator nothing else; an employee speaks
    -- for himself when he acknowledges.
    IF NEW.proposed_by IS NOT NULL AND NOT EXISTS (
        SELECT FROM users u WHERE u.id = NEW.proposed_by AND u.disabled_at IS NULL
          AND (u.role NOT IN ('admin', 'auditor')
               OR (u.role = 'admin' AND NEW.kind IN ('refusal', 'withdrawal'))
               OR (NEW.kind = 'employee_ack' AND NEW.agent = u.agent_ref))
    ) THEN
        RAISE EXCEPTION 'this person proposes no such evidence' USING ERRCODE = 'check_violation';
    END IF;
"""

RECORDING_EPOCH = """
CREATE OR REPLACE FUNCTION keep_consent_epoch() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (NEW.restricted_at, NEW.integrity_failed_at, NEW.erased_at, NEW.event_id, NEW.started_at, NEW.duration_ms{new})
       IS DISTINCT FROM
       (OLD.restricted_at, OLD.integrity_failed_at, OLD.erased_at, OLD.event_id, OLD.started_at, OLD.duration_ms{old}) THEN
        NEW.consent_epoch := greatest(NEW.consent_epoch, OLD.consent_epoch + 1);
    END IF;
    IF NEW.consent_epoch < OLD.consent_epoch THEN
        RAISE EXCEPTION 'the consent epoch only grows' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""

# Everything of a contact that a person looks at who verifies him, his firm included.
LOOKS = """
CREATE FUNCTION contact_looks(asked uuid) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT sha256(convert_to(jsonb_build_array(
        c.id, c.client_id, c.name, c.position, c.email, c.is_management, f.name, f.tax_id,
        (SELECT jsonb_agg(p.number ORDER BY p.number) FROM contact_phones p WHERE p.contact_id = c.id)
    )::text, 'UTF8'))
    FROM contacts c JOIN clients f ON f.id = c.client_id WHERE c.id = asked
$$
"""
LOOKED_AT = """
CREATE FUNCTION begin_contact_verification() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    -- The row stays as it was looked at until the verification is committed.
    PERFORM FROM contacts c WHERE c.id = NEW.contact_id FOR SHARE;
    NEW.contact_sha256 := contact_looks(NEW.contact_id);
    RETURN NEW;
END $$
"""
WATCHED = {
    "contacts": ("UPDATE OF client_id, left_at", "UPDATE"),
    "clients": ("UPDATE OF jurisdiction", "UPDATE OF jurisdiction, name, tax_id"),
}

BEGIN_DOCUMENT = """
CREATE FUNCTION begin_document() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.sha256 IS DISTINCT FROM (SELECT o.sha256 FROM sealed_objects o WHERE o.object_id = NEW.object_id) THEN
        RAISE EXCEPTION 'a document has the digest of its bytes' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

PROCESSOR_GUARD = """
CREATE FUNCTION guard_processing_contract() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    before processing_contracts := OLD;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF num_nonnulls(NEW.approved_by, NEW.approved_at, NEW.terminated_at) > 0 THEN
            RAISE EXCEPTION 'a contract begins without approval' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    before.approved_by := NEW.approved_by;
    before.approved_at := NEW.approved_at;
    before.terminated_at := NEW.terminated_at;
    IF NEW IS DISTINCT FROM before
       OR (OLD.approved_by IS NOT NULL
           AND (NEW.approved_by, NEW.approved_at) IS DISTINCT FROM (OLD.approved_by, OLD.approved_at))
       OR (OLD.terminated_at IS NOT NULL AND NEW.terminated_at IS DISTINCT FROM OLD.terminated_at) THEN
        RAISE EXCEPTION 'a contract is approved once and ended once, else never changed'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.approved_by IS NULL AND NEW.approved_by IS NOT NULL AND NOT EXISTS (
        SELECT FROM users u WHERE u.id = NEW.approved_by AND u.role = 'approver' AND u.disabled_at IS NULL
    ) THEN
        RAISE EXCEPTION 'a contract is approved by an approver' USING ERRCODE = 'check_violation';
    END IF;
    -- The stamp of every recording holds this epoch: what rests on the contract is asked anew.
    PERFORM bump_consent_epoch('policy', 'all');
    RETURN NEW;
END $$
"""

# Every release that ever carried a recording which this evidence speaks of, open or over: who
# takes it back must know to whom a wrong ground has already opened something.
AFFECTED = """
CREATE FUNCTION affected_shares(asked uuid)
RETURNS TABLE (release_id uuid, recording_id uuid, state text, granted_at timestamptz)
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT DISTINCT r.id, i.recording_id, r.state, r.granted_at
    FROM assertions a
    JOIN release_items i ON i.recording_id = a.recording_id OR (
        a.recording_id IS NULL AND EXISTS (
            SELECT FROM parties p WHERE p.recording_id = i.recording_id
              AND (p.client_id = a.client_id OR p.contact_id = a.contact_id OR p.agent = a.agent)))
    JOIN releases r ON r.id = i.release_id
    WHERE a.id = asked AND r.granted_at IS NOT NULL
    ORDER BY r.granted_at, r.id, i.recording_id
$$
"""

FOR_APP = (
    "evidence_lacks(text, jsonb)",
    "evidence_has(jsonb, text)",
    "contact_looks(uuid)",
    "affected_shares(uuid)",
    "has_listened(uuid, assertions)",
)
INTERNAL = (
    "must_be_verifiable(assertions)",
    "begin_contact_verification()",
    "begin_document()",
    "guard_processing_contract()",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    make_tables()
    op.add_column(
        "recordings",
        sa.Column(
            "kept_only_by_hold", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
    )
    # Of what was verified before nobody knows what was looked at: it no longer counts.
    op.add_column("contact_verifications", sa.Column("contact_sha256", sa.LargeBinary(32)))
    _enumerate(STATUSES, VERDICTS, DECIDED)
    watch()
    grant()


def downgrade() -> None:
    op.execute("DROP TRIGGER contact_verifications_insert_guard ON contact_verifications")
    op.execute("DROP TRIGGER contact_phones_consent_epoch ON contact_phones")
    _watch_contacts(0)
    op.execute(GUARD.format(ways="", retracted="", by_rule="", complete=""))
    op.execute(VOTE_GUARD.format(retracting="", reasoned=""))
    op.execute(BEGINS.format(proposer=""))
    op.execute(RECORDING_EPOCH.format(new="", old=""))
    for function in (*FOR_APP, *INTERNAL):
        if function not in {"begin_document()", "guard_processing_contract()"}:
            op.execute(f"DROP FUNCTION {function}")
    # A proposal that was taken back is one that was put aside; its maker's vote goes with it.
    op.execute("ALTER TABLE assertions DISABLE TRIGGER USER")
    op.execute("ALTER TABLE assertion_votes DISABLE TRIGGER USER")
    op.execute("DELETE FROM assertion_votes WHERE verdict = 'retract'")
    op.execute(
        "UPDATE assertions SET status = 'proposed', decided_at = NULL WHERE status = 'retracted'"
    )
    op.execute("ALTER TABLE assertion_votes ENABLE TRIGGER USER")
    op.execute("ALTER TABLE assertions ENABLE TRIGGER USER")
    _enumerate(STATUSES_BEFORE, VERDICTS_BEFORE, DECIDED_BEFORE)
    op.drop_column("contact_verifications", "contact_sha256")
    op.drop_column("recordings", "kept_only_by_hold")
    op.execute("DROP TABLE acknowledgements, local_acts, processing_contracts, documents")
    op.execute("DROP FUNCTION begin_document()")
    op.execute("DROP FUNCTION guard_processing_contract()")


def _enumerate(statuses: str, verdicts: str, decided: str) -> None:
    for table, name, condition in (
        ("assertions", "status", statuses),
        ("assertions", "decided", decided),
        ("assertion_votes", "verdict", verdicts),
    ):
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table)
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)


def watch() -> None:
    """Make the functions and triggers by which the database itself says no."""
    cases = " ".join(
        "WHEN '{}' THEN ARRAY[{}]".format(kind, ", ".join(f"'{path}'" for path in paths))
        for kind, paths in REQUIRED.items()
    )
    op.execute(HAS)
    op.execute(LACKS.replace("#CASES#", cases))
    for function in (VERIFIABLE, LISTENED, LOOKS, LOOKED_AT, BEGIN_DOCUMENT, PROCESSOR_GUARD):
        op.execute(function)
    op.execute(AFFECTED)
    op.execute(GUARD.format(ways=_WAYS, retracted=_RETRACTED, by_rule=_BY_RULE, complete=_COMPLETE))
    op.execute(VOTE_GUARD.format(retracting=_RETRACTING, reasoned=_REASONED))
    op.execute(BEGINS.format(proposer=_PROPOSER))
    held = ", {}.kept_only_by_hold"
    op.execute(RECORDING_EPOCH.format(new=held.format("NEW"), old=held.format("OLD")))
    for table, when, function in (
        ("contact_verifications", "INSERT", "begin_contact_verification"),
        ("documents", "INSERT", "begin_document"),
        ("processing_contracts", "INSERT OR UPDATE", "guard_processing_contract"),
    ):
        op.execute(
            f"CREATE TRIGGER {table}_insert_guard BEFORE {when} ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {function}()"
        )
    _watch_contacts(1)
    op.execute(
        "CREATE TRIGGER contact_phones_consent_epoch AFTER INSERT OR UPDATE OR DELETE ON contact_phones "
        "FOR EACH ROW EXECUTE FUNCTION bump_consent()"
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


def _watch_contacts(which: int) -> None:
    for table, watched in WATCHED.items():
        op.execute(f"DROP TRIGGER {table}_consent_epoch ON {table}")
        op.execute(
            f"CREATE TRIGGER {table}_consent_epoch AFTER {watched[which]} ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION bump_consent()"
        )


def grant() -> None:
    """Grant the application what it needs: nothing is removed, little is changed."""
    for table in TABLES:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO audiatur_app")
    op.execute(
        "GRANT UPDATE (approved_by, approved_at, terminated_at) ON processing_contracts "
        "TO audiatur_app"
    )
    op.execute("GRANT UPDATE (kept_only_by_hold) ON recordings TO audiatur_app")
    for function in (*FOR_APP, *INTERNAL):
        op.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
    for function in FOR_APP:
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO audiatur_app")


def make_tables() -> None:
    """Make the tables, as the models have them."""
    op.create_table(
        "documents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("upload_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.Column("examined", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("oddities", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("contract_id", sa.Uuid(), nullable=True),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("recording_id", sa.Uuid(), nullable=True),
        sa.Column("uploaded_by", sa.Uuid(), nullable=False),
        sa.Column("uploaded_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('pdf', 'png', 'jpeg', 'webp')", name=op.f("ck_documents_kind")
        ),
        sa.CheckConstraint(
            "role IN ('contract', 'processing_contract', 'consent_form', 'local_act', 'acknowledgement', 'assessment', 'demand', 'refusal', 'withdrawal', 'other')",
            name=op.f("ck_documents_role"),
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_documents_client_id_clients")
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_documents_contact_id_contacts")
        ),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["contracts.id"], name=op.f("fk_documents_contract_id_contracts")
        ),
        sa.ForeignKeyConstraint(
            ["object_id"],
            ["sealed_objects.object_id"],
            name=op.f("fk_documents_object_id_sealed_objects"),
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"], ["recordings.id"], name=op.f("fk_documents_recording_id_recordings")
        ),
        sa.ForeignKeyConstraint(
            ["uploaded_by"], ["users.id"], name=op.f("fk_documents_uploaded_by_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
        sa.UniqueConstraint("object_id", name=op.f("uq_documents_object_id")),
    )
    op.create_index("uq_documents_upload", "documents", ["uploaded_by", "upload_id"], unique=True)
    op.create_index("ix_documents_sha256", "documents", ["sha256"])
    for column in ("client_id", "contract_id", "contact_id", "agent", "recording_id"):
        op.create_index(op.f(f"ix_documents_{column}"), "documents", [column])
    op.create_table(
        "processing_contracts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("processor", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("signed_on", sa.Date(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("purposes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("valid_from", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("valid_to", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("terminated_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("approved_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "purposes <@ ARRAY['internal_quality', 'internal_training', 'dispute_client', 'claim_defence', 'legal_demand', 'subject_access', 'consent_review', 'integrity_forensics', 'transcription', 'publish', 'ai_training']",
            name=op.f("ck_processing_contracts_purposes"),
        ),
        sa.CheckConstraint(
            "cardinality(purposes) > 0", name=op.f("ck_processing_contracts_names_a_purpose")
        ),
        sa.CheckConstraint("valid_to > valid_from", name=op.f("ck_processing_contracts_validity")),
        sa.CheckConstraint(
            "approved_by <> created_by", name=op.f("ck_processing_contracts_four_eyes")
        ),
        sa.CheckConstraint(
            "num_nonnulls(approved_by, approved_at) IN (0, 2)",
            name=op.f("ck_processing_contracts_approval"),
        ),
        sa.ForeignKeyConstraint(
            ["approved_by"], ["users.id"], name=op.f("fk_processing_contracts_approved_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_processing_contracts_created_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["documents.id"],
            name=op.f("fk_processing_contracts_document_id_documents"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processing_contracts")),
    )
    op.create_index(
        "uq_processing_contracts_number",
        "processing_contracts",
        ["processor", "number"],
        unique=True,
    )
    op.create_table(
        "local_acts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("valid_from", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_local_acts_created_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name=op.f("fk_local_acts_document_id_documents")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_local_acts")),
    )
    op.create_index("uq_local_acts_version", "local_acts", ["number", "version"], unique=True)
    op.create_table(
        "acknowledgements",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("act_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["act_id"], ["local_acts.id"], name=op.f("fk_acknowledgements_act_id_local_acts")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_acknowledgements_user_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acknowledgements")),
    )
    op.create_index(
        "uq_acknowledgements_once", "acknowledgements", ["act_id", "user_id"], unique=True
    )
