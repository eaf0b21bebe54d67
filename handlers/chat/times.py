"""Choosing a time, for a new appointment or one that moves: month, day, time of day, and the zone to show them in."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aiogram import Router
from aiogram.filters import Command, StateFilter
from aiogram.fsm.state import State, StatesGroup
from aiogram.types import CallbackQuery
from aiogram.types import Message as ChatMessage

from bot.texts import N_, Button, Message, Translator
from bot.texts.actions import (
    Action,
    ChangeZone,
    Idle,
    LiveIn,
    MoveTo,
    PickDay,
    PickSlot,
    PickTopic,
    PickZone,
    ShowAppointment,
    ShowMonth,
    StartBooking,
)
from bot.texts.message import Buttons
from handlers.chat.buttons import ask_person, main_menu, rows
from handlers.chat.filters import NoText, Pressed, Typed
from handlers.chat.talk import Talk
from handlers.zones import find_zone
from scheduler.appointments.availability import Reason
from scheduler.appointments.values import ExpertCard, MonthView, Taken, topic_name

ZONES = (
    "Asia/Hong_Kong",
    "Asia/Shanghai",
    "Asia/Taipei",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Asia/Seoul",
    "Asia/Dubai",
    "Australia/Sydney",
    "Europe/London",
    "Europe/Berlin",
    "America/New_York",
    "America/Los_Angeles",
)
"""Where people who book with us usually are."""


class Zone(StatesGroup):
    """A zone may be typed too."""

    typed = State()


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BLANK = "·"
"""A cell of the month without anything to pick; channels refuse labels of nothing but white space."""

AHEAD = timedelta(days=366)
"""Further than anything can be booked: whoever asks for later has made up the button."""

FOREVER = timedelta(days=36524)
"""A century since 1970: no button names a later time, and zones can be reckoned with until then."""

SHOWN_A_DAY = 88
"""A message carries at most 100 buttons."""

REASONS = {
    Reason.PAST: N_("That time is over."),
    Reason.NOTICE: N_("That is too soon: the expert needs some time to prepare."),
    Reason.BEYOND_WINDOW: N_("That is further ahead than can be booked at present."),
    Reason.CLOSED_DAY: N_("The expert is away on that day."),
    Reason.OUTSIDE_HOURS: N_("That is outside the expert's hours."),
    Reason.OFF_GRID: N_("Appointments do not start at that minute."),
    Reason.BUSY: N_("Somebody else has just taken that time."),
    Reason.BUFFER: N_("The expert needs a break between two appointments, and that time is too close to another."),
    Reason.DAY_FULL: N_("The expert takes no more appointments on that day."),
    Reason.WEEK_FULL: N_("The expert takes no more appointments in that week."),
    Reason.RETIRED: N_("The expert takes no new appointments any more. What is booked stands as it is."),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a time is sought for: `expert` None is any of the topic; `moving` brings topic and expert of its own."""

    topic: str
    expert: int | None
    moving: int | None = None
    version: int | None = None

    def at(self, start: datetime) -> Action:
        minutes = (start - EPOCH) // MINUTE
        if self.moving is None:
            return PickSlot(self.topic, self.expert, minutes)
        return MoveTo(self.moving, self.version or 0, minutes)

    def in_month(self, month: date) -> ShowMonth:
        return ShowMonth(self.topic, self.expert, month.replace(day=1), self.moving, self.version)

    def on_day(self, day: date) -> PickDay:
        return PickDay(self.topic, self.expert, day, self.moving, self.version)

    def elsewhere(self) -> ChangeZone:
        return ChangeZone(self.topic, self.expert, self.moving, self.version)

    def in_zone(self, zone: str) -> PickZone:
        return PickZone(zone, self.topic, self.expert, self.moving, self.version)


@dataclass(frozen=True, slots=True)
class About:
    """What stands over the times: `was` is the present time of an appointment that moves."""

    topic: str
    expert: ExpertCard | None
    was: datetime | None


