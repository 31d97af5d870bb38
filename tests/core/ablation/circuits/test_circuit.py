"""The fewest neurons with half of the effect: planted ones are found, keep what they do, and noise gives none."""

import numpy as np
import pytest
import torch
from planted import drive_together, driven_texts

from neurosieve import ConfigError, DataError, ablate, find
from neurosieve.models.tiny import tiny_model
from neurosieve.runs.summary import run_blocks
from neurosieve_plugins.detectors.annotations import Annotations

ONE = ((1, 17),)
SIX = ((1, 17), (1, 40), (1, 99), (1, 3), (1, 64), (1, 101))


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """Search a model with one driving neuron, or with six alike, for its circuit."""
    made = {}

    def planted(drivers, ranking="effects"):
        if (drivers, ranking) not in made:
            folder = tmp_path_factory.mktemp("planted")
            model, tokenizer = tiny_model()
            inputs = {"detectors": {"slip": Annotations()}, "tokenizer": tokenizer, "reports": []}
            settings = {"reading": "attribution", "interval_bootstraps": 20, "store": str(folder / "store")}
            if ranking == "firing":
                settings |= {"reading": "activation", "scorers": ["auc"], "selection": "prediction"}
            drive_together(model, tokenizer, drivers)
            run = find(model, driven_texts(120), folder=folder / "run", **inputs, **settings)
            made[drivers, ranking] = model, inputs, run
        return made[drivers, ranking]

    def go(drivers=SIX, ranking="effects", **settings):
        model, inputs, result = planted(drivers, ranking)
        folder = tmp_path_factory.mktemp("searched") / "run"
        settings = {"mode": "circuit", "k": 40} | inputs | settings
        return ablate(result, model, source=driven_texts(120), folder=folder, **settings)

    go.planted = planted
    return go


@pytest.fixture(scope="module")
def of_six(searched):
    return searched()


def members(run):
    return set(run.table("circuit")[["layer", "neuron"]].itertuples(index=False, name=None))


def sentences(run):
    return [block.text for block in run_blocks(run) if hasattr(block, "text")]


def kept(run):
    table = run.table("sufficiency")
    [circuit] = table[table.set == "target"].to_dict("records")
    return circuit, table[table.set == "control"]


def test_one_neuron_that_drives_alone_is_the_circuit_and_keeps_all_of_the_behaviour(searched):
    run = searched(ONE)
    assert members(run) == set(ONE)
    assert run.run["circuit"]["k"] == 1
    circuit, controls = kept(run)
    assert circuit["faithfulness"] == pytest.approx(1, abs=0.05)
    assert circuit["faithfulness_low"] > 0.9
    assert controls.faithfulness.abs().max() < 0.05


def test_of_six_that_drive_alike_the_fewest_with_half_of_the_effect_are_the_circuit(searched, of_six):
    assert members(of_six) < set(SIX)
    k = of_six.run["circuit"]["k"]
    assert len(members(of_six)) == k == 4
    exact = searched(k=[k - 1, k, 40]).run["circuit"]
    below, enough, whole = (tried["effect"] for tried in exact["effects_choosing"])
    assert below / whole < 0.5 <= enough / whole
    circuit, _ = kept(of_six)
    assert 0.6 < circuit["faithfulness"] < 0.9
    assert circuit["faithfulness_low"] < circuit["faithfulness"] < circuit["faithfulness_high"]


def test_the_curve_rises_to_the_last_driver_and_controls_stay_near_zero(of_six):
    doses = of_six.table("doses")
    targets = doses[doses.set == "target"].set_index("k")
    assert targets.index.tolist() == [1, 2, 4, 5, 10, 20, 40]
    assert (targets.effect[:5].diff().dropna() < -0.2).all()
    assert targets.share[10] == pytest.approx(1, abs=0.01)
    assert (targets.beyond_controls_high < 0).all()
    assert doses[doses.set == "control"].effect.abs().max() < 0.02
    assert targets.effect_control_tokens.abs().max() < 0.02
    sizes = doses.groupby("k").set.value_counts().unstack()
    assert (sizes == [3, 1]).all().all()


