"""N-grams of a sentence and of its neighbours, each with a weight."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from neurosieve import DataError

__all__ = ["Columns", "Ngrams", "Terms", "count_ngrams", "with_neighbours"]

_WORDS = r"(?u)\b\w+\b|[^\w\s]"
"""A word, or one mark: "?" is more informative than most words."""
_Of: TypeAlias = Literal["sentence", "before", "after"]
_Analyzer: TypeAlias = Literal["word", "char_wb"]
Columns: TypeAlias = Mapping[_Of, Sequence[str]]
"""The text of each sentence, and of those before and after it, empty where there is none."""
_KINDS: tuple[tuple[_Of, _Analyzer, int, int], ...] = (
    ("sentence", "word", 1, 2),
    ("sentence", "char_wb", 2, 4),
    ("before", "word", 1, 2),
    ("after", "word", 1, 2),
)


class Terms(NamedTuple):
    """Some n-grams, and how each weighs."""

    of: _Of
    analyzer: _Analyzer
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


@dataclass(frozen=True, eq=False)
class Ngrams:
    """N-grams with weights: what they add up to in a sentence and its neighbours."""

    blocks: tuple[Terms, ...]

    def total(self, columns: Columns) -> npt.NDArray[np.float64]:
        """Return the weighted sum of the n-grams of each sentence and its neighbours."""
        total = np.zeros(len(columns["sentence"]))
        for block, vectorizer in zip(self.blocks, self._vectorizers, strict=True):
            total += vectorizer.transform(columns[block.of]) @ block.weights
        return total

    @cached_property
    def _vectorizers(self) -> tuple[Any, ...]:
        return tuple(block.vectorizer() for block in self.blocks)

    def record(self) -> list[dict[str, Any]]:
        """Return what the blocks are, for a file."""
        return [
            {"of": block.of, "analyzer": block.analyzer, "n": [block.shortest, block.longest]} for block in self.blocks
        ]

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Return the terms, as JSON in bytes, and their numbers, for a file."""
        tensors: dict[str, npt.NDArray[Any]] = {}
        for number, block in enumerate(self.blocks):
            terms = json.dumps(block.terms, ensure_ascii=False).encode("utf-8", "surrogatepass")
            tensors[f"{number}.terms"] = np.frombuffer(terms, dtype=np.uint8)
            tensors[f"{number}.frequency"] = block.frequency
            tensors[f"{number}.weights"] = block.weights
        return tensors

    @classmethod
    def restored(cls, record: Sequence[Mapping[str, Any]], tensors: Mapping[str, npt.NDArray[Any]]) -> "Ngrams":
        """Return the n-grams of a file.

        Raises:
            ValueError: its parts do not fit together.
        """
        blocks = []
        for number, block in enumerate(record):
            terms, frequency, weights = (tensors[f"{number}.{name}"] for name in ("terms", "frequency", "weights"))
            known = tuple(json.loads(terms.tobytes().decode("utf-8", "surrogatepass")))
            shortest, longest = block["n"]
            blocks.append(Terms(block["of"], block["analyzer"], shortest, longest, known, frequency, weights))
            _check(blocks[-1])
        return cls(tuple(blocks))


class Counted(NamedTuple):
    """The n-grams of the sentences that are learned from."""

    matrix: Any
    """Sentences by n-grams, sparse."""
    kinds: tuple[tuple[_Of, _Analyzer, int, int, Any], ...]

    def weighted(self, weights: npt.NDArray[np.float64]) -> Ngrams:
        """Return the n-grams with a weight for each column of the matrix."""
        sizes = np.cumsum([len(vectorizer.idf_) for *_, vectorizer in self.kinds])[:-1]
        parts = zip(self.kinds, np.split(weights, sizes), strict=True)
        return Ngrams(
            tuple(
                Terms(of, analyzer, shortest, longest, tuple(vectorizer.get_feature_names_out()), vectorizer.idf_, part)
                for (of, analyzer, shortest, longest, vectorizer), part in parts
            )
        )


def count_ngrams(columns: Columns) -> Counted:
    """Return the n-grams of some sentences and of their neighbours.

    Raises:
        DataError: no two of them share a word.
    """
    from scipy.sparse import hstack

    matrices, kinds = [], []
    for of, analyzer, shortest, longest in _KINDS:
        if any(columns[of]):  # Documents of one sentence have no neighbours.
            # A term of one sentence alone is no information about others.
            vectorizer = _vectorizer(analyzer, shortest, longest, min_df=2)
            try:
                matrices.append(vectorizer.fit_transform(columns[of]))
            except ValueError as error:
                raise DataError(
                    f"the {len(columns['sentence']):,} annotated sentences have no words in common to learn from: "
                    "give more"
                ) from error
            kinds.append((of, analyzer, shortest, longest, vectorizer))
    return Counted(hstack(matrices).tocsr(), tuple(kinds))


def with_neighbours(texts: Sequence[str]) -> dict[_Of, list[str]]:
    """Return the sentences of one stretch of text, and those before and after each."""
    if not texts:
        return {"sentence": [], "before": [], "after": []}
    return {"sentence": [*texts], "before": ["", *texts[:-1]], "after": [*texts[1:], ""]}


def _check(block: Terms) -> None:
    """Raise ValueError unless the parts of a block fit together."""
    numbers = np.concatenate([block.frequency, block.weights])
    kinds = {(of, analyzer) for of, analyzer, _, _ in _KINDS}
    if (block.of, block.analyzer) not in kinds or not 1 <= block.shortest <= block.longest <= 10:
        raise ValueError(f"n-grams of an unknown kind, {block[:4]}")
    if not len(set(block.terms)) == len(block.terms) == len(block.frequency) == len(block.weights):
        raise ValueError("terms and weights differ in number")
    if numbers.dtype != np.float64 or not np.isfinite(numbers).all():
        raise ValueError("weights that are no numbers")


def _vectorizer(analyzer: str, shortest: int, longest: int, **options: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        analyzer=analyzer,
        ngram_range=(shortest, longest),
        sublinear_tf=True,
        token_pattern=_WORDS if analyzer == "word" else None,
        **options,
    )
