"""What is kept about a person's registrations."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, select

from bot.storage import Tx
from scheduler.events.models import Event, Registration


class RegistrationsData:
    """Owner of who comes to which event."""

    name = "registrations"

    async def export(self, tx: Tx, contact_id: int) -> Mapping[str, Any]:
        columns = (Event.slug, Event.title, Event.starts_at, Registration.state, Registration.at)
        own = select(*columns).join_from(Registration, Event).where(Registration.contact_id == contact_id)
        rows = await tx.execute(own.order_by(Event.starts_at))
        return {"events": [dict(row._mapping) for row in rows]}

    async def erase(self, tx: Tx, contact_id: int) -> None:
        """Frees the seats that the person had taken."""
        await tx.execute(delete(Registration).where(Registration.contact_id == contact_id))
