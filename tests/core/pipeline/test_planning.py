"""What a plan says is what the run then reads, and no weight is loaded for it."""

import dataclasses
import math

import numpy as np
import pytest

from neurosieve import ConfigError, DataError, Document, find
from neurosieve import plan as plan_in_python
from neurosieve.cli import main
from neurosieve.commands.find import job_of
from neurosieve.models.loading import Model, open_model
from neurosieve.models.tiny import tiny_model
from neurosieve.pipeline.planning import plan_run
from neurosieve.texts.selection import Selection
from neurosieve_plugins.controls.distant import Distant
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.readings.attribution import Attribution
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.scorers.auc_within_token import AucWithinToken
from neurosieve_plugins.scorers.cohens_d import CohensD
from neurosieve_plugins.sources.arithmetic import Arithmetic

DETECTORS = {"slip": Phrases(("wait",))}


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))

    def plan(source=None, scorer=Auc(), selection=Selection(), **settings):  # noqa: B008
        lm = open_model(Model("tiny", format="tiny"))
        source = Arithmetic(documents=60) if source is None else source
        job = job_of("tiny", source, DETECTORS, {"scorer": scorer}, control=Distant(), selection=selection, **settings)
        planned = plan_run(dataclasses.replace(job, model=lm))
        assert not lm.is_loaded
        return planned

    return plan


def test_a_plan_says_what_the_run_then_reads(plan, tmp_path):
    planned = plan()
    assert not (tmp_path / "cache" / "captures").exists()
    settings = {
        "control": Distant(),
        "detectors": DETECTORS,
        "interval_bootstraps": 50,
        "permutations": 19,
        "stability_bootstraps": 0,
    }
    run = find("tiny", Arithmetic(documents=60), folder=tmp_path / "run", scorers=["auc"], **settings).run
    counts = run["counts"]["behaviours"]["slip"]
    [line] = planned.behaviours.to_dict("records")
    assert {name: line[name] for name in counts} == counts
    assert (planned.documents, planned.forward_passes, planned.tokens, planned.positions) == (
        run["counts"]["documents"],
        run["reading"]["forward_passes"],
        run["reading"]["tokens"],
        run["reading"]["positions"],
    )
    assert planned.neurons == run["model"]["neurons_per_layer"] * len(run["model"]["layers"])
    assert planned.bytes == planned.positions * planned.neurons * 4
    assert planned.seconds > 0


def test_fewer_layers_cost_less(plan):
    whole, first = plan(), plan(layers=(0,))
    assert first.neurons < whole.neurons
    assert first.bytes < whole.bytes
    assert first.behaviours.minimum_detectable_auc[0] < whole.behaviours.minimum_detectable_auc[0]


def test_few_texts_can_show_nothing_and_it_is_said(plan):
    few = plan(Arithmetic(documents=8))
    assert math.isnan(few.behaviours.minimum_detectable_auc[0])
    assert any("scores high by chance alone" in warning for warning in few.warnings)


def test_the_surer_an_interval_is_to_be_the_further_a_neuron_must_be(plan):
    reached = [plan(confidence=asked).behaviours.minimum_detectable_auc_heldout[0] - 0.5 for asked in (0.8, 0.95)]
    assert reached[1] / reached[0] == pytest.approx(1.959964 / 1.281552)


def test_within_tokens_fewer_pairs_show_less(plan):
    whole, within = (plan(Arithmetic(documents=120), scorer).behaviours for scorer in (Auc(), AucWithinToken()))
    assert within.minimum_detectable_auc[0] > whole.minimum_detectable_auc[0]
    assert within.minimum_detectable_auc_heldout[0] > whole.minimum_detectable_auc_heldout[0]


@pytest.mark.parametrize(
    "choice",
    [
        {"scorer": CohensD()},
        {"selection": Selection(at="span")},
        {"selection": Selection(at="context")},
        {"selection": Selection(at="window", offsets=(1, 2))},
    ],
    ids=str,
)
def test_no_auc_is_promised_where_none_is_ranked_by_or_neighbours_are_read(plan, choice):
    assert not {"minimum_detectable_auc", "minimum_detectable_auc_heldout"} & set(plan(**choice).behaviours)


def test_of_neighbouring_tokens_the_spans_are_what_is_enough(plan):
    told = plan(selection=Selection(at="context", characters=20), min_documents=1)
    [line] = told.behaviours.to_dict("records")
    assert line["ranking_spans"] < 100 < line["ranking_present"]
    assert any(
        f"of {line['ranking_spans']} spans in" in one and "scores high by chance" in one for one in told.warnings
    )


def test_a_plan_refuses_what_the_run_would_refuse(plan):
    with pytest.raises(DataError, match="no span of `slip` was found"):
        plan([Document("d", "nothing to see here, or anywhere", "g")])
    with pytest.raises(ConfigError, match="layers is"):
        plan(layers=(99,))


def test_the_command_line_plans_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))
    main(["plan", "model=tiny", "source.documents=60"])
    said = capsys.readouterr().out
    assert "smallest AUC that could reach p_fwer 0.05" in said
    assert "forward pass" in said
    # But for where the model keeps its neurons, which the next start need not work out.
    assert {path.relative_to(tmp_path).parts[:2] for path in tmp_path.rglob("*.*")} <= {("cache", "atlases")}


def test_in_python_a_plan_takes_what_find_takes():
    made = plan_in_python("tiny", Arithmetic(documents=60), DETECTORS, ["auc"], layers=(0,))
    assert made.behaviours.behaviour.tolist() == ["slip"]
    with pytest.raises(ConfigError, match="rank_by is `acu`"):
        plan_in_python("tiny", Arithmetic(documents=60), DETECTORS, ["auc"], rank_by="acu")


