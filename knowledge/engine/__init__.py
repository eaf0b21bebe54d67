"""Finds the entry that answers a question. Pure: no database, clock, settings or network.

The same documents, synonyms and bands give the same model id, and the same text under the same
model id always gets the same score.
"""

from knowledge.engine.engine import Engine
from knowledge.engine.evaluate import Case, Report, evaluate
from knowledge.engine.model import Bands, Candidate, Decision, Document, Why

__all__ = [
    "Bands",
    "Candidate",
    "Case",
    "Decision",
    "Document",
    "Engine",
    "Report",
    "Why",
    "evaluate",
]
