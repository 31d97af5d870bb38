"""A ranking holds on texts that had no part in it, and those that had are left out."""

import dataclasses

import pytest
from planted import plant, texts

from neurosieve import ConfigError, DataError, Document, find
from neurosieve.commands.find import job_of
from neurosieve.models.loading import hand_over
from neurosieve.models.tiny import tiny_model
from neurosieve.pipeline.rescoring import rescore
from neurosieve.texts.selection import Selection
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.scorers.auc import Auc

PLANTED = {(0, 3), (1, 17)}


@pytest.fixture(scope="module")
def planted():
    model, tokenizer = tiny_model()
    return hand_over(plant(model, tokenizer, PLANTED), tokenizer)


@pytest.fixture
def again(planted, tmp_path):
    def go(documents):
        settings = {"store": str(tmp_path / "store"), "interval_bootstraps": 50, "permutations": 0}
        settings["stability_bootstraps"] = 0
        choices = {"detectors": {"slip": Annotations()}, "scorers": {"auc": Auc()}, "tokenizer": planted.tokenizer}
        result = find(planted.module, texts(), folder=tmp_path / "run", **choices, **settings)
        job = job_of(planted.module, texts(), **choices, **settings)
        origin = {"source": "texts of another seed"}
        return result, rescore(result, planted, documents(result), job, tmp_path / "run" / "rescore", origin)

    return go


def renamed(documents, prefix="fresh "):
    return [type(text)(prefix + text.id, text.text, prefix + text.group, 0, text.annotations) for text in documents]


def test_planted_neurons_replicate_on_fresh_texts_and_the_ranking_stays(again):
    result, run = again(lambda _: renamed(texts(seed=7)))
    table = run.table("neurons")
    assert table["rank"].is_monotonic_increasing
    assert table.auc.tolist() == result.neurons.auc.tolist()
    best = table.head(len(PLANTED))
    assert set(zip(best.layer, best.neuron, strict=True)) == PLANTED
    assert (best.auc_heldout == 1).all()
    assert best.replicates.all()
    assert run.run["warnings"] == []
    assert result.parts("rescore")[0].folder == run.folder


def test_scores_of_the_other_texts_are_those_of_a_ranking_on_them_alone(again, planted, tmp_path):
    fresh = renamed(texts(seed=7))
    _, run = again(lambda _: fresh)
    alone = find(
        planted.module,
        fresh,
        {"slip": Annotations()},
        {"auc": Auc()},
        tokenizer=planted.tokenizer,
        folder=tmp_path / "alone",
        store=str(tmp_path / "another store"),
        selection=Selection(held_out_fraction=0.0),
    )
    keys = ["layer", "neuron"]
    both = run.table("neurons").merge(alone.neurons, on=keys, suffixes=("", "_alone"))
    assert (both.auc_heldout - both.auc_alone).abs().max() < 1e-3


def test_problems_that_took_part_in_the_ranking_are_left_out_and_counted(again):
    result, run = again(lambda _: [*texts(), *renamed(texts(seed=7))])
    ranked = set(result.positions.group[result.positions.part == "ranking"])
    assert not ranked & set(run.table("positions").group)
    assert run.run["counts"]["documents_that_ranked"] == sum(one.group in ranked for one in texts())
    assert "took part in the ranking, and were left out" in run.run["warnings"][0]


def test_the_same_problem_otherwise_spaced_and_capitalised_is_left_out_too(again):
    def documents(result):
        respaced = [dataclasses.replace(one, group=f" {one.group.upper()}\n".replace(" ", "  ")) for one in texts()]
        return [*respaced, *renamed(texts(seed=7))]

    result, run = again(documents)
    ranked = set(result.positions.group[result.positions.part == "ranking"])
    assert run.run["counts"]["documents_that_ranked"] == sum(one.group in ranked for one in texts())


def test_the_very_words_of_a_text_that_ranked_are_left_out_whatever_the_problem_is_called(again):
    result, run = again(lambda _: [*renamed(texts(), "copy "), *renamed(texts(seed=7))])
    positions = result.positions
    took_part = set(positions.document[positions.part == "ranking"])
    assert run.run["counts"]["documents_with_ranked_words"] == len(took_part)
    assert not {f"copy {name}" for name in took_part} & set(run.table("positions").document)
    assert any("have the words of one that took part" in one for one in run.run["warnings"])


def test_texts_that_the_run_held_out_are_no_new_evidence(again):
    result, run = again(lambda _: [*texts(), *renamed(texts(seed=7))])
    held_out = set(result.positions.group[result.positions.part == "heldout"])
    known = sum(one.group in held_out for one in texts())
    assert run.run["counts"]["documents_held_out_before"] == known
    assert any(f"{known} of " in one and "no new evidence" in one for one in run.run["warnings"])


def test_where_all_that_show_the_behaviour_were_held_out_it_is_refused(again):
    with pytest.raises(ConfigError, match=r"was held out of the ranking .*: no new evidence"):
        again(lambda _: texts())


def test_texts_that_all_took_part_are_refused_with_their_number(again):
    def all_that_ranked(result):
        ranked = set(result.positions.group[result.positions.part == "ranking"])
        return [one for one in texts() if one.group in ranked]

    with pytest.raises(
        ConfigError, match=r"every one of the documents took part .* \(\d+ documents answer problems that took part"
    ):
        again(all_that_ranked)


def test_where_the_others_show_nothing_those_that_were_left_out_are_counted_too(again):
    def documents(result):
        ranked = set(result.positions.group[result.positions.part == "ranking"])
        took_part = [one for one in texts() if one.group in ranked]
        return [*took_part, Document("other", "nothing to see here", "other")]

    with pytest.raises(
        DataError, match=r"no span of `slip` .*; besides them, \d+ documents answer problems that took part"
    ):
        again(documents)
