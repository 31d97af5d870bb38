"""A model that cannot be loaded is refused with the true cause in one message; what can be read is read."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from families import FAMILIES, family_model
from planted import texts
from safetensors.torch import load_file, save_file

from neurosieve import ModelError, ablate, find, generate
from neurosieve.cli import main
from neurosieve.commands.show import show
from neurosieve.models.architectures import atlas_of
from neurosieve.models.loading import Model, hand_over, open_model
from neurosieve.models.reading_hooks import read
from neurosieve.models.tiny import tiny_model
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.problems.arithmetic import Arithmetic
from neurosieve_plugins.scorers.auc import Auc

CASES = next((folder for above in Path(__file__).parents if (folder := above / "shared/cases").is_dir()), None)
needs_cases = pytest.mark.skipif(CASES is None, reason="the cases are not beside this checkout (../shared/cases)")
TOKENS = ([np.arange(3, 20)], [np.array([1, 5])])


@pytest.fixture
def saved(tmp_path):
    """Save a model with the tiny tokenizer, with some keys of its config changed."""

    def save(model, **changed):
        folder = tmp_path / "saved"
        model.save_pretrained(folder)
        tiny_model()[1].save_pretrained(folder)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changed))
        return folder

    return save


def loaded(folder):
    lm = open_model(Model(str(folder), device="cpu"))
    return lm, lm.module


def activations(lm):
    atlas = atlas_of(lm)
    return read(lm, atlas, atlas.sites, *TOKENS)


def handed(model):
    return hand_over(model, tiny_model()[1])


def find_with(folder, tmp_path, *more):
    run = tmp_path / "run"
    return (
        "find",
        f"model.name={folder}",
        "model.format=pretrained",
        f"hydra.run.dir={run}",
        "model.device=cpu",
        "reports=[]",
        *more,
    )


# Headless models.


@pytest.mark.parametrize("name", ["Qwen2", "GPT-2", "Gemma 3 with images", "GPT-NeoX (Pythia)"])
def test_a_model_without_its_head_reads_as_with_it(name):
    whole = family_model(name)
    expected = activations(handed(whole))
    lm = handed(whole.base_model)
    assert lm.has_no_head
    for site, values in activations(lm).items():
        torch.testing.assert_close(values, expected[site], rtol=0, atol=0)


def test_a_model_that_auto_model_made_reads_though_its_config_names_no_architecture():
    model = transformers.AutoModel.from_config(FAMILIES["Llama"].config)
    assert activations(handed(model))


def test_a_folder_whose_files_have_no_head_is_read_without_and_no_random_head_is_made(saved):
    model = family_model("Qwen2")
    lm, module = loaded(saved(model.base_model))
    assert type(module).__name__ == "Qwen2Model"
    expected = activations(handed(model))
    for site, values in activations(lm).items():
        torch.testing.assert_close(values, expected[site], rtol=0, atol=0)


def test_a_model_that_classifies_texts_is_read():
    config = FAMILIES["Qwen2"].config
    assert activations(handed(transformers.AutoModelForSequenceClassification.from_config(config)))


@pytest.mark.slow
def test_what_needs_a_head_says_so(tmp_path):
    model, tokenizer = tiny_model()
    headless = {"model": model.model, "tokenizer": tokenizer}
    detectors = {"slip": Annotations()}
    quick = {"scorers": {"auc": Auc()}, "permutations": 19, "folder": tmp_path / "run"}
    result = find(source=texts(), detectors=detectors, **headless, **quick)
    again = headless | {"source": texts(), "detectors": detectors}
    shown = show(result, **again, folder=tmp_path / "shown")
    assert any(
        "the model has no LM head; load it with `AutoModelForCausalLM`" in line for line in shown.run["warnings"]
    )
    with pytest.raises(ModelError, match="has no LM head, and gives no probabilities of tokens"):
        ablate(result, **again, folder=tmp_path / "ablated")
    with pytest.raises(ModelError, match="has no head to generate with"):
        generate(Arithmetic(2), **headless, folder=tmp_path / "made")


# Packages that are missing.


@pytest.mark.skipif("torchvision" in sys.modules, reason="torchvision is here")
def test_a_model_of_images_and_text_is_read_without_the_packages_that_its_images_need(saved):
    lm, module = loaded(saved(family_model("Qwen2.5-VL")))
    assert type(module).__name__ == "Qwen2_5_VLForConditionalGeneration"
    assert activations(lm)


@pytest.mark.parametrize(
    ("method", "package"),
    [("bitsandbytes", "bitsandbytes"), ("gptq", "optimum"), ("awq", "gptqmodel"), ("compressed-tensors", "compressed")],
)
def test_quantized_weights_name_the_package_that_reads_them(saved, method, package):
    settings = {"quant_method": method, "bits": 4, "group_size": 32, "config_groups": {}, "version": "gemm"}
    if method == "bitsandbytes":
        settings = {"quant_method": method, "load_in_4bit": True}
    with pytest.raises(ModelError, match=rf"{package}.*its weights are quantized \(`{method}`\): install the package"):
        loaded(saved(family_model("Qwen2"), quantization_config=settings))


# What is not a whole model.


def test_a_folder_with_an_adapter_is_said_to_be_one(saved, tmp_path):
    adapter = {"peft_type": "LORA", "base_model_name_or_path": "some/base"}
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter/adapter_config.json").write_text(json.dumps(adapter))
    with pytest.raises(ModelError, match=r"is not a model: it holds an adapter \(LORA\) of `some/base`: merge the two"):
        open_model(Model(str(tmp_path / "adapter")))
    folder = saved(family_model("Qwen2"))
    (folder / "adapter_config.json").write_text(json.dumps(adapter))
    with pytest.raises(ModelError, match=r"holds a whole model and an adapter .* or remove `adapter_config.json`"):
        open_model(Model(str(folder)))


@pytest.mark.parametrize("there", ["{", "[]", "\x00"])
def test_an_adapter_that_cannot_be_read_is_told(tmp_path, there):
    (tmp_path / "adapter_config.json").write_text(there)
    with pytest.raises(ModelError, match="should describe an adapter"):
        open_model(Model(str(tmp_path)))


def test_weights_that_are_missing_are_no_random_numbers(saved):
    folder = saved(family_model("Qwen2"))
    weights = load_file(folder / "model.safetensors")
    renamed = {name.replace("mlp.up_proj", "mlp.upward"): tensor for name, tensor in weights.items()}
    save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"not whole: 3 tensors .* `model.layers.0.mlp.up_proj.weight`, .*mlp.upward"):
        loaded(folder)


def test_weights_that_do_not_fit_the_config_are_told(saved):
    with pytest.raises(ModelError, match="its config does not fit its weights"):
        loaded(saved(family_model("Qwen2"), intermediate_size=64))


def test_weights_that_are_cut_off_are_told(saved):
    folder = saved(family_model("Qwen2"))
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(ModelError, match="damaged or cut off"):
        loaded(folder)


def test_code_of_the_models_own_is_not_run_and_said_to_be_needed(saved):
    code = {"AutoConfig": "configuration_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnModel"}
    with pytest.raises(ModelError, match=r"read that code, and give `model.trust_remote_code=true`"):
        open_model(Model(str(saved(family_model("Qwen2"), model_type="own", auto_map=code))))


def test_a_kind_of_model_that_is_newer_than_transformers_is_told(saved):
    with pytest.raises(ModelError, match="install a transformers that knows it"):
        open_model(Model(str(saved(family_model("Qwen2"), model_type="qwen99"))))


def test_an_encoder_and_a_decoder_are_told(saved):
    lm = open_model(Model(str(saved(family_model("T5"))), device="cpu"))
    with pytest.raises(ModelError, match="reads a text with an encoder and writes with a decoder"):
        atlas_of(lm)


# Weights without numbers.


def test_weights_on_the_meta_device_are_told():
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(FAMILIES["Qwen2"].config)
    with pytest.raises(ModelError, match=r"hold no numbers .* load its weights, as `from_pretrained` does"):
        handed(model)


def test_one_layer_on_the_meta_device_is_told():
    model = family_model("Qwen2")
    model.model.layers[1].to("meta")
    with pytest.raises(ModelError, match=r"12 of \d+ tensors of the model hold no numbers"):
        handed(model)


def test_weights_that_accelerate_keeps_elsewhere_are_told(tmp_path):
    from accelerate import disk_offload

    model = family_model("Qwen2")
    disk_offload(model, tmp_path, execution_device="cpu")
    model.hf_device_map = {"": "disk"}
    with pytest.raises(ModelError, match="load the model without `device_map`"):
        handed(model)


# Through the command line.


@pytest.mark.parametrize("name", ["BERT", "RoBERTa", "EmbeddingGemma"])
def test_a_model_that_attends_both_ways_ends_with_one_message(saved, tmp_path, refused, name, monkeypatch):
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))
    said = refused(*find_with(saved(family_model(name)), tmp_path, "source.documents=20"))
    assert "attends both ways" in said
    assert not (tmp_path / "run/run.json").exists()


@needs_cases
def test_the_case_of_an_adapter(tmp_path, refused):
    said = refused(*find_with(CASES / "29-adapter-folder/adapter", tmp_path))
    assert "it holds an adapter (LORA) of `models/qwen3`: merge the two with the package peft" in said


@needs_cases
def test_the_case_of_a_model_that_attends_both_ways(saved, tmp_path, refused, monkeypatch):
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))
    traces = f"source.path={CASES / '12-bidirectional/uneven.jsonl'}"
    said = refused(*find_with(saved(family_model("BERT")), tmp_path, "source=traces", traces))
    assert "attends both ways" in said


def run_of(capsys, tmp_path, *arguments):
    main([*arguments])
    capsys.readouterr()
    return json.loads((tmp_path / "run/run.json").read_text())


QUICK = ("permutations=19", "stability_bootstraps=19", "interval_bootstraps=19")


@pytest.mark.parametrize("scaled", [None, {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}])
@needs_cases
def test_the_case_of_texts_beyond_the_context(saved, tmp_path, capsys, monkeypatch, scaled):
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))
    changed = {"max_position_embeddings": 64} | ({"rope_parameters": scaled} if scaled else {})
    traces = f"source.path={CASES / '10-context-overflow/traces.jsonl'}"
    folder = saved(family_model("Llama"), **changed)
    run = run_of(capsys, tmp_path, *find_with(folder, tmp_path, "source=traces", traces, *QUICK))
    [warning] = [warning for warning in run["warnings"] if "was made for" in warning]
    assert "in 60 documents lie behind the 64 tokens that `saved` was made for" in warning
    assert run["counts"]["positions_beyond_context"] > 60
    switching = [warning for warning in run["warnings"] if "60 documents are longer than 64 tokens" in warning]
    assert len(switching) == (scaled is not None)


@pytest.mark.parametrize("store", [(), ("store=none", "scorers=[cohens_d]")])
@needs_cases
def test_the_case_of_prompts_that_fill_the_context(saved, tmp_path, refused, monkeypatch, store):
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))
    size = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "bos_token_id": 0, "eos_token_id": 1}
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=512, **size))
    traces = f"source.path={CASES / '10-context-overflow/traces.jsonl'}"
    said = refused(*find_with(saved(model), tmp_path, "source=traces", traces, *store))
    assert "the source gave 60 documents, and no completion can be read: in 60 the prompt alone fills the 64" in said
    assert "check its path" not in said
