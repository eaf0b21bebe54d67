"""Who wants to be reminded of what, and the messages planned from it.

plan.py says when a reminder is due for anything that has a start; `Reminders` keeps what people chose for events.
"""

from scheduler.reminders.service import (
    REMINDER,
    Choice,
    Occasion,
    Overview,
    Reminders,
    concerned_contacts,
    followers_of_all,
    follows_all,
    minutes_wanted,
    subject,
)

__all__ = [
    "REMINDER",
    "Choice",
    "Occasion",
    "Overview",
    "Reminders",
    "concerned_contacts",
    "followers_of_all",
    "follows_all",
    "minutes_wanted",
    "subject",
]
