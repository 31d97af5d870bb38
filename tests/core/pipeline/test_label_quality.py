"""A run says how good its detectors were measured to be, by the run that measured them."""

import dataclasses
import hashlib
import json
import shutil

import pandas as pd
import pytest
from planted import plant, texts, words

from neurosieve import ConfigError, DataError, Span, detect, find, learn, plan
from neurosieve.models.tiny import tiny_model
from neurosieve.registry import describe
from neurosieve.runs.label_settings import detector_files, label_settings
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.detectors.combined.all_of import AllOf
from neurosieve_plugins.detectors.judge import Judge
from neurosieve_plugins.detectors.learned import Learned
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.detectors.surprise import Surprise
from neurosieve_plugins.scorers.auc_binned import AucBinned

SLIPS = words(tiny_model()[1])[:6]
"""Half of the words that a slip can be."""
HALF = Phrases(tuple(SLIPS), words=True)


def annotated():
    """The texts, whose words are annotated one by one: as a slip, or as work."""
    for text in texts(24):
        spans, start = [], 0
        for word in text.text.split():
            start = text.text.index(word, start)
            stretch = Span(start, start + len(word))
            shows = any(stretch[:2] == span[:2] for span in text.annotations)
            spans.append(stretch._replace(label="slip" if shows else "work"))
            start += len(word)
        yield dataclasses.replace(text, annotations=tuple(spans))


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measured") / "run"
    return detect(list(annotated()), {"half": HALF}, labels=("slip",), folder=folder, reports=())


@pytest.fixture
def go(tmp_path):
    def go(detectors=None, measured="", **settings):
        model, tokenizer = tiny_model()
        plant(model, tokenizer, {(0, 3)})
        fast = {
            "store": str(tmp_path / "store"),
            "layers": (0,),
            "permutations": 0,
            "stability_bootstraps": 0,
            "interval_bootstraps": 10,
        }
        choices = {"tokenizer": tokenizer, "folder": settings.pop("folder", tmp_path / "found")}
        detectors = {"half": HALF} if detectors is None else detectors
        return find(model, texts(24), detectors, measured=str(measured), **choices, **(fast | settings))

    return go


def test_the_run_says_how_good_its_labels_are_and_what_that_does(go, measured):
    record = go(measured=measured.folder).run
    [row] = measured.table("agreement").to_dict("records")
    quality = record["label_quality"]["half"]
    assert {name: quality[name] for name in ("label", "documents", "sentences")} == {
        "label": "slip",
        "documents": 24,
        "sentences": row["sentences"],
    }
    for measure in ("precision", "recall", "false_omission", "markedness"):
        assert quality[measure] == row[measure]
    assert 0.3 < quality["recall"] < 0.7
    assert quality["markedness"] == pytest.approx(quality["precision"] - quality["false_omission"])
    [note] = [note for note in record["notes"] if note.startswith("`half` was measured against `slip`")]
    assert f"an AUC of A is seen as 0.5 + {quality['markedness']:.2f}" in note
    assert record["config"]["measured"] == str(measured.folder)


def test_a_pass_without_a_store_says_so_too(go, measured):
    record = go(measured=measured.folder, store="none", scorers={"auc": AucBinned()}).run
    assert record["label_quality"]["half"]["label"] == "slip"


def test_a_run_that_was_measured_by_none_says_nothing(go):
    record = go({"slip": Annotations()}, measured="").run
    assert "label_quality" not in record
    assert not any("was measured" in note for note in record["notes"])


def test_a_detector_that_was_not_measured_beside_one_that_was_is_said(go, measured):
    record = go({"half": HALF, "slip": Annotations(("slip",))}, measured=measured.folder).run
    assert list(record["label_quality"]) == ["half"]
    assert f"`slip` was not measured in {measured.folder}" in record["notes"]


def test_a_detector_is_known_by_its_config_under_another_name(go, measured):
    assert list(go({"slips": HALF}, measured=measured.folder).run["label_quality"]) == ["slips"]


@pytest.fixture
def of_two_labels(tmp_path):
    return detect(list(annotated()), {"half": HALF}, folder=tmp_path / "two", reports=())


def test_of_several_labels_the_user_chooses_one(go, of_two_labels):
    choose = r"`half` was compared with 2 labels: .*`measured_labels.half=work`; there are work, slip"
    with pytest.raises(ConfigError, match=choose):
        go(measured=of_two_labels.folder)
    record = go(measured=of_two_labels.folder, measured_labels={"half": "slip"}).run
    assert record["label_quality"]["half"]["label"] == "slip"


