"""The Bot API over real HTTP, for tests: an ordinary aiogram `Bot` talks to it as to Telegram.

`running_bot_api` starts one on a free loopback port. `BotApi` is the machine (faults, calls made), `Person` is
somebody who uses Telegram.
"""

from tests.botapi.front import BotApi, running_bot_api
from tests.botapi.people import Person
from tests.botapi.updates import Updates

__all__ = ["BotApi", "Person", "Updates", "running_bot_api"]
