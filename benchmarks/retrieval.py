"""The answering engine beside plain methods, on public questions: `python -m benchmarks.retrieval --data FOLDER`.

The folder holds one folder a set, with `train.jsonl` (what is stored), `test.jsonl` (what is asked) and
maybe `val.jsonl` (where a threshold is chosen). A line is `{"entry": id, "text": question}`; an entry
`null` marks a question about something else, and a set whose name ends in `_typo` has misspelt questions.

    python -m benchmarks.retrieval --data FOLDER [--sets NAME ...] [--methods NAME ...]
    python -m benchmarks.retrieval --data FOLDER --latency 10000 100000
    python -m benchmarks.retrieval --data FOLDER --fitting
"""

import argparse
import json
import os
import random
import re
import resource
import sys
import threading
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import bm25s
import numpy as np
import rjieba
from opencc import OpenCC
from scipy import sparse
from scipy.stats import rankdata
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from benchmarks.retrieval_adaptor import Engine, Hits, LightEngine
from knowledge.engine import Document, fit_head
from knowledge.engine import Engine as AnsweringEngine
from knowledge.engine.evaluate import OFF_TOPIC_SHARE, calibration_error

RESAMPLES = 1_000
NEAREST = 10
HAN = re.compile("[\u3400-\u9fff]")

Line = dict[str, Any]


class Method(Protocol):
    """What is compared."""

    def fit(self, entries: Sequence[Line]) -> None:
        """Store the texts."""

    def search(self, text: str, k: int) -> Hits:
        """The best `k` entries with a score each."""

    def confidence(self, text: str, hits: Hits) -> float:
        """How far the first hit is to be trusted, 0 to 1."""


# The plain methods. They share nothing with the engine but the libraries.


def plain_words(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", text).lower()
    found = rjieba.cut_for_search(folded) if HAN.search(folded) else re.findall(r"\w+", folded)
    return [word for word in found if re.search(r"\w", word)]


def words_and_pairs(text: str) -> list[str]:
    words = plain_words(text)
    return words + [f"{a} {b}" for a, b in pairwise(words)]


class Bm25:
    """BM25 of the best text of each entry."""

    def fit(self, entries: Sequence[Line]) -> None:
        self._entries = [line["entry"] for line in entries]
        texts = [plain_words(line["text"]) or ["_"] for line in entries]
        self._index = bm25s.BM25(method="lucene")
        self._index.index(texts, show_progress=False)
        counts = Counter(word for text in texts for word in set(text))
        self._idf = {word: np.log1p((len(texts) - n + 0.5) / (n + 0.5)) for word, n in counts.items()}
        self._unseen = np.log1p(2.0 * len(texts) + 1.0)

    def search(self, text: str, k: int) -> Hits:
        words = [word for word in plain_words(text) if word in self._idf]
        if not words:
            return []
        scores = self._index.get_scores(words)
        count = min(len(scores), k * 12)
        best = np.argpartition(-scores, count - 1)[:count]
        found: dict[Any, float] = {}
        for at in best[np.argsort(-scores[best])]:
            if scores[at] > 0.0:
                found.setdefault(self._entries[at], float(scores[at]))
        return list(found.items())[:k]

    def confidence(self, text: str, hits: Hits) -> float:
        reach = 1.6 * sum(self._idf.get(word, self._unseen) for word in plain_words(text))
        return min(1.0, hits[0][1] / reach) if hits else 0.0


class Cosine:
    """TF-IDF of words, pairs and character n-grams; the cosine of the best text of each entry."""

    gram_share = 0.5

    def fit(self, entries: Sequence[Line]) -> None:
        texts = [line["text"] for line in entries]
        self.names = list(dict.fromkeys(line["entry"] for line in entries))
        number = {name: at for at, name in enumerate(self.names)}
        self._entry_of = np.array([number[line["entry"]] for line in entries])
        chinese = sum(bool(HAN.search(text)) for text in texts) > len(texts) / 2
        grams = (
            {"analyzer": "char", "ngram_range": (1, 3)} if chinese else {"analyzer": "char_wb", "ngram_range": (2, 5)}
        )
        self._words = TfidfVectorizer(analyzer=words_and_pairs, sublinear_tf=True, dtype=np.float32)
        self._grams = TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **grams)
        vectors = self._joined(self._words.fit_transform(texts), self._grams.fit_transform(texts))
        order = np.argsort(self._entry_of, kind="stable")
        self._starts = np.searchsorted(self._entry_of[order], np.arange(len(self.names)))
        self._across = vectors[order].T.tocsr()
        self.learn(vectors)

    def learn(self, vectors: Any) -> None:
        """Nothing to learn."""

    def _joined(self, words: Any, grams: Any) -> Any:
        shares = np.sqrt([1.0 - self.gram_share, self.gram_share]).astype(np.float32)
        return sparse.hstack([words * shares[0], grams * shares[1]]).tocsr()

    def vectors(self, texts: Sequence[str]) -> Any:
        return self._joined(self._words.transform(texts), self._grams.transform(texts))

    def cosines(self, vectors: Any) -> Any:
        return np.maximum.reduceat((vectors @ self._across).toarray(), self._starts, axis=1)

    def scores(self, vectors: Any) -> Any:
        return self.cosines(vectors)

    def search(self, text: str, k: int) -> Hits:
        scores = self.scores(self.vectors([text]))[0]
        count = min(k, len(scores))
        best = np.argpartition(-scores, count - 1)[:count]
        return [(self.names[at], float(scores[at])) for at in best[np.argsort(-scores[best])]]

    def confidence(self, text: str, hits: Hits) -> float:
        return min(1.0, max(0.0, hits[0][1])) if hits else 0.0


