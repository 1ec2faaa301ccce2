"""A waiver lasts 30 days at most, whatever program writes it. Rows of earlier releases stay as they are."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# A trigger and not a check constraint: waivers of earlier releases, which are never changed, may break the rule.
TERM = """
create function ledger_waiver_term() returns trigger language plpgsql as $$
begin
    if new.expires_at > new.at + interval '30 days' then
        raise exception 'a waiver lasts at most 30 days' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger waiver_term before insert on waivers for each row execute function ledger_waiver_term()
"""


def upgrade() -> None:
    """Add the trigger for new rows."""
    op.execute(TERM)


def downgrade() -> None:
    """Drop the trigger."""
    op.execute("drop trigger waiver_term on waivers; drop function ledger_waiver_term()")
