"""The neurons that are edited: those that are listed, or the best of the ranking, of either sign or of one."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from neurosieve.ablation.settings import Ablate, Sign
from neurosieve.data import Neuron
from neurosieve.errors import ConfigError, nearest
from neurosieve.pipeline.reopening import Reopened, parse_neurons
from neurosieve.runs.columns import minus_neutral
from neurosieve.runs.results import Result
from neurosieve.wording import plural

__all__ = ["ChosenNeurons", "best_neurons", "chosen_neurons", "listed_neurons", "ranked_neurons", "requested_behaviour"]

_BEST = 100
"""So many of the best neurons of a ranking are no controls, but at most a tenth of all: they may matter too."""


class ChosenNeurons(NamedTuple):
    """The neurons to edit, and how they were chosen."""

    neurons: tuple[Neuron, ...]
    sign: Sign | None
    """Of which sign of the score the best of the ranking are; None where the neurons were listed."""
    note: str
    """The same in words."""


def requested_behaviour(result: Result, settings: Ablate) -> str:
    """Return the behaviour that is asked for: the first of the run, by default.

    Raises:
        ConfigError: the run has no such behaviour.
    """
    behaviour = settings.behaviour or result.behaviours[0]
    if behaviour not in result.behaviours:
        raise ConfigError(f"the run has no behaviour `{behaviour}`: {nearest(behaviour, result.behaviours)}")
    return behaviour


def listed_neurons(opened: Reopened, settings: Ablate) -> tuple[Neuron, ...]:
    """Return the neurons that the settings list.

    Raises:
        ConfigError: an entry does not name a neuron of the model.
    """
    return parse_neurons(settings.neurons, opened.atlas, opened.lm.name)


def chosen_neurons(result: Result, behaviour: str, listed: tuple[Neuron, ...], settings: Ablate) -> ChosenNeurons:
    """Return the first of the listed neurons, or the best of the ranking, as many as the settings ask for.

    Raises:
        ConfigError: the ranking holds fewer, or too few neurons are left to compare them with.
    """
    ranked = int((result.neurons.behaviour == behaviour).sum())
    count = settings.edited(len(listed), ranked)
    most = _most(result, listed[:count], settings.control_sets)
    setting = "top" if settings.mode == "each" else "k"
    if listed:
        _check_controls(count, most, setting if settings.k or settings.top else "the number of `neurons`", settings)
        return ChosenNeurons(listed[:count], None, f"edited: {plural(count, 'neuron')} of those that `neurons` lists")
    sign = settings.sign_for(result.cells.unit)
    of_sign, stopped = len(_of_sign(result, behaviour, sign)), ""
    if settings.mode == "circuit" and not settings.k:
        count = min(count, most)
        if count < of_sign and count == ranked // 4:
            stopped = (
                f"; by default these are at most a quarter of the ranking, which holds {ranked:,}, so that others are "
                f"left for the controls: `k` may be up to {min(of_sign, most):,}"
            )
        count = min(count, of_sign) or count
    neurons = ranked_neurons(result, behaviour, count, sign, setting, most)
    _check_controls(count, most, setting, settings)
    best = "the best neuron" if count == 1 else f"the best {count:,} neurons"
    which = ", whatever the sign of the score" if sign == "any" else f" with a {sign} score"
    return ChosenNeurons(neurons, sign, f"edited: {best} of the ranking{which} (`sign={sign}`){stopped}")


def _most(result: Result, listed: Sequence[Neuron], sets: int) -> int:
    """Return how many neurons can be edited so that, whichever they are, each has a control of its own in each set."""
    read = result.run["model"]
    neurons = len({*read["layers"], *(neuron.layer for neuron in listed)}) * int(read["neurons_per_layer"])
    return max(1, (neurons - sets + 1) // 2)


def _check_controls(count: int, most: int, setting: str, settings: Ablate) -> None:
    if count > most:
        raise ConfigError(
            f"{setting} is {count:,}: with {count:,} neurons to edit, {settings.control_sets:,} sets of controls leave "
            f"too few; edit fewer neurons, at most {most:,}"
        )


def ranked_neurons(result: Result, behaviour: str, k: int, sign: Sign, setting: str, most: int) -> tuple[Neuron, ...]:
    """Return the best `k` neurons of a ranking, or of those whose score lies on one side of its chance level.

    `setting` is what asks for so many, and `most` how many leave enough others to compare them with.

    Raises:
        ConfigError: the ranking holds fewer.
    """
    ranked = _of_sign(result, behaviour, sign)
    if k > len(ranked):
        which = "" if sign == "any" else f" with a {sign} score"
        more = "" if sign == "any" else ", or `sign=any`"
        raise ConfigError(
            f"{setting} is {k:,}, and the ranking of `{behaviour}` in `{result.folder}` holds {len(ranked):,} "
            f"neurons{which}: give fewer{more}; {min(len(ranked), most) or most:,} or less works"
        )
    return tuple(Neuron(*keys) for keys in ranked[["layer", "neuron"]].head(k).to_numpy().tolist())


def _of_sign(result: Result, behaviour: str, sign: Sign) -> pd.DataFrame:
    """Return the rows of a ranking whose score is known and lies on the side of its chance level that `sign` names."""
    rank_by = result.run["rank_by"]
    ranked = result.neurons[(result.neurons.behaviour == behaviour) & result.neurons[rank_by].notna()]
    if sign == "any":
        return ranked
    above = ranked[minus_neutral(rank_by)]
    return ranked[above < 0 if sign == "negative" else above > 0]


def best_neurons(result: Result, behaviour: str) -> frozenset[Neuron]:
    """Return the best neurons of a ranking: they may matter too, and are no controls."""
    ranking = result.neurons[result.neurons.behaviour == behaviour]
    best = ranking[["layer", "neuron"]].head(min(_BEST, len(ranking) // 10))
    return frozenset(Neuron(*keys) for keys in best.to_numpy().tolist())