class Logistic(Cosine):
    """Multinomial logistic regression, C = 20, on the same vectors."""

    def learn(self, vectors: Any) -> None:
        self._model = LogisticRegression(C=20, max_iter=60, tol=1e-3).fit(vectors, self._entry_of)

    def scores(self, vectors: Any) -> Any:
        return self._model.predict_proba(vectors)


class SupportVectors(Cosine):
    """One-vs-rest linear support vectors, margins through a softmax."""

    sharpness = 4.0

    def learn(self, vectors: Any) -> None:
        self._model = LinearSVC(C=1.0).fit(vectors, self._entry_of)

    def margins(self, vectors: Any) -> Any:
        margins = self._model.decision_function(vectors)
        return margins if margins.ndim == 2 else np.stack([-margins, margins], axis=1)

    def scores(self, vectors: Any) -> Any:
        return _softmax(self.sharpness * self.margins(vectors))


class Hybrid(SupportVectors):
    """Support vectors and cosine, and a confidence fitted on withheld texts and withheld entries."""

    gram_share = 0.69
    head_share = 0.8

    def fit(self, entries: Sequence[Line]) -> None:
        super().fit(entries)
        self._calibrator = None
        lines, right, weights = [], [], []
        for kept, asked in _withheld(entries):
            part = type(self).__new__(type(self))
            part._calibrator = None
            SupportVectors.fit(part, kept)
            for line in asked:
                hits, signs = part._with_signs(line["text"], 1)
                lines.append(signs)
                right.append(hits[0][0] == line["entry"])
                weights.append(1.0 if line["entry"] is not None else 0.0)
        if lines and 0 < sum(right) < len(right):
            known = sum(weights)
            strange = OFF_TOPIC_SHARE / (1 - OFF_TOPIC_SHARE) * known / max(1.0, len(weights) - known)
            signs = np.array(lines)
            self._centre, self._spread = signs.mean(axis=0), signs.std(axis=0) + 1e-6
            scaled = (signs - self._centre) / self._spread
            self._calibrator = LogisticRegression().fit(scaled, right, sample_weight=[w or strange for w in weights])

    def _with_signs(self, text: str, k: int) -> tuple[Hits, Any]:
        vector = self.vectors([text])
        cosines, margins = self.cosines(vector)[0], self.margins(vector)[0]
        head, near = _softmax(self.sharpness * margins[np.newaxis]), _softmax(12.0 * cosines[np.newaxis])
        scores = (self.head_share * head + (1.0 - self.head_share) * near)[0]
        order = np.argsort(-scores)[: max(k, 2)]
        best, ranked = order[0], np.sort(cosines)
        words = plain_words(text)
        unknown = sum(word not in self._words.vocabulary_ for word in words) / max(1, len(words))
        second = scores[order[1]] if len(order) > 1 else 0.0
        lead = ranked[-1] - ranked[-2] if len(ranked) > 1 else ranked[-1]
        agree = float(cosines.argmax() == best)
        signs = [scores[best], scores[best] - second, ranked[-1], cosines[best], lead, agree]
        signs += [np.log1p(vector.nnz), margins.max(), unknown]
        return [(self.names[at], float(scores[at])) for at in order[:k]], np.array(signs)

    def search(self, text: str, k: int) -> Hits:
        hits, signs = self._with_signs(text, k)
        trusted = self._calibrator
        scaled = (signs - self._centre) / self._spread if trusted is not None else signs
        self._last = float(trusted.predict_proba([scaled])[0, 1]) if trusted is not None else hits[0][1]
        return hits

    def confidence(self, text: str, hits: Hits) -> float:
        return self._last


