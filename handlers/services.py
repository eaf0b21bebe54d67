"""The use cases that doors may call."""

from dataclasses import dataclass

from bot.clock import Clock
from bot.desk.desk import Desk
from bot.people.contacts import Contacts
from bot.people.privacy import Privacy
from bot.people.roles import Invitations
from bot.texts import Texts
from knowledge.answers import Answers
from scheduler.appointments.service import Appointments
from scheduler.events.service import Events
from scheduler.reminders.service import Reminders


@dataclass(frozen=True, slots=True)
class Services:
    clock: Clock
    texts: Texts
    contacts: Contacts
    invitations: Invitations
    privacy: Privacy
    answers: Answers
    desk: Desk
    appointments: Appointments
    events: Events
    reminders: Reminders
