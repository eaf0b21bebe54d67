"""How the chat server says no: to the bot in Telegram's envelope and wording, to a person by a code."""

from dataclasses import dataclass, field
from typing import Any, Literal

NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current "
    "content and reply markup of the message"
)
QUERY_TOO_OLD = "query is too old and response timeout expired or query ID is invalid"


class ApiError(Exception):
    """A refused call; `code` is the HTTP status as well."""

    def __init__(self, code: int, description: str, retry_after: int | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.retry_after = retry_after

    def envelope(self) -> dict[str, Any]:
        body: dict[str, Any] = {"ok": False, "error_code": self.code, "description": self.description}
        if self.retry_after is not None:
            body["parameters"] = {"retry_after": self.retry_after}
        return body


def bad_request(reason: str) -> ApiError:
    """The cause loses its capital unless it is a constant such as BUTTON_DATA_INVALID."""
    if len(reason) < 2 or not (reason[1].isupper() or reason[1] == "_"):
        reason = reason[:1].lower() + reason[1:]
    return ApiError(400, f"Bad Request: {reason}")


def too_many_requests(retry_after: int) -> ApiError:
    return ApiError(429, f"Too Many Requests: retry after {retry_after}", retry_after)


def blocked() -> ApiError:
    return ApiError(403, "Forbidden: bot was blocked by the user")


def method_not_found() -> ApiError:
    return ApiError(404, "Not Found: method not found")


Refusal = Literal["too_long", "empty", "bad_frame", "unknown_message", "blocked", "rate"]


class Refused(Exception):  # noqa: N818 - says what happened
    """A person cannot do this; `code` is what the page is told."""

    def __init__(self, code: Refusal) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True)
class Fault:
    """A call that shall fail although nothing is wrong with it.

    `method` None means any; `contains` is looked for in the call's text or caption; after `times` calls it is over.
    """

    error: ApiError
    method: str | None = None
    contains: str = ""
    times: int = 1

    def strikes(self, method: str, text: str) -> bool:
        if self.times <= 0 or (self.method or method).lower() != method.lower() or self.contains not in text:
            return False
        self.times -= 1
        return True


@dataclass(slots=True)
class Faults:
    """Faults on demand, for tests and rehearsals; empty in ordinary life."""

    planned: list[Fault] = field(default_factory=list)

    def plan(self, fault: Fault) -> None:
        self.planned.append(fault)

    def check(self, method: str, text: str) -> None:
        """ApiError when a planned fault strikes this call."""
        for fault in self.planned:
            if fault.strikes(method, text):
                raise fault.error
