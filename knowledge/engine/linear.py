"""Multinomial logistic regression on texts as sparse vectors, fitted in the span of the texts.

The best weights are a mixture of the training texts. Searching for the mixture needs one number for
each text and entry, not for each feature and entry: small to keep, and quick to converge.
"""

from collections import deque
from typing import Any, Final

import numpy as np

from knowledge.engine.features import Floats, Ints

STRENGTH: Final = 60.0
"""Inverse of the regularisation, called C elsewhere."""

BIAS: Final = 1.0
MOST_STEPS: Final = 40
MEMORY: Final = 6
PRECISE_ENOUGH: Final = 1e-3


def fit(texts: Any, entry_of: Ints, entries: int) -> Floats:
    """How much each text (a row of the sparse matrix) adds to each entry's weights: texts by entries.

    Limited-memory BFGS. Every vector `v` is kept with its image under the texts' cosines, `v[1]`,
    so that inner products are those of the weights themselves.
    """
    uses = np.bincount(texts.indices, minlength=texts.shape[1])
    shared = texts[:, uses > 1]
    across = shared.T.tocsr()
    # what only one text has makes it like itself alone; half of all features need no column then
    own = np.asarray(texts[:, uses == 1].power(2).sum(axis=1), dtype=np.float32).reshape(-1, 1)

    def with_image(vector: Floats) -> Floats:
        return np.stack([vector, shared @ (across @ vector) + own * vector + BIAS * vector.sum(axis=0)])

    at = np.zeros((2, len(entry_of), entries), dtype=np.float32)
    loss, slope = _loss(at, entry_of)
    slope = with_image(slope)
    steps: deque[tuple[Floats, Floats]] = deque(maxlen=MEMORY)
    for _ in range(MOST_STEPS):
        direction = _direction(slope, steps)
        after, after_loss, after_slope = _search(at, loss, slope, direction, entry_of)
        after_slope = with_image(after_slope)
        if _inner(after - at, after_slope - slope) > 1e-10:
            steps.append((after - at, after_slope - slope))
        finished = loss - after_loss < PRECISE_ENOUGH * abs(after_loss)
        at, loss, slope = after, after_loss, after_slope
        if finished:
            break
    mixture: Floats = at[0]
    return mixture


def _loss(at: Floats, entry_of: Ints) -> tuple[float, Floats]:
    """The regularised negative log-likelihood, and its slope as a mixture."""
    rows = np.arange(len(entry_of))
    chances = softmax(at[1])
    likelihood = np.log(chances[rows, entry_of] + 1e-12).sum()
    chances[rows, entry_of] -= 1.0
    return float(_inner(at, at) / (2.0 * STRENGTH) - likelihood), chances + at[0] / np.float32(STRENGTH)


def _search(at: Floats, loss: float, slope: Floats, direction: Floats, entry_of: Ints) -> tuple[Floats, float, Floats]:
    """Go down the direction, by half until the loss falls enough."""
    fall = _inner(slope, direction)
    size = 1.0
    while True:
        after = at - np.float32(size) * direction
        after_loss, after_slope = _loss(after, entry_of)
        if after_loss <= loss - 1e-4 * size * fall or size < 1e-3:
            return after, after_loss, after_slope
        size /= 2.0


def _direction(slope: Floats, steps: deque[tuple[Floats, Floats]]) -> Floats:
    """The slope, bent by the curvature seen in the last steps."""
    direction = slope.copy()
    used: list[tuple[Floats, Floats, float, np.float32]] = []
    for step, bend in reversed(steps):
        rate = 1.0 / _inner(step, bend)
        share = np.float32(rate * _inner(step, direction))
        direction -= share * bend
        used.append((step, bend, rate, share))
    if steps:
        step, bend = steps[-1]
        direction *= np.float32(_inner(step, bend) / _inner(bend, bend))
    else:
        direction /= np.float32(max(1.0, _inner(slope, slope) ** 0.5))
    for step, bend, rate, share in reversed(used):
        direction += (share - np.float32(rate * _inner(bend, direction))) * step
    return direction


def _inner(one: Floats, other: Floats) -> float:
    return float(np.vdot(one[0], other[1]))


def softmax(logits: Floats) -> Floats:
    """Probabilities along the last axis."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    chances: Floats = raised / raised.sum(axis=-1, keepdims=True)
    return chances