def test_a_label_of_the_behaviours_own_name_is_taken(go, of_two_labels):
    assert go({"slip": HALF}, measured=of_two_labels.folder).run["label_quality"]["slip"]["label"] == "slip"


def test_labels_with_many_mistakes_are_warned_of(go, measured):
    few = Phrases((words(tiny_model()[1])[12], SLIPS[0]), words=True)
    folder = measured.folder.parent / "few"
    detect(list(annotated()), {"few": few}, labels=("slip",), folder=folder, reports=())
    warnings = go({"few": few}, measured=folder).run["warnings"]
    assert any("`few` make effects less than half as large" in warning for warning in warnings)


def test_where_precision_could_not_be_measured_the_factor_is_not_known(go, tmp_path):
    slips = [
        dataclasses.replace(text, annotations=tuple(span for span in text.annotations if span.label == "slip"))
        for text in annotated()
    ]
    run = detect(slips, {"half": HALF}, folder=tmp_path / "slips", reports=())
    record = go(measured=run.folder).run
    assert record["label_quality"]["half"]["markedness"] is None
    assert any("precision could not be measured" in note for note in record["notes"])


@pytest.mark.parametrize(
    ("detectors", "settings", "message"),
    [
        ({"half": Phrases((*SLIPS, "wait"), words=True)}, {}, r"`half` is not the detector that .*: phrases is \["),
        ({"half": Annotations()}, {}, 'the kind is "detector/phrases" there and "detector/annotations" here'),
        ({"other": Annotations()}, {}, r"measured half, and none of other: measure these detectors"),
        (None, {"measured_labels": {"half": "slips"}}, "not compared with such a label: did you mean `slip`"),
        (None, {"measured_labels": {"hal": "slip"}}, r"measured_labels.hal is for no detector: did you mean `half`"),
    ],
)
def test_a_mistake_ends_the_run_before_a_model_is_read(go, measured, tmp_path, detectors, settings, message):
    with pytest.raises(ConfigError, match=message):
        go(detectors, measured=measured.folder, **settings)
    assert not (tmp_path / "found").exists()
    assert not (tmp_path / "store").exists()


def test_a_plan_refuses_what_the_run_would(measured):
    model, tokenizer = tiny_model()
    with pytest.raises(ConfigError, match="none of other: measure these detectors"):
        plan(model, texts(4), {"other": Annotations()}, tokenizer=tokenizer, measured=str(measured.folder))


def test_a_folder_that_holds_no_such_run_is_refused(go, tmp_path, measured):
    with pytest.raises(DataError, match="holds no finished run"):
        go(measured=tmp_path / "nothing")
    plain = detect(texts(4), {"half": HALF}, folder=tmp_path / "plain", reports=(), labels=None)
    (plain.folder / "agreement.parquet").unlink()
    with pytest.raises(ConfigError, match="a run of `detect` that compared no detector with annotations"):
        go(measured=plain.folder)
    older = shutil.copytree(measured.folder, tmp_path / "older")
    pd.read_parquet(older / "agreement.parquet").drop(columns="markedness").to_parquet(older / "agreement.parquet")
    with pytest.raises(ConfigError, match="which an earlier version wrote: run it again"):
        go(measured=older)
    with pytest.raises(ConfigError, match="`measured_labels` is given without `measured`"):
        go(measured="", measured_labels={"half": "slip"})


def test_labels_of_two_people_are_not_mixed(go, measured, tmp_path):
    folder = shutil.copytree(measured.folder, tmp_path / "two")
    table = pd.read_parquet(folder / "agreement.parquet")
    both = pd.concat([table.assign(annotator=name) for name in ("Ada", "Ben")])
    both.to_parquet(folder / "agreement.parquet")
    with pytest.raises(ConfigError, match=r"`half` was compared with the labels of 2 people \(`Ada`, `Ben`\)"):
        go(measured=folder)
    both[both.annotator == "Ada"].to_parquet(folder / "agreement.parquet")
    assert go(measured=folder).run["label_quality"]["half"]["label"] == "slip"


def test_a_trained_detector_was_measured_in_its_training(go, tmp_path):
    run = learn(list(annotated()), label="slip", folder=tmp_path / "learnt", reports=())
    moved = shutil.move(run.folder, tmp_path / "moved")
    detector = Learned(str(moved / "detector.safetensors"))
    # Texts of words alone hold no sentence that it would mark: the other behaviour is ranked.
    record = go({"slips": detector, "half": HALF}, measured=moved).run
    agreement = pd.read_parquet(moved / "agreement.parquet").set_index("detector")
    assert record["label_quality"]["slips"]["recall"] == pytest.approx(agreement.recall["learned"])
    with pytest.raises(ConfigError, match=r"other settings than .*: leave out detectors.slips.threshold"):
        go({"slips": dataclasses.replace(detector, threshold=0.01)}, measured=moved, folder=tmp_path / "other")


