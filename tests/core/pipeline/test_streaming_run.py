"""`find store=none`: one pass over every token, against scikit-learn and numpy on plain forward passes."""

from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd
import pytest
import torch
from planted import plant, texts
from sklearn.metrics import roc_auc_score
from tenacity import wait_none

from neurosieve import ConfigError, DataError, Detector, Document, Source, find, hookimpl
from neurosieve.models.loading import Model
from neurosieve.models.tiny import tiny_model
from neurosieve.registry import describe, installed
from neurosieve.texts.spans import spans_of
from neurosieve.texts.tokens import token_range, tokenize
from neurosieve_plugins.controls.distant import Distant
from neurosieve_plugins.controls.lexical import Lexical
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.detectors.combined.any_of import AnyOf
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.executors.ray import Ray
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.scorers.auc_binned import AucBinned
from neurosieve_plugins.scorers.cohens_d import CohensD
from neurosieve_plugins.sources.arithmetic import Arithmetic

TEXTS = Arithmetic(documents=60)
SCORERS = {"cohens_d": CohensD(), "auc_binned": AucBinned()}
DETECTORS = {"slip": Phrases(("wait", "hmm"))}
PLANTED = {(0, 3), (1, 17)}


@dataclass(frozen=True)
class Remarking(Detector):
    """Every "wait" and "hmm", and what it has to say of itself."""

    looks_ahead = True

    asks_server: bool = False

    def detect(self, document):
        return DETECTORS["slip"].detect(document)

    def remark(self):
        return "right in nine of ten"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Have checkpoints in a folder of the test's own, and one after each handful of batches."""
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("neurosieve.pipeline.streaming_pass._SECONDS", 0.0)
    monkeypatch.setattr("neurosieve.pipeline.streaming_pass._SHARE", float("inf"))
    monkeypatch.setattr("neurosieve.pipeline.streaming_pass._BATCHES_AT_ONCE", 2)
    return tmp_path / "cache"


def streamed(folder, source=TEXTS, **asked):
    told = {"detectors": DETECTORS, "scorers": SCORERS, "store": "none", "tokens_per_batch": 512}
    return find("tiny", source, folder=folder, **told | asked)


@pytest.fixture(scope="module")
def finished():
    return []


@pytest.fixture
def whole(finished, tmp_path_factory):
    """A run that nothing broke, made once: for tests that only read it."""
    if not finished:
        finished.append(streamed(tmp_path_factory.mktemp("whole") / "run", reports=["html"]))
    return finished[0]


@dataclass(frozen=True)
class Breaking(Source):
    """Texts that break off `times` before number `at`."""

    at: int = 25
    times: int = 2
    left: tuple[list[int], ...] = ()

    def __iter__(self):
        for number, document in enumerate(TEXTS):
            if number == self.at and self.left[0][0]:
                self.left[0][0] -= 1
                raise ConnectionError("the network is down")
            yield document


@dataclass(frozen=True)
class Changed(Source):
    """The texts, of which the first is another one."""

    def __iter__(self):
        for number, one in enumerate(TEXTS):
            yield Document(one.id, "So it is 7. " + one.text, one.group) if number == 0 else one


class Stopping:
    """Presses Ctrl-C after some batches."""

    def __init__(self, after):
        self.after = after

    @hookimpl
    def batch_read(self):
        self.after -= 1
        if self.after == 0:
            raise KeyboardInterrupt


def interrupted(folder, after, **asked):
    stopping, manager = Stopping(after), installed().manager
    manager.register(stopping)
    try:
        with pytest.raises(KeyboardInterrupt):
            streamed(folder, **asked)
    finally:
        manager.unregister(stopping)
    assert not (folder / "run.json").exists()


def every_token(part_of):
    """Return the activations and labels of every token by a plain forward pass of each document alone."""
    model, tokenizer = tiny_model()
    seen, found = {}, {0: [], 1: []}
    for layer, block in enumerate(model.model.layers):
        block.mlp.down_proj.register_forward_pre_hook(lambda _, given, layer=layer: seen.update({layer: given[0][0]}))
    for document in TEXTS:
        tokens = tokenize(document, tokenizer)
        ranges = [token_range(tokens, span) for span in spans_of("slip", DETECTORS["slip"], document)]
        ranges = [
            one
            for one, s in zip(ranges, spans_of("slip", DETECTORS["slip"], document), strict=True)
            if s.start >= document.completion_start
        ]
        labels = np.where(tokens.usable, 0, -1)
        for one in ranges:
            labels[max(0, one.start - 9) : one.stop + 9] = -1
        for one in ranges:
            labels[one.start] = 1
        with torch.no_grad():
            model(torch.from_numpy(tokens.token_ids)[None])
        values = torch.stack([seen[layer] for layer in sorted(seen)], dim=1)
        found[part_of(document)].append((labels, values.double().numpy()))
    return {part: tuple(np.concatenate(one) for one in zip(*lines, strict=True)) for part, lines in found.items()}


