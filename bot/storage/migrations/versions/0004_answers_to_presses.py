"""What a press was answered with, for a page that lost the answer."""

import sqlalchemy as sa
from alembic import op

from bot.storage.types import Json

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # an answer of before is gone; an empty one ends the wait for it
    op.add_column('web_callback', sa.Column('answer', Json, nullable=True))
    callback = sa.table('web_callback', sa.column('answered', sa.Boolean()), sa.column('answer', Json))
    nothing = {"text": None, "alert": False, "url": None}
    op.execute(callback.update().where(callback.c.answered).values(answer=nothing))
    op.drop_column('web_callback', 'answered')
