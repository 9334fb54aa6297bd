"""Let disputes be worked: states, steps, statements, requests, hours, reminders and a history."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0025"
branch_labels = None
depends_on = None

STATES = "state IN ('open', 'calling_back', 'checking', 'waiting_for_client', 'with_specialist', 'decided', 'handed_over', 'answered', 'closed', 'reopened')"

MANAGER = ("manager",)
ALL = ("manager", "approver", "legal")
# From, to, who, whether he must say why. A test compares it with the rules.
TRANSITIONS = (
    ("open", "calling_back", MANAGER, False),
    ("open", "checking", MANAGER, False),
    ("open", "closed", ALL, True),
    ("calling_back", "checking", MANAGER, False),
    ("calling_back", "waiting_for_client", MANAGER, False),
    ("calling_back", "closed", ALL, True),
    ("checking", "calling_back", MANAGER, False),
    ("checking", "waiting_for_client", MANAGER, False),
    ("checking", "with_specialist", MANAGER, False),
    ("checking", "decided", MANAGER, False),
    ("checking", "closed", ALL, True),
    ("waiting_for_client", "calling_back", MANAGER, False),
    ("waiting_for_client", "checking", MANAGER, False),
    ("waiting_for_client", "with_specialist", MANAGER, False),
    ("waiting_for_client", "decided", MANAGER, False),
    ("waiting_for_client", "closed", ALL, True),
    ("with_specialist", "checking", MANAGER, False),
    ("with_specialist", "waiting_for_client", MANAGER, False),
    ("with_specialist", "decided", MANAGER, False),
    ("with_specialist", "closed", ALL, True),
    ("decided", "handed_over", MANAGER, False),
    ("decided", "answered", MANAGER, False),
    ("decided", "checking", ALL, True),
    ("decided", "closed", ALL, False),
    ("handed_over", "answered", MANAGER, False),
    ("handed_over", "checking", ALL, True),
    ("handed_over", "closed", ALL, False),
    ("answered", "handed_over", MANAGER, False),
    ("answered", "checking", ALL, True),
    ("answered", "closed", ALL, False),
    ("closed", "reopened", ALL, True),
    ("reopened", "calling_back", MANAGER, False),
    ("reopened", "checking", MANAGER, False),
    ("reopened", "waiting_for_client", MANAGER, False),
    ("reopened", "with_specialist", MANAGER, False),
    ("reopened", "decided", MANAGER, False),
    ("reopened", "closed", ALL, True),
)

TABLES = (
    "dispute_transitions",
    "dispute_moves",
    "dispute_conducts",
    "dispute_statements",
    "dispute_steps",
    "dispute_requests",
    "dispute_request_documents",
    "work_rates",
    "dispute_hours",
    "dispute_reminders",
    "dispute_history",
)
INSERT_ONLY = (
    "dispute_moves",
    "dispute_statements",
    "dispute_request_documents",
    "work_rates",
    "dispute_hours",
    "dispute_history",
)
WRITTEN_BY_APP = tuple(t for t in TABLES if t not in {"dispute_transitions", "dispute_history"})
CHANGEABLE = {
    "disputes": "event_id, period_from, period_to, owner_id, due_at, changed_by, changed_at",
    "dispute_conducts": "cleared_by, cleared_at, reason",
    "dispute_steps": "position, state, owner_id, due_at, result, reason, changed_by, changed_at",
    "dispute_requests": (
        "due_at, state, words, token_digest, token_expires_at, changed_by, changed_at"
    ),
    "dispute_reminders": "told_at",
}

# Code from before this migration says nothing of an owner.
BEGIN = """
CREATE FUNCTION begin_dispute() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.state <> 'open' OR NEW.closed_at IS NOT NULL THEN
        RAISE EXCEPTION 'a dispute begins open' USING ERRCODE = 'check_violation';
    END IF;
    NEW.owner_id := coalesce(NEW.owner_id, NEW.opened_by);
    NEW.changed_by := coalesce(NEW.changed_by, NEW.opened_by);
    NEW.changed_at := coalesce(NEW.changed_at, NEW.opened_at);
    RETURN NEW;
END $$
"""

IN_QUESTION = """
CREATE FUNCTION is_in_question(asked uuid, person uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM dispute_conducts c JOIN users u ON u.id = person
        WHERE c.dispute_id = asked AND c.cleared_at IS NULL
          AND (c.user_id = person OR c.agent = u.agent_ref))