def test_every_token_is_scored_as_numpy_and_sklearn_score_it(tmp_path):
    from neurosieve.texts.split import split_by_hash

    result = streamed(tmp_path / "run", control=Distant(tokens=10))
    parts = every_token(lambda document: split_by_hash(document.group, 0, 0.5))
    neurons = result.neurons
    for part, suffix in ((0, ""), (1, "_heldout")):
        labels, values = parts[part]
        counts = result.run["counts"]["behaviours"]["slip"]
        name = "heldout" if part else "ranking"
        assert (counts[f"{name}_present"], counts[f"{name}_control"]) == ((labels == 1).sum(), (labels == 0).sum())
        for line in neurons.sample(40, random_state=0).itertuples():
            x = values[:, line.layer, line.neuron]
            present, control = x[labels == 1], x[labels == 0]
            pooled = (len(present) - 1) * present.var(ddof=1) + (len(control) - 1) * control.var(ddof=1)
            d = (present.mean() - control.mean()) / np.sqrt(pooled / (len(present) + len(control) - 2))
            assert getattr(line, f"cohens_d{suffix}") == pytest.approx(d, abs=1e-4)
            exact = roc_auc_score(labels[labels >= 0], x[labels >= 0])
            bound = getattr(line, f"auc_binned_error_bound{suffix}")
            assert abs(getattr(line, f"auc_binned{suffix}") - exact) <= bound + 1e-4


def test_planted_neurons_lead(tmp_path):
    model, tokenizer = tiny_model()
    result = find(
        plant(model, tokenizer, PLANTED),
        list(texts()),
        tokenizer=tokenizer,
        detectors={"slip": Annotations()},
        scorers={"auc_binned": AucBinned()},
        store="none",
        folder=tmp_path / "run",
    )
    best = result.top(len(PLANTED))
    assert set(zip(best.layer, best.neuron, strict=True)) == PLANTED
    assert (best.auc_binned == 1).all()
    assert (best.auc_binned_heldout == 1).all()


@pytest.mark.parametrize("after", [5, *(pytest.param(later, marks=pytest.mark.slow) for later in (9, 12))])
def test_a_pass_that_was_killed_goes_on_and_ends_with_the_same_bytes(tmp_path, cache, whole, after):
    assert whole.run["reading"]["forward_passes"] > 12
    interrupted(tmp_path / "killed", after)
    assert list(cache.rglob("*.safetensors"))
    resumed = streamed(tmp_path / "killed")
    assert resumed.run["counts"]["resumed_documents"] > 0
    assert (tmp_path / "killed/neurons.parquet").read_bytes() == (whole.folder / "neurons.parquet").read_bytes()
    assert not list(cache.rglob("*.safetensors"))


@pytest.mark.slow
def test_a_pass_over_texts_that_have_changed_is_begun_anew(tmp_path, monkeypatch):
    monkeypatch.setattr("neurosieve.pipeline.streaming_run._address", lambda _: "the same")
    interrupted(tmp_path / "killed", 7)
    result = streamed(tmp_path / "killed", Changed())
    assert any("began anew" in warning for warning in result.run["warnings"])
    pd.testing.assert_frame_equal(result.neurons, streamed(tmp_path / "whole", Changed()).neurons)


def test_texts_that_break_off_are_read_on_from_there(tmp_path, whole, monkeypatch):
    monkeypatch.setattr("neurosieve.texts.resumable.wait_random", lambda *_: wait_none())
    monkeypatch.setattr("neurosieve.texts.resumable._LONGEST_WAIT", 0.01)
    result = streamed(tmp_path / "broken", Breaking(left=([2],)))
    assert any("the texts broke off 2 times" in warning for warning in result.run["warnings"])
    pd.testing.assert_frame_equal(result.neurons, whole.neurons)


def test_texts_that_stay_broken_off_are_an_error_with_the_place_reached(tmp_path, monkeypatch):
    monkeypatch.setattr("neurosieve.texts.resumable.wait_random", lambda *_: wait_none())
    monkeypatch.setattr("neurosieve.texts.resumable._LONGEST_WAIT", 0.01)
    with pytest.raises(DataError, match=r"broke off after 25 documents.*6 tries.*the network is down"):
        streamed(tmp_path / "broken", Breaking(left=([1000],)))
    assert not (tmp_path / "broken").exists()


def test_batches_of_another_size_and_order_change_nothing_but_rounding(tmp_path, whole):
    again = streamed(tmp_path / "again", tokens_per_batch=2048).neurons
    both = whole.neurons.merge(again, on=["layer", "neuron"], suffixes=("", "_again"))
    for name in ("cohens_d", "cohens_d_heldout", "auc_binned"):
        np.testing.assert_allclose(both[name], both[f"{name}_again"], rtol=1e-3, atol=1e-3)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_alone")
