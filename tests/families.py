"""A tiny random model of each family of language models, built in code, and where it keeps its down projections."""

import copy
from typing import Any, NamedTuple

import torch
import transformers

__all__ = ["FAMILIES", "Family", "family_model"]

SIZE = {"vocab_size": 512, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
SPECIAL = {"bos_token_id": 0, "eos_token_id": 1}
GATED = SIZE | SPECIAL | {"intermediate_size": 48, "num_key_value_heads": 2, "pad_token_id": 1}
OLD = SPECIAL | {"vocab_size": 512, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_inner": 48}
HEADED = GATED | {"head_dim": 8}
EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 16}
VISION = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
VISION |= {"image_size": 16, "patch_size": 8}
QWEN_VISION = {"depth": 1, "hidden_size": 16, "intermediate_size": 24, "num_heads": 2, "out_hidden_size": 32}
ROTARY = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}


class Family(NamedTuple):
    """A family of models."""

    what: str
    """What its layers are like."""
    config: Any
    down: str | None = "model.layers.{}.mlp.down_proj"
    """The module that its MLP neurons enter; None where no one module is such."""
    layer: str = "model.layers.{}"
    auto: Any = transformers.AutoModelForCausalLM


class _Own(NamedTuple):
    """Builds a class by its name, where no `AutoModel` does."""

    name: str

    def from_config(self, config: Any) -> Any:
        return getattr(transformers, self.name)(config)


_IMAGES = transformers.AutoModelForImageTextToText
_MASKED = transformers.AutoModelForMaskedLM
_t = transformers