def setup() -> Router:
    router = Router(name="times")
    router.callback_query.register(month_pressed, Pressed(ShowMonth))
    router.callback_query.register(day_pressed, Pressed(PickDay))
    router.callback_query.register(zones_pressed, Pressed(ChangeZone))
    router.callback_query.register(zone_picked, Pressed(PickZone))
    router.callback_query.register(zone_pressed, Pressed(LiveIn))
    router.message.register(zone_wanted, Command("timezone"))
    router.message.register(zone_typed, StateFilter(Zone.typed), Typed())
    router.message.register(zone_not_typed, StateFilter(Zone.typed), NoText())
    return router


def instant(minutes: int) -> datetime | None:
    """The instant of a button; None for one that nobody can have been shown."""
    return EPOCH + minutes * MINUTE if 0 <= minutes < FOREVER // MINUTE else None


def _wish_of(action: ShowMonth | PickDay | ChangeZone | PickZone) -> Wish:
    return Wish(action.topic, action.expert, action.moving, action.version)


# Month


async def month_pressed(press: CallbackQuery, action: ShowMonth, talk: Talk) -> None:
    await _show_month(_wish_of(action), action.month, talk)


async def show_first_month(wish: Wish, talk: Talk) -> None:
    """The month of the first free time, or word that there is none."""
    free = await _first_free(wish, talk)
    if free is None:
        await talk.reply.show(_nothing_free(wish, talk.say))
        return
    await _show_month(wish, _local_day(free, talk.say), talk)


async def _show_month(wish: Wish, month: date, talk: Talk) -> None:
    """The month, or the nearest one that can be booked."""
    about = await _about(wish, talk)
    if about is None:
        await _gone(talk)
        return
    wanted = _sensible(month, talk)
    view = await talk.services.appointments.month(
        wish.topic,
        wish.expert,
        wanted.year,
        wanted.month,
        zone=talk.say.zone,
        contact_id=talk.contact_id,
        moving=wish.moving,
    )
    await talk.reply.show(month_message(view, wish, about, talk.now, talk.say))


async def _about(wish: Wish, talk: Talk) -> About | None:
    """None when the expert is no longer there, or the appointment not the person's to move."""
    if wish.moving is not None:
        view = await talk.services.appointments.view(wish.moving, talk.contact_id)
        movable = view and view.ahead(talk.now) and view.role(talk.contact_id) == "owner"
        return About(view.topic, view.expert, view.start) if view and movable else None
    if wish.expert is None:
        return About(wish.topic, None, None)
    expert = await talk.services.appointments.expert(wish.expert)
    return About(wish.topic, expert, None) if expert else None


def _local_day(moment: datetime, say: Translator) -> date:
    """The date where the reader is."""
    return moment.astimezone(ZoneInfo(say.zone)).date()


def _sensible(day: date, talk: Talk) -> date:
    """The day of a button, kept within what can be reckoned with."""
    today = _local_day(talk.now, talk.say)
    return min(max(day, today), today + AHEAD)


async def _gone(talk: Talk) -> None:
    await talk.reply.toast(
        talk.say.plain("That can no longer be booked or moved. /book and /appointments show what can."), True
    )


def month_message(view: MonthView, wish: Wish, about: About, now: datetime, say: Translator) -> Message:
    html = say.page(
        "booking/month.html",
        about=about,
        topic=topic_name(say, about.topic),
        month=say.month(view.month),
        zone=say.zone_name(say.zone, now),
        empty=not view.days,
    )
    grid = (tuple(_weekdays(say)), *_weeks(view, wish))
    turn = _turn(view, wish, say)
    zone = (Button(say.plain("Change time zone"), wish.elsewhere()),)
    return Message(html, (*grid, *((turn,) if turn else ()), zone, _back(wish, say)))


def _weekdays(say: Translator) -> list[Button]:
    return [Button(name, Idle()) for name in say.weekdays()]


def _weeks(view: MonthView, wish: Wish) -> tuple[tuple[Button, ...], ...]:
    """The weeks of the month, Monday to Sunday, from the first with a free day to the last."""
    first = view.month.replace(day=1)
    length = (_next_month(first) - first).days
    days = [first + timedelta(days=at) for at in range(length)]
    before = [Button(BLANK, Idle())] * first.weekday()
    after = [Button(BLANK, Idle())] * (-(len(before) + length) % 7)
    weeks = rows([*before, *(_cell(day, view, wish) for day in days), *after], 7)
    free = [at for at, week in enumerate(weeks) if any(button.text != BLANK for button in week)]
    return weeks[free[0] : free[-1] + 1] if free else ()


