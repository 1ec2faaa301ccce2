"""`model_performance` keeps what each report measured about a window: provisional, mature, and every restatement.

Rows recorded before are mature; their window is 0, which no report has, so that nothing is restated against a value
whose window nobody recorded.
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

UP = """
alter table model_performance add column window_seconds bigint not null default 0 check (window_seconds >= 0);
alter table model_performance add column restatement integer not null default 0 check (restatement >= 0);
alter table model_performance add column state text not null default 'mature'
    check (state in ('provisional', 'mature', 'restated'));
alter table model_performance add column measured_at timestamptz;
alter table model_performance drop constraint model_performance_pkey;
alter table model_performance add primary key (model, version, metric, split, at, window_seconds, restatement)
"""

DOWN = """
alter table model_performance disable trigger user;
delete from model_performance where state = 'provisional';
delete from model_performance p using model_performance q
    where p.model = q.model and p.version = q.version and p.metric = q.metric and p.split = q.split and p.at = q.at
    and (p.window_seconds, p.restatement) > (q.window_seconds, q.restatement);
alter table model_performance enable trigger user;
alter table model_performance drop constraint model_performance_pkey;
alter table model_performance drop column window_seconds, drop column restatement, drop column state,
    drop column measured_at;
alter table model_performance add primary key (model, version, metric, split, at)
"""


def upgrade() -> None:
    """Add the columns and let a window have several rows."""
    op.execute(UP)


def downgrade() -> None:
    """Keep the first mature row of each window and drop the columns."""
    op.execute(DOWN)
