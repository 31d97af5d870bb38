"""Learners that read embeddings: what they learn, what their files hold, and that these fit one model alone."""

import shutil

import numpy as np
import pytest
from tiny_embeddings import KINDS, bert_model, static_model

pytest.importorskip("sentence_transformers", reason="the extra `embeddings` is not installed")

import neurosieve
from neurosieve import ConfigError, DataError, Document, ModelError, Span, open_trained, sentences
from neurosieve.cli import main
from neurosieve.testing import check_learner
from neurosieve.texts.near_misses import near_misses_of
from neurosieve_plugins.detectors.learned import Learned
from neurosieve_plugins.embedding.embedder import Embedder
from neurosieve_plugins.learners.embeddings import Embeddings
from neurosieve_plugins.learners.similar import Similar
from neurosieve_plugins.learners.words import Words

LEARNERS = [Embeddings, Similar]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return static_model(tmp_path_factory.mktemp("models") / "static")


@pytest.fixture(scope="module")
def reads_few(tmp_path_factory):
    return bert_model(tmp_path_factory.mktemp("models"), window=16)


def stories(words, count=24, seed=0):
    """Documents of sentences that each name an animal or a tool, annotated so, from some of the words of each kind."""
    rng, documents = np.random.default_rng(seed), []
    for number in range(count):
        text, spans = "", []
        for kind in rng.choice(list(KINDS), 6):
            sentence = f"There is a {rng.choice(KINDS[kind][words])} here."
            spans.append(Span(len(text), len(text) + len(sentence), str(kind)))
            text += f"{sentence} "
        documents.append(Document(f"d{number:02}", text, f"g{number:02}", 0, tuple(spans)))
    return documents


def pairs_in_order(fitted, documents):
    """Return in how many pairs of sentences the one of animals is rated higher."""
    ratings = {"animals": [], "tools": []}
    for document in documents:
        labels = {span[:2]: span.label for span in document.annotations}
        for span, rating in fitted.rate(document):
            ratings[labels[span[:2]]].append(rating)
    animals, tools = (np.array(ratings[kind]) for kind in ("animals", "tools"))
    return (animals[:, None] > tools[None]).mean() + (animals[:, None] == tools[None]).mean() / 2


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_meaning_is_learned_of_words_that_were_never_seen(learner, model):
    seen, unseen = stories(slice(0, 6)), stories(slice(6, 12), seed=1)
    assert pairs_in_order(learner(model).fit(seen, ["animals"]), unseen) > 0.97
    assert 0.2 < pairs_in_order(Words().fit(seen, ["animals"]), unseen) < 0.8


@pytest.mark.slow
@pytest.mark.parametrize("learner", LEARNERS)
def test_they_keep_the_contract_on_a_model_with_a_window(learner, reads_few):
    check_learner(learner(reads_few))


@pytest.mark.parametrize("learner", LEARNERS)
def test_another_model_under_the_same_name_is_refused(learner, model, tmp_path):
    name, path = str(tmp_path / "model"), tmp_path / "detector.safetensors"
    shutil.copytree(model, name)
    learner(name).fit(stories(slice(0, 6)), ["animals"]).save(path, 0.5, {})
    assert list(Learned(str(path)).detect(Document("a", "A fox is here.", "a")))
    shutil.rmtree(name)
    with pytest.raises(ModelError, match="an embedding model that is not to be had: there is no folder"):
        open_trained(path)
    static_model(tmp_path / "model", seed=1)
    with pytest.raises(DataError, match=f"trained with an embedding model `{name}` of other weights"):
        open_trained(path)


@pytest.mark.parametrize("learner", LEARNERS)
def test_sentences_longer_than_the_window_are_neither_learned_nor_marked_and_counted(learner, reads_few, tmp_path):
    long = "There is a hen, a hen and a hen here."
    text = f"A hen. A hen is in. {long} So let it be."
    spans = (Span(0, 6, "a"), Span(7, 19, "a"), Span(20, 57, "b"), Span(58, 71, "b"))
    documents = [Document(str(n), text, str(n), 0, spans) for n in range(4)]
    fitted = learner(reads_few).fit(documents, ["a"])
    assert [span[:2] for span, _ in fitted.rate(documents[0])] == [(0, 19), (58, 71)]
    assert list(fitted.unknown(documents[0])) == [Span(20, 57, "longer than the 16 tokens that are read")]
    heard = []
    [remark] = learner(reads_few).prepare(documents, lambda **event: heard.append(event))
    assert remark.startswith("4 of 12 sentences are longer than the 16 tokens")
    assert (heard[-1]["done"], heard[-1]["total"]) == (4, 4)
    fitted.save(tmp_path / "file", 0.5, {})
    [near] = near_misses_of("a", Learned(str(tmp_path / "file")), documents[0], ())
    assert (near.start, near.end, near.unknown) == (20, 57, True)


