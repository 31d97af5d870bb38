"""The learner of words: its files, also those of the version before there were other learners."""

import json
import math

import numpy as np
import pytest
from safetensors.numpy import save_file

from neurosieve import Document, Span, open_trained
from neurosieve_plugins.detectors.learned import Learned
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


def test_learners_are_chosen_by_the_format_of_a_file(tmp_path):
    save_file({"none": np.zeros(1)}, tmp_path / "file", metadata={"neurosieve": json.dumps({"format": "dreams"})})
    with pytest.raises(Exception, match=r"holds a `dreams`, which no installed learner reads \(embeddings, sim"):
        open_trained(tmp_path / "file")
    assert Words.format == RECORD["format"]
