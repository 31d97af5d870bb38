"""How often a behaviour drawn at random from real text names a neuron by its attribution.

    python benchmarks/noise_in_attribution.py [--smoke] [--json PATH]

As in `noise_in_text.py`: in each run 100 places are drawn at random from all words or tokens among the first
40 of the completions of 120 embedded texts, and stand for a behaviour that no neuron has to do with. A run names a
neuron where the smallest `p_fwer` of all is at most 0.05. The effects of edits are read once, with each neuron's mean
over all tokens in place of that over the controls; positions, their limits, labels and the null are those of
`find reading=attribution`. By `paired_difference`, noise is what chance gives. By `mean_present` it is not: a neuron
may well do something to words of any kind.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
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
from neurosieve_plugins.scorers.mean_present import MeanPresent
from neurosieve_plugins.scorers.paired_difference import PairedDifference

SCORERS: Mapping[str, Scorer[Any]] = {"paired_difference": PairedDifference(), "mean_present": MeanPresent()}
TOGETHER = 40
TOKENS = 40
"""Each takes a pass back through the model: so many of each text are read."""


def cut(text: LabelledDocument) -> LabelledDocument:
    """Return a text of which the first usable tokens alone are usable."""
    usable = text.tokens.usable & (np.cumsum(text.tokens.usable) <= TOKENS)
    return LabelledDocument(replace(text.tokens, usable=usable), {}, {})


def attributions_of(lm: LanguageModel, texts: list[LabelledDocument]) -> dict[Site, list[torch.Tensor]]:
    """Return the effects of edits on every usable token of each text, and zeros for the others."""
    means = {site: torch.cat(values).mean(dim=0) for site, values in activations_of(lm, texts).items()}
    atlas = atlas_of(lm)
    effects: dict[Site, list[torch.Tensor]] = {site: [] for site in means}
    for start in range(0, len(texts), TOGETHER):
        tokens = [np.flatnonzero(text.tokens.usable) for text in texts[start : start + TOGETHER]]
        ids = [
            text.tokens.token_ids[: wanted[-1] + 1]
            for text, wanted in zip(texts[start : start + TOGETHER], tokens, strict=True)
        ]
        for site, values in edit_effects(lm, atlas, ids, tokens, means).items():
            parts = values.split([len(wanted) for wanted in tokens])
            for text, wanted, part in zip(ids, tokens, parts, strict=True):
                whole = part.new_zeros(len(text), part.shape[1])
                whole[torch.from_numpy(wanted)] = part
                effects[site].append(whole)
    return effects


def rows(small: bool) -> list[Row]:
    runs, permutations, documents = (2, 19, 40) if small else (200, 199, 120)
    lm = open_model(Model("tiny", "tiny"))
    texts = [cut(text) for text in texts_of(lm, documents)]
    effects, number_of = attributions_of(lm, texts), {text.tokens.id: number for number, text in enumerate(texts)}
    lines = []
    for what in ("all tokens", "words"):
        places = candidates_of(texts, DRAWN_FROM[what])
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
