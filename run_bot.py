"""The composition root: builds the machine from its settings. `python run_bot.py --help` tells what it can do.

`build_core` makes storage and services and knows no aiogram; `build` puts doors and channels in front of them.
Tests build the same. Imports stand inside, as the whole machine costs seconds and `--help` must not.
"""

import secrets
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.clock import Clock
    from bot.settings import Settings
    from handlers.app import App
    from handlers.services import Core

WEB_BOT_ID = 1
"""The web chat's bot; Telegram's own have numbers of many digits."""


def build_core(settings: "Settings", clock: "Clock") -> "Core":
    """Everything below the doors."""
    from bot.background import Background, Bell, InFlight
    from bot.channels.personal import ChatsData, page_language
    from bot.desk.desk import Desk
    from bot.inbox import Inbox
    from bot.outbox.outbox import Outbox
    from bot.outbox.report import OutboxReport
    from bot.people.contacts import Contacts
    from bot.people.privacy import Consents, PersonalData, Privacy
    from bot.people.roles import Invitations, audit
    from bot.storage import Database
    from bot.texts import Texts
    from handlers.sample import SampleData
    from handlers.services import Core, Services
    from knowledge.answers import Answers
    from knowledge.curation import Curation
    from knowledge.engine import Bands
    from knowledge.freshness import Freshness
    from knowledge.heads import Heads, fit_beside
    from knowledge.live import Live
    from knowledge.misses import Misses
    from knowledge.questions import QuestionLog
    from knowledge.wishes import Wishes
    from scheduler.appointments.service import Appointments
    from scheduler.events.kinds import event_kinds
    from scheduler.events.personal import RegistrationsData
    from scheduler.events.queries import EventOccasions
    from scheduler.events.service import Events
    from scheduler.reminders import Reminders, RemindersData

    db, texts, replica = Database(settings.database), Texts(settings.bot_name), secrets.token_hex(6)
    background, in_flight, outbox_due, knowledge_changed = Background(), InFlight(), Bell(), Bell()
    inbox = Inbox(db, clock, background, in_flight, replica, replayable=[WEB_BOT_ID])
    outbox = Outbox(clock, outbox_due.ring)

    contacts, consents, chats = (
        Contacts(db, clock, settings.default_zone, page_language(WEB_BOT_ID)),
        Consents(clock),
        ChatsData(inbox, WEB_BOT_ID),
    )
    desk = Desk(db, clock, outbox, contacts)
    heads = Heads(db, clock, replica, fit_beside if settings.fitting else None)
    live = Live(db, clock, settings.default_zone, heads, background, Bands(settings.answer_from, settings.suggest_from))
    knowledge_changed.answer(live.wake)
    questions = QuestionLog(db, clock, timedelta(days=settings.questions_kept_days))
    answers = Answers(questions, texts, live, settings.operator.model_dump())
    curation = Curation(db, clock, live, knowledge_changed.ring)
    wishes = Wishes(db, clock, outbox, live, answers)
    freshness = Freshness(db, clock, live, outbox, contacts)
    reminders = Reminders(db, clock, outbox, EventOccasions())
    events = Events(db, clock, outbox, reminders, audit)
    appointments = Appointments(
        db,
        clock,
        outbox,
        consents,
        reminders=settings.appointment_reminders,
        hold=timedelta(minutes=settings.hold_minutes),
        most=settings.most_appointments,
    )
    # the contact comes last, as the others find what is theirs by it
    owners: list[PersonalData] = [appointments, RegistrationsData(), RemindersData(), desk, questions, consents]
    privacy = Privacy(db, clock, [*owners, chats, contacts], [desk, appointments, questions], chats.take_back)
    services = Services(
        clock=clock,
        texts=texts,
        contacts=contacts,
        invitations=Invitations(db, clock),
        privacy=privacy,
        questions=questions,
        answers=answers,
        wishes=wishes,
        misses=Misses(db, clock, live, curation, desk),
        freshness=freshness,
        curation=curation,
        desk=desk,
        appointments=appointments,
        events=events,
        reminders=reminders,
        sample=SampleData(db, clock, events),
        outbox_report=OutboxReport(db, clock),
    )
    kinds = [*desk.kinds(), *wishes.kinds(), *freshness.kinds(), *event_kinds(), *appointments.kinds()]
    return Core(
        settings=settings,
        clock=clock,
        replica=replica,
        texts=texts,
        db=db,
        background=background,
        in_flight=in_flight,
        inbox=inbox,
        outbox=outbox,
        outbox_due=outbox_due,
        live=live,
        kinds={kind.name: kind for kind in kinds},
        services=services,
    )


def build(core: "Core") -> "App":
    """Doors and channels in front of the core. Imports aiogram."""
    from handlers.app import App

    return App(core, WEB_BOT_ID)


def main(arguments: list[str] | None = None) -> int:
    """Run one verb of the command line; the exit code."""
    from handlers.cli import run

    return run(arguments, build_core, build)


if __name__ == "__main__":
    sys.exit(main())
