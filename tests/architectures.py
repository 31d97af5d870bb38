"""Models of several architectures, tiny and random, built in code."""

import copy

import numpy as np
import torch
import transformers

__all__ = ["CONFIGS", "GATED", "PATHS", "SIZE", "random_model", "token_ids"]

SIZE = {"vocab_size": 461, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
GATED = SIZE | {"intermediate_size": 48, "num_key_value_heads": 2, "pad_token_id": 0}
CONFIGS = {
    "Qwen2": transformers.Qwen2Config(**GATED),
    "Qwen3": transformers.Qwen3Config(**GATED, head_dim=8),
    "Llama": transformers.LlamaConfig(**GATED),
    "Mistral": transformers.MistralConfig(**GATED),
    "Gemma3": transformers.Gemma3TextConfig(**GATED, head_dim=8, sliding_window=8),
    "Gemma2": transformers.Gemma2Config(**GATED, head_dim=8),
    "Phi": transformers.PhiConfig(**GATED),
    "OPT": transformers.OPTConfig(**SIZE, ffn_dim=48, word_embed_proj_dim=32),
    "GPT2": transformers.GPT2Config(vocab_size=461, n_embd=32, n_layer=3, n_head=4, n_inner=48),
    "GPTNeoX": transformers.GPTNeoXConfig(**SIZE, intermediate_size=48),
}


def random_model(name):
    """A model of an architecture, the same each time."""
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(copy.deepcopy(CONFIGS[name])).eval()


def token_ids(lengths=(17, 5, 11)):
    """The ids of texts of some lengths."""
    rng = np.random.default_rng(0)
    return [rng.integers(2, 461, size=length) for length in lengths]


PATHS = {
    "GPT2": "transformer.h.{}.mlp.c_proj",
    "GPTNeoX": "gpt_neox.layers.{}.mlp.dense_4h_to_h",
    "Phi": "model.layers.{}.mlp.fc2",
    "OPT": "model.decoder.layers.{}.fc2",
}
"""Where the down projection of a layer is, where it is not `model.layers.{}.mlp.down_proj`."""
