"""Messages that need a look are found without reading all that were ever sent."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    bad = sa.text("state IN ('dead', 'uncertain')")
    op.create_index('ix_outbox_look', 'outbox', ['planned_at'], unique=False, sqlite_where=bad, postgresql_where=bad)
