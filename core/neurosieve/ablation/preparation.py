"""What every mode of `ablate` begins with, a model that was tested and matched control neurons, and what it records."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from neurosieve.ablation.chosen_neurons import best_neurons, chosen_neurons, listed_neurons, requested_behaviour
from neurosieve.ablation.control_neurons import Match, draw_controls, firing_of, matching_of, matching_warnings
from neurosieve.ablation.control_positions import ControlPositions
from neurosieve.ablation.settings import Ablate, Sign
from neurosieve.contracts import Intervention
from neurosieve.data import Neuron
from neurosieve.models.architectures import model_record
from neurosieve.models.assumptions import ModelTests, check_model
from neurosieve.models.head import head_of
from neurosieve.pipeline.reopening import Reopened
from neurosieve.registry import describe
from neurosieve.runs.record_fields import described
from neurosieve.runs.recording import Recording
from neurosieve.texts.intake import intake_notes, intake_warnings

__all__ = ["Preparation", "prepare"]


@dataclass(frozen=True, eq=False)
class Preparation:
    """The neurons to edit, and control neurons for them, in a model that was tested."""

    opened: Reopened
    intervention: Intervention
    settings: Ablate
    behaviour: str
    neurons: tuple[Neuron, ...]
    sign: Sign | None
    """Of which sign of the score they are; None where they were listed."""
    tests: ModelTests
    at_controls: ControlPositions
    sets: list[list[Match]]
    """Sets of control neurons, in each one for each neuron."""

    def record(
        self, run: Recording, sets: Sequence[Sequence[Match]], choices: Mapping[str, Any], config: Mapping[str, Any]
    ) -> None:
        """Add to a run what every mode says of itself.

        Args:
            run: the run in the making.
            sets: the sets of control neurons that were edited.
            choices: the plugins that were chosen, besides the intervention.
            config: what else it takes to make the run again.
        """
        lm, atlas, sites = self.opened.lm, self.opened.atlas, self.opened.space.sites
        run.warnings += matching_warnings(sets)
        run.record |= {
            "run": str(self.opened.result.folder),
            "behaviours": [self.behaviour],
            "mode": self.settings.mode,
            "sign": self.sign,
            "intervention": describe(self.intervention),
            "matching": matching_of(sets),
            "model": model_record(lm, atlas, sites, atlas.neurons) | {"tests": self.tests.record()},
            "config": {
                "run": str(self.opened.result.folder),
                **asdict(self.settings),
                **described({"intervention": self.intervention, **choices}),
                **config,
            },
        }


def prepare(run: Recording, opened: Reopened, intervention: Intervention, settings: Ablate) -> Preparation:
    """Choose the neurons, test the model, and draw control neurons; `run` gains what a reader must know of that.

    Raises:
        ConfigError: the neurons cannot be chosen, or there are too few to compare them with.
        ModelError: the model cannot be read or edited.
    """
    behaviour = requested_behaviour(opened.result, settings)
    listed = listed_neurons(opened, settings)
    neurons, sign, how_chosen = chosen_neurons(opened.result, behaviour, listed, settings)
    with run.stage("testing the model"):
        head_of(opened.lm)
        tests = check_model(opened.lm, opened.atlas, opened.space.sites)
    run.notes += [how_chosen, *_other_behaviours(opened, settings), *intake_notes(opened.counts)]
    run.warnings += tests.warnings(opened.lm.name) + intake_warnings(opened.counts)
    with run.stage("matching"):
        at_controls = ControlPositions(opened, behaviour, settings.seed, run.announce)
        layers = [site.layer for site in opened.space.sites]
        firing: Callable[[int], Any] = cache(lambda layer: firing_of(at_controls.at(layer)))
        best = best_neurons(opened.result, behaviour)
        sets = draw_controls(neurons, layers, firing, best, settings.control_sets, settings.seed)
    return Preparation(opened, intervention, settings, behaviour, neurons, sign, tests, at_controls, sets)


def _other_behaviours(opened: Reopened, settings: Ablate) -> list[str]:
    """Return a note that names the behaviours of the run which are not edited, where none was asked for."""
    first, *others = opened.result.behaviours
    if settings.behaviour or not others:
        return []
    names = ", ".join(f"`{name}`" for name in others)
    return [
        f"edited for `{first}`, the first behaviour of the run; not for {names}: `behaviour={others[0]}` edits for "
        "that one"
    ]
