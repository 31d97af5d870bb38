"""Embeddings: the same whoever is embedded beside, and of texts of any kind and length."""

import numpy as np
import pytest
from tiny_embeddings import bert_model, packaged_model, static_model

pytest.importorskip("sentence_transformers", reason="the extra `embeddings` is not installed")

from neurosieve_plugins.embedding import embedder as module
from neurosieve_plugins.embedding.embedder import Embedder
from neurosieve_plugins.embedding.opening import open_embedder

TEXTS = ["a dog.", "Wait, is that right?", "x", "The sum is 12, so it is 15 in all.", "İ ẞ ﷺ \ud800 🤔", "?" * 40] * 20


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {"static": static_model(folder / "static"), "bert": bert_model(folder / "bert")}


@pytest.mark.parametrize("kind", ["static", "bert"])
def test_neighbours_and_the_size_of_a_batch_change_an_embedding_by_next_to_nothing(models, kind):
    embedder = open_embedder(models[kind])
    together = embedder.embed(TEXTS).vectors
    for place, text in enumerate(TEXTS[:6]):
        np.testing.assert_allclose(embedder.embed([text]).vectors[0], together[place], atol=1e-5)


@pytest.mark.slow
def test_neighbours_change_the_embeddings_of_real_weights_by_next_to_nothing():
    embedder = open_embedder(packaged_model())
    together = embedder.embed(TEXTS).vectors
    for place, text in enumerate(TEXTS[:6]):
        np.testing.assert_allclose(embedder.embed([text]).vectors[0], together[place], atol=1e-5)
    doubt, other, apples = embedder.embed(["I am not sure.", "I have my doubts.", "There are 12 apples."]).vectors
    assert doubt @ other > doubt @ apples + 0.1


@pytest.mark.parametrize("kind", ["static", "bert"])
def test_embeddings_are_of_length_one_in_float32_and_the_same_each_time(models, kind):
    embedder = open_embedder(models[kind])
    vectors = embedder.embed(["a dog.", "a cat is here."]).vectors
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    embedder.embed(TEXTS)
    again = Embedder("again", embedder._model).embed(["a dog.", "a cat is here."]).vectors
    np.testing.assert_array_equal(again, vectors)


def test_a_text_without_a_known_token_has_no_direction(models):
    vectors = open_embedder(models["static"]).embed(["", "zzz"]).vectors
    assert not vectors.any()


def test_a_text_longer_than_the_window_is_told_apart(models):
    embedder = open_embedder(models["bert"])
    assert embedder.window == 24
    # 22 letters, and one token at each end.
    assert embedder.embed(["a" * 22, "a" * 23, "", "ab " * 11, "ab " * 12]).whole.tolist() == [
        True,
        False,
        True,
        True,
        False,
    ]
    static = open_embedder(models["static"])
    assert static.window is None
    assert static.embed(["a " * 5000]).whole.tolist() == [True]


def test_what_is_kept_has_a_limit(models, monkeypatch):
    embedder = Embedder("static", open_embedder(models["static"])._model)
    monkeypatch.setattr(module, "_KEPT", 10 * 16 * 4)
    for number in range(40):
        embedder.embed([f"{number} dog"] * 3)
    assert len(embedder._kept) == 3
    assert embedder._kept_bytes == 9 * 16 * 4


def test_other_weights_have_another_fingerprint_whatever_the_folder_is_called(models, tmp_path):
    first = open_embedder(models["bert"]).fingerprint
    assert open_embedder(bert_model(tmp_path / "same")).fingerprint == first
    assert open_embedder(bert_model(tmp_path / "other", seed=1)).fingerprint != first


def test_embeddings_cannot_be_written_into(models):
    with pytest.raises(ValueError, match="read-only"):
        open_embedder(models["static"]).embed(["a dog"]).vectors[0] = 0
