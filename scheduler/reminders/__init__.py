"""Who wants to be reminded of what, and the messages planned from it.

`plan` says when a reminder is due for anything that has a start; `Reminders` keeps what people
chose for events.
"""

from scheduler.reminders.plan import Planned, plan
from scheduler.reminders.service import (
    CHOICES,
    DEFAULT_OFFSETS,
    REMINDER,
    Choice,
    Followed,
    Occasion,
    Occasions,
    Overview,
    Reminders,
    RemindersData,
    concerned_contacts,
    followers_of_all,
    follows_all,
    minutes_wanted,
    subject,
)

__all__ = [
    "CHOICES",
    "DEFAULT_OFFSETS",
    "REMINDER",
    "Choice",
    "Followed",
    "Occasion",
    "Occasions",
    "Overview",
    "Planned",
    "Reminders",
    "RemindersData",
    "concerned_contacts",
    "followers_of_all",
    "follows_all",
    "minutes_wanted",
    "plan",
    "subject",
]
