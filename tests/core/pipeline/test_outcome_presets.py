"""The presets for whole texts find the neurons that are planted for them, and unmask those of length and difficulty."""

import dataclasses

import pytest
from planted_outcomes import (
    OF_DIFFICULTY,
    OF_LAST_TOKEN,
    OF_LENGTH,
    OF_WRONG,
    plant_outcomes,
    single_answers,
    solved_problems,
    two_kinds_of_prompts,
)

from neurosieve import DataError, find
from neurosieve.commands.find import COMMAND
from neurosieve.config.configuration import publish
from neurosieve.models.tiny import tiny_model
from neurosieve.pipeline.settings import Find
from neurosieve_plugins.scorers.sparse_probe import SparseProbe
from neurosieve_plugins.sources.arithmetic import Arithmetic
from neurosieve_plugins.sources.requests import Requests

PRESETS = ("h_neurons", "right_or_wrong", "prompt_contrast")
QUICK = {"permutations": 199, "interval_bootstraps": 50, "stability_bootstraps": 0}


def preset(name, *overrides):
    """Return what `find +experiment=<name>` would build."""
    publish(COMMAND.schemas)
    return COMMAND.build(COMMAND.compose([f"+experiment={name}", "model=tiny", *overrides]))


@pytest.fixture(scope="module")
def planted():
    model, tokenizer = tiny_model()
    return plant_outcomes(model, tokenizer), tokenizer


@pytest.fixture
def run(planted, tmp_path):
    """Run a preset on the planted model and other texts."""

    def run(name, documents, *overrides, **changed):
        parts = preset(name, *overrides)
        settings = {field.name: getattr(parts["settings"], field.name) for field in dataclasses.fields(Find)}
        settings |= {"store": str(tmp_path / "store")} | QUICK | changed
        model, tokenizer = planted
        return find(
            model,
            documents,
            parts["detectors"],
            parts["scorers"],
            reading=parts["reading"],
            selection=parts["selection"],
            tokenizer=tokenizer,
            folder=tmp_path / f"{name}-{len(list(tmp_path.glob('*')))}",
            **settings,
        )

    return run


def row(result, neuron):
    table = result.neurons
    return table[(table.layer == neuron[0]) & (table.neuron == neuron[1])].iloc[0]


def named(result):
    table = result.neurons[result.neurons.p_fwer <= 0.05]
    return set(zip(table.layer, table.neuron, strict=True))


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_is_the_papers_choice_and_takes_other_sources(name):
    parts = preset(name)
    selection, settings = parts["selection"], parts["settings"]
    made = {
        "h_neurons": ("completion", "mean", ["auc", "sparse_probe_fixed"], "between_groups", "Contribution"),
        "right_or_wrong": (
            "completion",
            "mean",
            ["auc_within_group", "auc", "mean_difference"],
            "within_groups",
            "Activation",
        ),
        "prompt_contrast": ("prompt_end", "mean", ["mean_difference", "auc"], "between_groups", "Activation"),
    }[name]
    reading = type(parts["reading"]).__name__
    assert (selection.unit, selection.pool, list(parts["scorers"]), settings.null, reading) == made
    assert name != "h_neurons" or parts["scorers"]["sparse_probe_fixed"] == SparseProbe(Cs=(0.1,))
    other = preset(name, "source=traces", "source.path=own.jsonl")
    assert other["source"].path == "own.jsonl"
    assert (other["selection"], other["settings"]) == (selection, settings)


def test_the_embedded_data_are_those_that_the_presets_need():
    sources = {name: preset(name)["source"] for name in PRESETS}
    assert sources["right_or_wrong"] == Arithmetic(640, samples=8, unnoticed=0.4)
    assert sources["h_neurons"] == Arithmetic(400, unnoticed=0.5)
    assert sources["prompt_contrast"] == Requests()
    assert sum(not d.metadata["right"] for d in sources["h_neurons"]) > 150
    assert len({d.group for d in sources["h_neurons"]}) == 400


@pytest.mark.parametrize("name", PRESETS)
def test_the_detector_of_a_preset_tells_its_embedded_texts_apart(name):
    parts = preset(name)
    [detector] = parts["detectors"].values()
    shown = [bool(list(detector.detect(d))) for d in list(parts["source"])[:60]]
    expected = [
        d.metadata["kind"] == "harmful" if name == "prompt_contrast" else not d.metadata["right"]
        for d in list(parts["source"])[:60]
    ]
    assert shown == expected