$$
"""

# A state changes by a row of this table and in no other way, so the history is whole.
MOVE = """
CREATE FUNCTION move_dispute() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    d disputes;
    t dispute_transitions;
BEGIN
    SELECT * INTO d FROM disputes WHERE id = NEW.dispute_id FOR UPDATE;
    SELECT m.* INTO t FROM dispute_transitions m
    JOIN users u ON u.id = NEW.moved_by AND u.disabled_at IS NULL AND u.role = m.role
    WHERE m.from_state = d.state AND m.to_state = NEW.to_state AND m.role = NEW.role;
    IF t.to_state IS NULL OR NEW.from_state <> d.state THEN
        RAISE EXCEPTION 'a dispute moves by its table' USING ERRCODE = 'check_violation';
    END IF;
    IF t.needs_reason AND coalesce(btrim(NEW.reason), '') = '' THEN
        RAISE EXCEPTION 'this move says why' USING ERRCODE = 'check_violation';
    END IF;
    IF is_in_question(NEW.dispute_id, NEW.moved_by) THEN
        RAISE EXCEPTION 'whose conduct is in question moves nothing' USING ERRCODE = 'check_violation';
    END IF;
    IF (NEW.to_state = 'with_specialist' AND EXISTS (
            SELECT FROM dispute_steps s
            WHERE s.dispute_id = d.id AND s.kind = 'first_validity' AND s.state = 'todo'))
       OR (NEW.to_state IN ('decided', 'answered', 'closed') AND NOT EXISTS (
            SELECT FROM dispute_statements s
            WHERE s.dispute_id = d.id AND s.kind = CASE NEW.to_state
                WHEN 'decided' THEN 'verdict' WHEN 'answered' THEN 'answer' ELSE 'outcome' END)) THEN
        RAISE EXCEPTION 'what this state asks for is not there' USING ERRCODE = 'check_violation';
    END IF;
    UPDATE disputes SET state = NEW.to_state, changed_by = NEW.moved_by, changed_at = NEW.at,
        closed_at = CASE WHEN NEW.to_state = 'closed' THEN NEW.at END
    WHERE id = d.id;
    RETURN NEW;
END $$
"""

# Nothing is written of a closed dispute, and nothing of another client.
STATEMENT_GUARD = """
CREATE FUNCTION guard_dispute_statement() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    d disputes;
BEGIN
    SELECT * INTO d FROM disputes WHERE id = NEW.dispute_id FOR SHARE;
    IF (NEW.replaces IS NOT NULL AND NOT EXISTS (
            SELECT FROM dispute_statements s
            WHERE s.id = NEW.replaces AND s.dispute_id = d.id AND s.kind = NEW.kind))
       OR (NEW.contact_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM contacts c WHERE c.id = NEW.contact_id AND c.client_id = d.client_id))
       OR (NEW.contract_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM contracts c WHERE c.id = NEW.contract_id AND c.client_id = d.client_id))
       OR (NEW.exhibit_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM exhibits e WHERE e.id = NEW.exhibit_id AND e.dispute_id = d.id)) THEN
        RAISE EXCEPTION 'a statement is of its dispute and client' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.kind IN ('verdict', 'outcome') AND (is_in_question(d.id, NEW.noted_by)
       OR (NEW.person_id IS NOT NULL AND is_in_question(d.id, NEW.person_id))) THEN
        RAISE EXCEPTION 'whose conduct is in question decides nothing' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

OPEN_GUARD = """
CREATE FUNCTION guard_open_dispute() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM disputes d WHERE d.id = NEW.dispute_id AND d.state = 'closed' FOR SHARE) THEN
        RAISE EXCEPTION 'the dispute is closed' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

REQUEST_GUARD = """
CREATE FUNCTION guard_dispute_request() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'asked' OR (NEW.contact_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM contacts c JOIN disputes d ON d.client_id = c.client_id
            WHERE c.id = NEW.contact_id AND d.id = NEW.dispute_id)) THEN
            RAISE EXCEPTION 'a request begins as asked, of somebody of the client'
                USING ERRCODE = 'check_violation';
        END IF;
    ELSIF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
        ('asked', 'received'), ('asked', 'given_up'), ('received', 'valid'),
        ('received', 'asked_again'), ('received', 'given_up'), ('asked_again', 'received'),
        ('asked_again', 'given_up'), ('valid', 'asked_again'), ('given_up', 'asked_again')) THEN
        RAISE EXCEPTION 'a request goes on by its table' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

