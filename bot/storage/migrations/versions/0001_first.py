"""The first schema."""

import sqlalchemy as sa
from alembic import op

from bot.storage.types import Id, Json, UtcDateTime

revision = "0001"
down_revision = None

NO_OVERLAP = (
    (
        "postgresql",
        """
ALTER TABLE appointment ADD CONSTRAINT ex_appointment_no_overlap EXCLUDE USING gist (
    int8range(expert_id, expert_id, '[]') WITH &&,
    tstzrange(busy_from, busy_to) WITH &&
) WHERE (status IN ('held', 'confirmed'))
""",
    ),
    (
        "sqlite",
        """
CREATE TRIGGER tr_appointment_no_overlap_insert BEFORE INSERT ON appointment
WHEN NEW.status IN ('held', 'confirmed')
BEGIN
    SELECT RAISE(ABORT, 'appointments overlap') WHERE EXISTS (
        SELECT 1 FROM appointment
        WHERE expert_id = NEW.expert_id AND status IN ('held', 'confirmed')
        AND busy_to > NEW.busy_from AND busy_from < NEW.busy_to
    );
END
""",
    ),
    (
        "sqlite",
        """
CREATE TRIGGER tr_appointment_no_overlap_update
BEFORE UPDATE OF expert_id, busy_from, busy_to, status ON appointment
WHEN NEW.status IN ('held', 'confirmed')
BEGIN
    SELECT RAISE(ABORT, 'appointments overlap') WHERE EXISTS (
        SELECT 1 FROM appointment
        WHERE id <> NEW.id AND expert_id = NEW.expert_id AND status IN ('held', 'confirmed')
        AND busy_to > NEW.busy_from AND busy_from < NEW.busy_to
    );
END
""",
    ),
)
"""No two live appointments of one expert overlap, buffers included."""


