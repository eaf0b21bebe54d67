"""The evidence of decisions in the question log, misses that were dealt with, and who wants to be told."""

import sqlalchemy as sa
from alembic import op

from bot.storage.types import Id, Json, UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column('asked_question', sa.Column('context', sa.String(), nullable=True))
    op.add_column('asked_question', sa.Column('features', Json, nullable=True))
    op.add_column('asked_question', sa.Column('considered', Json, nullable=True))
    op.create_index(op.f('ix_asked_question_asked_at'), 'asked_question', ['asked_at'], unique=False)
    op.create_table('dealt_miss',
        sa.Column('question_id', Id, autoincrement=False, nullable=False),
        sa.Column('how', sa.String(), nullable=False),
        sa.Column('revision_id', Id, nullable=True),
        sa.Column('dealt_by', Id, nullable=True),
        sa.Column('dealt_at', UtcDateTime(), nullable=False),
        sa.CheckConstraint("how IN ('phrasing', 'entry', 'desk', 'aside')", name=op.f('ck_dealt_miss_how')),
        sa.ForeignKeyConstraint(['question_id'], ['asked_question.id'], name=op.f('fk_dealt_miss_question_id_asked_question'), ondelete='CASCADE'),
        sa.ForeignKeyConstraint(['revision_id'], ['entry_revision.id'], name=op.f('fk_dealt_miss_revision_id_entry_revision'), ondelete='SET NULL'),
        sa.ForeignKeyConstraint(['dealt_by'], ['contact.id'], name=op.f('fk_dealt_miss_dealt_by_contact'), ondelete='SET NULL'),
        sa.PrimaryKeyConstraint('question_id', name=op.f('pk_dealt_miss'))
    )
    op.create_index(op.f('ix_dealt_miss_revision_id'), 'dealt_miss', ['revision_id'], unique=False)
    op.create_index(op.f('ix_dealt_miss_dealt_by'), 'dealt_miss', ['dealt_by'], unique=False)
    op.create_table('wish',
        sa.Column('question_id', Id, autoincrement=False, nullable=False),
        sa.Column('locale', sa.String(), nullable=False),
        sa.Column('wished_at', UtcDateTime(), nullable=False),
        sa.Column('withdrawn_at', UtcDateTime(), nullable=True),
        sa.Column('tried_with', sa.String(), nullable=True),
        sa.Column('settled_at', UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(['question_id'], ['asked_question.id'], name=op.f('fk_wish_question_id_asked_question'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('question_id', name=op.f('pk_wish'))
    )
