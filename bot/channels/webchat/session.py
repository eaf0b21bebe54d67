"""The session that lets an ordinary aiogram `Bot` speak to the chat server in the same process.

Methods arrive here before aiogram has filled in the bot's defaults or read any file; results must be bound to the
bot and errors be aiogram's own, so that handlers cannot tell this from the network.
"""

from collections.abc import AsyncGenerator, Iterable
from functools import cache
from types import NoneType
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from aiogram import Bot
from aiogram.client.default import Default
from aiogram.client.session.base import BaseSession
from aiogram.exceptions import (
    RestartingTelegram,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.methods import TelegramMethod
from aiogram.methods.base import TelegramType
from aiogram.types import (
    BufferedInputFile,
    ForceReply,
    InlineKeyboardMarkup,
    InputFile,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
)
from pydantic import BaseModel, TypeAdapter

from bot.channels.webchat.errors import ApiError
from bot.channels.webchat.server import ChatServer

_ERRORS = {
    400: TelegramBadRequest,
    401: TelegramUnauthorizedError,
    403: TelegramForbiddenError,
    404: TelegramNotFound,
    409: TelegramConflictError,
    413: TelegramEntityTooLarge,
}


class WebChatSession(BaseSession):
    def __init__(self, server: ChatServer) -> None:
        super().__init__()
        self.server = server

    async def close(self) -> None:
        """Nothing is open."""

    async def make_request(
        self,
        bot: Bot,
        method: TelegramMethod[TelegramType],
        timeout: int | None = None,  # noqa: ASYNC109 - aiogram's signature
    ) -> TelegramType:
        try:
            result = await self.server.call(await resolved(method, bot))
        except ApiError as error:
            raise as_aiogram(error, method) from None
        if result is True:
            return cast(TelegramType, True)
        return cast(TelegramType, _reader(method.__returning__).validate_python(result, context={"bot": bot}))

    async def stream_content(
        self,
        url: str,
        headers: dict[str, Any] | None = None,
        timeout: int = 30,  # noqa: ASYNC109 - aiogram's signature
        chunk_size: int = 65536,
        raise_for_status: bool = True,
    ) -> AsyncGenerator[bytes, None]:
        """The file at a download address, whose path ends with the `file_path` of getFile."""
        path = unquote(urlsplit(url).path)
        data = await self.server.download(path[path.rfind("documents/") :])
        for start in range(0, len(data), chunk_size):
            yield data[start : start + chunk_size]


@cache
def _reader(returns: Any) -> TypeAdapter[Any]:
    """Reads what a method returns; kept, as making one costs milliseconds."""
    return TypeAdapter(returns)


async def resolved(method: TelegramMethod[Any], bot: Bot) -> TelegramMethod[Any]:
    """The method with the bot's defaults in place and every file read, also those deep inside."""
    return cast(TelegramMethod[Any], await _resolved(method, bot))


async def _resolved(value: Any, bot: Bot) -> Any:
    match value:
        case Default():
            return bot.default[value.name]
        case BufferedInputFile():
            return value
        case InputFile():
            data = b"".join([chunk async for chunk in value.read(bot)])
            return BufferedInputFile(data, value.filename or "document")
        case BaseModel():
            changed = {name: new for name, old, new in await _each(vars(value).items(), bot) if new is not old}
            return value.model_copy(update=changed) if changed else value
        case list():
            items = await _each(enumerate(value), bot)
            return [new for _, _, new in items] if any(new is not old for _, old, new in items) else value
        case _:
            return value


_PLAIN = frozenset(
    (NoneType, str, int, bool, float, InlineKeyboardMarkup, ReplyKeyboardMarkup, ReplyKeyboardRemove, ForceReply)
)
"""What holds neither defaults nor files."""


async def _each(items: Iterable[tuple[Any, Any]], bot: Bot) -> list[tuple[Any, Any, Any]]:
    """Name, value and what it resolves to. Plain ones, which most are, are passed by at once."""
    return [(name, old, old if type(old) in _PLAIN else await _resolved(old, bot)) for name, old in items]


def as_aiogram(error: ApiError, method: TelegramMethod[Any]) -> TelegramAPIError:
    """The exception that aiogram raises for the same answer over HTTP."""
    if error.retry_after:
        return TelegramRetryAfter(method=method, message=error.description, retry_after=error.retry_after)
    if error.code >= 500:
        restarting = "restart" in error.description
        return (RestartingTelegram if restarting else TelegramServerError)(method, error.description)
    return _ERRORS.get(error.code, TelegramAPIError)(method, error.description)
