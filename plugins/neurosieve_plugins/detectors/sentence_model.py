"""A classifier of sentences: n-grams of a sentence and of its neighbours, weighed by logistic regression."""

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosieve import DataError, Document, Fitted, Scope, Span, sentences

__all__ = ["SentenceModel", "fit_sentences", "load_sentences"]

_FORMAT, _VERSION = "neurosieve sentence model", 1
_WORDS = r"(?u)\b\w+\b|[^\w\s]"
"""A word, or one mark: "?" is more informative than most words."""


class Terms(NamedTuple):
    """Some n-grams, and how each weighs."""

    of: Literal["sentence", "before", "after"]
    analyzer: Literal["word", "char_wb"]
    shortest: int
    longest: int
    terms: tuple[str, ...]
    frequency: npt.NDArray[np.float64]
    """The inverse document frequency of each term, as scikit-learn's `TfidfVectorizer` has it."""
    weights: npt.NDArray[np.float64]

    def vectorizer(self) -> Any:
        """Return what turns texts into the frequencies of the terms."""
        vectorizer = _vectorizer(self.analyzer, self.shortest, self.longest, vocabulary=self.terms)
        vectorizer.idf_ = self.frequency
        return vectorizer


_KINDS: tuple[tuple[Literal["sentence", "before", "after"], Literal["word", "char_wb"], int, int], ...] = (
    ("sentence", "word", 1, 2),
    ("sentence", "char_wb", 2, 4),
    ("before", "word", 1, 2),
    ("after", "word", 1, 2),
)


@dataclass(frozen=True, eq=False)
class SentenceModel(Fitted):
    """How likely a sentence shows a behaviour, by its n-grams and those of the sentences before and after it."""

    labels: tuple[str, ...]
    """The annotators' labels of the behaviour."""
    blocks: tuple[Terms, ...]
    intercept: float
    threshold: float = 0.5
    about: Any = None
    """What it was learned from."""

    def rate(self, document: Document, scope: Scope = "completion") -> Iterator[tuple[Span, float]]:
        """Yield every sentence of the completion, or of another scope, and how likely it shows the behaviour."""
        label = ", ".join(self.labels)
        for stretch in document.stretches(scope):
            bounds = sentences(document.text, *stretch)
            probabilities = self.chances(_columns(document.text, bounds)) if bounds else ()
            for (start, end), probability in zip(bounds, probabilities, strict=True):
                yield Span(start, end, label), float(probability)

    def chances(self, columns: Mapping[str, Sequence[str]]) -> npt.NDArray[np.float64]:
        """Return how likely each sentence shows the behaviour, given its text, and those `before` and `after` it."""
        from scipy.special import expit

        total = np.full(len(columns["sentence"]), self.intercept)
        for block, vectorizer in zip(self.blocks, self._vectorizers, strict=True):
            total += vectorizer.transform(columns[block.of]) @ block.weights
        chances: npt.NDArray[np.float64] = expit(total)
        return chances

    @cached_property
    def _vectorizers(self) -> tuple[Any, ...]:
        return tuple(block.vectorizer() for block in self.blocks)

    def save(self, path: Path, threshold: float, about: Mapping[str, Any]) -> None:
        """Write a safetensors file: the terms as JSON in bytes, the numbers as they are, the rest in its metadata."""
        from safetensors.numpy import save

        tensors: dict[str, npt.NDArray[Any]] = {}
        blocks = []
        for number, block in enumerate(self.blocks):
            terms = json.dumps(block.terms, ensure_ascii=False).encode("utf-8", "surrogatepass")
            tensors[f"{number}.terms"] = np.frombuffer(terms, dtype=np.uint8)
            tensors[f"{number}.frequency"] = block.frequency
            tensors[f"{number}.weights"] = block.weights
            blocks.append({"of": block.of, "analyzer": block.analyzer, "n": [block.shortest, block.longest]})
        record = {
            "format": _FORMAT,
            "version": _VERSION,
            "labels": list(self.labels),
            "threshold": threshold,
            "intercept": self.intercept,
            "blocks": blocks,
            "about": dict(about),
        }
        # One key alone: safetensors writes several in any order, and the same training is to give the same file.
        metadata = {"neurosieve": json.dumps(record, sort_keys=True, ensure_ascii=False)}
        path.write_bytes(save(tensors, metadata))


