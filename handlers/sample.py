"""Invented experts and events for a first look, marked as samples wherever they are read."""

from bot.clock import Clock
from bot.storage import Database
from scheduler.appointments import sample as experts
from scheduler.events.sample import load_samples
from scheduler.events.service import Events


class SampleData:
    def __init__(self, db: Database, clock: Clock, events: Events) -> None:
        self._db = db
        self._clock = clock
        self._events = events

    async def exists(self) -> bool:
        async with self._db.read() as tx:
            if await experts.exists(tx):
                return True
        return any(event.sample for event in await self._events.upcoming())

    async def load(self) -> None:
        """Add what is not there; dates are relative to now."""
        now = self._clock.now()
        async with self._db.write() as tx:
            await experts.load(tx, now)
        await load_samples(self._events, now)

    async def purge(self) -> None:
        """Remove them with the appointments and registrations that hang on them."""
        async with self._db.write() as tx:
            await experts.purge(tx)
        await self._events.purge_samples()