def test_the_best_neurons_that_a_contrast_of_prompts_tests_are_one_in_a_thousand_of_gemma():
    assert preset("prompt_contrast")["settings"].test_top == round(0.001 * 18 * 2048)


@pytest.mark.slow
def test_the_neuron_of_wrong_answers_is_found_among_samples_of_one_problem(run):
    result = run("right_or_wrong", solved_problems())
    best = result.neurons.iloc[0]
    assert (best.layer, best.neuron) == OF_WRONG
    assert best.auc_within_group == 1
    assert best.p_fwer <= 0.05
    assert best.replicates
    assert named(result) == {OF_WRONG}
    # The cue that plants it stands in the prompt, and the words of the prompt tell as much.
    baselines = result.table("baselines").set_index("baseline").auc_within_group_heldout
    assert baselines["bag of prompt tokens"] == 1
    assert baselines.drop("bag of prompt tokens").max() < 0.7


@pytest.mark.slow
def test_the_neuron_of_length_is_unmasked_by_the_length(run):
    result = run("right_or_wrong", solved_problems(longer=12))
    of_length, of_wrong = row(result, OF_LENGTH), row(result, OF_WRONG)
    assert of_length.p_fwer <= 0.05
    assert not of_length.beats_baselines
    of_text = result.table("baselines").set_index("baseline").auc_within_group_minus_neutral_heldout
    assert 0.3 < of_text["length"] < of_wrong.auc_within_group_minus_neutral_heldout


@pytest.mark.slow
def test_between_problems_the_neuron_of_difficulty_is_named_and_within_them_it_is_not(run):
    documents = solved_problems(problems=100, difficulty=0.35)
    within = run("right_or_wrong", documents)
    between = run("right_or_wrong", documents, "scorers=[auc]", null="between_groups")
    assert OF_DIFFICULTY in named(between)
    assert OF_DIFFICULTY not in named(within)
    assert OF_WRONG in named(within) & named(between)
    apart = run("right_or_wrong", documents, "scorers=[auc]", "strata=[level]", null="between_groups")
    assert OF_DIFFICULTY not in named(apart)
    assert OF_WRONG in named(apart)


@pytest.mark.slow
def test_the_neuron_of_hallucinated_answers_is_found_by_what_it_contributes(run):
    result = run("h_neurons", single_answers())
    best = result.neurons.iloc[0]
    assert (best.layer, best.neuron) == OF_WRONG
    assert best.auc > 0.85
    assert best.p_fwer <= 0.05
    assert best.replicates
    probe = result.neurons.sparse_probe_fixed.abs()
    assert probe.idxmax() == 0
    assert "contribution" in str(result.run["config"]["reading"])


@pytest.mark.slow
def test_the_neuron_of_the_last_prompt_token_of_one_kind_is_found(run):
    result = run("prompt_contrast", two_kinds_of_prompts())
    best = result.neurons.iloc[0]
    assert (best.layer, best.neuron) == OF_LAST_TOKEN
    assert best.mean_difference > 1
    assert best.p_fwer <= 0.05
    assert best.replicates
    assert OF_LAST_TOKEN in named(result)
    assert result.run["baselines_by"] == "auc"
    assert not [name for name in result.table("baselines") if name.startswith("mean_difference")]
    assert result.neurons.beats_baselines.notna().any()
    positions = result.positions
    assert (positions.token == positions.last_token).all()
    end = {d.id: len(d.text) for d in two_kinds_of_prompts()}
    assert (positions.end == positions.document.map(end)).all()


def test_problems_that_are_all_right_or_all_wrong_are_left_out_and_counted(run):
    documents = solved_problems(problems=30)
    of_problem = {}
    for document in documents:
        of_problem.setdefault(document.group, []).append(document.metadata["right"])
    mixed = sum(len(set(rights)) == 2 for rights in of_problem.values())
    result = run("right_or_wrong", documents, permutations=19, interval_bootstraps=10)
    assert result.positions.group.nunique() == mixed
    assert any("left out" in note for note in (*result.run["notes"], *result.run["warnings"]))


def test_where_no_problem_has_both_the_message_says_so_and_what_to_do(run):
    with pytest.raises(DataError, match=r"null=between_groups"):
        run("right_or_wrong", single_answers(40))