def test_a_circuit_is_told_with_what_its_edit_does_and_what_it_keeps(of_six):
    told = sentences(of_six)
    assert of_six.run["circuit"]["confirmed"] is True
    [headline] = [text for text in told if text.startswith("circuit")]
    assert headline.startswith(
        "circuit: 4 neurons of 40 have half of the effect in the half of the texts that chose (−2"
    )
    assert "; on the other half these 4 have an effect (−2" in headline
    assert ", and all 40 have an effect (−4" in headline
    assert any(text.startswith("the circuit is in 1 layer: L1N") for text in told)
    assert not any(text.startswith(("share of the largest", "the curve is furthest")) for text in told)
    assert any(
        text.startswith("necessity: its edit changes the log-probability of the first token by −2") for text in told
    )
    assert any(
        text.startswith("sufficiency: with all other neurons of its 1 layer edited, it keeps 0.7") for text in told
    )
    assert any(
        text.startswith("15 groups of held-out texts chose the number of neurons, 15 other groups gave all effects of")
        for text in told
    )


class Plain:
    """The tiny model by itself, with neurons of one layer set to their means by a hook of PyTorch's own."""

    def __init__(self, model, tokenizer, layer):
        self.model, self.tokenizer = model, tokenizer
        self.projection = model.model.layers[layer].mlp.down_proj
        self.texts = {document.id: document.text for document in driven_texts(120)}

    def ids(self, document):
        return self.tokenizer(self.texts[document], return_tensors="pt")["input_ids"]

    def means(self, positions):
        """The mean activation of each neuron over positions, a document and a token each."""
        seen = []
        hook = self.projection.register_forward_hook(lambda _, given, __: seen.append(given[0][0]))
        with torch.inference_mode():
            rows = [(self.model(input_ids=self.ids(document)), seen.pop()[token])[1] for document, token in positions]
        hook.remove()
        return torch.stack(rows).mean(dim=0)

    def log_p(self, tokens, means=None, edited=()):
        """The mean log-probability of tokens of documents, under the edit."""

        def edit(_, given):
            activations = given[0].clone()
            activations[..., edited] = means[edited]
            return (activations,)

        hook = self.projection.register_forward_pre_hook(edit) if edited else None
        values = []
        for document, token in tokens:
            ids = self.ids(document)
            with torch.inference_mode():
                log_p = self.model(input_ids=ids).logits[0, token - 1].double().log_softmax(-1)
            values.append(float(log_p[ids[0, token]]))
        if hook:
            hook.remove()
        return np.mean(values)


def test_faithfulness_is_what_plain_hooks_give(searched, of_six):
    model, inputs, ranking = searched.planted(SIX)
    plain = Plain(model, inputs["tokenizer"], layer=1)
    positions = ranking.table("positions").query("part == 'ranking' and label == 0")
    means = plain.means(positions[["document", "token"]].itertuples(index=False, name=None))
    onsets = of_six.table("measured_tokens").query("half == 'estimating' and label == 1")
    tokens = list(onsets[["document", "token"]].itertuples(index=False, name=None))
    circuit, every = [neuron for _, neuron in members(of_six)], range(128)
    unedited, without_all = plain.log_p(tokens), plain.log_p(tokens, means, list(every))
    alone = plain.log_p(tokens, means, [neuron for neuron in every if neuron not in circuit])
    told, _ = kept(of_six)
    assert told["faithfulness"] == pytest.approx((alone - without_all) / (unedited - without_all), abs=1e-4)
    assert told["effect_all_ablated"] == pytest.approx(without_all - unedited, abs=1e-4)
    targets = of_six.table("doses").query("set == 'target'").set_index("k")
    assert targets.effect[4] == pytest.approx(plain.log_p(tokens, means, circuit) - unedited, abs=1e-4)


def test_no_group_both_chooses_and_estimates(of_six):
    tokens = of_six.table("measured_tokens")
    halves = tokens[tokens.label == 1].groupby("half").group.agg(set)
    assert not halves["choosing"] & halves["estimating"]
    assert len(halves["choosing"]) == len(halves["estimating"]) == 15
    assert of_six.table("doses").groups.unique().tolist() == [15]


