"""What the outbox's tests share: contacts, a channel that does as it is told, an address book."""

from sqlalchemy import insert

from bot.people.models import Contact
from bot.storage import Database
from tests.conftest import START


async def a_contact(db: Database, locale: str = "en", zone: str = "Asia/Hong_Kong") -> int:
    async with db.write() as tx:
        values = {"created_at": START, "locale": locale, "zone": zone}
        return (await tx.execute(insert(Contact).values(values).returning(Contact.id))).scalar_one()
