"""Since when a dialog stands where it stands. Dialogs begun before this have no age, and count as forgotten."""

import sqlalchemy as sa
from alembic import op

from bot.storage.types import UtcDateTime

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column('conversation', sa.Column('since', UtcDateTime(), nullable=True))
    op.add_column('conversation', sa.Column('since_before', UtcDateTime(), nullable=True))
