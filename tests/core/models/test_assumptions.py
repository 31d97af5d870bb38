"""A model is tested before it is read: whether it looks ahead, gives the same twice, and reads in a batch as alone."""

import pytest
import torch
import transformers
from families import family_model
from planted import texts

from neurosieve import ModelError, find, load
from neurosieve.commands.show import show
from neurosieve.disk import cache_folder
from neurosieve.models.architectures import atlas_of
from neurosieve.models.assumptions import check_model
from neurosieve.models.loading import Model, hand_over, open_model
from neurosieve.models.tiny import tiny_model
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.executors.local import Local
from neurosieve_plugins.scorers.auc import Auc


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))


def figures_of(model, kind="mlp_post", tokenizer=None):
    lm = hand_over(model, tokenizer or tiny_model()[1], name="model")
    atlas = atlas_of(lm, kind)
    return check_model(lm, atlas, atlas.sites)


@pytest.mark.parametrize("name", ["Qwen2", "Gemma 3", "GPT-2", "BERT as a decoder", "Gemma 3 with images"])
def test_a_model_that_attends_one_way_passes_and_no_later_token_changes_a_bit(name):
    tests = figures_of(family_model(name))
    assert tests.later_tokens == tests.repeated == 0
    assert tests.in_batch < 1e-5
    assert tests.layers_that_look_ahead == ()
    assert tests.warnings("model") == []


def test_a_mixture_of_experts_is_read_alike_up_to_rounding():
    tests = figures_of(family_model("Mixtral"), "resid_post")
    assert max(tests.later_tokens, tests.in_batch) < 1e-5


@pytest.mark.parametrize("kind", ["mlp_post", "mlp_out", "resid_post", "attn_z"])
@pytest.mark.parametrize("name", ["BERT", "RoBERTa", "EmbeddingGemma"])
def test_a_model_that_attends_both_ways_is_refused_whatever_is_read(name, kind):
    with pytest.raises(
        ModelError, match=r"attends both ways: .* by up to .* \(at every layer of those that are read\)"
    ):
        figures_of(family_model(name), kind)


