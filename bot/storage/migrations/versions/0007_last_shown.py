"""What a contact opened last: their next question may go on from it."""

import sqlalchemy as sa
from alembic import op

from bot.storage.types import Id, UtcDateTime

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table('last_shown',
        sa.Column('contact_id', Id, autoincrement=False, nullable=False),
        sa.Column('entry_id', sa.String(), nullable=False),
        sa.Column('shown_at', UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(['contact_id'], ['contact.id'], name=op.f('fk_last_shown_contact_id_contact'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('contact_id', name=op.f('pk_last_shown'))
    )