class PassesCounted:
    """Counts what goes through the first layer of a model, forth and back."""

    def __init__(self, module):
        self.forward = self.backward = self.tokens = 0
        module.base_model.layers[0].register_forward_hook(self.forth)
        module.base_model.layers[1].register_forward_hook(self.back)

    def forth(self, _, arguments, output):
        # One token alone is how the LM head is reached.
        entering = arguments[0]
        if entering.shape[1] > 1:
            self.forward, self.tokens = self.forward + 1, self.tokens + entering.shape[0] * entering.shape[1]

    def back(self, _, arguments, output):
        left = output[0] if isinstance(output, tuple) else output
        if left.requires_grad and left.shape[1] > 1:
            left.register_hook(lambda gradient: setattr(self, "backward", self.backward + 1))


@pytest.mark.parametrize("steps", [1, 2])
def test_the_passes_of_attribution_are_those_that_a_run_makes(steps, tmp_path):
    reading = Attribution(method="integrated", steps=steps, documents=6)
    settings = {"interval_bootstraps": 20, "permutations": 0, "stability_bootstraps": 0, "min_documents": 1}
    settings |= {"reading": reading, "tokens_per_batch": 1024}
    source, (model, tokenizer) = Arithmetic(documents=40), tiny_model()
    planned = plan_in_python(model, source, DETECTORS, tokenizer=tokenizer, **settings)
    find(model, source, DETECTORS, tokenizer=tokenizer, folder=tmp_path / "first", **settings)  # It tests the model.
    counted = PassesCounted(model)
    store = str(tmp_path / "fresh")
    run = find(model, source, DETECTORS, tokenizer=tokenizer, folder=tmp_path / "run", store=store, **settings).run
    read = [run["reading"][name] for name in ("forward_passes", "backward_passes", "tokens")]
    assert read == [counted.forward, counted.backward, counted.tokens]
    assert planned.backward_passes > planned.forward_passes > 2
    assert [planned.forward_passes, planned.backward_passes, planned.tokens] == read
    activations = plan_in_python(model, source, DETECTORS, tokenizer=tokenizer, tokens_per_batch=1024)
    assert activations.backward_passes == 0


@pytest.mark.parametrize(
    "readings",
    [
        {"reading": Attribution(documents=6)},
        {"reading": Attribution(method="integrated", steps=3, documents=6, length=2)},
        {"reading": Attribution(method="relevance", documents=6)},
        {"beside": Attribution(documents=6)},
    ],
    ids=str,
)
def test_a_run_records_the_passes_and_tokens_of_its_readings_and_they_are_those_of_the_plan(readings, tmp_path):
    settings = {"interval_bootstraps": 20, "permutations": 0, "stability_bootstraps": 0, "min_documents": 1}
    settings |= {"tokens_per_batch": 1024, **readings}
    source, behaviours = Arithmetic(documents=40), ["backtracking", "hesitation"]
    model, tokenizer = tiny_model()
    planned = plan_in_python(model, source, behaviours, tokenizer=tokenizer, **settings)
    store = {"store": str(tmp_path / "store")}
    run = find(model, source, behaviours, tokenizer=tokenizer, folder=tmp_path / "run", **store, **settings)
    read = [part.run["reading"] for part in (run, run.beside) if part]
    assert len(read) == 1 + ("beside" in readings)
    forward, backward, tokens = (
        sum(of[name] for of in read) for name in ("forward_passes", "backward_passes", "tokens")
    )
    assert (planned.forward_passes, planned.backward_passes, planned.tokens) == (forward, backward, tokens)
    assert backward > 0
    again = find(model, source, behaviours, tokenizer=tokenizer, folder=tmp_path / "again", **store, **settings)
    for part in (again, again.beside):
        if part:
            assert not any(part.run["reading"].values()), "what the store held is not counted"


def test_what_follows_a_ranking_is_said_to_be_in_no_plan(plan):
    assert not any("not in this plan" in note for note in plan().notes)
    [note] = [note for note in plan(follow_up=("ablate mode=circuit",)).notes if "not in this plan" in note]
    assert note.startswith("`follow_up` would cost more")


def test_a_reading_beside_that_cannot_be_made_is_a_warning_of_the_plan_as_of_the_run(plan):
    def words(count, seed):
        return " ".join("".join(letters) for letters in np.random.default_rng(seed).choice([*"abcdefg"], (count, 4)))

    # Those that show it are too short to have controls, which stand in the others.
    shown = [Document(f"s{n}", f"{words(2, n)} wait", f"s{n}") for n in range(20)]
    texts = shown + [Document(f"d{n}", words(20, 100 + n), f"d{n}") for n in range(20)]
    planned = plan(texts, beside=Attribution())
    [warning] = [warning for warning in planned.warnings if "`beside` could not be done" in warning]
    assert "has no control position left in the documents" in warning
    assert planned.backward_passes == 0


def test_the_command_line_says_how_many_passes_go_back(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))
    main(["plan", "model=tiny", "reading=attribution", "source.documents=60"])
    assert "backward passes" in " ".join(capsys.readouterr().out.split())


def test_the_command_line_says_which_passes_are_those_of_the_reading_beside(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))
    main(["plan", "model=tiny", "beside=attribution", "source.documents=60", "follow_up=['ablate mode=circuit']"])
    said = " ".join(capsys.readouterr().out.split())
    assert "the passes are those of both readings: `beside` takes" in said
    assert "`follow_up` would cost more: what follows the ranking is not in this plan" in said
