"""Logging for people at a terminal and, elsewhere, for machines: one JSON object a line. Secrets are struck out."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog

from bot.settings import Settings

TOKEN = re.compile(r"\b\d{6,}:[A-Za-z0-9_-]{20,}\b")


class Stderr:
    """Whatever standard error is at the moment: loggers outlive a stream that is replaced and closed."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure(settings: Settings) -> None:
    level = getattr(logging, settings.log_level)
    at_terminal = sys.stderr.isatty()
    renderer: Any = structlog.dev.ConsoleRenderer() if at_terminal else structlog.processors.JSONRenderer()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, strike_secrets, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, Stderr())),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            strike_secrets,
            renderer,
        ],
    )
    handler = logging.StreamHandler(cast(TextIO, Stderr()))
    handler.setFormatter(formatter)
    handler.setLevel(max(level, logging.WARNING))  # some libraries set their own level
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)


def strike_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Bot tokens end up in addresses, and addresses in errors."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = TOKEN.sub("<token>", value)
    return event
