"""Sending again, while a person waits for the answer, what certainly did not arrive.

Only for what an update's handling sends: the outbox has its own ways and its own record of them. A message whose
sending is in doubt is not repeated, as the Bot API would send it twice; whatever may be done twice is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from aiogram import Bot
from aiogram.client.session.middlewares.base import BaseRequestMiddleware, NextRequestMiddlewareType
from aiogram.exceptions import AiogramError
from aiogram.methods import CopyMessage, Response, SendChatAction, SendDocument, SendMessage, TelegramMethod
from aiogram.methods.base import TelegramType

from bot.channels.conversation import handling
from bot.channels.outcomes import outcome_of
from bot.outbox.port import Result

log = structlog.get_logger(__name__)

PAUSES = (0.5, 2.0, 5.0)
"""Seconds before each further try after an error of the line."""
LONGEST_WAIT = 40.0
"""Seconds that the floods of one request may make it wait: well below what the handling of an update may take."""

ONCE = (SendMessage, SendDocument, CopyMessage)
"""Done twice, these show a person something twice."""


class Patience(BaseRequestMiddleware):
    def __init__(
        self, pauses: Sequence[float] = PAUSES, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._pauses = pauses
        self._sleep = sleep

    async def __call__(
        self,
        make_request: NextRequestMiddlewareType[TelegramType],
        bot: Bot,
        method: TelegramMethod[TelegramType],
    ) -> Response[TelegramType]:
        if handling.get() is None or isinstance(method, SendChatAction):
            return await make_request(bot, method)
        pauses, left = list(self._pauses), LONGEST_WAIT
        while True:
            try:
                return await make_request(bot, method)
            except AiogramError as error:
                outcome = outcome_of(error)
                if outcome.result is Result.WAIT:
                    pause = max(outcome.retry_after, 0.1)
                    left -= pause
                    if left < 0:
                        raise
                elif pauses and (outcome.result is Result.FAILED or _is_harmless(method, outcome.result)):
                    pause = pauses.pop(0)
                else:
                    raise
                log.info("sent again", method=method.__api_method__, pause=pause, detail=outcome.detail)
            await self._sleep(pause)


def _is_harmless(method: TelegramMethod[TelegramType], result: Result) -> bool:
    """Whether it may have been done, and may be done again."""
    return result in (Result.UNPROVEN, Result.IN_DOUBT) and not isinstance(method, ONCE)