def test_embeddings_of_neighbours_are_of_the_text_where_a_sample_is_annotated(model):
    text = "There is a hen here. There is an axe here. There is a fox here. There is a saw here."
    bounds = sentences(text)
    fitted = {}
    for name, chosen in (("all", bounds), ("sample", [bounds[0], bounds[3]])):
        spans = tuple(Span(*each, "a" if each == bounds[0] else "b") for each in chosen)
        fitted[name] = Embeddings(model).fit([Document(str(n), text, str(n), 0, spans) for n in range(4)], ["a"])
    # The first sentence is before an axe, and not before a saw: in both its features are the same.
    dimension = fitted["all"].embedder.dimension
    vectors = fitted["all"].embedder.embed([text[start:end] for start, end in bounds]).vectors.astype(float)
    after_of_first, after_of_last = vectors[1], np.zeros(dimension)
    weights = fitted["sample"].weights[2 * dimension :]
    # With two kinds of rows, the weights lie along the difference of their features.
    difference = after_of_first - after_of_last
    assert weights @ difference == pytest.approx(np.linalg.norm(weights) * np.linalg.norm(difference), rel=1e-3)


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_cross_validation_embeds_each_document_no_more_often_than_a_training(learner, model, monkeypatch, tmp_path):
    calls = []
    embedded = Embedder._embedded

    def counted(self, texts):
        calls.append(len(texts))
        return embedded(self, texts)

    monkeypatch.setattr(Embedder, "_embedded", counted)
    fresh = str(tmp_path / "fresh")
    shutil.copytree(model, fresh)
    documents = stories(slice(0, 12), seed=3)
    run = neurosieve.learn(documents, "animals", learner=learner(fresh), folder=tmp_path / "run", reports=())
    assert run.table("agreement").set_index("detector").f1["learned"] > 0.97
    assert sum(calls) <= 6 * len(documents)


@pytest.mark.parametrize("learner", LEARNERS)
def test_the_same_training_gives_the_same_file(learner, model, tmp_path):
    for name in "ab":
        learner(model).fit(stories(slice(0, 6)), ["animals"]).save(tmp_path / name, 0.3, {"x": 1, "y": 2})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert open_trained(tmp_path / "a").about == {"x": 1, "y": 2}


def test_a_rating_of_similar_is_half_where_both_are_as_near(model):
    fitted = Similar(model, neighbours=3).fit(stories(slice(0, 6)), ["animals"])
    [(_, unknown)] = fitted.rate(Document("a", "Zzz qqq xxx yyy", "a"))
    assert unknown == 0.5
    vectors = embedding_of(fitted, "There is a fox here.")
    near, far = (np.sort(vectors @ rows.T)[-3:].mean() for rows in (fitted.examples, fitted.counter_examples))
    [(_, rating)] = fitted.rate(Document("a", "There is a fox here.", "a"))
    assert rating == pytest.approx(0.5 + (near - far) / 4, abs=1e-6)


def embedding_of(fitted, text):
    return fitted.embedder.embed([text]).vectors[0].astype(float)


@pytest.mark.parametrize("learner", LEARNERS)
def test_mistakes_in_the_fields_are_said(learner):
    with pytest.raises(ConfigError, match=r"`model` of the learner `(embeddings|similar)` is empty"):
        learner(" ")
    with pytest.raises(ConfigError, match="the learner `similar`: neighbours is 0: give a whole number, at least 1"):
        Similar(neighbours=0)


def test_the_command_line_ends_a_model_that_is_not_there_with_one_message_and_2(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts.jsonl").write_text(
        '{"id": "a", "text": "A fox. It is here.", "spans": [{"start": 0, "end": 6, "label": "x"}, '
        '{"start": 7, "end": 18, "label": "y"}]}'
    )
    source = [
        "source=traces",
        "source.group_field=null",
        "source.path=texts.jsonl",
        "source.text_field=text",
        "source.spans_field=spans",
    ]
    with pytest.raises(SystemExit) as ended:
        main(["learn", *source, "source.id_field=id", "label=x", "learner=embeddings", "learner.model=./nothing"])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith("neurosieve: there is no folder `./nothing` with an embedding model: check the path")
    assert len(said.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["texts.jsonl"]
