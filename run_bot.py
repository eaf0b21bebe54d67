"""The composition root: builds the machine from its settings. `run_bot.py --help` tells what it can do.

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
    from bot.background import Background, InFlight
    from bot.channels.personal import ChatsData, page_language
    from bot.desk.desk import Desk
    from bot.inbox import Inbox
    from bot.outbox.outbox import Outbox
    from bot.outbox.report import OutboxReport
    from bot.people.contacts import Contacts
    from bot.people.privacy import Consents, PersonalData, Privacy
    from bot.people.roles import Invitations
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
    from scheduler.events.queries import occasions_ahead
    from scheduler.events.service import Events
    from scheduler.reminders import Reminders

    db, texts, replica = Database(settings.database), Texts(settings.bot_name), secrets.token_hex(6)
    background, in_flight = Background(), InFlight()
    inbox = Inbox(db, clock, background, in_flight, replica, replayable=[WEB_BOT_ID])
    outbox = Outbox(clock)

    contacts = Contacts(db, clock, settings.default_zone, page_language(WEB_BOT_ID))
    consents = Consents(clock)
    chats = ChatsData(inbox, WEB_BOT_ID)
    desk = Desk(db, clock, outbox, contacts)

    heads = Heads(db, clock, replica, fit_beside if settings.fitting else None)
    live = Live(db, clock, settings.default_zone, heads, background, Bands(settings.answer_from, settings.suggest_from))
    questions = QuestionLog(db, clock, timedelta(days=settings.questions_kept_days))
    answers = Answers(questions, texts, live, settings.operator.model_dump())
    curation = Curation(db, clock, live)
    wishes = Wishes(db, clock, outbox, live, answers)
    freshness = Freshness(db, clock, live, outbox, contacts)

    reminders = Reminders(db, clock, outbox, occasions_ahead)
    events = Events(db, clock, outbox, reminders)
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
    owners: list[PersonalData] = [appointments, events, reminders, desk, questions, consents, chats, contacts]
    privacy = Privacy(db, clock, owners, [desk, appointments, questions], chats.take_back)
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
    kinds = [kind for room in (desk, wishes, freshness, events, appointments) for kind in room.kinds()]
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
        live=live,
        kinds={kind.name: kind for kind in kinds},
        services=services,
    )


def build(core: "Core") -> "App":
    """Doors and channels in front of the core. Imports aiogram."""
    from handlers.app import App

    return App(core, WEB_BOT_ID)


def main(arguments: "list[str] | None" = None) -> int:
    """Run one verb of the command line; the exit code. An interpreter that cannot do it ends with one line."""
    if sys.version_info < (3, 11):  # noqa: UP036  this file is what an older one is given
        return _misled("Python 3.11 or newer is needed")
    try:
        from handlers.cli import run

        return run(arguments, build_core, build)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("bot", "handlers", "knowledge", "scheduler"):
            raise
        return _misled(f"this Python lacks {error.name}")


def _misled(why: str) -> int:
    sys.stderr.write(f"{why}; run: make run (sets everything up), or .venv/bin/python run_bot.py once it is\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