def test_a_detector_that_no_config_can_name_is_refused(go, tmp_path):
    class Own(Phrases):
        """A detector of one's own."""

    own = Own(("x",))
    run = detect(list(annotated()), {"own": own}, labels=("slip",), folder=tmp_path / "own", reports=())
    with pytest.raises(ConfigError, match="`own` is no registered plugin"):
        go({"own": own}, measured=run.folder)


def test_the_file_of_another_training_at_the_same_place_is_refused(go, tmp_path):
    run = learn(list(annotated()), label="slip", folder=tmp_path / "learnt", reports=())
    detector = tmp_path / "learnt" / "detector.safetensors"
    elsewhere = shutil.copy(detector, tmp_path / "copy.safetensors")
    learn(list(annotated()), label="work", output=str(detector), folder=tmp_path / "again", reports=())
    with pytest.raises(ConfigError, match=r"is not the detector that .* trained and measured: the file has changed"):
        go({"slips": Learned(str(detector))}, measured=run.folder)
    record = go({"slips": Learned(str(elsewhere)), "half": HALF}, measured=run.folder).run
    assert record["label_quality"]["slips"]["label"] == "slip"


def labels_file(path, number):
    """A file of the first labels of each text."""
    spans = {text.id: [span._asdict() for span in text.annotations[:number]] for text in texts(24)}
    path.write_text("\n".join(json.dumps({"trace_id": name, "spans": listed}) for name, listed in spans.items()))
    return path


def test_a_file_of_labels_is_known_by_its_content_and_not_by_its_path(go, tmp_path):
    path = labels_file(tmp_path / "labels.jsonl", 1)
    moved = shutil.copy(path, tmp_path / "moved.jsonl")
    run = detect(
        list(annotated()), {"some": Annotations(path=str(path))}, labels=("slip",), folder=tmp_path / "of_file"
    )
    assert list(go({"some": Annotations(path=str(moved))}, measured=run.folder).run["label_quality"]) == ["some"]
    labels_file(path, 0)
    changed = {"some": Annotations(path=str(path))}
    with pytest.raises(ConfigError, match="the content of the file that `path` names is not the same"):
        go(changed, measured=run.folder, folder=tmp_path / "changed")
    with pytest.raises(ConfigError, match="measured some, and none of other"):
        go({"other": changed["some"]}, measured=run.folder, folder=tmp_path / "changed")


def test_a_setting_of_cost_makes_no_other_detector():
    def settings(**changed):
        judge = Judge("refusal", "m", base_url="http://localhost/v1", **changed)
        described = {"_target_": "detector/any_of", "parts": [describe(HALF), describe(judge)]}
        return label_settings(described)

    assert settings(concurrency=2, budget_tokens=9, prices=(1.0, 2.0), key_variable="KEY") == settings()
    assert settings(window=3) != settings()
    assert settings()["parts.0.phrases"] == tuple(SLIPS)
    surprise = Surprise("tiny", format="tiny")
    assert label_settings(describe(surprise)) == label_settings(describe(dataclasses.replace(surprise, device="cpu")))
    assert label_settings(describe(surprise)) != label_settings(describe(dataclasses.replace(surprise, below=-4.0)))


def test_a_detector_on_another_device_is_the_one_that_was_measured(go, tmp_path):
    surprise = Surprise("tiny", below=-8.1, format="tiny", device="cpu")
    run = detect(list(annotated()), {"odd": surprise}, labels=("slip",), folder=tmp_path / "odd", reports=())
    same = {"odd": dataclasses.replace(surprise, device="auto"), "half": HALF}
    assert list(go(same, measured=run.folder).run["label_quality"]) == ["odd"]


def test_the_files_of_nested_detectors_are_hashed_by_key(tmp_path):
    path = labels_file(tmp_path / "labels.jsonl", 1)
    long = Phrases(("x" * 5000,))
    nested = AllOf((long, Annotations(path=str(path))))
    hashed = hashlib.sha256(path.read_bytes()).hexdigest()
    assert detector_files({"a": nested, "b": long}) == {"a": {"detectors.1.path": hashed}, "b": {}}
