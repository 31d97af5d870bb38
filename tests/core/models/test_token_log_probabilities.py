"""Log-probabilities of tokens are those of transformers, each text is read once, and a model is in memory once."""

import gc
import re
from collections import OrderedDict
from weakref import WeakValueDictionary

import numpy as np
import pytest
import torch
from families import family_model

from neurosieve import Document, Model, ModelError, has_log_probabilities, shared_model, token_log_probabilities
from neurosieve.cli import main
from neurosieve.models import head, kept_arrays, loading, shared
from neurosieve.models.kept_arrays import KeptArrays
from neurosieve.models.loading import hand_over
from neurosieve.models.tiny import tiny_model

TEXT = "So 12 + 7 = 19. Wait, that's not right: let me recalculate <eos> 🤔 İ. She takes the bus home."
TINY = Model("tiny", "tiny", device="cpu")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(shared, "_OPENED", WeakValueDictionary())
    monkeypatch.setattr(shared, "_UNLOADED", OrderedDict())


@pytest.fixture
def forget(monkeypatch):
    """Forget what is in memory, as the next process does."""
    return lambda: monkeypatch.setattr(kept_arrays, "_memory", type(kept_arrays._memory)())


def document(text=TEXT):
    return Document(id="a", group="a", text=text)


def handed(model):
    return hand_over(model, tiny_model()[1])


def expected(model, tokenizer, text=TEXT):
    """Return what transformers gives for each token that stands for text."""
    encoded = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"][0]
    with torch.no_grad():
        log_p = model(input_ids=ids).logits.float().log_softmax(-1)[0, :-1].gather(1, ids[0, 1:, None])[:, 0]
    plain = ~torch.isin(ids[0, 1:], torch.tensor(tokenizer.all_special_ids))
    return log_p[plain].numpy(), offsets[1:][plain].numpy()


FAMILIES = ["Llama", "Qwen3", "Gemma 2", "Gemma 3", "Cohere", "Granite", "GPT-2", "GPT-NeoX (Pythia)", "BLOOM", "OPT"]
FAMILIES += ["Mixtral", "Mamba", "MPT", "Gemma 3 with images", "BERT as a decoder"]


@pytest.mark.parametrize("name", FAMILIES)
def test_log_probabilities_are_those_of_transformers(name, monkeypatch):
    monkeypatch.setattr(head, "_LOGITS", 7 * 512)  # The head runs on seven tokens at a time.
    model = family_model(name)
    model.config.get_text_config().max_position_embeddings = 512
    log_p, offsets = expected(model, tiny_model()[1])
    read = token_log_probabilities(document(), handed(model))
    np.testing.assert_allclose(read.log_probabilities, log_p, atol=1e-5)
    np.testing.assert_array_equal(np.stack([read.starts, read.ends], axis=1), offsets)


def test_special_tokens_are_context_and_no_tokens_of_the_text():
    read = token_log_probabilities(document(), handed(family_model("Llama")))
    assert "<eos>" not in [TEXT[start:end] for start, end in zip(read.starts, read.ends, strict=True)]
    assert np.isfinite(read.log_probabilities).all()


def test_nothing_is_known_of_a_first_token_without_one_before_it():
    _, tokenizer = tiny_model()
    tokenizer.backend_tokenizer.post_processor = None
    log_p = token_log_probabilities(document(), hand_over(tiny_model()[0], tokenizer)).log_probabilities
    assert np.isnan(log_p[0])
    assert np.isfinite(log_p[1:]).all()


def test_nothing_is_known_behind_the_length_that_the_model_was_made_for():
    model, _ = tiny_model()
    whole = token_log_probabilities(document(), handed(model)).log_probabilities
    model.config.max_position_embeddings = 9
    cut = token_log_probabilities(document(), handed(model)).log_probabilities
    np.testing.assert_allclose(cut[:8], whole[:8], atol=1e-5)
    assert np.isnan(cut[8:]).all()
    assert len(cut) == len(whole)


@pytest.mark.parametrize("text", ["", " ", "A", "İ"])
def test_short_texts_are_read(text):
    read = token_log_probabilities(document(text), shared_model(TINY))
    assert len(read.starts) == len(read.ends) == len(read.log_probabilities)
    assert np.isfinite(read.log_probabilities).all()


@pytest.mark.parametrize("name", ["BERT", "EmbeddingGemma"])
def test_a_model_that_sees_what_it_is_to_foretell_is_refused(name):
    with pytest.raises(ModelError, match="attends both ways: when the end of a text changes"):
        token_log_probabilities(document(), handed(family_model(name)))