def _cell(day: date, view: MonthView, wish: Wish) -> Button:
    return Button(str(day.day), wish.on_day(day)) if day in view.days else Button(BLANK, Idle())


def _turn(view: MonthView, wish: Wish, say: Translator) -> tuple[Button, ...]:
    """The neighbouring months in which something can be booked."""
    earlier, later = view.month - timedelta(days=1), _next_month(view.month)
    back = (Button(f"‹ {say.month(earlier)}", wish.in_month(earlier)),) if view.month > view.first else ()
    on = (Button(f"{say.month(later)} ›", wish.in_month(later)),) if view.month < view.last else ()
    return back + on


def _next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


def _back(wish: Wish, say: Translator) -> tuple[Button, ...]:
    if wish.moving is not None:
        return (Button(say.plain("‹ Leave it as it is"), ShowAppointment(wish.moving)),)
    return (Button(say.plain("‹ Experts"), PickTopic(wish.topic)),)


def _nothing_free(wish: Wish, say: Translator) -> Message:
    text = say("There is no free time left in the coming weeks. Shall a person help you find one?")
    ask = (ask_person(say, "primary"),)
    other = Button(say.plain("Another topic"), StartBooking(None))
    return Message(text, (ask, _back(wish, say) if wish.moving else (*_back(wish, say), other)))


# Day


async def day_pressed(press: CallbackQuery, action: PickDay, talk: Talk) -> None:
    say = talk.say
    wish, day = _wish_of(action), _sensible(action.day, talk)
    about = await _about(wish, talk)
    if about is None:
        await _gone(talk)
        return
    starts = await _free_on(day, wish, talk)
    if starts:
        await talk.reply.show(day_message(day, starts, wish, about, say))
        return
    await _show_month(wish, day, talk)
    await talk.reply.toast(say.plain("Nothing is free on that day any more. Please pick another."))


def day_message(day: date, starts: Sequence[datetime], wish: Wish, about: About, say: Translator) -> Message:
    html = say.page(
        "booking/day.html",
        about=about,
        topic=topic_name(say, about.topic),
        day=say.day(day),
        zone=say.zone_name(say.zone, starts[0]),
    )
    zone = Button(say.plain("Change time zone"), wish.elsewhere())
    other = Button(say.plain("‹ Other days"), wish.in_month(day))
    return Message(html, (*_slots(starts[:SHOWN_A_DAY], wish, say), (other, zone)))


def _slots(starts: Sequence[datetime], wish: Wish, say: Translator) -> Buttons:
    """Four times a row. On the night when the clocks go back a time can come twice: then each names its zone."""
    labels = [say.time(start) for start in starts]
    if max(Counter(labels).values()) > 1:
        labels = [f"{say.time(start)} ({say.zone_name(say.zone, start)})" for start in starts]
        width = 1
    else:
        width = 4
    buttons = [Button(label, wish.at(start)) for label, start in zip(labels, starts, strict=True)]
    return rows(buttons, width)


# Zone


async def zone_wanted(message: ChatMessage, talk: Talk) -> None:
    buttons = [Button(talk.say.zone_name(zone, talk.now), LiveIn(zone)) for zone in ZONES]
    await talk.reply.send(await _which_zone(buttons, {}, talk))


async def zones_pressed(press: CallbackQuery, action: ChangeZone, talk: Talk) -> None:
    wish = _wish_of(action)
    buttons = [Button(talk.say.zone_name(zone, talk.now), wish.in_zone(zone)) for zone in ZONES]
    message = await _which_zone(buttons, {"wish": [wish.topic, wish.expert, wish.moving, wish.version]}, talk)
    back = (Button(talk.say.plain("‹ Leave it as it is"), wish.in_month(_local_day(talk.now, talk.say))),)
    await talk.reply.show(replace(message, buttons=(*message.buttons, back)))