def fit_sentences(documents: Sequence[Document], labels: Collection[str]) -> SentenceModel:
    """Learn to tell the annotated sentences with one of the labels from those without.

    Raises:
        DataError: all of them, or none, have one of the labels, or no two of them share a word.
    """
    from scipy.sparse import hstack
    from sklearn.linear_model import LogisticRegression

    columns: dict[str, list[str]] = {"sentence": [], "before": [], "after": []}
    present = []
    for document in documents:
        spans = document.in_scope(document.annotations)
        shows = {(span.start, span.end) for span in spans if span.label in labels}
        for start, end in document.stretches():
            bounds = sorted({(span.start, span.end) for span in spans if start <= span.start < end})
            present += [sentence in shows for sentence in bounds]
            for name, texts in _columns(document.text, bounds).items():
                columns[name] += texts
    if not any(present) or all(present):
        raise DataError(
            f"of {len(present):,} annotated sentences to learn from, {sum(present):,} have the label "
            f"{' or '.join(f'`{label}`' for label in labels)}: there must be some with it and some without; annotate "
            "the sentences that do not show the behaviour too"
        )
    matrices, vectorizers = [], []
    for of, analyzer, shortest, longest in _KINDS:
        if any(columns[of]):  # Documents of one sentence have no neighbours.
            # A term of one sentence alone is no information about others.
            vectorizer = _vectorizer(analyzer, shortest, longest, min_df=2)
            try:
                matrices.append(vectorizer.fit_transform(columns[of]))
            except ValueError as error:
                raise DataError(
                    f"the {len(present):,} annotated sentences have no words in common to learn from: give more"
                ) from error
            vectorizers.append((of, analyzer, shortest, longest, vectorizer))
    fitted = LogisticRegression(max_iter=1000).fit(hstack(matrices).tocsr(), present)
    sizes = np.cumsum([matrix.shape[1] for matrix in matrices])[:-1]
    blocks = [
        Terms(of, analyzer, shortest, longest, tuple(vectorizer.get_feature_names_out()), vectorizer.idf_, weights)
        for (of, analyzer, shortest, longest, vectorizer), weights in zip(
            vectorizers, np.split(fitted.coef_[0], sizes), strict=True
        )
    ]
    return SentenceModel(tuple(labels), tuple(blocks), float(fitted.intercept_[0]))


def load_sentences(path: Path) -> SentenceModel:
    """Return the model of a file.

    Raises:
        DataError: the file does not exist, is broken, or holds something else.
    """
    from safetensors import SafetensorError, safe_open

    if path.is_dir():
        raise DataError(
            f"{path} is a folder, where the detector `learned` wants the file that `neurosieve learn` wrote and named "
            f"at its end, such as {path / 'detector.safetensors'}: give that as `path`"
        )
    if not path.is_file():
        raise DataError(
            f"there is no file {path}: train a detector with `neurosieve learn`, which names its file at the end"
        )
    try:
        with safe_open(path, "numpy") as file:
            record = json.loads((file.metadata() or {}).get("neurosieve", "{}"))
            if record.get("format") != _FORMAT:
                raise DataError(
                    f"{path} holds no detector that `neurosieve learn` has trained: give the file that it named"
                )
            if record["version"] != _VERSION:
                raise DataError(
                    f"{path} is of format {record['version']}, and this neurosieve reads format {_VERSION}: "
                    "train the detector again, or install the neurosieve that wrote it"
                )
            blocks = []
            for number, block in enumerate(record["blocks"]):
                terms, frequency, weights = (
                    file.get_tensor(f"{number}.{name}") for name in ("terms", "frequency", "weights")
                )
                known = tuple(json.loads(terms.tobytes().decode("utf-8", "surrogatepass")))
                shortest, longest = block["n"]
                kind = block["of"], block["analyzer"], shortest, longest
                blocks.append(Terms(*kind, known, frequency, weights))
            model = SentenceModel(
                tuple(record["labels"]),
                tuple(blocks),
                float(record["intercept"]),
                float(record["threshold"]),
                record["about"],
            )
            _check(model)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is not a detector that can be read ({type(error).__name__}: {error}): train it again with "
            "`neurosieve learn`, or get the whole file"
        ) from error
    return model


def _check(model: SentenceModel) -> None:
    """Raise ValueError unless the parts of a model fit together."""
    kinds = {(of, analyzer) for of, analyzer, _, _ in _KINDS}
    for block in model.blocks:
        numbers = np.concatenate([block.frequency, block.weights])
        if (block.of, block.analyzer) not in kinds or not 1 <= block.shortest <= block.longest <= 10:
            raise ValueError(f"n-grams of an unknown kind, {block[:4]}")
        if not len(set(block.terms)) == len(block.terms) == len(block.frequency) == len(block.weights):
            raise ValueError("terms and weights differ in number")
        if numbers.dtype != np.float64 or not np.isfinite(numbers).all():
            raise ValueError("weights that are no numbers")
    if not (math.isfinite(model.intercept) and 0 <= model.threshold <= 1):
        raise ValueError(f"the threshold {model.threshold}")


def _columns(text: str, bounds: Sequence[tuple[int, int]]) -> dict[str, list[str]]:
    """Return each sentence's text, and those of the sentences before and after it, empty where there is none."""
    texts = [text[start:end] for start, end in bounds]
    return {"sentence": texts, "before": ["", *texts[:-1]], "after": [*texts[1:], ""]} if texts else {}


def _vectorizer(analyzer: str, shortest: int, longest: int, **options: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        analyzer=analyzer,
        ngram_range=(shortest, longest),
        sublinear_tf=True,
        token_pattern=_WORDS if analyzer == "word" else None,
        **options,
    )