FAMILIES = {
    "Llama": Family("gated", _t.LlamaConfig(**GATED)),
    "Qwen2": Family("gated, biased attention", _t.Qwen2Config(**GATED)),
    "Qwen3": Family("gated", _t.Qwen3Config(**HEADED)),
    "Mistral": Family("gated, sliding window", _t.MistralConfig(**GATED, sliding_window=8)),
    "Gemma": Family("gated", _t.GemmaConfig(**HEADED)),
    "Gemma 2": Family("gated, norms before and after, sliding window", _t.Gemma2Config(**HEADED, sliding_window=8)),
    "Gemma 3": Family("gated, norms before and after, sliding window", _t.Gemma3TextConfig(**HEADED, sliding_window=8)),
    "OLMo": Family("gated, norms without weights", _t.OlmoConfig(**GATED)),
    "OLMo 2": Family("gated, norms after alone", _t.Olmo2Config(**GATED)),
    "Phi-3": Family("gated in one matrix", _t.Phi3Config(**GATED)),
    "StableLM": Family("gated, partly rotary", _t.StableLmConfig(**GATED)),
    "SmolLM3": Family("gated, some layers without positions", _t.SmolLM3Config(**GATED)),
    "Granite": Family("gated, scaled residual stream", _t.GraniteConfig(**GATED)),
    "Cohere": Family("gated, parallel to attention", _t.CohereConfig(**GATED)),
    "GLM-4": Family("gated in one matrix, norms before and after", _t.Glm4Config(**HEADED)),
    "Nemotron": Family("plain, squared", _t.NemotronConfig(**GATED)),
    "Starcoder2": Family("plain, biased", _t.Starcoder2Config(**GATED), "model.layers.{}.mlp.c_proj"),
    "Phi": Family("plain, biased, parallel to attention", _t.PhiConfig(**GATED), "model.layers.{}.mlp.fc2"),
    "OPT": Family(
        "plain, biased, learned positions",
        _t.OPTConfig(**SIZE, **SPECIAL, pad_token_id=1, ffn_dim=48, word_embed_proj_dim=32),
        "model.decoder.layers.{}.fc2",
        "model.decoder.layers.{}",
    ),
    "GPT-2": Family(
        "plain, biased, learned positions",
        _t.GPT2Config(**OLD),
        "transformer.h.{}.mlp.c_proj",
        "transformer.h.{}",
    ),
    "GPT-J": Family(
        "plain, biased, parallel to attention",
        _t.GPTJConfig(**OLD, rotary_dim=4),
        "transformer.h.{}.mlp.fc_out",
        "transformer.h.{}",
    ),
    "GPT-Neo": Family(
        "plain, biased, local attention",
        _t.GPTNeoConfig(
            **SPECIAL,
            vocab_size=512,
            hidden_size=32,
            num_layers=3,
            num_heads=4,
            intermediate_size=48,
            attention_types=[[["global", "local", "global"], 1]],
            window_size=8,
        ),
        "transformer.h.{}.mlp.c_proj",
        "transformer.h.{}",
    ),
    "GPT-NeoX (Pythia)": Family(
        "plain, biased, parallel to attention",
        _t.GPTNeoXConfig(**SIZE, **SPECIAL, intermediate_size=48),
        "gpt_neox.layers.{}.mlp.dense_4h_to_h",
        "gpt_neox.layers.{}",
    ),
    "GPTBigCode": Family(
        "plain, biased, one key for all heads",
        _t.GPTBigCodeConfig(**OLD),
        "transformer.h.{}.mlp.c_proj",
        "transformer.h.{}",
    ),
    "BLOOM": Family(
        "plain, biased, ALiBi",
        _t.BloomConfig(**SPECIAL, vocab_size=512, hidden_size=32, n_layer=3, n_head=4),
        "transformer.h.{}.mlp.dense_4h_to_h",
        "transformer.h.{}",
    ),
    "Falcon": Family(
        "plain, parallel to attention",
        _t.FalconConfig(**SPECIAL, vocab_size=512, hidden_size=32, num_hidden_layers=3, num_attention_heads=4),
        "transformer.h.{}.mlp.dense_4h_to_h",
        "transformer.h.{}",
    ),
    "MPT": Family(
        "plain, ALiBi",
        _t.MptConfig(**SPECIAL, vocab_size=512, d_model=32, n_layers=3, n_heads=4),
        "transformer.blocks.{}.ffn.down_proj",
        "transformer.blocks.{}",
    ),
    "Mixtral": Family("mixture of experts", _t.MixtralConfig(**GATED, num_local_experts=4), None),
    "Qwen3-MoE": Family("mixture of experts", _t.Qwen3MoeConfig(**HEADED, **EXPERTS, num_experts=4), None),
    "OLMoE": Family("mixture of experts", _t.OlmoeConfig(**GATED, num_experts=4, num_experts_per_tok=2), None),
    "gpt-oss": Family(
        "mixture of experts, sliding window",
        _t.GptOssConfig(**HEADED, num_local_experts=4, num_experts_per_tok=2, sliding_window=8),
        None,
    ),
    "Mamba": Family(
        "state space, no attention",
        _t.MambaConfig(**SPECIAL, pad_token_id=1, vocab_size=512, hidden_size=32, num_hidden_layers=3, state_size=4),
        None,
        "backbone.layers.{}",
    ),
    "Gemma 3 with images": Family(
        "gated, in a wrapper",
        _t.Gemma3Config(
            text_config=HEADED | {"sliding_window": 8}, vision_config=VISION, mm_tokens_per_image=4, **SPECIAL
        ),
        "model.language_model.layers.{}.mlp.down_proj",
        "model.language_model.layers.{}",
        _IMAGES,
    ),
    "LLaVA": Family(
        "gated, in a wrapper",
        _t.LlavaConfig(text_config=_t.LlamaConfig(**GATED), vision_config=_t.CLIPVisionConfig(**VISION)),
        "model.language_model.layers.{}.mlp.down_proj",
        "model.language_model.layers.{}",
        _IMAGES,
    ),
    "Qwen2.5-VL": Family(
        "gated, in a wrapper",
        _t.Qwen2_5_VLConfig(
            text_config=GATED | {"rope_parameters": ROTARY}, vision_config=QWEN_VISION | {"fullatt_block_indexes": [0]}
        ),
        "model.language_model.layers.{}.mlp.down_proj",
        "model.language_model.layers.{}",
        _IMAGES,
    ),
    "BERT as a decoder": Family(
        "plain, biased, norms after alone",
        _t.BertConfig(**SIZE, **SPECIAL, intermediate_size=48, is_decoder=True),
        "bert.encoder.layer.{}.output.dense",
        "bert.encoder.layer.{}",
    ),
    "BERT": Family(
        "plain, biased, norms after alone",
        _t.BertConfig(**SIZE, intermediate_size=48),
        "bert.encoder.layer.{}.output.dense",
        "bert.encoder.layer.{}",
        _MASKED,
    ),
    "RoBERTa": Family(
        "plain, biased, norms after alone",
        _t.RobertaConfig(**SIZE, intermediate_size=48),
        "roberta.encoder.layer.{}.output.dense",
        "roberta.encoder.layer.{}",
        _MASKED,
    ),
    "EmbeddingGemma": Family(
        "gated, norms before and after, sliding window",
        _t.Gemma3TextConfig(**HEADED, sliding_window=8, use_bidirectional_attention=True),
    ),
    "T5": Family(
        "encoder and decoder",
        _t.T5Config(vocab_size=512, d_model=32, d_kv=8, d_ff=48, num_layers=3, num_heads=4),
        None,
        "",
        _Own("T5ForConditionalGeneration"),
    ),
}


def family_model(name: str) -> Any:
    """Return the model of a family, the same each time, livelier than the usual start, so that what is read matters."""
    family = FAMILIES[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = family.auto.from_config(copy.deepcopy(family.config)).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    torch.nn.init.normal_(parameter, std=0.15)
    return model