async def _which_zone(buttons: Sequence[Button], data: dict[str, Any], talk: Talk) -> Message:
    """Asks for a zone, to be pressed or typed; `data` is what to go on with afterwards."""
    await talk.expect(Zone.typed, **data)
    text = talk.say(
        "Your time zone is <b>{zone}</b>. Which one shall I use for all times from now on? "
        "Press one, or write another: a city, or a name like Europe/Berlin.",
        zone=talk.say.zone_name(talk.say.zone, talk.now),
    )
    return Message(text, rows(buttons, 2))


async def zone_picked(press: CallbackQuery, action: PickZone, talk: Talk) -> None:
    if action.zone not in ZONES:
        await talk.reply.toast(talk.say.plain("I do not know that time zone."))
        return
    await show_first_month(_wish_of(action), await _living_in(action.zone, talk))


async def zone_pressed(press: CallbackQuery, action: LiveIn, talk: Talk) -> None:
    if action.zone not in ZONES:
        await talk.reply.toast(talk.say.plain("I do not know that time zone."))
        return
    await talk.reply.show(_zone_changed(await _living_in(action.zone, talk)))


async def zone_typed(message: ChatMessage, talk: Talk) -> None:
    zone = await asyncio.to_thread(find_zone, message.text or "")
    if zone is None:
        text = talk.say(
            "I do not know a time zone of that name. "
            "Write a large city near you, or a name like Europe/Berlin; /cancel leaves it as it is."
        )
        await talk.reply.send(Message(text))
        return
    wish = (await talk.state.get_data()).get("wish")
    await talk.state.clear()
    there = await _living_in(zone, talk)
    if wish is None:
        await talk.reply.send(_zone_changed(there))
    else:
        await show_first_month(Wish(*wish), there)


async def zone_not_typed(message: ChatMessage, talk: Talk) -> None:
    await talk.reply.send(Message(talk.say("I can read text only. Please type your answer.")))


async def _living_in(zone: str, talk: Talk) -> Talk:
    await talk.services.contacts.live_in(talk.contact_id, zone)
    return talk.in_zone(zone)


def _zone_changed(talk: Talk) -> Message:
    say = talk.say
    text = say("From now on I show all times as in <b>{zone}</b>.", zone=say.zone_name(say.zone, talk.now))
    return Message(text, ((main_menu(say),),))


# When a time is not to be had


def taken_message(taken: Taken, wish: Wish, say: Translator) -> Message:
    """Why not, and the nearest times instead."""
    html = say.page("booking/taken.html", reason=say(REASONS[taken.reason]), alternatives=taken.alternatives)
    return Message(html, _instead(taken.alternatives, wish, say))


def _instead(starts: Sequence[datetime], wish: Wish, say: Translator) -> Buttons:
    near = tuple((Button(say.stamp(start), wish.at(start)),) for start in starts)
    return (*near, _other_days(starts, wish, say))


def _other_days(starts: Sequence[datetime], wish: Wish, say: Translator) -> tuple[Button, ...]:
    if not starts:
        return _back(wish, say)
    return (Button(say.plain("Other days"), wish.in_month(_local_day(starts[0], say))),)


async def near(start: datetime, wish: Wish, talk: Talk) -> tuple[datetime, ...]:
    """Up to three free times on the local day of `start`, the nearest to it; else on the first day that has any."""
    day = _sensible(_local_day(start, talk.say), talk)
    found = await _free_on(day, wish, talk)
    if not found and (free := await _first_free(wish, talk)):
        found = await _free_on(_local_day(free, talk.say), wish, talk)
    return tuple(sorted(sorted(found, key=lambda other: abs(other - start))[:3]))


async def _first_free(wish: Wish, talk: Talk) -> datetime | None:
    return await talk.services.appointments.next_free(
        wish.topic, wish.expert, contact_id=talk.contact_id, moving=wish.moving
    )


async def _free_on(day: date, wish: Wish, talk: Talk) -> tuple[datetime, ...]:
    return await talk.services.appointments.day(
        wish.topic, wish.expert, day, zone=talk.say.zone, contact_id=talk.contact_id, moving=wish.moving
    )


def lapsed_message(start: datetime, fresh: Sequence[datetime], wish: Wish, say: Translator) -> Message:
    """A hold that ran out, with times that are free now."""
    html = say.page("booking/lapsed.html", start=start, alternatives=fresh)
    home = (main_menu(say),)
    return Message(html, (*_instead(fresh, wish, say), home))
