"""Planted neurons of whole texts: which is named, which verdict it gets, and whether the text alone tells as much."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from whole_texts import PROMPT, answers

from neurosieve import Site
from neurosieve.activations.capture import batches_at, keys_of
from neurosieve.activations.store import Space
from neurosieve.errors import ConfigError
from neurosieve.evidence.baseline_features import check_baseline_fields
from neurosieve.evidence.baselines import add_beats_baselines, baseline_table
from neurosieve.evidence.null_columns import add_null
from neurosieve.evidence.ranked import Ranked
from neurosieve.evidence.replication import add_replication
from neurosieve.evidence.settings import Evidence
from neurosieve.evidence.verdicts import WITHIN_GROUP, add_verdicts
from neurosieve.scoring.engine import score
from neurosieve.scoring.ranking import rank_neurons
from neurosieve.texts.selection import Selection
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.scorers.auc_within_group import AucWithinGroup
from neurosieve_plugins.scorers.paired_difference import PairedDifference

SCORERS = {"auc": Auc(), "auc_within_group": AucWithinGroup()}
WRONG, HARD, LONG = 0, 1, 2
"""The neurons that are planted among 40: of wrong answers, of hard problems, of long answers."""


def texts(problems=120, samples=6, seed=0, **choices):
    """Answers to problems of unequal difficulty, of which the wrong ones are longer; a level says how hard one is."""
    rng, chosen, lengths = np.random.default_rng(seed), {}, []
    hard = rng.random(problems)
    for number in range(problems):
        labels = (rng.random(samples) < hard[number]).astype(int).tolist()
        chosen[f"p{number:03}"] = labels
        lengths += [int(length) for length in np.exp(3 + 0.5 * np.array(labels) + 0.5 * rng.standard_normal(samples))]
    metadata = {name: {"level": str(int(3 * share))} for name, share in zip(chosen, hard, strict=True)}
    return answers(chosen, held_out=list(chosen)[::2], lengths=lengths, metadata=metadata, **choices)


def activations(positions, seed=0):
    rng, documents = np.random.default_rng(seed), positions.document_of_row
    wrong = positions.labels.max(axis=1).astype(float)
    groups = positions.groups[documents]
    share = np.bincount(groups, wrong) / np.bincount(groups)
    values = rng.standard_normal((len(documents), 40))
    values[:, WRONG] += 1.5 * wrong
    values[:, HARD] = 4 * share[groups] + 0.5 * values[:, HARD]
    values[:, LONG] = [np.log(len(tokens)) for tokens in positions.unit_tokens]
    return torch.from_numpy(values).float()


@pytest.fixture
def ranking(tmp_path):
    def rank(rank_by, positions=None, scorers=SCORERS, **changed):
        positions = positions or texts()
        space = Space("weights", (Site(0),), torch.float32, tmp_path / rank_by)
        space.write(*keys_of(positions), {Site(0): activations(positions)})
        settings = Evidence(permutations=199, test_top=40, **changed)
        ranked = Ranked(space, positions, scorers[rank_by], rank_by, settings, lambda *_, **__: None)
        scored = {Site(0): score(batches_at(space, positions, Site(0)), scorers)}
        neurons = rank_neurons(scored, positions.behaviours, rank_by, positions.places)
        neurons, null, warnings = add_null(neurons, ranked, Selection())
        neurons = add_verdicts(add_replication(neurons, ranked), ranked, AucWithinGroup(), WITHIN_GROUP)
        baselines = baseline_table(positions, scorers, rank_by, settings)
        neurons = add_beats_baselines(neurons, baselines, rank_by)
        return neurons.set_index("neuron"), baselines.set_index("baseline"), null, warnings

    return rank


def test_within_groups_the_neuron_of_wrong_answers_leads_and_that_of_hard_problems_is_at_chance(ranking):
    neurons, _, null, warnings = ranking("auc_within_group")
    assert neurons.index[0] == WRONG
    assert neurons.p_fwer[WRONG] == 0.005
    assert neurons.verdict[WRONG] == "within groups"
    assert abs(neurons.auc_within_group[HARD] - 0.5) < 0.06
    assert neurons.p_fwer[HARD] > 0.05
    assert neurons.auc[HARD] > 0.7
    assert (null["wrong"]["exchanged"], null["wrong"]["strata"], warnings) == ("within_groups", [], [])


def test_a_neuron_of_hard_problems_that_replicates_by_auc_is_known_to_tell_groups_apart(ranking):
    neurons, *_ = ranking("auc")
    assert neurons.replicates[HARD]
    assert neurons.verdict[HARD] == "between groups"
    assert neurons.verdict[WRONG] == "within groups"
    assert neurons.within_group_low[HARD] < 0 < neurons.within_group_high[HARD]
    noise = neurons.drop([WRONG, HARD, LONG])
    assert (noise.p_fwer > 0.05).all()
    assert noise.verdict.isin(["not replicated"]).mean() > 0.9


def test_a_neuron_of_long_answers_passes_the_null_within_groups(ranking):
    neurons, *_ = ranking("auc_within_group")
    assert neurons.p_fwer[LONG] == 0.005
    assert neurons.verdict[LONG] == "within groups"


@pytest.mark.parametrize("rank_by", ["auc", "auc_within_group"])
def test_a_neuron_of_long_answers_replicates_and_is_unmasked_by_the_baseline(ranking, rank_by):
    neurons, baselines, *_ = ranking(rank_by)
    assert neurons.replicates[LONG]
    assert not neurons.beats_baselines[LONG]
    assert neurons.beats_baselines[WRONG]
    assert baselines[f"{rank_by}_heldout"]["length"] == pytest.approx(neurons[f"{rank_by}_heldout"][LONG], abs=1e-6)


def test_the_level_of_a_problem_tells_hard_ones_and_nothing_within_a_group(ranking):
    _, baselines, *_ = ranking("auc")
    assert list(baselines.index) == ["length", "length range", "bag of tokens", "level"]
    assert baselines.auc_heldout["level"] > 0.7
    assert baselines.auc_within_group_heldout["level"] == 0.5


def test_between_groups_the_neuron_of_hard_problems_is_named_unless_strata_keep_them_apart(ranking):
    """Every problem has as many answers; with a stratum for each share of wrong ones nothing is left to tell."""
    neurons, _, null, _ = ranking("auc", null="between_groups")
    assert neurons.p_fwer[HARD] == 0.005
    assert null["wrong"]["exchanged"] == "between_groups"
    neurons, _, null, _ = ranking("auc", null="between_groups", strata=("level",))
    assert null["wrong"]["strata"] == ["level"]


def test_too_few_groups_alike_give_no_p_and_say_what_does(ranking):
    few = texts(problems=4)
    neurons, *_, warnings = ranking("auc", few, null="between_groups")
    assert neurons.p.isna().all()
    assert "`wrong` has 2 groups in the ranking part, of which 2 have another of their size" in warnings[0]
    assert "2 arrangements of the labels, and a p takes 20: p is nan" in warnings[0]
    assert "`null=within_groups`" in warnings[0]


def test_a_scorer_that_flips_groups_keeps_its_null_and_says_so(ranking):
    scorers = {"paired_difference": PairedDifference()}
    _, _, null, _ = ranking("paired_difference", scorers=scorers)
    assert null["wrong"]["exchanged"] == "signs_of_groups"


def told(positions, **changed):
    return baseline_table(positions, {"auc": Auc()}, "auc", Evidence(interval_bootstraps=20, **changed)).set_index(
        "baseline"
    )


def test_the_bag_of_tokens_is_a_regression_on_how_often_each_is_in_the_unit():
    positions = texts(words=15)
    counts = np.zeros((len(positions.documents), 15))
    for row, document in enumerate(positions.documents):
        np.add.at(counts[row], document.token_ids[PROMPT:], 1)
    features = np.log2(1 + counts)
    ranking, held_out = (positions.labels[:, part] >= 0 for part in range(2))
    fitted = LogisticRegression(solver="liblinear").fit(features[ranking], positions.labels[ranking, 0])
    expected = roc_auc_score(positions.labels[held_out, 1], fitted.decision_function(features[held_out]))
    assert told(positions).auc_heldout["bag of tokens"] == pytest.approx(expected, abs=1e-6)


def test_a_length_between_others_is_told_by_its_range_alone():
    rng, labels, lengths = np.random.default_rng(0), {}, []
    for number in range(100):
        drawn = rng.integers(5, 60, 4)
        labels[f"p{number:03}"] = (np.abs(drawn - 32) < 14).astype(int).tolist()
        lengths += drawn.tolist()
    table = told(answers(labels, held_out=list(labels)[::2], lengths=lengths))
    assert table.auc_heldout["length range"] > 0.9
    assert table.auc_heldout["length"] < 0.65


def test_at_the_end_of_prompts_the_whole_prompt_is_the_text():
    """All answers to a problem have its prompt, whose words say whether they are wrong."""
    rng = np.random.default_rng(0)
    labels = {f"p{number:03}": [int(rng.random() < 0.5)] for number in range(200)}
    positions = answers(labels, held_out=list(labels)[::2], words=8, prompt_tokens=1)
    wrong = positions.labels.max(axis=1)
    for row, document in enumerate(positions.documents):
        document.token_ids[0] = 7 * wrong[row]
        document.token_ids[1:] %= 7
        document.token_ids[1:] += document.token_ids[1:] == 0
    assert told(positions).auc_heldout["bag of tokens"] > 0.95


def test_where_the_question_gives_the_label_away_its_prompt_tells_it_and_the_answer_does_not():
    rng = np.random.default_rng(0)
    labels = {f"p{number:03}": [int(rng.random() < 0.5)] * 2 for number in range(200)}
    positions = answers(labels, held_out=list(labels)[::2], words=8)
    wrong = positions.labels.max(axis=1)
    for row, document in enumerate(positions.documents):
        document.token_ids[PROMPT:] = 3
        document.token_ids[:PROMPT] = 3 + wrong[row]
    between = told(positions, null="between_groups").auc_heldout
    assert between["bag of prompt tokens"] == 1
    assert (between.drop(["bag of prompt tokens"]) < 0.6).all()
    # Within a group all prompts are the same.
    assert "bag of prompt tokens" not in told(positions).index


def test_within_groups_of_several_prompts_the_prompt_is_a_baseline_too():
    positions = answers({"a": [0, 1], "b": [1, 0]}, held_out=["b"])
    positions.documents[0].token_ids[0] += 1
    assert {"prompt length", "bag of prompt tokens"} <= set(told(positions).index)


def test_further_fields_are_baselines_and_those_of_the_default_may_be_in_no_record():
    positions = texts()
    assert list(told(positions, baseline_fields=("type", "level")).index)[-1] == "level"
    assert "level" not in told(positions, baseline_fields=()).index
    with pytest.raises(ConfigError, match="baseline_fields has `length`, which is the name of a baseline"):
        Evidence(baseline_fields=("length",))
    check_baseline_fields(positions, Evidence())
    with pytest.raises(ConfigError, match=r"`baseline_fields` names the field `levle`.*: did you mean `level`\?"):
        check_baseline_fields(positions, Evidence(baseline_fields=("levle",)))


def test_the_level_and_type_of_problems_are_baselines_as_our_own_traces_call_them():
    metadata = {"a": {"problem_level": "Level 1", "problem_type": "Algebra"}, "b": {"problem_level": "Level 2"}}
    positions = answers({"a": [0, 1], "b": [1, 0]}, held_out=["b"], metadata=metadata)
    assert {"level", "type"} <= set(told(positions).index)
