"""Let messages whose form a person writes come in too."""

from __future__ import annotations

from alembic import op

revision = "0053a"
down_revision = "0051"
branch_labels = None
depends_on = None

_KINDS = "'twilio', 'telnyx', 'mango', 'zadarma', 'standard'"


def upgrade() -> None:
    """Widen the list of kinds."""
    _allow(f"{_KINDS}, 'template', 'bitrix'")


def downgrade() -> None:
    """Narrow it; such accounts would have to be removed before."""
    _allow(f"{_KINDS}, 'bitrix'")


def _allow(kinds: str) -> None:
    op.drop_constraint(op.f("ck_provider_accounts_kind"), "provider_accounts")
    op.create_check_constraint(
        op.f("ck_provider_accounts_kind"), "provider_accounts", f"kind IN ({kinds})"
    )