def test_a_model_without_a_head_is_refused():
    with pytest.raises(ModelError, match="has no LM head, and gives no probabilities of tokens"):
        token_log_probabilities(document(), handed(family_model("Llama").base_model))


def test_log_probabilities_that_are_no_numbers_are_refused():
    model, tokenizer = tiny_model()
    lm = hand_over(model, tokenizer)
    token_log_probabilities(document(), lm)
    with torch.no_grad():
        model.lm_head.weight[3] = torch.nan
    with pytest.raises(ModelError, match="gave log-probabilities that are NaN in document `a`: run it in float32"):
        token_log_probabilities(document("Another text."), lm)


def test_a_text_is_read_once_and_the_next_process_loads_no_weights(tmp_path, forget):
    tiny_model()[0].save_pretrained(tmp_path / "saved")
    tiny_model()[1].save_pretrained(tmp_path / "saved")
    place = Model(str(tmp_path / "saved"), device="cpu")
    first = token_log_probabilities(document(), loading.open_model(place)).log_probabilities
    forget()
    again = loading.open_model(place)
    assert has_log_probabilities(document(), again)
    assert not has_log_probabilities(document("Another text."), again)
    np.testing.assert_array_equal(token_log_probabilities(document(), again).log_probabilities, first)
    assert not again.is_loaded


def test_what_is_kept_and_cut_off_is_read_again(tmp_path, forget):
    lm = shared_model(TINY)
    first = token_log_probabilities(document(), lm).log_probabilities
    forget()
    [file] = (tmp_path / "cache").rglob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-9])
    assert not has_log_probabilities(document(), lm)
    np.testing.assert_array_equal(token_log_probabilities(document(), lm).log_probabilities, first)


def test_the_cache_command_shows_what_was_read_and_removes_it(tmp_path, capsys):
    token_log_probabilities(document(), shared_model(TINY))
    main(["cache"])
    assert re.search(r"readings.*tiny.*float32", capsys.readouterr().out)
    main(["cache", "--clear", "readings"])
    assert "removed 1 folder" in capsys.readouterr().out
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_memory_holds_what_was_used_last(monkeypatch, forget):
    monkeypatch.setattr("neurosieve.models.kept_arrays._IN_MEMORY", 100)
    monkeypatch.setenv("NEUROSIEVE_CACHE", "/dev/null/nowhere")
    forget()
    kept = KeptArrays("numbers", shared_model(TINY))
    for content in (b"a", b"b"):
        kept.keep(content, np.zeros(10, dtype=np.float32))
    kept.get(b"a")
    kept.keep(b"c", np.ones(10, dtype=np.float32))
    assert [kept.get(content) is not None for content in (b"a", b"b", b"c")] == [True, False, True]


def test_whoever_asks_for_the_same_model_gets_the_same_object_while_it_is_held(monkeypatch):
    opened = []

    def counting(model):
        opened.append(model)
        return loading.open_model(model)

    monkeypatch.setattr(shared, "open_model", counting)
    held = [shared_model(Model("tiny", "tiny", device="cpu")), shared_model(TINY)]
    held.append(shared_model(Model("tiny", "tiny", device="cpu", dtype="float32")))
    assert held[0] is held[1] is held[2]
    assert len(opened) == 1
    assert shared_model(Model("tiny", "tiny", device="cpu", dtype="bfloat16")) is not held[0]
    assert len(opened) == 2
    del held[:]
    gc.collect()
    assert not shared._OPENED


def test_a_model_that_is_let_go_and_asked_for_again_has_its_weights_to_load(tmp_path, monkeypatch):
    monkeypatch.setattr("neurosieve.models.fingerprints._SETTLED", 0.0)
    tiny_model()[0].save_pretrained(tmp_path / "saved")
    tiny_model()[1].save_pretrained(tmp_path / "saved")
    place = Model(str(tmp_path / "saved"), device="cpu")
    lm = shared_model(place)
    assert lm.module
    assert shared_model(place).is_loaded
    del lm
    gc.collect()
    again = shared_model(place)
    assert not again.is_loaded
    assert len(shared._UNLOADED) == 1


def test_a_folder_that_was_written_again_is_opened_anew(tmp_path, monkeypatch):
    monkeypatch.setattr("neurosieve.models.fingerprints._SETTLED", 0.0)
    folder = tmp_path / "saved"
    tiny_model()[0].save_pretrained(folder)
    tiny_model()[1].save_pretrained(folder)
    place = Model(str(folder), device="cpu")
    first = shared_model(place)
    assert shared_model(place) is first
    before = first.fingerprint
    tiny_model(seed=1)[0].save_pretrained(folder)
    again = shared_model(place)
    assert again is not first
    assert again.fingerprint != before
