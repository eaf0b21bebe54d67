"""What aiogram raises, said as an `Outcome`.

The rule: only what is proven never to have reached the other side counts as failed. A broken connection or a
timeout after that is in doubt, because the Bot API knows no key by which a repetition could be recognised.
"""

from aiogram.exceptions import (
    AiogramError,
    ClientDecodeError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiohttp import (
    ClientConnectorError,
    ClientProxyConnectionError,
    ConnectionTimeoutError,
    InvalidURL,
)

from bot.outbox.port import Outcome, Result

GONE = (
    "chat not found",
    "user not found",
    "user is deactivated",
    "bot was blocked",
    "bot was kicked",
    "have no rights to send",
    "not enough rights to send",
    "peer_id_invalid",
    "input_user_deactivated",
    "chat_write_forbidden",
)
"""Wording of 400 answers that are about the person and not about our message."""

NEVER_LEFT = (ClientConnectorError, ClientProxyConnectionError, ConnectionTimeoutError, InvalidURL)
"""No connection was made (name, refusal, TLS, pool): nothing was sent. Every other error may come after the body."""


UNTOLD_WAIT = 5.0
"""Seconds to wait after a 429 that does not say how long."""


def outcome_of(error: AiogramError) -> Outcome:
    """Says what an exception from a send means."""
    result = _result(error)
    retry_after = getattr(error, "retry_after", UNTOLD_WAIT) if result is Result.WAIT else 0.0
    return Outcome(result, retry_after=float(retry_after), detail=_detail(error))


def _result(error: AiogramError) -> Result:
    match error:
        case TelegramRetryAfter():
            return Result.WAIT
        case TelegramForbiddenError() | TelegramMigrateToChat():
            # we write to private chats only: a chat that became a group is nobody's any more
            return Result.UNREACHABLE
        case TelegramBadRequest():
            return Result.UNREACHABLE if _says(error, *GONE) else Result.REJECTED
        case TelegramUnauthorizedError():
            return Result.STOPPED
        case TelegramNotFound():
            # a wrong token is 404 without more; an unknown method is our mistake
            return Result.REJECTED if _says(error, "method not found") else Result.STOPPED
        case TelegramEntityTooLarge():
            return Result.REJECTED
        case TelegramServerError():
            return Result.UNPROVEN
        case TelegramConflictError():
            return Result.FAILED
        case TelegramNetworkError():
            return Result.FAILED if isinstance(error.__cause__, NEVER_LEFT) else Result.IN_DOUBT
        case TelegramAPIError():
            return Result.WAIT if _says(error, "too many requests") else Result.REJECTED
        case ClientDecodeError():
            return Result.UNPROVEN if _is_error_page(error) else Result.IN_DOUBT
        case _:
            return Result.IN_DOUBT


def _says(error: TelegramAPIError, *wordings: str) -> bool:
    said = error.message.lower()
    return any(wording in said for wording in wordings)


def _is_error_page(error: ClientDecodeError) -> bool:
    """A gateway's 502 page instead of an answer; aiogram drops the status, so the body has to tell."""
    return isinstance(error.data, str) and error.data.lstrip()[:1] == "<"


def _detail(error: AiogramError) -> str:
    """Short, and without what was sent: a decoding error quotes the whole body."""
    if isinstance(error, ClientDecodeError):
        return f"ClientDecodeError: {type(error.original).__name__}"
    said = error.message if isinstance(error, TelegramAPIError) else ""
    return f"{type(error).__name__}: {said}".rstrip(": ")[:300]