def upgrade() -> None:
    op.create_table('audit',
        sa.Column('id', Id, nullable=False),
        sa.Column('at', UtcDateTime(), nullable=False),
        sa.Column('actor_id', Id, nullable=True),
        sa.Column('action', sa.String(), nullable=False),
        sa.Column('subject', sa.String(), nullable=False),
        sa.Column('details', Json, nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_audit'))
    )
    op.create_index('ix_audit_subject', 'audit', ['subject'], unique=False)
    op.create_table('contact',
        sa.Column('id', Id, nullable=False),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.Column('locale', sa.String(), nullable=False),
        sa.Column('zone', sa.String(), nullable=False),
        sa.Column('name', sa.String(), nullable=True),
        sa.Column('company', sa.String(), nullable=True),
        sa.Column('contact_details', sa.String(), nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_contact'))
    )
    op.create_table('conversation',
        sa.Column('bot_id', sa.BigInteger(), nullable=False),
        sa.Column('chat_id', sa.BigInteger(), nullable=False),
        sa.Column('state', sa.String(), nullable=True),
        sa.Column('data', Json, nullable=False),
        sa.Column('changed_by', sa.BigInteger(), nullable=True),
        sa.Column('state_before', sa.String(), nullable=True),
        sa.Column('data_before', Json, nullable=True),
        sa.PrimaryKeyConstraint('bot_id', 'chat_id', name=op.f('pk_conversation'))
    )
    op.create_table('event',
        sa.Column('id', Id, nullable=False),
        sa.Column('slug', sa.String(), nullable=False),
        sa.Column('kind', sa.String(), nullable=False),
        sa.Column('status', sa.String(), nullable=False),
        sa.Column('title', Json, nullable=False),
        sa.Column('summary', Json, nullable=False),
        sa.Column('description', Json, nullable=False),
        sa.Column('venue', Json, nullable=False),
        sa.Column('online_url', sa.String(), nullable=True),
        sa.Column('starts_local', sa.String(), nullable=False),
        sa.Column('ends_local', sa.String(), nullable=False),
        sa.Column('zone', sa.String(), nullable=False),
        sa.Column('starts_at', UtcDateTime(), nullable=False),
        sa.Column('ends_at', UtcDateTime(), nullable=False),
        sa.Column('capacity', sa.Integer(), nullable=True),
        sa.Column('revision', sa.Integer(), nullable=False),
        sa.Column('sample', sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.Column('changed_at', UtcDateTime(), nullable=False),
        sa.CheckConstraint("kind IN ('forum', 'training')", name=op.f('ck_event_kind')),
        sa.CheckConstraint("status IN ('published', 'cancelled')", name=op.f('ck_event_status')),
        sa.CheckConstraint('capacity > 0', name=op.f('ck_event_capacity')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_event')),
        sa.UniqueConstraint('slug', name=op.f('uq_event_slug'))
    )
    op.create_index('ix_event_ends_at', 'event', ['ends_at'], unique=False)
    op.create_table('inbox',
        sa.Column('id', Id, nullable=False),
        sa.Column('bot_id', sa.BigInteger(), nullable=False),
        sa.Column('chat_id', sa.BigInteger(), nullable=False),
        sa.Column('key', sa.String(), nullable=False),
        sa.Column('payload', sa.Text(), nullable=False),
        sa.Column('accepted_at', UtcDateTime(), nullable=False),
        sa.Column('attempts', sa.Integer(), nullable=False),
        sa.Column('done_at', UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_inbox')),
        sa.UniqueConstraint('bot_id', 'key', name=op.f('uq_inbox_bot_id_key'))
    )
    op.create_index('ix_inbox_open', 'inbox', ['bot_id', 'chat_id', 'id'], unique=False, sqlite_where=sa.text('done_at IS NULL'), postgresql_where=sa.text('done_at IS NULL'))
    op.create_table('inbox_lane',
        sa.Column('bot_id', sa.BigInteger(), nullable=False),
        sa.Column('chat_id', sa.BigInteger(), nullable=False),
        sa.Column('owner', sa.String(), nullable=False),
        sa.Column('generation', sa.Integer(), nullable=False),
        sa.Column('lease_until', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('bot_id', 'chat_id', name=op.f('pk_inbox_lane'))
    )
    op.create_table('web_chat',
        sa.Column('id', Id, nullable=False),
        sa.Column('visitor', sa.String(), nullable=False),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.Column('locale', sa.String(), nullable=False),
        sa.Column('last_message_id', sa.Integer(), nullable=False),
        sa.Column('last_seq', sa.Integer(), nullable=False),
        sa.Column('blocked', sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_web_chat')),
        sa.UniqueConstraint('visitor', name=op.f('uq_web_chat_visitor'))
    )
    op.create_table('web_document',
        sa.Column('file_id', sa.String(), nullable=False),
        sa.Column('name', sa.String(), nullable=False),
        sa.Column('mime', sa.String(), nullable=False),
        sa.Column('size', sa.Integer(), nullable=False),
        sa.Column('data', sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint('file_id', name=op.f('pk_web_document'))
    )
    op.create_table('web_profile',
        sa.Column('kind', sa.String(), nullable=False),
        sa.Column('scope', sa.String(), nullable=False),
        sa.Column('language', sa.String(), nullable=False),
        sa.Column('value', Json, nullable=False),
        sa.PrimaryKeyConstraint('kind', 'scope', 'language', name=op.f('pk_web_profile'))
    )
    op.create_table('asked_question',
        sa.Column('id', Id, nullable=False),
        sa.Column('asked_in', sa.BigInteger(), nullable=False),
        sa.Column('contact_id', Id, nullable=False),
        sa.Column('asked_at', UtcDateTime(), nullable=False),
        sa.Column('text', sa.Text(), nullable=False),
        sa.Column('locale', sa.String(), nullable=False),
        sa.Column('outcome', sa.String(), nullable=False),
        sa.Column('entry_id', sa.String(), nullable=True),
        sa.Column('confidence', sa.Double(), nullable=True),
        sa.Column('model', sa.String(), nullable=False),
        sa.Column('helpful', sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(['contact_id'], ['contact.id'], name=op.f('fk_asked_question_contact_id_contact'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_asked_question')),
        sa.UniqueConstraint('asked_in', name=op.f('uq_asked_question_asked_in'))
    )
    op.create_index(op.f('ix_asked_question_contact_id'), 'asked_question', ['contact_id'], unique=False)
    op.create_table('chat',
        sa.Column('id', Id, nullable=False),
        sa.Column('contact_id', Id, nullable=False),
        sa.Column('bot_id', sa.BigInteger(), nullable=False),
        sa.Column('chat_id', sa.BigInteger(), nullable=False),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.Column('blocked_at', UtcDateTime(), nullable=True),
        sa.Column('last_seen_at', UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(['contact_id'], ['contact.id'], name=op.f('fk_chat_contact_id_contact'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_chat')),
        sa.UniqueConstraint('bot_id', 'chat_id', name=op.f('uq_chat_bot_id_chat_id'))
    )
    op.create_index(op.f('ix_chat_contact_id'), 'chat', ['contact_id'], unique=False)
    op.create_table('consent',
        sa.Column('id', Id, nullable=False),
        sa.Column('contact_id', Id, nullable=False),
        sa.Column('purpose', sa.String(), nullable=False),
        sa.Column('version', sa.String(), nullable=False),
        sa.Column('locale', sa.String(), nullable=False),
        sa.Column('given_at', UtcDateTime(), nullable=False),
        sa.Column('withdrawn_at', UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(['contact_id'], ['contact.id'], name=op.f('fk_consent_contact_id_contact'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_consent'))
    )
    op.create_index(op.f('ix_consent_contact_id'), 'consent', ['contact_id'], unique=False)
    op.create_table('desk_question',
        sa.Column('id', Id, nullable=False),
        sa.Column('contact_id', Id, nullable=False),
        sa.Column('asked_in', sa.BigInteger(), nullable=True),
        sa.Column('asked_at', UtcDateTime(), nullable=False),
        sa.Column('text', sa.Text(), nullable=False),
        sa.Column('status', sa.String(), nullable=False),
        sa.Column('reply', sa.Text(), nullable=True),
        sa.Column('replied_by', Id, nullable=True),
        sa.Column('replied_at', UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(['contact_id'], ['contact.id'], name=op.f('fk_desk_question_contact_id_contact'), ondelete='CASCADE'),
        sa.ForeignKeyConstraint(['replied_by'], ['contact.id'], name=op.f('fk_desk_question_replied_by_contact'), ondelete='SET NULL'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_desk_question')),
        sa.UniqueConstraint('asked_in', name=op.f('uq_desk_question_asked_in'))
    )
    op.create_index(op.f('ix_desk_question_contact_id'), 'desk_question', ['contact_id'], unique=False)
    op.create_index(op.f('ix_desk_question_status'), 'desk_question', ['status'], unique=False)
    op.create_table('expert',
        sa.Column('id', Id, nullable=False),
        sa.Column('name', Json, nullable=False),
        sa.Column('title', Json, nullable=False),
        sa.Column('bio', Json, nullable=False),
        sa.Column('languages', Json, nullable=False),
        sa.Column('topics', Json, nullable=False),
        sa.Column('zone', sa.String(), nullable=False),
        sa.Column('length', sa.Integer(), nullable=False),
        sa.Column('grid', sa.Integer(), nullable=False),
        sa.Column('buffer_before', sa.Integer(), nullable=False),
        sa.Column('buffer_after', sa.Integer(), nullable=False),
        sa.Column('notice', sa.Integer(), nullable=False),
        sa.Column('window_days', sa.Integer(), nullable=False),
        sa.Column('per_day', sa.Integer(), nullable=True),
        sa.Column('per_week', sa.Integer(), nullable=True),
        sa.Column('contact_id', Id, nullable=True),
        sa.Column('meeting_info', Json, nullable=True),
        sa.Column('active', sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column('sample', sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column('seq', sa.Integer(), server_default='0', nullable=False),
        sa.CheckConstraint('buffer_before >= 0 AND buffer_after >= 0', name=op.f('ck_expert_buffers')),
        sa.CheckConstraint('length > 0 AND grid > 0', name=op.f('ck_expert_length')),
        sa.CheckConstraint('notice >= 0 AND window_days > 0', name=op.f('ck_expert_horizon')),
        sa.CheckConstraint('per_day > 0 AND per_week > 0', name=op.f('ck_expert_limits')),
        sa.ForeignKeyConstraint(['contact_id'], ['contact.id'], name=op.f('fk_expert_contact_id_contact'), ondelete='SET NULL'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_expert'))
    )
    op.create_index(op.f('ix_expert_contact_id'), 'expert', ['contact_id'], unique=False)
    op.create_table('invitation',
        sa.Column('token_hash', sa.String(), nullable=False),
        sa.Column('role', sa.String(), nullable=False),
        sa.Column('expert_id', Id, nullable=True),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.Column('expires_at', UtcDateTime(), nullable=False),
        sa.Column('used_at', UtcDateTime(), nullable=True),
        sa.Column('used_by', Id, nullable=True),
        sa.ForeignKeyConstraint(['used_by'], ['contact.id'], name=op.f('fk_invitation_used_by_contact'), ondelete='SET NULL'),
        sa.PrimaryKeyConstraint('token_hash', name=op.f('pk_invitation'))
    )
    op.create_table('outbox',
        sa.Column('id', Id, nullable=False),
        sa.Column('kind', sa.String(), nullable=False),
        sa.Column('contact_id', Id, nullable=False),
        sa.Column('subject', sa.String(), nullable=False),
        sa.Column('key', sa.String(), nullable=False),
        sa.Column('payload', Json, nullable=False),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.Column('planned_at', UtcDateTime(), nullable=False),
        sa.Column('due_at', UtcDateTime(), nullable=False),
        sa.Column('expires_at', UtcDateTime(), nullable=False),
        sa.Column('state', sa.String(), server_default='pending', nullable=False),
        sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
        sa.Column('in_doubt', sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column('lease_until', sa.Double(), nullable=True),
        sa.Column('lease_token', sa.String(), nullable=True),
        sa.Column('started_at', UtcDateTime(), nullable=True),
        sa.Column('sent_at', UtcDateTime(), nullable=True),
        sa.Column('bot_id', sa.BigInteger(), nullable=True),
        sa.Column('chat_id', sa.BigInteger(), nullable=True),
        sa.Column('message_id', sa.BigInteger(), nullable=True),
        sa.Column('detail', sa.String(), nullable=True),
        sa.ForeignKeyConstraint(['contact_id'], ['contact.id'], name=op.f('fk_outbox_contact_id_contact'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_outbox')),
        sa.UniqueConstraint('key', name=op.f('uq_outbox_key'))
    )
    op.create_index(op.f('ix_outbox_contact_id'), 'outbox', ['contact_id'], unique=False)
    op.create_index('ix_outbox_due', 'outbox', ['due_at', 'id'], unique=False, sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))
    op.create_index('ix_outbox_in_flight', 'outbox', ['contact_id'], unique=False, sqlite_where=sa.text("state IN ('leased', 'started')"), postgresql_where=sa.text("state IN ('leased', 'started')"))
    op.create_index(op.f('ix_outbox_subject'), 'outbox', ['subject'], unique=False)
    op.create_table('outbox_pause',
        sa.Column('contact_id', Id, autoincrement=False, nullable=False),
        sa.Column('until', UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(['contact_id'], ['contact.id'], name=op.f('fk_outbox_pause_contact_id_contact'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('contact_id', name=op.f('pk_outbox_pause'))
    )
    op.create_table('registration',
        sa.Column('event_id', Id, nullable=False),
        sa.Column('contact_id', Id, nullable=False),
        sa.Column('state', sa.String(), nullable=False),
        sa.Column('at', UtcDateTime(), nullable=False),
        sa.CheckConstraint("state IN ('registered', 'cancelled')", name=op.f('ck_registration_state')),
        sa.ForeignKeyConstraint(['contact_id'], ['contact.id'], name=op.f('fk_registration_contact_id_contact'), ondelete='CASCADE'),
        sa.ForeignKeyConstraint(['event_id'], ['event.id'], name=op.f('fk_registration_event_id_event'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('event_id', 'contact_id', name=op.f('pk_registration'))
    )
    op.create_index('ix_registration_contact_id', 'registration', ['contact_id'], unique=False)
    op.create_table('role',
        sa.Column('contact_id', Id, nullable=False),
        sa.Column('role', sa.String(), nullable=False),
        sa.Column('granted_at', UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(['contact_id'], ['contact.id'], name=op.f('fk_role_contact_id_contact'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('contact_id', 'role', name=op.f('pk_role'))
    )
    op.create_table('subscription',
        sa.Column('id', Id, nullable=False),
        sa.Column('contact_id', Id, nullable=False),
        sa.Column('event_id', Id, nullable=True),
        sa.Column('scope', sa.String(), nullable=False),
        sa.Column('offsets', Json, nullable=False),
        sa.Column('at', UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(['contact_id'], ['contact.id'], name=op.f('fk_subscription_contact_id_contact'), ondelete='CASCADE'),
        sa.ForeignKeyConstraint(['event_id'], ['event.id'], name=op.f('fk_subscription_event_id_event'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_subscription')),
        sa.UniqueConstraint('contact_id', 'scope', name=op.f('uq_subscription_contact_id_scope'))
    )
    op.create_index(op.f('ix_subscription_event_id'), 'subscription', ['event_id'], unique=False)
    op.create_index('ix_subscription_scope', 'subscription', ['scope'], unique=False)
    op.create_table('web_message',
        sa.Column('chat_id', Id, nullable=False),
        sa.Column('message_id', sa.Integer(), nullable=False),
        sa.Column('seq', sa.Integer(), nullable=False),
        sa.Column('from_bot', sa.Boolean(), nullable=False),
        sa.Column('date', UtcDateTime(), nullable=False),
        sa.Column('edited_at', UtcDateTime(), nullable=True),
        sa.Column('deleted', sa.Boolean(), nullable=False),
        sa.Column('text', sa.String(), nullable=False),
        sa.Column('entities', Json, nullable=False),
        sa.Column('html', sa.String(), nullable=False),
        sa.Column('markup', Json, nullable=True),
        sa.Column('file_id', sa.String(), nullable=True),
        sa.Column('file_name', sa.String(), nullable=True),
        sa.Column('file_mime', sa.String(), nullable=True),
        sa.Column('file_size', sa.Integer(), nullable=True),
        sa.Column('client_key', sa.String(), nullable=True),
        sa.Column('send_key', sa.String(), nullable=True),
        sa.ForeignKeyConstraint(['chat_id'], ['web_chat.id'], name=op.f('fk_web_message_chat_id_web_chat'), ondelete='CASCADE'),
        sa.ForeignKeyConstraint(['file_id'], ['web_document.file_id'], name=op.f('fk_web_message_file_id_web_document')),
        sa.PrimaryKeyConstraint('chat_id', 'message_id', name=op.f('pk_web_message')),
        sa.UniqueConstraint('chat_id', 'client_key', name=op.f('uq_web_message_chat_id_client_key')),
        sa.UniqueConstraint('chat_id', 'send_key', name=op.f('uq_web_message_chat_id_send_key'))
    )
    op.create_index('ix_web_message_changes', 'web_message', ['chat_id', 'seq'], unique=False)
    op.create_index(op.f('ix_web_message_file_id'), 'web_message', ['file_id'], unique=False)
    op.create_table('appointment',
        sa.Column('id', Id, nullable=False),
        sa.Column('expert_id', Id, nullable=False),
        sa.Column('contact_id', Id, nullable=True),
        sa.Column('topic', sa.String(), nullable=False),
        sa.Column('starts_at', UtcDateTime(), nullable=False),
        sa.Column('ends_at', UtcDateTime(), nullable=False),
        sa.Column('busy_from', UtcDateTime(), nullable=False),
        sa.Column('busy_to', UtcDateTime(), nullable=False),
        sa.Column('status', sa.String(), nullable=False),
        sa.Column('expires_at', UtcDateTime(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('sequence', sa.Integer(), nullable=False),
        sa.Column('any_expert', sa.Boolean(), nullable=False),
        sa.Column('name', sa.String(), nullable=True),
        sa.Column('company', sa.String(), nullable=True),
        sa.Column('contact_details', sa.String(), nullable=True),
        sa.Column('question', sa.String(), nullable=True),
        sa.Column('locale', sa.String(), nullable=True),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.Column('changed_at', UtcDateTime(), nullable=False),
        sa.Column('confirmed_at', UtcDateTime(), nullable=True),
        sa.Column('cancelled_at', UtcDateTime(), nullable=True),
        sa.Column('cancelled_by', sa.String(), nullable=True),
        sa.Column('held_in', sa.BigInteger(), nullable=True),
        sa.CheckConstraint("cancelled_by IN ('owner', 'expert')", name=op.f('ck_appointment_cancelled_by')),
        sa.CheckConstraint("status IN ('held', 'confirmed', 'cancelled', 'expired', 'dropped')", name=op.f('ck_appointment_status')),
        sa.CheckConstraint('busy_from <= starts_at AND starts_at < ends_at AND ends_at <= busy_to', name=op.f('ck_appointment_times')),
        sa.ForeignKeyConstraint(['contact_id'], ['contact.id'], name=op.f('fk_appointment_contact_id_contact'), ondelete='SET NULL'),
        sa.ForeignKeyConstraint(['expert_id'], ['expert.id'], name=op.f('fk_appointment_expert_id_expert')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_appointment')),
        sa.UniqueConstraint('held_in', name=op.f('uq_appointment_held_in'))
    )
    op.create_index(op.f('ix_appointment_contact_id'), 'appointment', ['contact_id'], unique=False)
    op.create_index('ix_appointment_expert_id_busy_to', 'appointment', ['expert_id', 'busy_to'], unique=False)
    op.create_index('uq_appointment_one_hold_each', 'appointment', ['contact_id'], unique=True, sqlite_where=sa.text("status = 'held'"), postgresql_where=sa.text("status = 'held'"))
    op.create_table('expert_hours',
        sa.Column('expert_id', Id, nullable=False),
        sa.Column('weekday', sa.Integer(), nullable=False),
        sa.Column('start_minute', sa.Integer(), nullable=False),
        sa.Column('end_minute', sa.Integer(), nullable=False),
        sa.CheckConstraint('0 <= start_minute AND start_minute < end_minute AND end_minute <= 1440', name=op.f('ck_expert_hours_window')),
        sa.CheckConstraint('weekday BETWEEN 0 AND 6', name=op.f('ck_expert_hours_weekday')),
        sa.ForeignKeyConstraint(['expert_id'], ['expert.id'], name=op.f('fk_expert_hours_expert_id_expert'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('expert_id', 'weekday', 'start_minute', name=op.f('pk_expert_hours'))
    )
    op.create_table('expert_override',
        sa.Column('expert_id', Id, nullable=False),
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('windows', Json, nullable=False),
        sa.ForeignKeyConstraint(['expert_id'], ['expert.id'], name=op.f('fk_expert_override_expert_id_expert'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('expert_id', 'day', name=op.f('pk_expert_override'))
    )
    op.create_table('web_callback',
        sa.Column('id', sa.String(), nullable=False),
        sa.Column('chat_id', Id, nullable=False),
        sa.Column('message_id', sa.Integer(), nullable=False),
        sa.Column('client_key', sa.String(), nullable=False),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.Column('answered', sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(['chat_id', 'message_id'], ['web_message.chat_id', 'web_message.message_id'], name=op.f('fk_web_callback_chat_id_message_id_web_message'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_web_callback')),
        sa.UniqueConstraint('chat_id', 'client_key', name=op.f('uq_web_callback_chat_id_client_key'))
    )
    op.create_index('ix_web_callback_created_at', 'web_callback', ['created_at'], unique=False)
    for dialect, rule in NO_OVERLAP:
        if op.get_context().dialect.name == dialect:
            op.execute(rule)
