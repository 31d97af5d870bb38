"""Opening an embedding model: what is not there, or not safe, ends in one message."""

import json
import sys
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file
from tiny_embeddings import bert_model, static_model

pytest.importorskip("sentence_transformers", reason="the extra `embeddings` is not installed")

from neurosieve import ConfigError, ModelError
from neurosieve_plugins.embedding.opening import open_embedder


def refused(name, message, error=ModelError):
    with pytest.raises(error, match=message) as raised:
        open_embedder(str(name))
    assert "\n" not in str(raised.value)


def test_a_model_stays_open(tmp_path):
    folder = static_model(tmp_path / "static")
    assert open_embedder(folder) is open_embedder(folder)


def test_another_model_in_the_same_folder_is_opened_anew(tmp_path):
    folder = static_model(tmp_path / "static")
    first = open_embedder(folder).fingerprint
    static_model(tmp_path / "static", seed=1)
    assert open_embedder(folder).fingerprint != first


@pytest.mark.parametrize("name", ["./nothing", "/nowhere/at/all", "~/nothing-of-this-name", "a/b/c"])
def test_a_folder_that_is_not_there_is_named(name):
    refused(name, f"there is no folder `{name}` with an embedding model")


def test_a_name_that_the_hub_cannot_have_is_named():
    refused("no such name!", "`no such name!` is neither a folder here nor a name of the Hugging Face hub")


def test_a_hub_that_is_not_reached_is_said(monkeypatch):
    def offline(*_, **__):
        raise LocalEntryNotFoundError("offline")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    refused("someone/model-a", "was not downloaded before, and the Hugging Face hub was not reached")


def test_what_the_hub_refuses_is_said_with_its_reason(monkeypatch):
    def refusing(*_, **__):
        raise OSError("Repository Not Found\nand more")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refusing)
    refused("someone/model-b", r"the Hugging Face hub does not give it \(Repository Not Found\): check the name")


def test_a_model_of_the_hub_is_that_of_its_snapshot_without_pickles_and_code(monkeypatch, tmp_path):
    folder, patterns = static_model(tmp_path / "static"), []

    def snapshot(name, allow_patterns):
        patterns.extend(allow_patterns)
        return folder

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert open_embedder("someone/model-c").name == "someone/model-c"
    assert not [pattern for pattern in patterns if pattern.endswith((".py", ".bin", ".pt", ".pkl", "*"))]


def test_a_language_model_is_not_an_embedding_model(tmp_path):
    bert_model(tmp_path)
    refused(tmp_path / "bert", "is not an embedding model: it has no `modules.json`")


def test_a_model_with_code_of_its_own_is_refused(tmp_path):
    folder = tmp_path / "static"
    static_model(folder)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "own_code.Model"
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "own_code.py").write_text("raise SystemExit('it ran')")
    refused(folder, r"comes with Python code of its own \(`own_code.Model`\), which is not run")


def test_pickled_weights_are_refused_unread(tmp_path):
    folder = tmp_path / "static"
    static_model(folder)
    for weights in folder.rglob("*.safetensors"):
        torch.save({}, weights.with_name("pytorch_model.bin"))
        weights.unlink()
    refused(folder, "are in pickle files, which can run code")


@pytest.mark.parametrize("content", ["", "{}", "[1]", '[{"type": 3}]', "no JSON"])
def test_a_broken_list_of_modules_is_refused(tmp_path, content):
    static_model(tmp_path / "static")
    (tmp_path / "static" / "modules.json").write_text(content)
    refused(tmp_path / "static", "cannot be read|cannot be opened")


def test_weights_that_were_cut_off_are_refused(tmp_path):
    static_model(tmp_path / "static")
    [weights] = (tmp_path / "static").rglob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-50])
    refused(tmp_path / "static", "cannot be opened .*: download or save it again")


def test_the_extra_is_named_where_the_library_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    refused("any", r"not installed: `pip install neurosieve\[embeddings\]`", ConfigError)


def without(folder, word):
    """Leave the tensors out of a model whose names hold a word."""
    [weights] = [path for path in folder.rglob("*.safetensors") if "bert" not in path.parts]
    tensors = load_file(weights)
    assert any(word in name for name in tensors)
    save_file({name: tensor for name, tensor in tensors.items() if word not in name}, weights, {"format": "pt"})


def test_weights_that_are_missing_and_would_be_random_are_refused(tmp_path):
    folder = Path(bert_model(tmp_path))
    without(folder, "output.dense.weight")
    refused(folder, "are not whole: `.*output.dense.weight` is missing in its files, and would be random numbers")


def test_weights_that_no_embedding_depends_on_may_be_missing(tmp_path):
    folder = Path(bert_model(tmp_path))
    whole = open_embedder(str(folder)).embed(["a dog"]).vectors
    without(folder, "pooler")
    np.testing.assert_array_equal(open_embedder(str(folder)).embed(["a dog"]).vectors, whole)