def test_an_effect_that_is_no_other_than_that_of_controls_gives_no_circuit(searched):
    run = searched(k=20, neurons=[[2, index] for index in range(20)])
    assert run.run["circuit"]["k"] is None
    assert run.run["circuit"]["reason"].startswith("the largest dose has no effect")
    assert len(run.table("circuit")) == 0
    assert "sufficiency" not in run.tables
    told = sentences(run)
    assert any(
        text.startswith("no circuit: in the half of the texts that chose, the largest dose (20 neurons) has no effect")
        for text in told
    )
    chose = run.run["circuit"]["choosing"]["largest"]
    assert run.run["circuit"]["confirmed"] is None
    assert chose["effect_low"] < chose["effect"] < chose["effect_high"]
    assert set(run.table("doses").k) == {1, 2, 5, 10, 20}


def test_the_largest_dose_is_a_quarter_of_the_ranking_by_default_and_all_that_are_listed(searched):
    run = searched(k=(), controls=1)
    assert run.run["circuit"]["largest"] == 96
    [note] = [note for note in run.run["notes"] if "a quarter of the ranking, which holds 384" in note]
    works = int(note.rpartition(" ")[2])
    assert searched(k=[1, works], controls=1).run["circuit"]["largest"] == works
    listed = searched(k=(), neurons=[list(neuron) for neuron in SIX])
    assert listed.run["circuit"]["largest"] == 6
    assert listed.run["sign"] is None


def test_a_ranking_of_what_fires_is_taken_by_its_own_rank(searched):
    run = searched(ranking="firing", k=10)
    assert run.run["sign"] == "any"
    assert run.run["circuit"]["k"] == 4


def test_a_single_dose_and_a_single_control_set_will_do(searched):
    run = searched(ONE, k=1, controls=1)
    assert members(run) == set(ONE)
    assert run.table("doses").k.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("asked", "error", "expected"),
    [
        (
            {"k": 385},
            ConfigError,
            "k is 385, and the ranking of `slip` in .* with a negative score: give fewer.*; 1[0-9]+ or less works",
        ),
        ({"k": 300, "sign": "any"}, ConfigError, "leave too few; edit fewer neurons, at most 191"),
        ({"k": 7, "neurons": [[1, 17]]}, ConfigError, "k is 7, and `neurons` lists 1"),
        (
            {"neurons": [[layer, index] for layer in (0, 1) for index in range(128)], "k": ()},
            ConfigError,
            "the number of `neurons` is 256: .* leave too few; edit fewer neurons, at most 191",
        ),
        ({"k": 192, "sign": "any", "documents": 12}, ConfigError, "k is 192: .* at most 191"),
        ({"k": 0}, ConfigError, r"k is \[0\]: give numbers"),
        (
            {"strength": [0.5, 1.0]},
            ConfigError,
            r"strength is \[0.5, 1.0\], and `mode=circuit`.* at one strength: give one",
        ),
        ({"top": 3}, ConfigError, "top is 3, which is for `mode=each`"),
        (
            {"min_groups": 16},
            DataError,
            "are of 30 groups, and `mode=circuit` needs 32: .* or take more .* `documents`",
        ),
        ({"documents": 12}, DataError, "are of 12 groups, and `mode=circuit` needs 20"),
    ],
)
def test_what_makes_no_sense_is_refused(searched, asked, error, expected):
    with pytest.raises(error, match=expected):
        searched(**asked)


@pytest.mark.parametrize(("sets", "too_few"), [(1, True), (19, False)])
def test_too_few_control_sets_for_a_test_of_chance_are_said_to_describe(searched, sets, too_few):
    run = searched(ONE, k=1, controls=sets)
    assert run.run["circuit"]["confirmed"] is True
    assert any("there is no test of chance, which takes 19" in note for note in run.run["notes"]) == too_few


def test_without_control_positions_the_cost_is_unknown_and_a_warning_says_so(searched):
    run = searched(ONE, k=5, controls=1, positions=0)
    assert members(run) == set(ONE)
    assert run.table("doses").effect_control_tokens.isna().all()
    assert any("nothing is known of the cost" in warning for warning in run.run["warnings"])
