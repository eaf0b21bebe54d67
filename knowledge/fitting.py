"""Fits the engine's head: `python -m knowledge.fitting`, a process of its own, as it keeps a core busy for long.

Documents and synonyms come in as JSON, the head goes out as its bytes. Whoever started it may be gone by the end, so it
limits its own time.
"""

import json
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Final

from knowledge.engine import Document

LONGEST: Final = 900
"""Seconds."""
NICENESS: Final = 10


def request(documents: Sequence[Document], synonyms: Iterable[Sequence[str]]) -> bytes:
    """What the process reads."""
    asked = {"documents": [asdict(document) for document in documents], "synonyms": [list(group) for group in synonyms]}
    return json.dumps(asked, ensure_ascii=False).encode()


def main() -> None:
    from knowledge.engine import fit_head  # numpy, which whoever only asks does without

    signal.alarm(LONGEST)
    os.nice(NICENESS)
    asked = json.load(sys.stdin.buffer)
    documents = [_document(**fields) for fields in asked["documents"]]
    head = fit_head(documents, [tuple(group) for group in asked["synonyms"]])
    sys.stdout.buffer.write(head.to_bytes())


def _document(
    entry_id: str,
    locale: str,
    texts: Sequence[str],
    tags: Sequence[str],
    body: str,
    kin: Sequence[str],
    browsable: bool,
) -> Document:
    return Document(entry_id, locale, tuple(texts), tuple(tags), body, tuple(kin), browsable)


if __name__ == "__main__":
    main()
