"""Texts that are the same as another, or nearly: found by MinHash, without comparing every two."""

import re
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash
from scipy.cluster.hierarchy import DisjointSet

__all__ = [
    "FEWEST_WORDS",
    "WORDS_IN_A_RUN",
    "clusters_of",
    "jaccard",
    "most_alike",
    "runs_of_words",
    "signature",
    "signatures_of",
]

WORDS_IN_A_RUN = 5
"""Shorter runs are common to many texts that answer similar problems; of longer ones, one changed word takes more."""
FEWEST_WORDS = 20
"""Texts of fewer words are often the same by chance, such as `The answer is 4.`, and are not compared."""
_HASHES = 128
_MISSED = 1e-3
"""How often two texts that just reach the threshold may be missed, at most."""
_ERROR = 0.2
"""An estimate by MinHash is further from the Jaccard index than this once in 100,000 cases: 4.5 standard errors."""
_RUNS_KEPT, _WORDS_KEPT = 1 << 10, 1 << 17
# Han, kana, Thai, Lao, Burmese and Khmer are written without blanks: there, a letter counts as a word.
_ALONE = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_ALONE}]|[^\W{_ALONE}]+|[^\w\s]")
_STEP = np.uint64(0x9E3779B97F4A7C15)
"""An odd number, so that words in another order have another hash."""

Hashes = npt.NDArray[np.uint64]


def runs_of_words(text: str) -> Hashes:
    """Return the hashes of all runs of five words in a text, each once, sorted; none where the text is too short.

    Punctuation marks are words of their own.
    """
    words = _WORD.findall(text)
    if len(words) < FEWEST_WORDS:
        return np.empty(0, dtype=np.uint64)
    hashes = np.fromiter(map(_hash_word, words), np.uint64, len(words))
    runs = np.zeros(len(words) - WORDS_IN_A_RUN + 1, dtype=np.uint64)
    for word in range(WORDS_IN_A_RUN):
        runs = runs * _STEP + hashes[word : word + len(runs)]
    return np.unique(runs)


@lru_cache(_WORDS_KEPT)
def _hash_word(word: str) -> int:
    return xxhash.xxh3_64_intdigest(word.encode("utf-8", "surrogatepass"))


def jaccard(first: Hashes, second: Hashes) -> float:
    """Return the share of the runs in either text that are in both; 0 where there is none."""
    common = len(np.intersect1d(first, second, assume_unique=True))
    return common / max(1, len(first) + len(second) - common)


def signature(text: str) -> bytes:
    """Return the MinHash of a text's runs of words, 128 numbers of 32 bits; empty where the text is too short.

    The share of these numbers that two texts have in common estimates their Jaccard index, to within 0.1 in 99 % of
    cases (Broder 1997, "On the resemblance and containment of documents").
    """
    runs = runs_of_words(text)
    return _sketch(runs).hashvalues.astype("<u4").tobytes() if len(runs) else b""


def most_alike(text: str, signatures: npt.NDArray[np.uint32]) -> float:
    """Return the highest estimate of the Jaccard index of a text with those of some signatures, a row each."""
    own = np.frombuffer(signature(text), dtype="<u4")
    return float((signatures == own).mean(axis=1).max(initial=0)) if len(own) else 0.0


def _sketch(runs: Hashes) -> Any:
    sketch = _empty_sketch().copy()
    sketch.update_batch((runs >> np.uint64(32)).tolist())
    return sketch


@cache
def _empty_sketch() -> Any:
    from datasketch import MinHash

    return MinHash(_HASHES, seed=1, scheme="affine32", hashfunc=int)


def signatures_of(kept: Iterable[bytes]) -> npt.NDArray[np.uint32]:
    """Return signatures as an array, `[texts, 128]`, without those of texts that are too short."""
    return np.frombuffer(b"".join(kept), dtype="<u4").reshape(-1, _HASHES)


def clusters_of(texts: Sequence[str], threshold: float) -> list[int]:
    """Return the cluster of each text, as a number: texts that are alike share one, and so do texts alike to a third.

    Two texts are alike where the Jaccard index of their runs of words is at least `threshold`. MinHash and
    locality-sensitive hashing (Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", chapter 3) find the pairs
    that are worth comparing; these are compared exactly. A text that is too short shares its cluster with none.

    `texts` are to be in their canonical form.
    """
    from datasketch import MinHashLSH

    runs_of = lru_cache(_RUNS_KEPT)(runs_of_words)
    clusters = DisjointSet(range(len(texts)))
    first: dict[str, int] = {}
    sketches: dict[int, Any] = {}
    index = MinHashLSH(num_perm=_HASHES, params=_bands(threshold))
    for number, text in enumerate(texts):
        if text in first:
            clusters.merge(first[text], number)
            continue
        runs = runs_of(text)
        if not len(runs):
            continue
        first[text] = number
        sketch = _sketch(runs)
        for other in index.query(sketch):
            if clusters.connected(other, number) or sketch.jaccard(sketches[other]) < threshold - _ERROR:
                continue
            if jaccard(runs_of(texts[other]), runs) >= threshold:
                clusters.merge(other, number)
        index.insert(number, sketch)
        sketches[number] = sketch
    return [clusters[number] for number in range(len(texts))]


def _bands(threshold: float) -> tuple[int, int]:
    """Return into how many bands a signature is cut, of how many numbers each: the longest that miss few pairs.

    Two texts of Jaccard index j agree in a band of r numbers with a chance of j to the power of r.
    """
    for numbers in range(_HASHES // 2, 1, -1):
        bands = _HASHES // numbers
        if (1 - threshold**numbers) ** bands <= _MISSED:
            return bands, numbers
    return _HASHES, 1
