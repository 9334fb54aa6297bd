"""Let contracts say what a month of them costs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

PRICE = "num_nonnulls(monthly_price_minor, currency) IN (0, 2) AND monthly_price_minor >= 0 AND currency ~ '^[A-Z]{3}$'"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("contracts", sa.Column("monthly_price_minor", sa.BigInteger(), nullable=True))
    op.add_column("contracts", sa.Column("currency", sa.Text(), nullable=True))
    op.create_check_constraint(op.f("ck_contracts_price"), "contracts", PRICE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_constraint(op.f("ck_contracts_price"), "contracts", type_="check")
    op.drop_column("contracts", "currency")
    op.drop_column("contracts", "monthly_price_minor")
