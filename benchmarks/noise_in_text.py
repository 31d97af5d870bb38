"""How often a behaviour drawn at random from real text names a neuron, by what it is drawn from and by the control.

    python benchmarks/noise_in_text.py [--smoke] [--json PATH]

In each run 100 places are drawn at random from all words, numbers, sentence starts or tokens of 120 embedded texts, and
stand for a behaviour. No neuron of `tiny`, whose weights are random, has to do with it. A run names a neuron where the
smallest `p_fwer` of all is at most 0.05. Positions, labels and the null are those of `find`; the model is read once.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import regex
import torch
from figures import Row, command_line, row
from scipy.stats import binomtest

from neurosieve import Batch, Control, Scorer, Site, Span
from neurosieve.evidence.permutation import permutation_null
from neurosieve.models.architectures import atlas_of, sites_of
from neurosieve.models.loading import LanguageModel, Model, open_model
from neurosieve.models.reading_hooks import stream_sites
from neurosieve.texts.positions import Positions
from neurosieve.texts.selection import Selection, choose_positions
from neurosieve.texts.tokens import LabelledDocument, token_range, tokenize
from neurosieve_plugins.controls.distant import Distant
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.sources.arithmetic import Arithmetic

PLACES = 100
DRAWN_FROM = {
    "all tokens": "",
    "words": r"\w+",
    "numbers": r"\d+",
    "sentence starts": r"(?:(?<=[.!?]\s+|\n\s*)|^)\w+",
}
CONTROLS: Mapping[str, Control] = {
    "controls are any tokens": Distant(same_kind=False),
    "controls are of the same kind": Distant(),
}
AUC = Auc()
Candidates = list[tuple[int, range]]


def texts_of(lm: LanguageModel, documents: int) -> list[LabelledDocument]:
    """Return tokenized texts without a span."""
    tokens = [tokenize(document, lm.tokenizer) for document in Arithmetic(documents=documents)]
    return [LabelledDocument(document, {}, {}) for document in sorted(tokens, key=lambda document: document.id)]


def activations_of(lm: LanguageModel, texts: list[LabelledDocument]) -> dict[Site, list[torch.Tensor]]:
    """Return the activations of all tokens of each text at each site, in texts' order."""
    atlas = atlas_of(lm)
    sites = sites_of(atlas, None, lm.name)
    activations: dict[Site, list[torch.Tensor]] = {site: [] for site in sites}
    for text in texts:
        ids = text.tokens.token_ids
        stream_sites(
            lm, atlas, sites, [ids], [np.arange(len(ids))], lambda site, values: activations[site].append(values)
        )
    return activations


def candidates_of(texts: list[LabelledDocument], pattern: str) -> Candidates:
    """Return the number of its text, and the tokens, of each place that may be drawn."""
    places = []
    for number, text in enumerate(texts):
        tokens = text.tokens
        if not pattern:
            places += [(number, range(token, token + 1)) for token in np.flatnonzero(tokens.usable).tolist()]
            continue
        for match in regex.finditer(pattern, tokens.text, pos=tokens.completion_start):
            places.append((number, token_range(tokens, Span(*match.span()))))
    return [(number, covered) for number, covered in places if len(covered) and texts[number].tokens.usable[covered[0]]]


def drawn(texts: list[LabelledDocument], places: Candidates, rng: np.random.Generator) -> list[LabelledDocument]:
    """Return the texts with a behaviour at some of the places."""
    ranges: list[list[range]] = [[] for _ in texts]
    for choice in rng.choice(len(places), min(PLACES, len(places)), replace=False):
        number, covered = places[choice]
        ranges[number].append(covered)
    spans = [[Span(covered.start, covered.stop) for covered in of_text] for of_text in ranges]
    return [
        LabelledDocument(text.tokens, {"noise": spans[number]}, {"noise": ranges[number]})
        for number, text in enumerate(texts)
    ]


def smallest_p(
    positions: Positions,
    activations: dict[Site, list[torch.Tensor]],
    number_of: dict[str, int],
    seed: int,
    permutations: int,
    scorer: Scorer[Any] = AUC,
) -> float:
    """Return the smallest p_fwer of all neurons in the ranking part."""
    column = positions.column("noise")
    rows = np.flatnonzero(positions.labels[:, column] >= 0)
    documents = positions.document_of_row[rows]
    where = [
        (number_of[positions.documents[document].id], token)
        for document, token in zip(documents, positions.token_of_row[rows], strict=True)
    ]
    labels = torch.from_numpy(positions.labels[rows][:, [column]])
    numbers = [
        torch.from_numpy(values) for values in (documents, positions.groups[documents], positions.token_ids[rows])
    ]
    batches = (
        Batch(site, torch.stack([values[number][token] for number, token in where]), labels, *numbers)
        for site, values in activations.items()
    )
    return float(np.nanmin(permutation_null(batches, scorer, permutations, seed).p_fwer))


def rows(small: bool) -> list[Row]:
    runs, permutations, documents = (2, 19, 40) if small else (200, 199, 120)
    lm = open_model(Model("tiny", "tiny"))
    texts = texts_of(lm, documents)
    activations, number_of = activations_of(lm, texts), {text.tokens.id: number for number, text in enumerate(texts)}
    lines = []
    for what, pattern in DRAWN_FROM.items():
        places = candidates_of(texts, pattern)
        for which, control in CONTROLS.items():
            named, controls = 0, 0
            for seed in range(runs):
                noise = drawn(texts, places, np.random.default_rng(seed))
                positions = choose_positions(noise, ["noise"], control, Selection(seed=seed), seed, Counter())
                named += smallest_p(positions, activations, number_of, seed, permutations) <= 0.05
                controls += int((positions.table.label == 0).sum())
            interval = binomtest(named, runs).proportion_ci(0.95, method="exact")
            lines.append(
                row(
                    f"runs that name a neuron for a behaviour drawn from {what}; {which}",
                    "all runs",
                    named / runs,
                    note=f"{named} of {runs} runs, {interval.low:.1%} to {interval.high:.1%}; {permutations} "
                    f"permutations, {PLACES} places, {controls / runs:,.0f} controls on average",
                )
            )
    return lines


if __name__ == "__main__":
    command_line(rows, __doc__)