CONDUCT_GUARD = """
CREATE FUNCTION guard_dispute_conduct() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.cleared_at IS NOT NULL THEN
            RAISE EXCEPTION 'conduct is cleared after it was in question' USING ERRCODE = 'check_violation';
        END IF;
    ELSIF OLD.cleared_at IS NOT NULL OR is_in_question(NEW.dispute_id, NEW.cleared_by) THEN
        RAISE EXCEPTION 'conduct is cleared once, by somebody else' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

APPROVAL_GUARD = """
CREATE FUNCTION guard_approval_conduct() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM releases r WHERE r.id = NEW.release_id AND r.dispute_id IS NOT NULL
               AND is_in_question(r.dispute_id, NEW.approver_id)) THEN
        RAISE EXCEPTION 'whose conduct is in question approves nothing' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""

HISTORY = """
CREATE FUNCTION keep_dispute_history() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    after jsonb := to_jsonb(NEW) - 'token_digest';
BEGIN
    INSERT INTO dispute_history (dispute_id, what, row_id, changed_by, before, after)
    VALUES (
        (after ->> CASE TG_TABLE_NAME WHEN 'disputes' THEN 'id' ELSE 'dispute_id' END)::uuid,
        TG_TABLE_NAME, NEW.id,
        coalesce(after ->> 'cleared_by', after ->> 'changed_by', after ->> 'noted_by')::uuid,
        CASE WHEN TG_OP = 'UPDATE' THEN to_jsonb(OLD) - 'token_digest' END, after);
    RETURN NULL;
END $$
"""

