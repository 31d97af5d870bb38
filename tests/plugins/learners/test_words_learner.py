"""The learner of words: its files, also those of the version before there were other learners."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from neurosieve import Document, Span, open_trained, sentences
from neurosieve_plugins.detectors.learned import Learned
from neurosieve_plugins.learners.annotated_sentences import annotated_stretches
from neurosieve_plugins.learners.ngrams import with_neighbours
from neurosieve_plugins.learners.words import Words

RECORD = {
    "format": "neurosieve sentence model",
    "version": 1,
    "labels": ["doubt"],
    "threshold": 0.5,
    "intercept": -1.0,
    "blocks": [{"of": "sentence", "analyzer": "word", "n": [1, 1]}],
    "about": {"precision": 0.61},
}


def test_a_file_of_the_first_version_is_read(tmp_path):
    terms = np.frombuffer(json.dumps(["wait"]).encode(), dtype=np.uint8)
    tensors = {"0.terms": terms, "0.frequency": np.array([1.7]), "0.weights": np.array([2.0])}
    save_file(tensors, tmp_path / "file", metadata={"neurosieve": json.dumps(RECORD)})
    fitted = open_trained(tmp_path / "file")
    document = Document("a", "Wait, it is 7 now. So it is 8 now.", "a")
    chances = [chance for _, chance in fitted.rate(document)]
    # The one known term of a sentence has the length 1 after TF-IDF.
    assert chances == pytest.approx([1 / (1 + math.exp(-1)), 1 / (1 + math.exp(1))])
    assert list(Learned(str(tmp_path / "file")).detect(document)) == [Span(0, 18, "doubt")]
    assert Learned(str(tmp_path / "file")).fitted.about == {"precision": 0.61}
    assert not list(Learned(str(tmp_path / "file")).near_misses(document))


TEXT = "So it is 7 now. Wait, is it 8? I add up again. That gives 15. It is so now."


def test_the_neighbours_of_a_sentence_are_those_of_the_text_where_a_sample_is_annotated():
    bounds = sentences(TEXT)
    spans = tuple(Span(*bounds[place], "doubt" if place == 1 else "work") for place in (1, 3))
    [stretch] = annotated_stretches([Document("a", TEXT, "a", 0, spans)], ["doubt"])
    assert stretch.context == bounds
    assert (stretch.places, stretch.present) == ([1, 3], [True, False])
    assert stretch.context_texts == [TEXT[start:end] for start, end in bounds]


@given(st.lists(st.booleans(), min_size=5, max_size=5))
def test_a_sentence_is_trained_on_beside_the_neighbours_that_it_is_rated_beside(annotated):
    bounds = sentences(TEXT)
    chosen = [place for place, is_annotated in enumerate(annotated) if is_annotated]
    spans = tuple(Span(*bounds[place], "work") for place in chosen)
    [stretch] = annotated_stretches([Document("a", TEXT, "a", 0, spans)], ["doubt"])
    rated, trained = with_neighbours([TEXT[s:e] for s, e in bounds]), with_neighbours(stretch.context_texts)
    for of, texts in trained.items():
        assert [texts[place] for place in stretch.places] == [rated[of][place] for place in chosen]


@pytest.mark.parametrize("cut", [None, [(0, 5), (6, 15), (16, 46), (47, 61), (62, 75)], [(0, 30), (16, 46), (47, 75)]])
def test_where_all_text_is_annotated_the_neighbours_are_the_annotated_ones(cut):
    cut = cut or sentences(TEXT)
    [stretch] = annotated_stretches([Document("a", TEXT, "a", 0, tuple(Span(*each) for each in cut))], ["doubt"])
    assert stretch.context == stretch.bounds == cut
    assert stretch.places == list(range(len(cut)))


def test_learners_are_chosen_by_the_format_of_a_file(tmp_path):
    save_file({"none": np.zeros(1)}, tmp_path / "file", metadata={"neurosieve": json.dumps({"format": "dreams"})})
    with pytest.raises(Exception, match=r"holds a `dreams`, which no installed learner reads \(embeddings, sim"):
        open_trained(tmp_path / "file")
    assert Words.format == RECORD["format"]