def test_a_freshly_made_masked_model_whose_attention_is_weak_is_refused_too():
    torch.manual_seed(0)
    size = {"vocab_size": 512, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
    model = transformers.BertLMHeadModel(transformers.BertConfig(**size, intermediate_size=48)).eval()
    with pytest.raises(ModelError, match="attends both ways"):
        figures_of(model)


def test_one_layer_that_looks_one_token_ahead_is_found_and_named():
    model, tokenizer = tiny_model()

    def look_ahead(_, __, left):
        return left + 0.1 * torch.roll(left, -1, dims=1)

    model.model.layers[1].self_attn.o_proj.register_forward_hook(look_ahead)
    with pytest.raises(ModelError, match=r"\(at layers 1, 2 of those that are read\)"):
        figures_of(model, tokenizer=tokenizer)


def test_a_model_with_random_numbers_in_its_forward_pass_is_warned_of():
    model, tokenizer = tiny_model()
    model.model.layers[0].mlp.register_forward_hook(lambda _, __, left: torch.nn.functional.dropout(left, 0.1))
    tests = figures_of(model, tokenizer=tokenizer)
    assert tests.repeated > tests.tolerance
    [warning] = tests.warnings("model")
    assert "`model` is not deterministic" in warning


def test_a_model_that_normalizes_over_its_batch_is_warned_of():
    model, tokenizer = tiny_model()
    model.model.layers[0].mlp.register_forward_hook(lambda _, __, left: left / (1 + len(left)))
    tests = figures_of(model, tokenizer=tokenizer)
    assert tests.later_tokens == tests.repeated == 0
    [warning] = tests.warnings("model")
    assert "`tokens_per_batch=1` takes each text alone" in warning


def test_bfloat16_has_a_tolerance_of_its_own():
    model, tokenizer = tiny_model()
    exact, rounded = figures_of(model, tokenizer=tokenizer), figures_of(model.to(torch.bfloat16), tokenizer=tokenizer)
    assert rounded.tolerance > exact.tolerance
    assert rounded.warnings("model") == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_model_whose_batch_is_rounded_together_is_refused_for_that_reason():
    model = torch.ao.quantization.quantize_dynamic(tiny_model()[0], {torch.nn.Linear}, dtype=torch.qint8)
    with pytest.raises(ModelError, match=r"is quantized, and rounds all tokens of a batch together: .* by up to 0\."):
        figures_of(model, "resid_post")


def test_a_short_context_is_enough():
    config = transformers.GPT2Config(
        vocab_size=512, n_embd=32, n_layer=2, n_head=4, n_positions=12, bos_token_id=0, eos_token_id=1
    )
    assert figures_of(transformers.GPT2LMHeadModel(config).eval()).later_tokens == 0


def test_a_tokenizer_that_knows_more_tokens_than_the_model_is_told():
    config = transformers.Qwen2Config(
        vocab_size=100,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    with pytest.raises(ModelError, match=r"gives token \d+, and the model knows 100 tokens"):
        figures_of(transformers.Qwen2ForCausalLM(config).eval())


def count_passes(model):
    passes = []
    model.get_input_embeddings().register_forward_hook(lambda *_: passes.append(1))
    return passes


def test_a_model_that_was_handed_over_is_tested_once_and_again_when_its_weights_change():
    model, tokenizer = tiny_model()
    passes = count_passes(model)
    first, again = figures_of(model, tokenizer=tokenizer), figures_of(model, tokenizer=tokenizer)
    assert first == again
    assert len(passes) == 4
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight.mul_(2)
    figures_of(model, tokenizer=tokenizer)
    assert len(passes) == 8


def test_a_folder_is_tested_once_and_its_weights_need_not_be_loaded_again(tmp_path):
    model, tokenizer = tiny_model()
    model.save_pretrained(tmp_path / "saved")
    tokenizer.save_pretrained(tmp_path / "saved")
    place = Model(str(tmp_path / "saved"), device="cpu", dtype="float32")
    first, again = open_model(place), open_model(place)
    atlas = atlas_of(first)
    assert check_model(first, atlas, atlas.sites) == check_model(again, atlas, atlas.sites)
    assert first.is_loaded
    assert not again.is_loaded
    assert len(list((cache_folder() / "model_tests").iterdir())) == 1
    # Other sites are tested for themselves.
    check_model(again, atlas, atlas.sites[:1])
    assert len(list((cache_folder() / "model_tests").iterdir())) == 2


def test_an_executor_runs_the_tests():
    lm = hand_over(*tiny_model())
    atlas = atlas_of(lm)
    assert check_model(lm, atlas, atlas.sites, Local()) == figures_of(lm.module)


@pytest.mark.slow
def test_a_run_records_the_figures_and_its_follow_ups_do(tmp_path):
    model, tokenizer = tiny_model()
    model.model.layers[0].mlp.register_forward_hook(lambda _, __, left: left / (1 + len(left)))
    settings = {
        "detectors": {"slip": Annotations()},
        "scorers": {"auc": Auc()},
        "permutations": 19,
        "interval_bootstraps": 19,
    }
    result = find(model, texts(), tokenizer=tokenizer, folder=tmp_path / "run", **settings)
    assert [warning for warning in result.run["warnings"] if "in a batch otherwise than alone" in warning]
    figures = result.run["model"]["tests"]
    assert figures["later_tokens"] == 0
    assert figures["in_batch"] > figures["tolerance"]
    again = {"source": texts(), "tokenizer": tokenizer, "detectors": settings["detectors"]}
    shown = show(result, model, **again, folder=tmp_path / "shown")
    assert load(shown.folder).run["model"]["tests"] == figures


def test_nothing_is_left_of_a_run_with_a_model_that_is_refused(tmp_path):
    settings = {"detectors": {"slip": Annotations()}, "scorers": {"auc": Auc()}}
    with pytest.raises(ModelError, match="attends both ways"):
        find(family_model("BERT"), texts(), tokenizer=tiny_model()[1], folder=tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()


def test_a_tokenizer_of_no_language_is_enough():
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    letters = Tokenizer(
        models.WordLevel({"<unk>": 0, **{name: 2 + place for place, name in enumerate("ACGT")}}, "<unk>")
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=letters, unk_token="<unk>")
    assert figures_of(family_model("Llama"), tokenizer=tokenizer).later_tokens == 0
    with pytest.raises(ModelError, match="attends both ways"):
        figures_of(family_model("BERT"), tokenizer=tokenizer)
