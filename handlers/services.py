"""The use cases that doors may call, and the core of one process behind them."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.background import Background, InFlight
from bot.clock import Clock
from bot.desk.desk import Desk
from bot.inbox import Inbox
from bot.outbox.claims import void_leases
from bot.outbox.outbox import Outbox
from bot.outbox.port import Kind
from bot.outbox.report import OutboxReport
from bot.people.contacts import Contacts
from bot.people.privacy import Privacy
from bot.people.roles import Invitations
from bot.settings import Settings
from bot.storage import Database
from bot.texts import Texts
from handlers.sample import SampleData
from knowledge.answers import Answers
from knowledge.curation import Curation
from knowledge.freshness import Freshness
from knowledge.heads import void_leases as void_fitting
from knowledge.live import Live
from knowledge.misses import Misses
from knowledge.questions import QuestionLog
from knowledge.wishes import Wishes
from scheduler.appointments.service import Appointments
from scheduler.events.service import Events
from scheduler.reminders import Reminders


@dataclass(frozen=True, slots=True)
class Services:
    clock: Clock
    texts: Texts
    contacts: Contacts
    invitations: Invitations
    privacy: Privacy
    questions: QuestionLog
    answers: Answers
    wishes: Wishes
    misses: Misses
    freshness: Freshness
    curation: Curation
    desk: Desk
    appointments: Appointments
    events: Events
    reminders: Reminders
    sample: SampleData
    outbox_report: OutboxReport


@dataclass(frozen=True, slots=True)
class Core:
    """Storage and services of one process, with what runs behind them."""

    settings: Settings
    clock: Clock
    replica: str
    texts: Texts
    db: Database
    background: Background
    in_flight: InFlight
    inbox: Inbox
    outbox: Outbox
    live: Live
    kinds: Mapping[str, Kind]
    services: Services

    async def recover(self) -> None:
        """Take over at once what a dead process held; only one that knows itself to be alone may do so."""
        await self.inbox.recover()
        async with self.db.write() as tx:
            await void_leases(tx)
            await void_fitting(tx)

    async def close(self) -> None:
        await self.background.close()
        await self.db.close()
