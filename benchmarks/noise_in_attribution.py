"""How often a behaviour drawn at random from real text names a neuron by its attribution.

    python benchmarks/noise_in_attribution.py [--smoke] [--json PATH]

As in `noise_in_text.py`: in each run 100 places are drawn at random from all words, numbers, sentence starts or tokens
of 120 embedded texts, and stand for a behaviour that no neuron has to do with. A run names a neuron where the smallest
`p_fwer` of all is at most 0.05. The effects of edits are read once, at every token, with each neuron's mean over all of
them in place of that over the controls; positions, their limits, labels and the null are those of
`find reading=attribution`.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from figures import Row, command_line, row
from noise_in_text import CONTROLS, DRAWN_FROM, PLACES, activations_of, candidates_of, drawn, smallest_p, texts_of
from scipy.stats import binomtest

from neurosieve import Scorer, Site
from neurosieve.models.architectures import atlas_of
from neurosieve.models.gradients import edit_effects
from neurosieve.models.loading import LanguageModel, Model, open_model
from neurosieve.texts.selection import Selection, choose_positions
from neurosieve.texts.thinning import thinned
from neurosieve.texts.tokens import LabelledDocument
from neurosieve_plugins.readings.attribution import Attribution
from neurosieve_plugins.scorers.mean_difference import MeanDifference
from neurosieve_plugins.scorers.mean_present import MeanPresent

SCORERS: Mapping[str, Scorer[Any]] = {"mean_difference": MeanDifference(), "mean_present": MeanPresent()}
TOGETHER = 40


def attributions_of(lm: LanguageModel, texts: list[LabelledDocument]) -> dict[Site, list[torch.Tensor]]:
    """Return the effects of edits on every token of each text; those on its first are zero."""
    means = {site: torch.cat(values).mean(dim=0) for site, values in activations_of(lm, texts).items()}
    atlas = atlas_of(lm)
    effects: dict[Site, list[torch.Tensor]] = {site: [] for site in means}
    for start in range(0, len(texts), TOGETHER):
        ids = [text.tokens.token_ids for text in texts[start : start + TOGETHER]]
        tokens = [np.arange(1, len(text)) for text in ids]
        for site, values in edit_effects(lm, atlas, ids, tokens, means).items():
            parts = values.split([len(wanted) for wanted in tokens])
            effects[site] += [torch.cat([torch.zeros_like(part[:1]), part]) for part in parts]
    return effects


def rows(small: bool) -> list[Row]:
    runs, permutations, documents = (2, 19, 40) if small else (200, 199, 120)
    lm = open_model(Model("tiny", "tiny"))
    texts = texts_of(lm, documents)
    effects, number_of = attributions_of(lm, texts), {text.tokens.id: number for number, text in enumerate(texts)}
    lines = []
    for what, pattern in DRAWN_FROM.items():
        places = candidates_of(texts, pattern)
        for which, control in CONTROLS.items():
            named, controls = Counter[str](), 0
            for seed in range(runs):
                noise = drawn(texts, places, np.random.default_rng(seed))
                counts = Counter[str]()
                positions = choose_positions(noise, ["noise"], control, Selection(seed=seed), seed, counts)
                positions = thinned(positions, Attribution(), seed, counts)
                controls += int((positions.table.label == 0).sum())
                for name, scorer in SCORERS.items():
                    named[name] += smallest_p(positions, effects, number_of, seed, permutations, scorer) <= 0.05
            for name in SCORERS:
                interval = binomtest(named[name], runs).proportion_ci(0.95, method="exact")
                lines.append(
                    row(
                        f"runs that name a neuron by `{name}` of attributions, for a behaviour drawn from {what}; "
                        f"{which}",
                        "all runs",
                        named[name] / runs,
                        note=f"{named[name]} of {runs} runs, {interval.low:.1%} to {interval.high:.1%}; {permutations} "
                        f"permutations, {PLACES} places, {controls / runs:,.0f} controls on average",
                    )
                )
    return lines


if __name__ == "__main__":
    command_line(rows, __doc__)
