"""A model of the founding model's exact shape reads one document: its speed against the bare decoder, and its memory.

    python benchmarks/founding_shape.py [--smoke] [--json PATH]

Random weights in the shape of DeepSeek-R1-Distill-Qwen-1.5B, float32, without the LM head, which reading never runs:
about 6 GB, and 7 while they are made.
"""

import statistics
import time
from typing import Any

from figures import Row, command_line, forget_peak, peak_mib, row

SHAPE = {
    "vocab_size": 151_936,
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
}
SMALL = {
    "vocab_size": 512,
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
}


def founding(shape: dict[str, int]) -> Any:
    """Return a model of a shape, without its LM head."""
    import torch
    from transformers import AutoModelForCausalLM, Qwen2Config

    config = Qwen2Config(
        **shape,
        tie_word_embeddings=False,
        rope_theta=10_000.0,
        max_position_embeddings=131_072,
        rms_norm_eps=1e-6,
        architectures=["Qwen2ForCausalLM"],
    )
    torch.manual_seed(0)
    module = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    module.lm_head = torch.nn.Identity()
    return module.eval()


def rows(small: bool) -> list[Row]:
    import torch
    from places import batches_of, captured, random_texts

    from neurosieve.models.architectures import atlas_of
    from neurosieve.models.loading import hand_over
    from neurosieve.models.tiny import tiny_model

    shape, length, turns = (SMALL, 64, 1) if small else (SHAPE, 512, 3)
    module = founding(shape)
    model = hand_over(module, tiny_model()[1], "random weights")
    atlas, positions = atlas_of(model), random_texts(shape["vocab_size"], [length])
    [ids] = [torch.from_numpy(ids) for ids in batches_of(positions, 4096)]
    forget_peak()
    base = peak_mib()
    bare, ours = [], []
    for _ in range(turns + 1):
        began = time.perf_counter()
        with torch.inference_mode():
            module.base_model(input_ids=ids, use_cache=False)
        bare.append(time.perf_counter() - began)
        began = time.perf_counter()
        captured(model, atlas, positions, 4096)
        ours.append(time.perf_counter() - began)
    seconds, peak = statistics.median(ours[1:]), peak_mib()
    return [
        row(
            "reading one text through the founding model's shape",
            "the bare decoder (sdpa, no LM head)",
            statistics.median(own / decoder for own, decoder in zip(ours[1:], bare[1:], strict=True)),
            1.05,
            f"{shape['num_hidden_layers']} x {shape['intermediate_size']:,} neurons, random weights, float32, "
            f"{length} tokens, {len(positions.token_of_row)} positions; {length / seconds:,.0f} tokens a second; "
            f"{peak - base:,.0f} MiB beyond the model",
            seconds=seconds,
            seconds_against=statistics.median(bare[1:]),
            peak_mib=round(peak),
        )
    ]


if __name__ == "__main__":
    command_line(rows, __doc__)