def test_workers_come_to_what_one_process_comes_to(tmp_path):
    here = streamed(tmp_path / "here", scorers={"cohens_d": CohensD()}).neurons
    there = streamed(tmp_path / "there", scorers={"cohens_d": CohensD()}, executor=Ray(workers=2)).neurons
    both = here.merge(there, on=["layer", "neuron"], suffixes=("", "_there"))
    # The passes differ in padding, which activations follow to about 1e-6.
    np.testing.assert_allclose(both.cohens_d, both.cohens_d_there, rtol=1e-4, atol=1e-5)


def test_the_source_is_read_in_shards_by_one_process_as_by_many():
    assert sorted(one.id for rank in range(3) for one in TEXTS.shard(rank, 3)) == sorted(one.id for one in TEXTS)
    assert len(list(islice(iter(TEXTS.shard(0, 3)), 100))) == 20


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"scorers": {"auc": Auc()}}, r"`auc` would need them: take .*`auc_binned`.*`cohens_d`"),
        ({"control": Lexical()}, "take `control=distant`"),
        ({"follow_up": ("show",)}, "`follow_up` goes on from single positions"),
        ({"replicate_on": TEXTS}, "`replicate_on` goes on from single positions"),
    ],
)
def test_what_needs_single_positions_is_refused(tmp_path, asked, said):
    with pytest.raises(ConfigError, match=said):
        streamed(tmp_path / "run", **asked)
    assert not (tmp_path / "run").exists()


def test_a_detector_that_asks_a_server_is_refused_before_it_asks(tmp_path):
    asking = Remarking(asks_server=True)
    for detector in (asking, AnyOf((Phrases(("wait",)), asking))):
        with pytest.raises(ConfigError, match="`slip` would ask a server, and `store=none` labels one text at a time"):
            streamed(tmp_path / "run", detectors={"slip": detector})
    assert not (tmp_path / "run" / "run.json").exists()


def test_what_a_detector_remarks_is_noted_and_that_it_saw_one_text_at_a_time(tmp_path):
    notes = streamed(tmp_path / "run", detectors={"slip": Remarking()}).run["notes"]
    assert "`slip`: right in nine of ten" in notes
    assert any("`slip` saw one text at a time (`store=none`)" in note for note in notes)


def test_a_label_file_of_other_content_shares_no_checkpoint(tmp_path):
    from neurosieve.pipeline.streaming_run import _files_in

    file = tmp_path / "labels.jsonl"
    contents = []
    for text in ("a", "b", "a"):
        file.write_text(text)
        contents.append(_files_in({"slip": describe(Annotations(path=str(file)))}))
    assert contents[0] == contents[2] != contents[1]
    assert not _files_in({"slip": describe(Phrases(("wait",)))})


def test_documents_that_are_handed_over_cannot_be_divided(tmp_path):
    with pytest.raises(ConfigError, match="executor=local"):
        streamed(tmp_path / "run", list(TEXTS), executor=Ray(workers=2))


def test_nothing_goes_on_from_a_run_that_kept_no_position(tmp_path, whole):
    from neurosieve import show

    with pytest.raises(DataError, match="kept no position"):
        show(whole, folder=tmp_path / "show")


def test_a_behaviour_that_shows_nowhere_is_left_out_and_said(tmp_path):
    both = {"slip": DETECTORS["slip"], "never": Phrases(("xyzzy",))}
    result = streamed(tmp_path / "run", detectors=both)
    assert result.behaviours == ["slip"]
    assert any("`never` shows nowhere" in warning for warning in result.run["warnings"])
    with pytest.raises(DataError, match="no span of `never`"):
        streamed(tmp_path / "other", detectors={"never": both["never"]})


def test_the_report_is_drawn_from_it(whole):
    assert "keeps no activation" in (whole.folder / "report.html").read_text()


def test_two_runs_that_differ_share_no_checkpoint(monkeypatch):
    from neurosieve.models.architectures import atlas_of
    from neurosieve.models.loading import open_model
    from neurosieve.pipeline.streaming_pass import Pass
    from neurosieve.pipeline.streaming_run import _address
    from neurosieve.texts.selection import Selection

    held = open_model(Model("tiny", "tiny"))
    told = (held, atlas_of(held), (), TEXTS, DETECTORS, Distant(), Selection(), (CohensD().statistic,), 0, 512, 1, None)
    one = Pass(*told)
    others = [
        Pass(**vars(one) | change)
        for change in (
            {"source": Arithmetic(documents=61)},
            {"detectors": {"slip": Phrases(("wait",))}},
            {"control": Distant(tokens=11)},
            {"selection": Selection(at="span")},
            {"statistics": (AucBinned().statistic,)},
            {"seed": 1},
            {"tokens_per_batch": 513},
            {"shards": 2},
        )
    ]
    addresses = {_address(other) for other in [one, *others]}
    monkeypatch.setattr("neurosieve.pipeline.streaming_run._FORMAT", 1)
    assert len({*addresses, _address(one)}) == len(others) + 2
