"""Stands in for the engine's coming interface."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from knowledge.engine import Bands, Document, Engine
from knowledge.engine.engine import VERSION


class Head:
    def __init__(self, model: str) -> None:
        self.id = model

    def to_bytes(self) -> bytes:
        return json.dumps({"id": self.id}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Head":
        try:
            return cls(json.loads(data)["id"])
        except (KeyError, TypeError) as error:
            raise ValueError("damaged") from error


def fit_head(documents: Sequence[Document], synonyms: Iterable[Sequence[str]], bands: Bands | None = None) -> Head:
    return Head(Engine.fit(documents, synonyms, bands).model)


def light(
    documents: Sequence[Document], synonyms: Iterable[Sequence[str]] = (), previous: Engine | None = None
) -> Engine:
    return Engine.fit(documents, synonyms)


def with_head(
    documents: Sequence[Document], synonyms: Iterable[Sequence[str]], head: Head, previous: Engine | None = None
) -> Engine:
    engine = Engine.fit(documents, synonyms)
    engine.model = f"{engine.model}+{head.id}"
    return engine


def content_key(documents: Sequence[Document], synonyms: Iterable[Sequence[str]]) -> str:
    parts = [VERSION, sorted(json.dumps(asdict(d), sort_keys=True) for d in documents), sorted(map(list, synonyms))]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