def _withheld(entries: Sequence[Line]) -> Iterator[tuple[list[Line], list[Line]]]:
    """Four times: what stays, and what is asked; an entry that goes whole is asked as if about something else."""
    chance = random.Random(0)
    texts: dict[Any, list[Line]] = defaultdict(list)
    for line in entries:
        texts[line["entry"]].append(line)
    if len(texts) < 8 or sum(len(own) > 1 for own in texts.values()) < 0.6 * len(texts):
        return
    names = list(texts)
    chance.shuffle(names)
    for fold in range(4):
        gone = set(names[fold::4])
        kept, asked = [], []
        for name in names:
            own = chance.sample(texts[name], len(texts[name]))
            count = min(20, len(own)) if name in gone else min(20, len(own) - 1, max(1, len(own) // 5))
            asked += [{"entry": None if name in gone else name, "text": line["text"]} for line in own[:count]]
            kept += [] if name in gone else own[count:]
        yield kept, asked


def _softmax(logits: Any) -> Any:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


METHODS: dict[str, Callable[[], Method]] = {
    "bm25": Bm25,
    "tfidf cosine": Cosine,
    "tfidf logistic": Logistic,
    "tfidf svm": SupportVectors,
    "hybrid": Hybrid,
    "engine, light": LightEngine,
    "engine": Engine,
}
OURS = ("engine, light", "engine")


# What is measured.


@dataclass(frozen=True)
class Answers:
    """What a method said to the questions of a set: arrays side by side."""

    right: Any
    among_three: Any
    confidence: Any
    off_topic: Any

    @property
    def weights(self) -> Any:
        """Off-topic questions count as `OFF_TOPIC_SHARE` of all."""
        if not self.off_topic.any():
            return np.ones(len(self.right))
        share = self.off_topic.mean()
        return np.where(self.off_topic, OFF_TOPIC_SHARE / share, (1 - OFF_TOPIC_SHARE) / (1 - share))


def ask(method: Method, lines: Sequence[Line]) -> Answers:
    right, among, confidence = [], [], []
    for line in lines:
        hits = method.search(line["text"], NEAREST)
        ids = [name for name, _ in hits]
        known = line["entry"] is not None
        right.append(known and ids[:1] == [line["entry"]])
        among.append(known and line["entry"] in ids[:3])
        confidence.append(method.confidence(line["text"], hits))
    off_topic = np.array([line["entry"] is None for line in lines])
    return Answers(np.array(right), np.array(among), np.array(confidence), off_topic)


def accuracy(answers: Answers) -> float:
    return float(answers.right[~answers.off_topic].mean())


def auroc(answers: Answers) -> float:
    """The chance that a question with an entry is trusted more than one without."""
    ranks = rankdata(answers.confidence)
    inside = ~answers.off_topic
    n, m = inside.sum(), answers.off_topic.sum()
    return float((ranks[inside].sum() - n * (n + 1) / 2) / (n * m))


def measures(answers: Answers, tuning: Answers | None) -> dict[str, float]:
    found = {"entry@1": accuracy(answers), "entry@3": float(answers.among_three[~answers.off_topic].mean())}
    if answers.off_topic.any():
        found["AUROC"] = auroc(answers)
        found["calibration error"] = calibration_error(
            answers.confidence.tolist(), answers.right.tolist(), answers.weights.tolist()
        )
        sure = answers.confidence >= 0.9
        weights = answers.weights[sure]
        found["right of those at 0.9"] = float((weights * answers.right[sure]).sum() / max(weights.sum(), 1e-9))
        found["share at 0.9"] = float(answers.weights[sure].sum() / answers.weights.sum())
    if tuning is not None and tuning.off_topic.any():
        threshold = _best_threshold(tuning)
        kept = answers.confidence >= threshold
        found["in scope, right"] = float((answers.right & kept)[~answers.off_topic].mean())
        found["off topic, refused"] = float((~kept)[answers.off_topic].mean())
    return found


def _best_threshold(tuning: Answers) -> float:
    """Where most of the tuning questions are answered right or refused rightly."""
    candidates = np.unique(np.append(tuning.confidence, 0.0))
    gains = [
        (tuning.right & (tuning.confidence >= at)).sum() + (tuning.off_topic & (tuning.confidence < at)).sum()
        for at in candidates
    ]
    return float(candidates[int(np.argmax(gains))])


def difference(ours: Answers, other: Answers, measure: Callable[[Answers], float]) -> tuple[float, float, float]:
    """How much better ours is on the same questions, with the interval of 95 % of paired resamples."""
    chance = np.random.default_rng(0)
    seen = []
    for _ in range(RESAMPLES):
        drawn = chance.integers(0, len(ours.right), len(ours.right))
        parts = [
            Answers(a.right[drawn], a.among_three[drawn], a.confidence[drawn], a.off_topic[drawn])
            for a in (ours, other)
        ]
        seen.append(measure(parts[0]) - measure(parts[1]))
    low, high = np.quantile(seen, (0.025, 0.975))
    return measure(ours) - measure(other), float(low), float(high)


# What is run.


def read(folder: Path, part: str) -> list[Line]:
    file = folder / f"{part}.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def compare(folder: Path, names: Sequence[str]) -> None:
    stored, asked, tuning = (read(folder, part) for part in ("train", "test", "val"))
    print(f"\n## {folder.name}: {len(stored)} stored texts, {len(asked)} questions\n")
    seen: dict[str, Answers] = {}
    for name in names:
        started = time.process_time()
        method = METHODS[name]()
        method.fit(stored)
        seconds = time.process_time() - started
        seen[name] = ask(method, asked)
        tuned = ask(method, tuning) if tuning else None
        print(f"{name:<15} {measures_line(seen[name], tuned)}  fit {seconds:.1f} s", flush=True)
        if is_chinese(asked):
            print(f"{name:<15} the same in Traditional: {measures_line(ask(method, traditional(asked)))}", flush=True)
    kinds: list[tuple[str, Callable[[Answers], float]]] = [("entry@1", accuracy)]
    if any(line["entry"] is None for line in asked):
        kinds.append(("AUROC", auroc))
    for label, measure in kinds:
        others = [name for name in seen if name not in OURS]
        if "engine" in seen and others:
            best = max(others, key=lambda name: measure(seen[name]))
            gain, low, high = difference(seen["engine"], seen[best], measure)
            print(f"engine - {best}, {label}: {gain:+.3f} [{low:+.3f}, {high:+.3f}]", flush=True)


def measures_line(answers: Answers, tuning: Answers | None = None) -> str:
    return "  ".join(f"{key} {value:.3f}" for key, value in measures(answers, tuning).items())


def is_chinese(lines: Sequence[Line]) -> bool:
    return sum(bool(HAN.search(line["text"])) for line in lines) > len(lines) / 2


def traditional(lines: Sequence[Line]) -> list[Line]:
    """The same questions as a reader in Hong Kong would write them."""
    convert = OpenCC("s2hk").convert
    return [{**line, "text": convert(line["text"])} for line in lines]


def mixtures(folder: Path, count: int) -> list[str]:
    """`count` different questions: those of all sets, then beginnings of some joined to ends of others."""
    chance = random.Random(0)
    own = sorted(
        {line["text"] for each in sorted(folder.iterdir()) for line in read(each, "train") + read(each, "test")}
    )
    texts = set(own[:count])
    while len(texts) < count:
        one, other = chance.choice(own), chance.choice(own)
        glue = "" if HAN.search(one) else " "
        first, last = (list(text) if HAN.search(text) else text.split() for text in (one, other))
        texts.add(glue.join(first[: chance.randint(1, len(first))] + last[chance.randrange(len(last)) :]))
    shuffled = sorted(texts)
    chance.shuffle(shuffled)
    return shuffled


def misspelt(text: str, chance: random.Random) -> str:
    """Two words with two neighbouring letters swapped."""
    words = text.split(" ")
    for at in chance.sample(range(len(words)), min(2, len(words))):
        word = words[at]
        if len(word) > 4 and word.isascii():
            cut = chance.randrange(1, len(word) - 2)
            words[at] = word[:cut] + word[cut + 1] + word[cut] + word[cut + 2 :]
    return " ".join(words)


def latency(folder: Path, count: int, names: Sequence[str]) -> None:
    """Processor time of a search, and memory added; each method in a process of its own, for its memory."""
    texts = mixtures(folder, count + 500)
    stored = [{"entry": at // 4, "text": text} for at, text in enumerate(texts[:-500])]
    chance = random.Random(0)
    clean, typos = texts[-500:], [misspelt(text, chance) for text in texts[-500:]]
    for name in names:
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            os.write(writing, json.dumps(_timed(METHODS[name](), stored, clean, typos)).encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writing)
        told = json.loads(os.read(reading, 10_000))
        print(f"{count:>7} {name:<15} " + "  ".join(f"{key} {value:.2f}" for key, value in told.items()), flush=True)


def _timed(method: Method, stored: Sequence[Line], clean: Sequence[str], typos: Sequence[str]) -> dict[str, float]:
    before, started = _resident(), time.process_time()
    method.fit(stored)
    told = {"fit s": time.process_time() - started}
    for label, questions in (("clean", clean), ("typos", typos)):
        for text in questions[:20]:
            method.search(text, 5)
        times = []
        for text in questions:
            at = time.process_time()
            method.search(text, 5)
            times.append(1e3 * (time.process_time() - at))
        told |= {f"{label} p50 ms": float(np.median(times)), f"{label} p99 ms": float(np.quantile(times, 0.99))}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return told | {"added MiB": _resident() - before, "peak MiB": peak}


def _resident() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024  # type: ignore[union-attr]


def fitting(folder: Path) -> None:
    """Wall time of a light engine's answers, idle and while another process learns a head."""
    for each in sorted(folder.iterdir()):
        documents = _documents(read(each, "train"))
        questions = [line["text"] for line in read(each, "test")][:300]
        started = time.perf_counter()
        light = AnsweringEngine(documents)
        cold = time.perf_counter() - started
        started = time.perf_counter()
        AnsweringEngine(documents, previous=light)
        warm = time.perf_counter() - started
        idle = _p99(light, questions)
        child = os.fork()
        if child == 0:
            started = time.process_time()
            fit_head(documents)
            print(f"{each.name}: a head of {sum(len(d.texts) for d in documents)} texts: ", end="")
            print(f"{time.process_time() - started:.1f} s of a processor", flush=True)
            os._exit(0)
        busy = _p99(light, questions, until=_watch(child))
        print(f"{each.name}: light {cold:.2f} s, again {warm:.2f} s; p99 idle {idle:.1f} ms, fitting {busy:.1f} ms")


def _documents(lines: Sequence[Line]) -> list[Document]:
    texts: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        texts[str(line["entry"])].append(line["text"])
    return [Document(name, "en", tuple(own)) for name, own in texts.items()]


def _watch(child: int) -> threading.Event:
    ended = threading.Event()
    threading.Thread(target=lambda: (os.waitpid(child, 0), ended.set()), daemon=True).start()
    return ended


def _p99(engine: AnsweringEngine, questions: Sequence[str], until: threading.Event | None = None) -> float:
    times: list[float] = []
    while not times or (until is not None and not until.is_set()):
        for text in questions:
            started = time.perf_counter()
            engine.search(text)
            times.append(1e3 * (time.perf_counter() - started))
    return float(np.quantile(times, 0.99))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="The answering engine beside plain methods.")
    parser.add_argument("--data", type=Path, required=True, help="a folder of sets")
    parser.add_argument("--sets", nargs="*", help="only these sets")
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=list(METHODS))
    parser.add_argument("--latency", nargs="*", type=int, metavar="TEXTS", help="time and memory with so many texts")
    parser.add_argument("--fitting", action="store_true", help="answers while a head is learned")
    options = parser.parse_args(arguments)
    with threadpool_limits(1):  # as beside a serving bot
        if options.fitting:
            fitting(options.data)
        elif options.latency is not None:
            for count in options.latency or [10_000, 100_000]:
                latency(options.data, count, options.methods)
        else:
            for folder in sorted(options.data.iterdir()):
                if not options.sets or folder.name in options.sets:
                    compare(folder, options.methods)
    return 0


if __name__ == "__main__":
    sys.exit(main())
