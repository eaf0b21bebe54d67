"""From an HTTP request to aiogram's method object, whatever way the parameters came."""

import json
import types
from typing import Any, Union, get_args, get_origin

from aiogram import methods
from aiogram.methods import TelegramMethod
from aiogram.types import BufferedInputFile
from aiohttp import web
from pydantic import ValidationError

from bot.channels.webchat.errors import ApiError, bad_request

Method = type[TelegramMethod[Any]]

METHODS: dict[str, Method] = {
    cls.__api_method__.lower(): cls
    for name in methods.__all__
    if isinstance(cls := getattr(methods, name), type) and issubclass(cls, TelegramMethod) and cls is not TelegramMethod
}
_MISSING = {
    "chat_id": "chat_id is empty",
    "text": "message text is empty",
    "document": "there is no document in the request",
}


async def parameters(request: web.Request) -> dict[str, Any]:
    """Query string, form, multipart and JSON in one; uploads as BufferedInputFile under their part's name."""
    found: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        found |= _json_object(await request.text() or "{}")
    elif request.body_exists:
        for name, value in (await request.post()).items():
            found[name] = _uploaded(value) if isinstance(value, web.FileField) else value
    return found


def _json_object(body: str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ApiError(400, "Bad Request: can't parse JSON encoded in the request body")
    return found


def _uploaded(part: web.FileField) -> BufferedInputFile:
    return BufferedInputFile(part.file.read(), part.filename)


def decode(cls: Method, given: dict[str, Any]) -> TelegramMethod[Any]:
    """The method object; ApiError 400 in the server's words when it cannot be made."""
    known = {name: value for name, value in given.items() if name in cls.model_fields}
    values = {name: _value(cls, name, value, given) for name, value in known.items()}
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        if first["type"] == "missing" and len(first["loc"]) == 1 and name in _MISSING:
            raise bad_request(_MISSING[name]) from None
        raise bad_request(f"can't parse parameter {name}: {first['msg']}") from None


def _value(cls: Method, name: str, value: Any, given: dict[str, Any]) -> Any:
    if not isinstance(value, str):
        return value
    if value.startswith("attach://"):
        return _attached(value.removeprefix("attach://"), given)
    if _takes_text(cls.model_fields[name].annotation):
        return value
    try:
        return json.loads(value)
    except ValueError:
        what = "reply keyboard markup JSON object" if name == "reply_markup" else f"parameter {name}"
        raise ApiError(400, f"Bad Request: can't parse {what}") from None


def _attached(part: str, given: dict[str, Any]) -> BufferedInputFile:
    if not isinstance(file := given.get(part), BufferedInputFile):
        raise bad_request("attached file not found")
    return file


def _takes_text(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, types.UnionType):
        return any(_takes_text(part) for part in get_args(annotation))
    return annotation is str
