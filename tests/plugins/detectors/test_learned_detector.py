import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import neurosieve
from neurosieve import ConfigError, DataError, Document, Span, open_trained, sentences
from neurosieve.testing import check_detector
from neurosieve_plugins.detectors.learned import Learned
from neurosieve_plugins.learners.words import Words

SHARED = Path(__file__).parents[4] / "shared" / "data" / "thought_anchors" / "labelled_spans.jsonl"
needs_shared = pytest.mark.skipif(not SHARED.is_file(), reason=f"there are no annotated traces beside it, in {SHARED}")

DOUBT = ("Wait, is that right?", "Hmm, that looks off.", "Wait, I should look again.", "Hmm, is it 12?")
WORK = ("So it is 7 + 5 = 12.", "Then I add 3 to it.", "That gives 15 apples.", "The sum is 12, so 15.")


def documents(count=12, seed=0):
    """Documents of work, with a doubt now and then, every sentence annotated."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        text, spans = "<think>", []
        for _ in range(8):
            label = "doubt" if rng.random() < 0.3 else "work"
            sentence = rng.choice(DOUBT if label == "doubt" else WORK)
            spans.append(Span(len(text) + 1, len(text) + 1 + len(sentence), label))
            text += f" {sentence}"
        made.append(Document(f"d{number}", text, f"g{number}", len("<think>"), tuple(spans)))
    return made


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "doubt.safetensors"
    Words().fit(documents(), ["doubt"]).save(path, threshold=0.4, about={"documents": 12})
    return path


@pytest.mark.slow
def test_it_keeps_the_contract_of_a_detector(file):
    check_detector(Learned(str(file)))
    check_detector(Learned(str(file), threshold=0.0))


def test_it_marks_the_sentences_that_are_like_those_it_learned_from(file):
    text = "So it is 7 + 4 = 11. Wait, is that off? That gives 11 apples."
    assert list(Learned(str(file)).detect(Document("a", text, "a"))) == [Span(21, 39, "doubt")]


def test_nothing_before_the_completion_is_marked(file):
    text = "Wait, is that right? Hmm, is it 12?"
    assert list(Learned(str(file)).detect(Document("a", text, "a", completion_start=21))) == [Span(21, 35, "doubt")]


def test_the_threshold_of_training_is_taken_unless_another_is_given(file):
    text = " ".join((*WORK, *DOUBT))
    marked = [
        len(list(Learned(str(file), threshold).detect(Document("a", text, "a")))) for threshold in (0.0, 0.4, None, 1.0)
    ]
    assert marked[0] == 8
    assert marked[1] == marked[2]
    assert marked[3] == 0


def test_a_saved_classifier_gives_the_chances_of_the_scikit_learn_pipeline(file):
    table, present = [], []
    for document in documents():
        texts = [document.text[span.start : span.end] for span in document.annotations]
        present += [span.label == "doubt" for span in document.annotations]
        table += zip(texts, ["", *texts[:-1]], [*texts[1:], ""], strict=True)
    table = np.array(table, dtype=object)
    words = {"ngram_range": (1, 2), "token_pattern": r"\b\w+\b|[^\w\s]", "min_df": 2, "sublinear_tf": True}
    pieces = {"ngram_range": (2, 4), "analyzer": "char_wb", "min_df": 2, "sublinear_tf": True}
    pipeline = make_pipeline(
        ColumnTransformer(
            [
                ("words", TfidfVectorizer(**words), 0),
                ("pieces", TfidfVectorizer(**pieces), 0),
                ("before", TfidfVectorizer(**words), 1),
                ("after", TfidfVectorizer(**words), 2),
            ]
        ),
        LogisticRegression(max_iter=1000),
    ).fit(table, present)
    fresh = documents(seed=1)
    expected, found = [], []
    loaded = open_trained(file)
    for document in fresh:
        texts = [document.text[start:end] for start, end in sentences(document.text, document.completion_start)]
        rows = np.array(list(zip(texts, ["", *texts[:-1]], [*texts[1:], ""], strict=True)), dtype=object)
        expected += pipeline.predict_proba(rows)[:, 1].tolist()
        found += [chance for _, chance in loaded.rate(document)]
    assert len({round(one, 3) for one in expected}) > 10
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_saved_classifier_is_the_same_after_loading_to_the_last_digit(tmp_path):
    fitted = Words().fit(documents(), ["doubt"])
    fitted.save(tmp_path / "a", threshold=0.3, about={"by": "İ"})
    loaded = open_trained(tmp_path / "a")
    for document in documents(seed=2):
        assert list(loaded.rate(document)) == list(fitted.rate(document))
    assert (loaded.threshold, loaded.about) == (0.3, {"by": "İ"})


def test_a_run_notes_how_good_it_was_measured_to_be_with_the_threshold_of_its_training(tmp_path):
    about = {"precision": 0.61, "recall": 0.814, "documents": 40, "labels": ["doubt", "no"]}
    Words().fit(documents(), ["doubt"]).save(tmp_path / "a", threshold=0.3, about=about)
    run = neurosieve.detect(documents(seed=2), {"d": Learned(str(tmp_path / "a"))}, reports=(), folder=tmp_path / "run")
    [note] = [note for note in run.run["notes"] if note.startswith("`d`: ")]
    assert "of the 40 documents" in note
    assert "found `doubt` or `no` with a precision of 0.61 and a recall of 0.81" in note
    assert Learned(str(tmp_path / "a"), threshold=0.4).remark() == ""
    Words().fit(documents(), ["doubt"]).save(tmp_path / "b", threshold=0.3, about={**about, "precision": None})
    assert Learned(str(tmp_path / "b")).remark() == ""


def test_texts_that_it_was_trained_on_are_warned_of(tmp_path):
    learned = neurosieve.learn(documents(), "doubt", folder=tmp_path / "learned", reports=(), detectors=())
    detector = Learned(str(learned.run["output"]))
    mixed = [*documents()[:3], *(replace(each, id=f"new {each.id}") for each in documents(seed=2))]
    run = neurosieve.detect(mixed, {"d": detector}, reports=(), folder=tmp_path / "run")
    [warning] = [warning for warning in run.run["warnings"] if "was trained on" in warning]
    assert warning.startswith(f"`d`: it was trained on 3 of {len(mixed)} documents: ")
    new = neurosieve.detect(documents(seed=2), {"d": detector}, reports=(), folder=tmp_path / "new")
    assert not any("was trained on" in warning for warning in new.run["warnings"])


def test_the_same_training_gives_the_same_file(tmp_path):
    for name in "ab":
        Words().fit(documents(), ["doubt"]).save(tmp_path / name, threshold=0.3, about={"x": 1, "y": 2})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_several_labels_are_one_behaviour(tmp_path):
    Words().fit(
        [
            Document(
                "a", "Hmm no. I doubt it. It is 7, so 8.", "a", 0, (Span(0, 7, "hm"), Span(8, 19, "no"), Span(20, 34))
            ),
            Document(
                "b", "Hmm no. I doubt it. It is 7, so 9.", "b", 0, (Span(0, 7, "hm"), Span(8, 19, "no"), Span(20, 34))
            ),
        ]
        * 10,
        ["hm", "no"],
    ).save(tmp_path / "file", threshold=0.5, about={})
    spans = list(Learned(str(tmp_path / "file")).detect(Document("c", "I doubt it, hmm no.\n\nIt is 7, so 8.", "c")))
    assert spans == [Span(0, 19, "hm, no")]


def test_documents_of_one_sentence_have_no_neighbours_to_learn_from():
    made = [
        Document(str(n), text, str(n), 0, (Span(0, len(text), label),))
        for n, (text, label) in enumerate([("Wait, is it right?", "doubt"), ("It is 12 apples.", "work")] * 5)
    ]
    [(_, doubt)] = Words().fit(made, ["doubt"]).rate(Document("a", "Wait, is it?", "a"))
    [(_, work)] = Words().fit(made, ["doubt"]).rate(Document("a", "It is 9 apples.", "a"))
    assert doubt > 0.5 > work


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        (
            (Span(0, 3, "doubt"), Span(4, 7, "doubt")),
            "of 2 annotated sentences to learn from, 2 have the label `doubt`",
        ),
        ((Span(0, 3, "work"),), "of 1 annotated sentences to learn from, 0 have the label `doubt`"),
        ((), "of 0 annotated sentences"),
        ((Span(0, 3, "doubt"), Span(4, 7, "work")), "no words in common"),
    ],
)
def test_too_little_to_learn_from_is_said(spans, message):
    with pytest.raises(DataError, match=message):
        Words().fit([Document("a", "abc xyz", "a", 0, spans)], ["doubt"])


@pytest.mark.parametrize("threshold", [-0.1, 1.2, float("nan")])
def test_a_threshold_is_a_chance(threshold):
    with pytest.raises(ConfigError, match="give a number from 0 to 1"):
        Learned("file", threshold)


def test_an_empty_path_is_refused():
    with pytest.raises(ConfigError, match="`path` of the detector `learned` is empty"):
        Learned(" ")


def test_a_folder_in_place_of_the_file_is_said(tmp_path):
    check_refused(
        tmp_path, rf"{tmp_path} is a folder, where the file is wanted that .* such as .*detector.safetensors: give"
    )


def check_refused(path, message):
    with pytest.raises(DataError, match=message) as raised:
        list(Learned(str(path)).detect(documents()[0]))
    assert str(path) in str(raised.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    check_refused(tmp_path / "nothing.safetensors", "there is no file .*neurosieve learn")
    check_refused(tmp_path, "is a folder, where the file is wanted that")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"PK\x03\x04 a zip", b"\x80\x04\x95 a pickle", bytes(1000), b"\xff" * 99]
)
def test_a_file_of_something_else_is_refused(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    check_refused(tmp_path / "file", "is not a detector that can be read")


def test_a_safetensors_file_of_something_else_is_refused(tmp_path):
    save_file({"a": np.zeros(3)}, tmp_path / "file")
    check_refused(tmp_path / "file", "holds no detector that `neurosieve learn` has trained")
    save_file({"a": np.zeros(3)}, tmp_path / "other", metadata={"neurosieve": "[1]"})
    check_refused(tmp_path / "other", "is not a detector that can be read")


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_refused(file, kept):
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content))])
    check_refused(file, "is not a detector that can be read")


def rewritten(file, tensors=None, **changed):
    """Write the file again with some of its parts changed."""
    from safetensors import safe_open

    with safe_open(file, "numpy") as opened:
        said = json.loads(opened.metadata()["neurosieve"])
    save_file(load_file(file) | (tensors or {}), file, metadata={"neurosieve": json.dumps(said | changed)})


@pytest.mark.parametrize(
    "broken",
    [
        {"tensors": {"0.weights": np.zeros(3)}},
        {"tensors": {"0.frequency": np.full(3, np.nan)}},
        {"tensors": {"0.terms": np.frombuffer(b'["a", "a"]', dtype=np.uint8)}},
        {"tensors": {"0.terms": np.frombuffer(b"no JSON", dtype=np.uint8)}},
        {"threshold": 7.0},
        {"intercept": "high"},
        {"intercept": float("nan")},
        {"blocks": [{"of": "sentence", "analyzer": "char", "n": [1, 2]}]},
        {"blocks": [{"of": "sentence", "analyzer": "word", "n": [1, 10**9]}]},
        {"blocks": [{"of": "sentence"}]},
        {"labels": None},
    ],
    ids=str,
)
def test_a_file_whose_parts_do_not_fit_is_refused(file, broken):
    rewritten(file, **broken)
    check_refused(file, "is not a detector that can be read")


def test_a_file_of_a_later_format_is_refused(file):
    rewritten(file, version=2)
    check_refused(file, "is of format 2, and this neurosieve reads format 1")


def test_a_file_that_is_trained_again_is_read_again(file):
    document = Document("a", "Wait, is that right? Then I add 3 to it.", "a")
    assert len(list(Learned(str(file)).detect(document))) == 1
    Words().fit(documents(20, seed=3), ["work", "doubt2"]).save(file, threshold=0.0, about={})
    assert [span.label for span in Learned(str(file)).detect(document)] == ["work, doubt2"] * 2


@pytest.mark.parametrize("text", ["Wait, is it 7? İ 🤔 So. " * 4_200, "İ" * 100_000, "! " * 50_000, "a\n" * 50_000])
def test_a_long_text_is_read_quickly(file, text):
    detector = Learned(str(file))
    began = time.process_time()
    list(detector.detect(Document("a", text, "a")))
    assert time.process_time() - began < 10
