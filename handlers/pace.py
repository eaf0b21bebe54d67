"""How fast somebody may be: a bucket of tokens for each, refilled evenly."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from bot.clock import Clock

REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """`first_refusal`: this is the first that was too much since something was allowed."""

    allowed: bool
    first_refusal: bool = False


class Buckets:
    """`size` tokens at once, and as many again each minute. Kept in the process, for those seen last."""

    def __init__(self, clock: Clock, size: int) -> None:
        self._clock = clock
        self._size = float(size)
        self._buckets: OrderedDict[Hashable, tuple[float, float, bool]] = OrderedDict()

    def take(self, who: Hashable) -> Allowance:
        now = self._clock.now().timestamp()
        tokens, then, refused = self._buckets.pop(who, (self._size, now, False))
        tokens = min(self._size, tokens + max(0.0, now - then) * self._size / 60)
        allowed = tokens >= 1
        self._buckets[who] = (tokens - allowed, now, not allowed)
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        return Allowance(allowed, first_refusal=not allowed and not refused)
