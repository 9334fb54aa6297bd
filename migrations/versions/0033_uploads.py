"""Keep what clients send by the link of a request, and let the process of the links take it in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0031"
branch_labels = None
depends_on = None

# A function that runs with the owner's rights names its search path; the schema of temporary tables
# comes last in it, so that nobody can put a table of his own before ours.
OPEN_REQUEST = """
CREATE FUNCTION ask_request(asked_digest bytea) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT q.id FROM dispute_requests q JOIN disputes d ON d.id = q.dispute_id
    WHERE q.token_digest = asked_digest AND now() < q.token_expires_at
      AND q.state IN ('asked', 'asked_again', 'received') AND d.state <> 'closed'
$$
"""

# What a link may send within a day. What was refused counts too.
ROOM = """
CREATE FUNCTION ask_room(asked uuid) RETURNS TABLE (files bigint, bytes bigint, texts bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT greatest(0, 40 - count(u.object_id)),
           greatest(0, 209715200 - coalesce(sum(u.size_bytes), 0))::bigint,
           greatest(0, 20 - count(u.words))
    FROM dispute_uploads u WHERE u.request_id = asked AND u.at > now() - interval '1 day'
$$
"""

PAGE = """
CREATE FUNCTION ask_page(asked_digest bytea) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT jsonb_build_object(
        'asked', q.asked, 'due_at', q.due_at, 'expires_at', q.token_expires_at,
        'asked_by', p.full_name, 'client_name', c.name,
        'files_left', room.files, 'bytes_left', room.bytes,
        'sent', coalesce((
            SELECT jsonb_agg(jsonb_build_object(
                'file_name', u.file_name, 'is_text', u.words IS NOT NULL,
                'size_bytes', u.size_bytes, 'state', u.state, 'reason', u.reason, 'at', u.at
            ) ORDER BY u.at, u.id)
            FROM dispute_uploads u WHERE u.request_id = q.id), '[]'))
    FROM dispute_requests q
    JOIN disputes d ON d.id = q.dispute_id
    JOIN clients c ON c.id = d.client_id
    JOIN users p ON p.id = q.asked_by
    CROSS JOIN LATERAL ask_room(q.id) room
    WHERE q.id = ask_request(asked_digest)
$$
"""

# All of a sending or nothing. What came before, byte for byte, is not taken twice. An object that is
# a released copy is nobody's upload, whoever says so: what is taken over is destroyed afterwards.
TAKE = """
CREATE FUNCTION ask_take(asked_digest bytea, told jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    q dispute_requests;
    room record;
    f record;
    new_id uuid;
    taken jsonb := '[]';
    new_words text := nullif(btrim(told ->> 'words'), '');
BEGIN
    SELECT * INTO q FROM dispute_requests r WHERE r.token_digest = asked_digest FOR UPDATE;
    IF q.id IS NULL OR ask_request(asked_digest) IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT * INTO room FROM ask_room(q.id);
    FOR f IN SELECT * FROM jsonb_to_recordset(told -> 'files') AS x(
        object_id uuid, wrapped_key text, size_bytes bigint, sha256 text, file_name text)
    LOOP
        IF EXISTS (SELECT FROM dispute_uploads u WHERE u.request_id = q.id AND u.state <> 'refused'
                   AND u.sha256 = decode(f.sha256, 'hex')) THEN
            CONTINUE;
        END IF;
        room.files := room.files - 1;
        room.bytes := room.bytes - f.size_bytes;
        IF room.files < 0 OR room.bytes < 0 THEN
            RAISE EXCEPTION 'too much was sent' USING ERRCODE = 'program_limit_exceeded';
        END IF;
        IF EXISTS (SELECT FROM release_items i WHERE i.object_id = f.object_id)
           OR EXISTS (SELECT FROM release_bundles b WHERE b.object_id = f.object_id) THEN
            RAISE EXCEPTION 'a released copy is no upload' USING ERRCODE = 'check_violation';
        END IF;
        new_id := gen_random_uuid();
        INSERT INTO dispute_uploads (id, request_id, file_name, object_id, wrapped_key, size_bytes,
                                     sha256, state, at)
        VALUES (new_id, q.id, nullif(left(f.file_name, 255), ''), f.object_id,
                decode(f.wrapped_key, 'hex'), f.size_bytes, decode(f.sha256, 'hex'), 'waiting',
                clock_timestamp());
        taken := taken || to_jsonb(f.object_id);
        PERFORM ask_told(q, new_id, f.size_bytes);
    END LOOP;
    IF new_words IS NOT NULL AND NOT EXISTS (
        SELECT FROM dispute_uploads u WHERE u.request_id = q.id AND u.words = new_words) THEN
        IF room.texts < 1 THEN
            RAISE EXCEPTION 'too much was sent' USING ERRCODE = 'program_limit_exceeded';
        END IF;
        new_id := gen_random_uuid();
        INSERT INTO dispute_uploads (id, request_id, words, state, at)
        VALUES (new_id, q.id, new_words, 'waiting', clock_timestamp());
        PERFORM ask_told(q, new_id, octet_length(new_words));
    END IF;
    RETURN taken;
END $$
"""

# The entry in the ledger, and the job that takes over.
TOLD = """
CREATE FUNCTION ask_told(q dispute_requests, upload uuid, size_bytes bigint) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    INSERT INTO custody_entries (id, at, act, object_kind, object_id, actor_kind, actor_id,
                                 actor_role, outcome, facts)
    VALUES (gen_random_uuid(), clock_timestamp(), 'upload.received', 'dispute', q.dispute_id,
            'link', q.id, NULL, 'success', jsonb_build_object('request_id', q.id,
            'upload_id', upload, 'size_bytes', size_bytes));
    SELECT procrastinate_defer_jobs_v1(ARRAY[ROW('audiatur', 'disputes.take_over', 0, NULL, NULL,
        jsonb_build_object('upload_id', upload), NULL)::procrastinate_job_to_defer_v1]);
$$
"""

GUARD = """
CREATE FUNCTION guard_dispute_upload() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF OLD.state <> 'waiting' OR NEW.state = 'waiting' THEN
        RAISE EXCEPTION 'an upload is settled once' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""

FUNCTIONS = {
    "guard_dispute_upload()": GUARD,
    "ask_request(bytea)": OPEN_REQUEST,
    "ask_room(uuid)": ROOM,
    "ask_told(dispute_requests, uuid, bigint)": TOLD,
    "ask_page(bytea)": PAGE,
    "ask_take(bytea, jsonb)": TAKE,
}
FOR_PUBLIC = ("ask_page(bytea)", "ask_take(bytea, jsonb)")
# Nobody of the house did what a client did by a link.
BY_LINK = (
    ("documents", "uploaded_by"),
    ("dispute_requests", "changed_by"),
    ("dispute_request_documents", "noted_by"),
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table, column in BY_LINK:
        op.alter_column(table, column, nullable=True)
    op.create_index(
        "uq_documents_of_nobody",
        "documents",
        ["upload_id"],
        unique=True,
        postgresql_where=sa.text("uploaded_by IS NULL"),
    )
    op.create_table(
        "dispute_uploads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("words", sa.Text(), nullable=True),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.Column("object_id", sa.Uuid(), nullable=True),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("document_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("settled_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'kept', 'refused')", name=op.f("ck_dispute_uploads_state")
        ),
        sa.CheckConstraint(
            "(state = 'waiting') = (settled_at IS NULL) "
            "AND (state = 'refused') = (reason IS NOT NULL) "
            "AND (document_id IS NOT NULL) = (state = 'kept' AND words IS NULL)",
            name=op.f("ck_dispute_uploads_settled"),
        ),
        sa.CheckConstraint(
            "CASE WHEN words IS NULL THEN num_nonnulls(object_id, size_bytes, sha256) = 3 "
            "AND (wrapped_key IS NOT NULL) = (state = 'waiting') "
            "ELSE num_nonnulls(object_id, wrapped_key, size_bytes, sha256, file_name) = 0 END",
            name=op.f("ck_dispute_uploads_what"),
        ),
        sa.CheckConstraint(
            "size_bytes > 0 AND octet_length(sha256) = 32 AND octet_length(wrapped_key) <= 512 "
            "AND length(words) <= 20000",
            name=op.f("ck_dispute_uploads_size"),
        ),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["dispute_requests.id"],
            name=op.f("fk_dispute_uploads_request_id_dispute_requests"),
        ),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["documents.id"],
            name=op.f("fk_dispute_uploads_document_id_documents"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute_uploads")),
        sa.UniqueConstraint("object_id", name=op.f("uq_dispute_uploads_object_id")),
    )
    op.create_index("ix_dispute_uploads_request", "dispute_uploads", ["request_id", "at"])
    for function in FUNCTIONS.values():
        op.execute(function)
    op.execute(
        "CREATE TRIGGER dispute_uploads_guard BEFORE UPDATE ON dispute_uploads "
        "FOR EACH ROW EXECUTE FUNCTION guard_dispute_upload()"
    )
    op.execute(
        "CREATE TRIGGER dispute_uploads_kept BEFORE DELETE ON dispute_uploads "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER dispute_uploads_never_emptied BEFORE TRUNCATE ON dispute_uploads "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute("GRANT SELECT ON dispute_uploads TO audiatur_app")
    op.execute(
        "GRANT UPDATE (wrapped_key, state, reason, document_id, settled_at) "
        "ON dispute_uploads TO audiatur_app"
    )
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    for function in FOR_PUBLIC:
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO audiatur_public")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for function in reversed([name for name in FUNCTIONS if not name.startswith("guard")]):
        op.execute(f"DROP FUNCTION {function}")
    op.drop_table("dispute_uploads")
    op.execute("DROP FUNCTION guard_dispute_upload()")
    op.drop_index("uq_documents_of_nobody", table_name="documents")
    for table, column in BY_LINK:
        op.alter_column(table, column, nullable=False)