FUNCTIONS = {
    "begin_dispute()": BEGIN,
    "is_in_question(uuid, uuid)": IN_QUESTION,
    "move_dispute()": MOVE,
    "guard_dispute_statement()": STATEMENT_GUARD,
    "guard_open_dispute()": OPEN_GUARD,
    "guard_dispute_request()": REQUEST_GUARD,
    "guard_dispute_conduct()": CONDUCT_GUARD,
    "guard_approval_conduct()": APPROVAL_GUARD,
    "keep_dispute_history()": HISTORY,
}
TRIGGERS = (
    ("disputes", "begin", "BEFORE INSERT", "begin_dispute"),
    ("dispute_moves", "move", "BEFORE INSERT", "move_dispute"),
    ("dispute_statements", "guard", "BEFORE INSERT", "guard_dispute_statement"),
    ("dispute_statements", "open", "BEFORE INSERT", "guard_open_dispute"),
    ("dispute_steps", "open", "BEFORE INSERT OR UPDATE", "guard_open_dispute"),
    ("dispute_requests", "open", "BEFORE INSERT OR UPDATE", "guard_open_dispute"),
    ("dispute_requests", "guard", "BEFORE INSERT OR UPDATE", "guard_dispute_request"),
    ("dispute_conducts", "open", "BEFORE INSERT OR UPDATE", "guard_open_dispute"),
    ("dispute_conducts", "guard", "BEFORE INSERT OR UPDATE", "guard_dispute_conduct"),
    ("dispute_hours", "open", "BEFORE INSERT", "guard_open_dispute"),
    ("release_approvals", "conduct", "BEFORE INSERT", "guard_approval_conduct"),
    ("disputes", "history", "AFTER INSERT OR UPDATE", "keep_dispute_history"),
    ("dispute_steps", "history", "AFTER INSERT OR UPDATE", "keep_dispute_history"),
    ("dispute_requests", "history", "AFTER INSERT OR UPDATE", "keep_dispute_history"),
    ("dispute_conducts", "history", "AFTER INSERT OR UPDATE", "keep_dispute_history"),
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    widen_disputes()
    make_tables()
    fill_transitions()
    watch()
    grant()


def widen_disputes() -> None:
    """Add what is new of a dispute; those that are there are their openers' own."""
    op.add_column("disputes", sa.Column("state", sa.Text(), server_default="open", nullable=False))
    for name in ("event_id", "owner_id", "changed_by"):
        op.add_column("disputes", sa.Column(name, sa.Uuid(), nullable=True))
    for name in ("period_from", "period_to", "due_at", "changed_at"):
        op.add_column("disputes", sa.Column(name, sa.TIMESTAMP(timezone=True), nullable=True))
    op.execute(
        "UPDATE disputes SET state = CASE WHEN closed_at IS NULL THEN 'open' ELSE 'closed' END, "
        "owner_id = opened_by, changed_by = opened_by, changed_at = coalesce(closed_at, opened_at)"
    )
    for name in ("owner_id", "changed_by", "changed_at"):
        op.alter_column("disputes", name, nullable=False)
    op.create_check_constraint(op.f("ck_disputes_state"), "disputes", STATES)
    op.create_check_constraint(
        op.f("ck_disputes_closed"), "disputes", "(state = 'closed') = (closed_at IS NOT NULL)"
    )
    op.create_check_constraint(op.f("ck_disputes_period"), "disputes", "period_to > period_from")
    op.create_index(
        "ix_disputes_opened",
        "disputes",
        [sa.literal_column("opened_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(op.f("ix_disputes_owner_id"), "disputes", ["owner_id"], unique=False)
    for name, other in (("owner_id", "users"), ("changed_by", "users"), ("event_id", "events")):
        op.create_foreign_key(
            op.f(f"fk_disputes_{name}_{other}"), "disputes", other, [name], ["id"]
        )


def fill_transitions() -> None:
    """Write the table of states down."""
    rows = ", ".join(
        f"('{before}', '{after}', '{role}', {str(needs).lower()})"
        for before, after, roles, needs in TRANSITIONS
        for role in roles
    )
    op.execute(f"INSERT INTO dispute_transitions VALUES {rows}")  # noqa: S608 - the constants above.


def watch() -> None:
    """Let the database itself say no."""
    for function in FUNCTIONS.values():
        op.execute(function)
    for table, name, when, function in TRIGGERS:
        op.execute(
            f"CREATE TRIGGER {table}_{name} {when} ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {function}()"
        )
    for table in TABLES:
        if table == "dispute_transitions":
            continue
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
    """Let the application write all but states, the table of them, and the history."""
    op.execute("REVOKE UPDATE (closed_at) ON disputes FROM audiatur_app")
    for table in TABLES:
        op.execute(f"GRANT SELECT ON {table} TO audiatur_app")
    for table in WRITTEN_BY_APP:
        op.execute(f"GRANT INSERT ON {table} TO audiatur_app")
    for table, columns in CHANGEABLE.items():
        op.execute(f"GRANT UPDATE ({columns}) ON {table} TO audiatur_app")
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION is_in_question(uuid, uuid) TO audiatur_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(f"DROP TABLE {', '.join(reversed(TABLES))}")
    op.execute("DROP TRIGGER release_approvals_conduct ON release_approvals")
    for name in ("begin", "history"):
        op.execute(f"DROP TRIGGER disputes_{name} ON disputes")
    for function in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {function}")
    op.drop_index("ix_disputes_opened", table_name="disputes")
    for name in ("period", "closed", "state"):
        op.drop_constraint(op.f(f"ck_disputes_{name}"), "disputes", type_="check")
    for name in (
        "changed_at",
        "changed_by",
        "due_at",
        "owner_id",
        "period_to",
        "period_from",
        "event_id",
        "state",
    ):
        op.drop_column("disputes", name)
    op.execute("GRANT UPDATE (closed_at) ON disputes TO audiatur_app")


def make_tables() -> None:
    """Make the tables, as the models have them."""
    op.create_table(
        "dispute_transitions",
        sa.Column("from_state", sa.Text(), nullable=False),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("needs_reason", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "from_state IN ('open', 'calling_back', 'checking', 'waiting_for_client', 'with_specialist', 'decided', 'handed_over', 'answered', 'closed', 'reopened')",
            name=op.f("ck_dispute_transitions_from_state"),
        ),
        sa.CheckConstraint(
            "role IN ('manager', 'approver', 'legal')", name=op.f("ck_dispute_transitions_role")
        ),
        sa.CheckConstraint(
            "to_state IN ('open', 'calling_back', 'checking', 'waiting_for_client', 'with_specialist', 'decided', 'handed_over', 'answered', 'closed', 'reopened')",
            name=op.f("ck_dispute_transitions_to_state"),
        ),
        sa.PrimaryKeyConstraint(
            "from_state", "to_state", "role", name=op.f("pk_dispute_transitions")
        ),
    )
    op.create_table(
        "work_rates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("hour_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("set_by", sa.Uuid(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "hour_minor >= 0 AND currency ~ '^[A-Z]{3}$'", name=op.f("ck_work_rates_money")
        ),
        sa.CheckConstraint(
            "role IN ('manager', 'administrator', 'engineer', 'consultant', 'specialist', 'legal')",
            name=op.f("ck_work_rates_role"),
        ),
        sa.ForeignKeyConstraint(["set_by"], ["users.id"], name=op.f("fk_work_rates_set_by_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_rates")),
    )
    op.create_index("ix_work_rates_role", "work_rates", ["role", "valid_from"], unique=False)
    op.create_table(
        "dispute_conducts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dispute_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("noted_by", sa.Uuid(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("cleared_by", sa.Uuid(), nullable=True),
        sa.Column("cleared_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("cleared_by <> user_id", name=op.f("ck_dispute_conducts_not_himself")),
        sa.CheckConstraint(
            "num_nonnulls(cleared_by, cleared_at, reason) IN (0, 3)",
            name=op.f("ck_dispute_conducts_cleared"),
        ),
        sa.CheckConstraint(
            "num_nonnulls(user_id, agent) > 0", name=op.f("ck_dispute_conducts_somebody")
        ),
        sa.ForeignKeyConstraint(
            ["cleared_by"], ["users.id"], name=op.f("fk_dispute_conducts_cleared_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["dispute_id"], ["disputes.id"], name=op.f("fk_dispute_conducts_dispute_id_disputes")
        ),
        sa.ForeignKeyConstraint(
            ["noted_by"], ["users.id"], name=op.f("fk_dispute_conducts_noted_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_dispute_conducts_user_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute_conducts")),
    )
    op.create_index(
        op.f("ix_dispute_conducts_dispute_id"), "dispute_conducts", ["dispute_id"], unique=False
    )
    op.create_table(
        "dispute_history",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("dispute_id", sa.Uuid(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("row_id", sa.Uuid(), nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=True),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "written_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["dispute_id"], ["disputes.id"], name=op.f("fk_dispute_history_dispute_id_disputes")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute_history")),
    )
    op.create_index(
        "ix_dispute_history_dispute", "dispute_history", ["dispute_id", "id"], unique=False
    )
    op.create_table(
        "dispute_hours",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dispute_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("worked_on", sa.Date(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("hour_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("what", sa.Text(), nullable=True),
        sa.Column("replaces", sa.Uuid(), nullable=True),
        sa.Column("noted_by", sa.Uuid(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "hour_minor >= 0 AND currency ~ '^[A-Z]{3}$'", name=op.f("ck_dispute_hours_money")
        ),
        sa.CheckConstraint(
            "role IN ('manager', 'administrator', 'engineer', 'consultant', 'specialist', 'legal')",
            name=op.f("ck_dispute_hours_role"),
        ),
        sa.CheckConstraint(
            "minutes >= 0 AND minutes <= 14400 AND (minutes > 0 OR replaces IS NOT NULL)",
            name=op.f("ck_dispute_hours_minutes"),
        ),
        sa.CheckConstraint(
            "num_nonnulls(hour_minor, currency) IN (0, 2)", name=op.f("ck_dispute_hours_rate")
        ),
        sa.ForeignKeyConstraint(
            ["dispute_id"], ["disputes.id"], name=op.f("fk_dispute_hours_dispute_id_disputes")
        ),
        sa.ForeignKeyConstraint(
            ["noted_by"], ["users.id"], name=op.f("fk_dispute_hours_noted_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["users.id"], name=op.f("fk_dispute_hours_person_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["replaces"], ["dispute_hours.id"], name=op.f("fk_dispute_hours_replaces_dispute_hours")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute_hours")),
        sa.UniqueConstraint("replaces", name=op.f("uq_dispute_hours_replaces")),
    )
    op.create_index(
        op.f("ix_dispute_hours_dispute_id"), "dispute_hours", ["dispute_id"], unique=False
    )
    op.create_table(
        "dispute_moves",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dispute_id", sa.Uuid(), nullable=False),
        sa.Column("from_state", sa.Text(), nullable=False),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("moved_by", sa.Uuid(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["dispute_id"], ["disputes.id"], name=op.f("fk_dispute_moves_dispute_id_disputes")
        ),
        sa.ForeignKeyConstraint(
            ["moved_by"], ["users.id"], name=op.f("fk_dispute_moves_moved_by_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute_moves")),
    )
    op.create_index("ix_dispute_moves_dispute", "dispute_moves", ["dispute_id", "at"], unique=False)
    op.create_table(
        "dispute_reminders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dispute_id", sa.Uuid(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("urgency", sa.Text(), nullable=False),
        sa.Column("due_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("noted_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("told_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "subject_kind IN ('dispute', 'step', 'request')",
            name=op.f("ck_dispute_reminders_subject_kind"),
        ),
        sa.CheckConstraint(
            "urgency IN ('due_soon', 'overdue')", name=op.f("ck_dispute_reminders_urgency")
        ),
        sa.ForeignKeyConstraint(
            ["dispute_id"], ["disputes.id"], name=op.f("fk_dispute_reminders_dispute_id_disputes")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["users.id"], name=op.f("fk_dispute_reminders_person_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute_reminders")),
    )
    op.create_index(
        op.f("ix_dispute_reminders_dispute_id"), "dispute_reminders", ["dispute_id"], unique=False
    )
    op.create_index(
        "ix_dispute_reminders_untold",
        "dispute_reminders",
        ["noted_at"],
        unique=False,
        postgresql_where="told_at IS NULL",
    )
    op.create_index(
        "uq_dispute_reminders_once",
        "dispute_reminders",
        ["subject_id", "due_at", "urgency", "person_id"],
        unique=True,
    )
    op.create_table(
        "dispute_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dispute_id", sa.Uuid(), nullable=False),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("due_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), server_default="asked", nullable=False),
        sa.Column("words", sa.Text(), nullable=True),
        sa.Column("token_digest", sa.LargeBinary(), nullable=True),
        sa.Column("token_expires_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=False),
        sa.Column("changed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("btrim(asked) <> ''", name=op.f("ck_dispute_requests_asked")),
        sa.CheckConstraint(
            "state IN ('asked', 'received', 'valid', 'asked_again', 'given_up')",
            name=op.f("ck_dispute_requests_state"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('valid', 'asked_again', 'given_up') OR words IS NOT NULL",
            name=op.f("ck_dispute_requests_words"),
        ),
        sa.CheckConstraint(
            "num_nonnulls(token_digest, token_expires_at) IN (0, 2)",
            name=op.f("ck_dispute_requests_token"),
        ),
        sa.CheckConstraint(
            "octet_length(token_digest) = 32", name=op.f("ck_dispute_requests_token_digest")
        ),
        sa.ForeignKeyConstraint(
            ["asked_by"], ["users.id"], name=op.f("fk_dispute_requests_asked_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["changed_by"], ["users.id"], name=op.f("fk_dispute_requests_changed_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_dispute_requests_contact_id_contacts")
        ),
        sa.ForeignKeyConstraint(
            ["dispute_id"], ["disputes.id"], name=op.f("fk_dispute_requests_dispute_id_disputes")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute_requests")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_dispute_requests_token_digest")),
    )
    op.create_index(
        op.f("ix_dispute_requests_dispute_id"), "dispute_requests", ["dispute_id"], unique=False
    )
    op.create_table(
        "dispute_steps",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dispute_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), server_default="todo", nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("due_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("changed_by", sa.Uuid(), nullable=False),
        sa.Column("changed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(kind = 'other') = (title IS NOT NULL)", name=op.f("ck_dispute_steps_title")
        ),
        sa.CheckConstraint(
            "CASE state WHEN 'done' THEN result IS NOT NULL WHEN 'skipped' THEN reason IS NOT NULL ELSE true END",
            name=op.f("ck_dispute_steps_settled"),
        ),
        sa.CheckConstraint(
            "kind IN ('call_back', 'whose_side', 'our_check', 'instructions', 'documents', 'first_validity', 'specialist', 'verdict', 'lessons', 'other')",
            name=op.f("ck_dispute_steps_kind"),
        ),
        sa.CheckConstraint(
            "state IN ('todo', 'done', 'skipped')", name=op.f("ck_dispute_steps_state")
        ),
        sa.ForeignKeyConstraint(
            ["changed_by"], ["users.id"], name=op.f("fk_dispute_steps_changed_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["dispute_id"], ["disputes.id"], name=op.f("fk_dispute_steps_dispute_id_disputes")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_dispute_steps_owner_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute_steps")),
    )
    op.create_index(
        op.f("ix_dispute_steps_dispute_id"), "dispute_steps", ["dispute_id"], unique=False
    )
    op.create_table(
        "dispute_request_documents",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("noted_by", sa.Uuid(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["documents.id"],
            name=op.f("fk_dispute_request_documents_document_id_documents"),
        ),
        sa.ForeignKeyConstraint(
            ["noted_by"], ["users.id"], name=op.f("fk_dispute_request_documents_noted_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["dispute_requests.id"],
            name=op.f("fk_dispute_request_documents_request_id_dispute_requests"),
        ),
        sa.PrimaryKeyConstraint(
            "request_id", "document_id", name=op.f("pk_dispute_request_documents")
        ),
    )
    op.create_table(
        "dispute_statements",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dispute_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("said_by", sa.Text(), nullable=True),
        sa.Column("said_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("exhibit_id", sa.Uuid(), nullable=True),
        sa.Column("recording_id", sa.Uuid(), nullable=True),
        sa.Column("contract_id", sa.Uuid(), nullable=True),
        sa.Column("clause_ref", sa.Text(), nullable=True),
        sa.Column("quote", sa.Text(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("replaces", sa.Uuid(), nullable=True),
        sa.Column("noted_by", sa.Uuid(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "CASE kind WHEN 'complaint' THEN num_nonnulls(said_by, said_at, channel) = 3 WHEN 'answer' THEN num_nonnulls(said_by, said_at) = 2 WHEN 'verdict' THEN said_by IS NOT NULL ELSE true END",
            name=op.f("ck_dispute_statements_said"),
        ),
        sa.CheckConstraint(
            "CASE kind WHEN 'verdict' THEN value IS NOT NULL AND value IN ('ours', 'client', 'third', 'no_problem') WHEN 'answer' THEN value IS NOT NULL AND value IN ('acknowledged', 'disputes', 'took_measures') WHEN 'outcome' THEN value IS NOT NULL AND value IN ('no_problem', 'praise', 'put_right', 'client_measures', 'third_side', 'agreed', 'withdrawn', 'parted') ELSE value IS NULL END",
            name=op.f("ck_dispute_statements_value"),
        ),
        sa.CheckConstraint(
            "amount_minor >= 0 AND currency ~ '^[A-Z]{3}$'",
            name=op.f("ck_dispute_statements_money"),
        ),
        sa.CheckConstraint("btrim(words) <> ''", name=op.f("ck_dispute_statements_words")),
        sa.CheckConstraint(
            "channel IN ('phone', 'email', 'messenger', 'letter', 'in_person', 'portal')",
            name=op.f("ck_dispute_statements_channel"),
        ),
        sa.CheckConstraint(
            "kind IN ('complaint', 'finding', 'verdict', 'basis', 'answer', 'outcome', 'lesson', 'praise')",
            name=op.f("ck_dispute_statements_kind"),
        ),
        sa.CheckConstraint(
            "num_nonnulls(contract_id, clause_ref, quote) = CASE WHEN kind = 'basis' THEN 3 ELSE 0 END",
            name=op.f("ck_dispute_statements_basis"),
        ),
        sa.CheckConstraint(
            "num_nonnulls(amount_minor, currency) IN (0, 2)",
            name=op.f("ck_dispute_statements_amount"),
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_dispute_statements_contact_id_contacts")
        ),
        sa.ForeignKeyConstraint(
            ["contract_id"],
            ["contracts.id"],
            name=op.f("fk_dispute_statements_contract_id_contracts"),
        ),
        sa.ForeignKeyConstraint(
            ["dispute_id"], ["disputes.id"], name=op.f("fk_dispute_statements_dispute_id_disputes")
        ),
        sa.ForeignKeyConstraint(
            ["exhibit_id"], ["exhibits.id"], name=op.f("fk_dispute_statements_exhibit_id_exhibits")
        ),
        sa.ForeignKeyConstraint(
            ["noted_by"], ["users.id"], name=op.f("fk_dispute_statements_noted_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["users.id"], name=op.f("fk_dispute_statements_person_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_dispute_statements_recording_id_recordings"),
        ),
        sa.ForeignKeyConstraint(
            ["replaces"],
            ["dispute_statements.id"],
            name=op.f("fk_dispute_statements_replaces_dispute_statements"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute_statements")),
        sa.UniqueConstraint("replaces", name=op.f("uq_dispute_statements_replaces")),
    )
    op.create_index(
        "ix_dispute_statements_dispute",
        "dispute_statements",
        ["dispute_id", "kind", "at"],
        unique=False,
    )
