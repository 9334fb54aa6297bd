"""Make the tables of people, clients, recordings and the ledger, and the group roles."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The application, the process of the public links, and the one that destroys: what each may do
# is granted table by table, so that what is not granted is refused by the database itself.
GROUP_ROLES = ("audiatur_app", "audiatur_public", "audiatur_purge")

CHANGEABLE = (
    "users",
    "api_keys",
    "web_sessions",
    "devices",
    "device_keys",
    "clients",
    "contacts",
    "contracts",
    "contract_clauses",
    "events",
)
REPLACEABLE = ("contact_phones", "contract_clauses", "login_attempts")
INSERT_ONLY = ("custody_private", "link_changes", "login_attempts")

# Of evidence only what is found out later may change: what the sender said and sent stays.
CHANGEABLE_COLUMNS = {
    "sealed_objects": ("wrapped_key",),
    "recordings": (
        "event_id",
        "linked_by",
        "flag",
        "consent_epoch",
        "inspection_state",
        "inspection_reason",
        "duration_ms",
        "restricted_at",
        "integrity_failed_at",
        "erased_at",
    ),
    "legs": (
        "codec",
        "channels",
        "sample_rate_hz",
        "inspection_state",
        "inspection_reason",
        "duration_ms",
        "damaged",
        "decoder",
        "playable_object_id",
        "peaks_object_id",
    ),
    "parties": (
        "side",
        "client_id",
        "contact_id",
        "present_from_ms",
        "present_to_ms",
        "jurisdiction",
        "how_identified",
    ),
    "screenshots": ("event_id", "linked_by", "erased_at"),
}

# All but `position` and `written_at`, which are the database's own word: whoever has taken the
# application over can neither choose a place in the order nor a time in the past.
ENTRY_COLUMNS = (
    "id",
    "at",
    "act",
    "object_kind",
    "object_id",
    "actor_kind",
    "actor_id",
    "actor_role",
    "outcome",
    "facts",
    "content_commitment",
    "detail_commitment",
)

LEDGER_GUARD = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$
"""

