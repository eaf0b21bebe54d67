"""Entries as revisions, and the fitted heads of the engine."""

import sqlalchemy as sa
from alembic import op

from bot.storage.types import Id, Json, UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table('entry_revision',
        sa.Column('id', Id, nullable=False),
        sa.Column('entry_id', sa.String(), nullable=False),
        sa.Column('origin', sa.String(), nullable=False),
        sa.Column('state', sa.String(), nullable=False),
        sa.Column('based_on', Id, nullable=True),
        sa.Column('content', Json, nullable=False),
        sa.Column('digest', sa.String(), nullable=False),
        sa.Column('note', sa.Text(), nullable=False),
        sa.Column('author_id', Id, nullable=True),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.Column('published_by', Id, nullable=True),
        sa.Column('published_at', UtcDateTime(), nullable=True),
        sa.CheckConstraint("origin IN ('shipped', 'local')", name=op.f('ck_entry_revision_origin')),
        sa.CheckConstraint("state IN ('draft', 'published', 'superseded', 'discarded')", name=op.f('ck_entry_revision_state')),
        sa.ForeignKeyConstraint(['author_id'], ['contact.id'], name=op.f('fk_entry_revision_author_id_contact'), ondelete='SET NULL'),
        sa.ForeignKeyConstraint(['published_by'], ['contact.id'], name=op.f('fk_entry_revision_published_by_contact'), ondelete='SET NULL'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_entry_revision'))
    )
    op.create_index(op.f('ix_entry_revision_author_id'), 'entry_revision', ['author_id'], unique=False)
    op.create_index(op.f('ix_entry_revision_published_by'), 'entry_revision', ['published_by'], unique=False)
    op.create_index('ix_entry_revision_entry_id', 'entry_revision', ['entry_id', 'id'], unique=False)
    op.create_index('ix_entry_revision_drafts', 'entry_revision', ['id'], unique=False, sqlite_where=sa.text("state = 'draft'"), postgresql_where=sa.text("state = 'draft'"))
    op.create_index('uq_entry_revision_one_published', 'entry_revision', ['entry_id'], unique=True, sqlite_where=sa.text("state = 'published'"), postgresql_where=sa.text("state = 'published'"))
    op.create_table('knowledge_state',
        sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('shipped', sa.String(), nullable=False),
        sa.CheckConstraint('id = 1', name=op.f('ck_knowledge_state_one_row')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_knowledge_state'))
    )
    op.execute("INSERT INTO knowledge_state (id, version, shipped) VALUES (1, 0, '')")
    op.create_table('knowledge_model',
        sa.Column('key', sa.String(), nullable=False),
        sa.Column('owner', sa.String(), nullable=True),
        sa.Column('lease_until', sa.Double(), nullable=False),
        sa.Column('failures', sa.Integer(), nullable=False),
        sa.Column('head_id', sa.String(), nullable=True),
        sa.Column('head', sa.LargeBinary(), nullable=True),
        sa.Column('stored_at', UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint('key', name=op.f('pk_knowledge_model'))
    )
