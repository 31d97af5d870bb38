"""How often noise names a neuron where texts stand several times: copies left out, as `find` does, or counted.

    python benchmarks/noise_in_copies.py [--smoke] [--json PATH]

In each run words of 40 embedded texts are drawn at random, and stand for a behaviour, also in the copies of these
texts. A run names a neuron of `tiny`, whose weights are random, where the smallest `p_fwer` of all is at most 0.05.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import regex
from figures import Row, command_line, row
from noise_in_text import activations_of, smallest_p
from scipy.stats import binomtest

from neurosieve import Document, Span
from neurosieve.models.loading import Model, open_model
from neurosieve.texts.groups import join_groups
from neurosieve.texts.selection import Selection, choose_positions
from neurosieve.texts.tokens import LabelledDocument, token_range, tokenize
from neurosieve_plugins.controls.distant import Distant
from neurosieve_plugins.sources.arithmetic import Arithmetic

PLACES = 100
BEGINNING = "Okay, so "
Copy = tuple[int, Document, int]
"""The number of the text that it is a copy of, the copy, and by how many characters its words stand further behind."""


def copy_of(number: int, text: Document, copy: int, beginning: str = "") -> Copy:
    start = text.completion_start
    words = text.text[:start] + beginning + text.text[start:]
    changed = dataclasses.replace(
        text, id=f"{text.id} copy {copy}", group=f"{text.group} copy {copy}", text=words, passages=()
    )
    return number, changed, len(beginning)


COPIES: dict[str, Callable[[int, Document], Sequence[Copy]]] = {
    "each text once": lambda number, text: (),
    "each text twice": lambda number, text: [copy_of(number, text, 1)],
    "each text three times": lambda number, text: [copy_of(number, text, copy) for copy in (1, 2)],
    "half of the texts twice": lambda number, text: [copy_of(number, text, 1)] * (number % 2),
    "each text twice, once with two more words at its start": lambda number, text: [
        copy_of(number, text, 1, BEGINNING)
    ],
}
READ = {"copies left out": Selection(), "copies counted": Selection(near_duplicates=None)}


def noise(
    texts: Sequence[LabelledDocument],
    origins: dict[str, tuple[int, int]],
    places: Sequence[tuple[int, Span]],
    rng: np.random.Generator,
) -> list[LabelledDocument]:
    """Return the texts with a behaviour at some of the places, the same ones in the copies of a text."""
    chosen: dict[int, list[Span]] = {}
    for choice in rng.choice(len(places), min(PLACES, len(places)), replace=False):
        number, span = places[choice]
        chosen.setdefault(number, []).append(span)
    labelled = []
    for text in texts:
        number, shift = origins[text.tokens.id]
        spans = [Span(span.start + shift, span.end + shift) for span in sorted(chosen.get(number, ()))]
        ranges = [token_range(text.tokens, span) for span in spans]
        labelled.append(dataclasses.replace(text, spans={"noise": spans}, ranges={"noise": ranges}))
    return labelled


def rows(small: bool) -> list[Row]:
    runs, permutations = (2, 19) if small else (200, 199)
    lm = open_model(Model("tiny", "tiny"))
    originals = list(Arithmetic(documents=40))
    places = [
        (number, Span(*match.span()))
        for number, text in enumerate(originals)
        for match in regex.finditer(r"\w+", text.text, pos=text.completion_start)
    ]
    lines = []
    for which, copies in COPIES.items():
        held = [(number, text, 0) for number, text in enumerate(originals)]
        held += [copy for number, text in enumerate(originals) for copy in copies(number, text)]
        origins = {text.id: (number, shift) for number, text, shift in held}
        texts = [LabelledDocument(tokenize(text, lm.tokenizer), {}, {}) for _, text, _ in held]
        activations = activations_of(lm, texts)
        number_of = {text.tokens.id: number for number, text in enumerate(texts)}
        for how, selection in READ.items():
            joined, named, counts = join_groups(texts, selection.near_duplicates, Counter()), 0, Counter[str]()
            for seed in range(runs):
                labelled = noise(joined, origins, places, np.random.default_rng(seed))
                chosen = dataclasses.replace(selection, seed=seed, extra_positions=())
                positions = choose_positions(labelled, ["noise"], Distant(), chosen, seed, counts)
                named += smallest_p(positions, activations, number_of, seed, permutations) <= 0.05
            interval = binomtest(named, runs).proportion_ci(0.95, method="exact")
            lines.append(
                row(
                    f"runs of noise that name a neuron: {which}, {how}",
                    "all runs",
                    named / runs,
                    note=f"{named} of {runs} runs, {interval.low:.1%} to {interval.high:.1%}; {permutations} "
                    f"permutations, {len(texts)} texts, of which {counts['texts_repeated'] / runs:.0f} were left out",
                )
            )
    return lines


if __name__ == "__main__":
    command_line(rows, __doc__)
