"""Finds the entry that answers a question. Pure: no database, clock, settings or network.

An `Engine` is made at once, without a `Head` or with one that `fit_head` learned; `Engine.fit` learns one first.
The same documents, synonyms and head give the same model id, and the same text and context under the same model
id always get the same score.
"""

from typing import TYPE_CHECKING, Any

from knowledge.engine.engine import Engine
from knowledge.engine.evaluate import Case, Report, evaluate
from knowledge.engine.model import Bands, Candidate, Decision, Document, Why

if TYPE_CHECKING:
    from knowledge.engine.head import Head, fit_head

__all__ = [
    "Bands",
    "Candidate",
    "Case",
    "Decision",
    "Document",
    "Engine",
    "Head",
    "Report",
    "Why",
    "evaluate",
    "fit_head",
]


def __getattr__(name: str) -> Any:
    """`Head` and `fit_head` load numpy, which the command line does without."""
    if name in ("Head", "fit_head"):
        from knowledge.engine import head

        return getattr(head, name)
    raise AttributeError(name)