# Evidence keeps its bytes: what was received may be inspected and erased, not replaced.
LEG_GUARD = """
CREATE FUNCTION refuse_other_bytes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.object_id, NEW.sha256, NEW.size_bytes, NEW.crc32)
        IS DISTINCT FROM (OLD.object_id, OLD.sha256, OLD.size_bytes, OLD.crc32) THEN
        RAISE EXCEPTION 'the bytes of % are never changed', OLD.object_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.wrapped_key IS NULL AND NEW.wrapped_key IS NOT NULL THEN
        RAISE EXCEPTION 'the key of % was destroyed', OLD.object_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    -- The owner may wrap keys anew under another master key; everybody else only destroys.
    IF NEW.wrapped_key IS NOT NULL AND NEW.wrapped_key IS DISTINCT FROM OLD.wrapped_key
        AND NOT pg_has_role(current_user,
            (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
        RAISE EXCEPTION 'the key of % is destroyed or stays', OLD.object_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""


def make_roles() -> None:
    """Make the group roles, which belong to the whole server and may be there already."""
    for role in GROUP_ROLES:
        op.execute(
            f"""
            DO $$ BEGIN
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
                    CREATE ROLE {role} NOLOGIN;
                END IF;
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END $$
            """
        )
        op.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
        # Whoever migrates may also act as the application, so one account can do for both.
        op.execute(f"GRANT {role} TO CURRENT_USER")


def grant() -> None:
    """Grant each role what it needs, and nothing that the ledger forbids."""
    op.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    # Nothing here needs temporary tables, and no login should fill the disk with them.
    op.execute(
        """
        DO $$ BEGIN
            EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE WARNING 'only the owner of the database can forbid temporary tables';
        END $$
        """
    )
    for table in CHANGEABLE:
        op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO audiatur_app")
    for table in REPLACEABLE:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO audiatur_app")
    for table in INSERT_ONLY:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO audiatur_app")
    for table, columns in CHANGEABLE_COLUMNS.items():
        op.execute(f"GRANT SELECT, INSERT ON {table} TO audiatur_app")
        op.execute(f"GRANT UPDATE ({', '.join(columns)}) ON {table} TO audiatur_app")
    op.execute(
        f"GRANT SELECT, INSERT ({', '.join(ENTRY_COLUMNS)}) ON custody_entries TO audiatur_app"
    )
    op.execute("GRANT SELECT, DELETE ON custody_private TO audiatur_purge")
    # Whoever serves looks whether the tables are those of its code.
    op.execute("GRANT SELECT ON alembic_version TO audiatur_app")


def guard() -> None:
    """Let the database refuse changes of the ledger and of bytes, whoever asks."""
    op.execute(LEDGER_GUARD)
    op.execute(LEG_GUARD)
    for table in ("custody_entries", "link_changes"):
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_never_emptied BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.execute(
        "CREATE TRIGGER custody_private_never_altered BEFORE UPDATE ON custody_private "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER sealed_objects_bytes BEFORE UPDATE ON sealed_objects "
        "FOR EACH ROW EXECUTE FUNCTION refuse_other_bytes()"
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    make_roles()
    make_tables()
    guard()
    grant()


def make_tables() -> None:
    """Make the tables, as the models have them."""
    op.create_table(
        "clients",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tax_id", sa.Text(), nullable=True),
        sa.Column("jurisdiction", sa.Text(), nullable=True),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clients")),
        sa.UniqueConstraint("external_id", name=op.f("uq_clients_external_id")),
    )
    op.create_table(
        "custody_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("object_kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_role", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("content_commitment", sa.LargeBinary(), nullable=True),
        sa.Column("detail_commitment", sa.LargeBinary(), nullable=True),
        sa.Column(
            "written_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "actor_kind IN ('user', 'device', 'system', 'link')",
            name=op.f("ck_custody_entries_actor_kind"),
        ),
        sa.CheckConstraint(
            "outcome IN ('success', 'denied', 'failed')", name=op.f("ck_custody_entries_outcome")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_custody_entries")),
        sa.UniqueConstraint("position", name=op.f("uq_custody_entries_position")),
    )
    op.create_index(
        "ix_custody_entries_object",
        "custody_entries",
        ["object_kind", "object_id", "position"],
        unique=False,
    )
    op.create_table(
        "devices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("name", name=op.f("uq_devices_name")),
    )
    op.create_table(
        "login_attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name_digest", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_attempts")),
    )
    op.create_index(
        "ix_login_attempts_name_digest_at", "login_attempts", ["name_digest", "at"], unique=False
    )
    op.create_table(
        "sealed_objects",
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("crc32", sa.BigInteger(), nullable=False),
        sa.Column("stored_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("object_id", name=op.f("pk_sealed_objects")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("agent_ref", sa.Text(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "role IN ('agent', 'manager', 'reviewer', 'approver', 'legal', 'admin', 'auditor')",
            name=op.f("ck_users_role"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
    )
    op.create_index("uq_users_agent_ref", "users", [sa.text("lower(agent_ref)")], unique=True)
    op.create_index("uq_users_name", "users", [sa.text("lower(name)")], unique=True)
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_keys_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_keys_digest")),
    )
    op.create_index(op.f("ix_api_keys_user_id"), "api_keys", ["user_id"], unique=False)
    op.create_table(
        "contacts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("is_management", sa.Boolean(), nullable=False),
        sa.Column("left_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_contacts_client_id_clients")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
    )
    op.create_index(op.f("ix_contacts_client_id"), "contacts", ["client_id"], unique=False)
    op.create_index(
        "uq_contacts_external_id", "contacts", ["client_id", "external_id"], unique=True
    )
    op.create_table(
        "contracts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("signed_on", sa.Date(), nullable=False),
        sa.Column("our_entity", sa.Text(), nullable=False),
        sa.Column("document_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("signature_kind", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("valid_to", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("terminated_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "signature_kind IN ('ukep', 'wet_scan', 'offer_accepted')",
            name=op.f("ck_contracts_signature_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_contracts_client_id_clients")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contracts")),
    )
    op.create_index(op.f("ix_contracts_client_id"), "contracts", ["client_id"], unique=False)
    op.create_index("uq_contracts_number", "contracts", ["client_id", "number"], unique=True)
    op.create_table(
        "custody_private",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("label IN ('content', 'detail')", name=op.f("ck_custody_private_label")),
        sa.ForeignKeyConstraint(
            ["entry_id"],
            ["custody_entries.id"],
            name=op.f("fk_custody_private_entry_id_custody_entries"),
        ),
        sa.PrimaryKeyConstraint("entry_id", "label", name=op.f("pk_custody_private")),
    )
    op.create_table(
        "device_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_device_keys_device_id_devices")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_device_keys_digest")),
    )
    op.create_index(op.f("ix_device_keys_device_id"), "device_keys", ["device_id"], unique=False)
    op.create_table(
        "events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("agents", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("closed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('call', 'visit', 'update', 'complaint', 'act', 'ticket')",
            name=op.f("ck_events_kind"),
        ),
        sa.CheckConstraint(
            "origin IN ('sent', 'awaited', 'made', 'triage')", name=op.f("ck_events_origin")
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_events_client_id_clients")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("external_id", name=op.f("uq_events_external_id")),
    )
    op.create_index("ix_events_client_time", "events", ["client_id", "occurred_at"], unique=False)
    op.create_index(
        "ix_events_open",
        "events",
        ["client_id", "occurred_at"],
        unique=False,
        postgresql_where="closed_at IS NULL AND client_id IS NOT NULL",
    )
    op.create_index(
        "ix_events_triage",
        "events",
        ["occurred_at"],
        unique=False,
        postgresql_where="client_id IS NULL",
    )
    op.create_table(
        "web_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ended_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_web_sessions_user_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_web_sessions")),
        sa.UniqueConstraint("digest", name=op.f("uq_web_sessions_digest")),
    )
    op.create_index(op.f("ix_web_sessions_user_id"), "web_sessions", ["user_id"], unique=False)
    op.create_table(
        "contact_phones",
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_contact_phones_contact_id_contacts")
        ),
        sa.PrimaryKeyConstraint("contact_id", "number", name=op.f("pk_contact_phones")),
    )
    op.create_index(op.f("ix_contact_phones_number"), "contact_phones", ["number"], unique=False)
    op.create_table(
        "contract_clauses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("contract_id", sa.Uuid(), nullable=False),
        sa.Column("clause_ref", sa.Text(), nullable=False),
        sa.Column("quote", sa.Text(), nullable=False),
        sa.Column("scope", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("purposes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("recipients", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("survives_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("retroactive_from", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "scope <@ ARRAY['notice', 'disclose_to_management', 'employee_notice_duty']",
            name=op.f("ck_contract_clauses_scope"),
        ),
        sa.ForeignKeyConstraint(
            ["contract_id"],
            ["contracts.id"],
            name=op.f("fk_contract_clauses_contract_id_contracts"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contract_clauses")),
    )
    op.create_index(
        op.f("ix_contract_clauses_contract_id"), "contract_clauses", ["contract_id"], unique=False
    )
    op.create_index(
        "uq_contract_clauses_ref", "contract_clauses", ["contract_id", "clause_ref"], unique=True
    )
    op.create_table(
        "recordings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("source_call_id", sa.Text(), nullable=False),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ended_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("claimed_duration_ms", sa.Integer(), nullable=True),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("capture", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), nullable=True),
        sa.Column("from_party", sa.Text(), nullable=True),
        sa.Column("to_party", sa.Text(), nullable=True),
        sa.Column("outside_number", sa.Text(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("claimed_notice", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("linked_by", sa.Text(), nullable=False),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("flag", sa.Text(), server_default="unknown", nullable=False),
        sa.Column("consent_epoch", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("inspection_state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("inspection_reason", sa.Text(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("restricted_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("integrity_failed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("erased_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "capture IN ('softphone', 'pbx', 'mobile', 'import')",
            name=op.f("ck_recordings_capture"),
        ),
        sa.CheckConstraint(
            "direction IN ('inbound', 'outbound', 'internal')", name=op.f("ck_recordings_direction")
        ),
        sa.CheckConstraint(
            "flag IN ('consented', 'basis', 'notified', 'pending', 'unknown', 'expired', 'invalidated', 'withdrawal_proposed', 'withdrawn', 'refusal_proposed', 'refused')",
            name=op.f("ck_recordings_flag"),
        ),
        sa.CheckConstraint(
            "inspection_state IN ('pending', 'done', 'failed')",
            name=op.f("ck_recordings_inspection_state"),
        ),
        sa.CheckConstraint(
            "linked_by IN ('sender', 'number', 'created', 'triage', 'adopted', 'manual')",
            name=op.f("ck_recordings_linked_by"),
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_recordings_device_id_devices")
        ),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_recordings_event_id_events")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recordings")),
    )
    op.create_index(
        "ix_recordings_agent",
        "recordings",
        ["agent", sa.literal_column("started_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "ix_recordings_event",
        "recordings",
        ["event_id", sa.literal_column("started_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "ix_recordings_flag",
        "recordings",
        ["flag", sa.literal_column("started_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "ix_recordings_number",
        "recordings",
        ["outside_number", sa.literal_column("started_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "ix_recordings_started",
        "recordings",
        [sa.literal_column("started_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "uq_recordings_call", "recordings", ["device_id", "source_call_id"], unique=True
    )
    op.create_table(
        "screenshots",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("captured_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("linked_by", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("erased_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "linked_by IN ('sender', 'number', 'created', 'triage', 'adopted', 'manual')",
            name=op.f("ck_screenshots_linked_by"),
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_screenshots_device_id_devices")
        ),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_screenshots_event_id_events")
        ),
        sa.ForeignKeyConstraint(
            ["object_id"],
            ["sealed_objects.object_id"],
            name=op.f("fk_screenshots_object_id_sealed_objects"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_screenshots")),
        sa.UniqueConstraint("object_id", name=op.f("uq_screenshots_object_id")),
    )
    op.create_index(
        "ix_screenshots_event",
        "screenshots",
        ["event_id", sa.literal_column("captured_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "uq_screenshots_body", "screenshots", ["device_id", "captured_at", "sha256"], unique=True
    )
    op.create_table(
        "legs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("leg", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("container", sa.Text(), nullable=False),
        sa.Column("codec", sa.Text(), nullable=True),
        sa.Column("channels", sa.Integer(), nullable=True),
        sa.Column("sample_rate_hz", sa.Integer(), nullable=True),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.Column("client_digest", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("inspection_state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("inspection_reason", sa.Text(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("damaged", sa.Boolean(), nullable=True),
        sa.Column("decoder", sa.Text(), nullable=True),
        sa.Column("playable_object_id", sa.Uuid(), nullable=True),
        sa.Column("peaks_object_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "inspection_state IN ('pending', 'done', 'failed')",
            name=op.f("ck_legs_inspection_state"),
        ),
        sa.CheckConstraint("leg IN ('mixed', 'sent', 'received')", name=op.f("ck_legs_leg")),
        sa.ForeignKeyConstraint(
            ["object_id"],
            ["sealed_objects.object_id"],
            name=op.f("fk_legs_object_id_sealed_objects"),
        ),
        sa.ForeignKeyConstraint(
            ["peaks_object_id"],
            ["sealed_objects.object_id"],
            name=op.f("fk_legs_peaks_object_id_sealed_objects"),
        ),
        sa.ForeignKeyConstraint(
            ["playable_object_id"],
            ["sealed_objects.object_id"],
            name=op.f("fk_legs_playable_object_id_sealed_objects"),
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"], ["recordings.id"], name=op.f("fk_legs_recording_id_recordings")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legs")),
        sa.UniqueConstraint("object_id", name=op.f("uq_legs_object_id")),
        sa.UniqueConstraint("peaks_object_id", name=op.f("uq_legs_peaks_object_id")),
        sa.UniqueConstraint("playable_object_id", name=op.f("uq_legs_playable_object_id")),
    )
    op.create_index("uq_legs_leg", "legs", ["recording_id", "leg"], unique=True)
    op.create_table(
        "link_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=True),
        sa.Column("screenshot_id", sa.Uuid(), nullable=True),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("linked_by", sa.Text(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "linked_by IN ('sender', 'number', 'created', 'triage', 'adopted', 'manual')",
            name=op.f("ck_link_changes_linked_by"),
        ),
        sa.CheckConstraint(
            "num_nonnulls(recording_id, screenshot_id) = 1", name=op.f("ck_link_changes_one_object")
        ),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_link_changes_event_id_events")
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_link_changes_recording_id_recordings"),
        ),
        sa.ForeignKeyConstraint(
            ["screenshot_id"],
            ["screenshots.id"],
            name=op.f("fk_link_changes_screenshot_id_screenshots"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_link_changes_user_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_changes")),
    )
    op.create_index(
        op.f("ix_link_changes_recording_id"), "link_changes", ["recording_id"], unique=False
    )
    op.create_index(
        op.f("ix_link_changes_screenshot_id"), "link_changes", ["screenshot_id"], unique=False
    )
    op.create_table(
        "parties",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("present_from_ms", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("present_to_ms", sa.Integer(), nullable=True),
        sa.Column("channel", sa.Integer(), nullable=True),
        sa.Column("jurisdiction", sa.Text(), nullable=True),
        sa.Column("how_identified", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "how_identified IN ('number', 'event', 'sender', 'person', 'unknown')",
            name=op.f("ck_parties_how_identified"),
        ),
        sa.CheckConstraint("side IN ('own', 'client', 'other')", name=op.f("ck_parties_side")),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_parties_client_id_clients")
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_parties_contact_id_contacts")
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"], ["recordings.id"], name=op.f("fk_parties_recording_id_recordings")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parties")),
    )
    op.create_index("uq_parties_label", "parties", ["recording_id", "label"], unique=True)


def downgrade() -> None:
    """Remove the tables; the group roles stay, since other databases may use them."""
    tables = (
        "parties",
        "link_changes",
        "legs",
        "screenshots",
        "recordings",
        "contract_clauses",
        "contact_phones",
        "web_sessions",
        "events",
        "device_keys",
        "custody_private",
        "contracts",
        "contacts",
        "api_keys",
        "users",
        "sealed_objects",
        "login_attempts",
        "devices",
        "custody_entries",
        "clients",
    )
    for table in tables:
        op.execute(f"DROP TABLE {table} CASCADE")
    op.execute("DROP FUNCTION refuse_change(), refuse_other_bytes()")
