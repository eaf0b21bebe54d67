"""Keys that make a channel's sends exactly-once, where the channel can.

Whoever works on something that may be worked on again (an update, an outbox row) says so with `sending`; each
send inside takes the key and a running number, so the same send of the next try carries the same key.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count

_keys: ContextVar[Iterator[str] | None] = ContextVar("send_keys", default=None)


@contextmanager
def sending(key: str) -> Iterator[None]:
    """Sends inside belong to `key`, for instance "update:12" or "outbox:34"."""
    token = _keys.set(f"{key}/{number}" for number in count())
    try:
        yield
    finally:
        _keys.reset(token)


def next_send_key() -> str | None:
    """The key of the next send; None outside of `sending`."""
    keys = _keys.get()
    return next(keys) if keys is not None else None
