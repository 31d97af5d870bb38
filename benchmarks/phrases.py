"""The time of finding phrases compared with a search that folds nothing but case, and with what it was before.

    python benchmarks/phrases.py [--smoke] [--json PATH]

The founding list (preset `backtracking`) and a list of common words (`hesitation`) are looked for in 10,000 traces: the
founding ones where they lie beside the project, embedded ones elsewhere, repeated in the order of a fixed seed, every
tenth one in other typography. All sides take turns over the same texts in one process; each ratio is the median over
the turns. The plain scan folds case and apostrophes alone: so phrases were found before they were read past spacing,
composition and emphasis.
"""

import json
import re
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from figures import Row, command_line, row

FOUNDING = Path(__file__).resolve().parents[2] / "shared" / "data" / "founding"


def traces(count: int) -> tuple[list[str], str]:
    """Return texts as long as chains of thought, and where they come from."""
    files = sorted(FOUNDING.glob("*.json"))
    texts = [record["generated_cot"] for file in files for record in json.loads(file.read_text("utf-8"))]
    if not texts:
        from neurosieve_plugins.sources.arithmetic import Arithmetic

        texts = ["\n".join([document.text] * 4) for document in Arithmetic(500)]
    order = np.random.default_rng(0).integers(len(texts), size=count)
    chosen = [texts[number] + f"\n{place}" for place, number in enumerate(order)]  # No two are the same string.
    for place in range(0, count, 10):
        chosen[place] = chosen[place].replace("'", "’").replace(". ", ".\u00a0").replace(" not ", " **not** ")
    return chosen, "founding traces" if files else "embedded texts"


def phrases_of(preset: str) -> tuple[str, ...]:
    import yaml

    import neurosieve_conf

    file = Path(neurosieve_conf.__path__[0]) / "detectors" / f"{preset}.yaml"
    return tuple(yaml.safe_load(file.read_text("utf-8"))["phrases"])


def plain_scan(phrases: Sequence[str]) -> Callable[[str], list[tuple[int, int, int]]]:
    """Return what finds phrases in one pass after folding case and apostrophes, without leading offsets back."""
    from ahocorasick_rs import AhoCorasick

    apostrophes = str.maketrans(dict.fromkeys("’‘ʼ＇", "'"))
    automaton = AhoCorasick([phrase.casefold().translate(apostrophes) for phrase in phrases])
    return lambda text: automaton.find_matches_as_indexes(text.casefold().translate(apostrophes), overlapping=True)


def beside_others(preset: str, count: int, turns: int) -> list[Row]:
    from neurosieve import Document
    from neurosieve_plugins.detectors.phrases import Phrases

    texts, source = traces(count)
    documents = [Document(str(number), text, "") for number, text in enumerate(texts)]
    phrases = phrases_of(preset)
    detector, plain = Phrases(phrases), plain_scan(phrases)
    alternation = re.compile("|".join(map(re.escape, sorted(phrases, key=len, reverse=True))), re.IGNORECASE)
    sides: dict[str, Callable[[], list[int]]] = {
        "detect": lambda: [len(list(detector.detect(document))) for document in documents],
        "near": lambda: [len(list(detector.near_misses(document))) for document in documents],
        "a plain scan that folds case and apostrophes": lambda: [len(plain(text)) for text in texts],
        "Python's `re`, an alternation, ignoring case": lambda: [len(alternation.findall(text)) for text in texts],
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    found: dict[str, int] = {}
    for _ in range(turns):
        for name, work in sides.items():
            began = time.process_time()
            found[name] = sum(map(bool, work()))
            seconds[name].append(time.process_time() - began)
    assert found["detect"] >= found["Python's `re`, an alternation, ignoring case"]
    millions = sum(map(len, texts)) / 1e6
    rows = []
    for what, side in (("phrases found", "detect"), ("what is nearly a phrase found", "near")):
        for against in list(sides)[2:]:
            pairs = zip(seconds[side], seconds[against], strict=True)
            rows.append(
                row(
                    f"`{preset}`: {what} in {count:,} traces",
                    against,
                    statistics.median(own / other for own, other in pairs),
                    1.0 if side == "detect" and "plain" in against else None,
                    f"{len(phrases)} phrases, {source}, {millions:,.1f} million characters, "
                    f"{millions / statistics.median(seconds[side]):,.0f} million a second; in {found[side]:,} traces, "
                    f"and {found[against]:,}",
                    seconds=statistics.median(seconds[side]),
                    seconds_against=statistics.median(seconds[against]),
                )
            )
    return rows


def rows(small: bool) -> list[Row]:
    count, turns = (100, 1) if small else (10_000, 3)
    return [line for preset in ("backtracking", "hesitation") for line in beside_others(preset, count, turns)]


if __name__ == "__main__":
    command_line(rows, __doc__)
