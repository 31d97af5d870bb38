"""The time and memory of attribution beside reading, beside TransformerLens's, and beside real ablations.

    python benchmarks/attribution.py [--smoke] [--json PATH]

Gemma 3 270M (float32 on a CPU, bfloat16 on a GPU), one text of 512 and one of 4,096 tokens, whose last positions
are asked for: no token can be left out behind them. Each ratio is to one forward pass of the bare decoder over the same
tokens (sdpa, no LM head), taken in turn; the vocabulary of 262,144 makes the head of one position alone cost much.
Memory is beside that of reading the same positions, both beyond the loaded model.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from figures import Row, alone, command_line, forget_peak, peak_mib, row

TRIED = 3
"""So many neurons are really ablated, and the time of all is worked out from theirs."""


def _setting(preset: str) -> tuple[Any, Any]:
    from neurosieve.commands.find import job_of
    from neurosieve.models.architectures import atlas_of

    model = job_of(preset).opened()
    return model, atlas_of(model)


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def _ratio(seconds: list[float], seconds_against: list[float]) -> float:
    return statistics.median(own / other for own, other in zip(seconds, seconds_against, strict=True))


def _text(length: int) -> Any:
    return np.random.default_rng(0).integers(10, 60, size=length)


def of_positions(preset: str, length: int, positions: int, turns: int) -> list[Row]:
    """Measure the time of attribution at the last positions of one text, and its memory beside that of reading."""
    from neurosieve.models.gradients import edit_effects
    from neurosieve.models.reading_hooks import read
    from neurosieve.wording import plural

    model, atlas = _setting(preset)
    ids, tokens = _text(length), np.arange(length - positions, length)
    replacements = {site: torch.zeros(atlas.neurons) for site in atlas.sites}
    text = torch.from_numpy(ids)[None].to(model.device)

    def bare() -> None:
        with torch.inference_mode():
            model.module.base_model(input_ids=text, use_cache=False)

    def attribution() -> None:
        edit_effects(model, atlas, [ids], [tokens], replacements)

    bare()
    edit_effects(model, atlas, [ids[:32]], [np.array([31])], replacements)  # The weights of the LM head are in memory.
    forget_peak()
    base = peak_mib()
    read(model, atlas, atlas.sites, [ids], [tokens])
    reading = peak_mib() - base
    forget_peak()
    forward, ours = [], []
    for _ in range(turns):
        forward.append(_seconds(bare, model.device))
        ours.append(_seconds(attribution, model.device))
    beyond = peak_mib() - base
    sizes = f"{len(atlas.sites)} x {atlas.neurons:,} neurons"
    where = f"at {plural(positions, 'position')} of a text of {length:,} tokens"
    figures = {"peak_mib": round(peak_mib())}
    return [
        row(
            f"attribution {where}",
            "the bare decoder",
            _ratio(ours, forward),
            3.0 * (1 + 1.2 * (positions - 1) / 4),
            sizes,
            seconds=statistics.median(ours),
            seconds_against=statistics.median(forward),
            **figures,
        ),
        row(
            f"memory of attribution {where}",
            "of reading them",
            beyond / max(reading, 1.0),
            None,
            f"beyond the model: {beyond:,.0f} MiB, and {reading:,.0f}",
            mib=beyond,
            mib_against=reading,
            **figures,
        ),
    ]


def beside_transformer_lens(preset: str, length: int, turns: int) -> Row:
    """Compare the time with that of TransformerLens's attribution patching of the same token of the same text."""
    from reading import transformer_lens_bridge
    from transformer_lens.tools.analysis.attribution_patching import attribution_patch

    from neurosieve.models.gradients import edit_effects

    model, atlas = _setting(preset)
    ids = _text(length)
    replacements = {site: torch.zeros(atlas.neurons) for site in atlas.sites}
    bridge = transformer_lens_bridge(preset).eval()
    # It patches from one text to another of the same length, and reads the logits at every position.
    text = torch.from_numpy(ids[:-1])[None].to(model.device)
    other = text.roll(1, dims=1)
    scored = 0

    def metric(logits: Any) -> Any:
        return logits.reshape(-1, logits.shape[-1])[-1].float().log_softmax(dim=-1)[int(ids[-1])]

    def theirs() -> None:
        nonlocal scored
        scored = len(attribution_patch(bridge, text, other, metric).node_scores)

    def attribution() -> None:
        edit_effects(model, atlas, [ids], [np.array([length - 1])], replacements)

    theirs()
    attribution()
    seconds, ours = [], []
    for _ in range(turns):
        seconds.append(_seconds(theirs, model.device))
        ours.append(_seconds(attribution, model.device))
    return row(
        f"attribution at 1 position of a text of {length:,} tokens",
        "TransformerLens's attribution patching (whole heads and MLPs at each token, no neurons)",
        _ratio(ours, seconds),
        1.0,
        f"{len(atlas.sites) * atlas.neurons:,} neurons, and {scored:,} nodes, which are not comparable; two forward "
        "passes and one back for theirs",
        seconds=statistics.median(ours),
        seconds_against=statistics.median(seconds),
    )


def beside_ablations(preset: str, length: int) -> Row:
    """Compare the time with that of ablating every neuron for real, one at a time, worked out from a few of them."""
    from neurosieve.models.gradients import edit_effects

    model, atlas = _setting(preset)
    ids = _text(length)
    text = torch.from_numpy(ids[:-1])[None].to(model.device)
    replacements = {site: torch.zeros(atlas.neurons) for site in atlas.sites}

    def ablated(layer: int) -> None:
        def without(_: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
            edited = arguments[0].clone()
            edited[..., 0] = 0
            return (edited,)

        hook = atlas.module(model, layer).register_forward_pre_hook(without)
        try:
            with torch.inference_mode():
                model.module(input_ids=text, use_cache=False, logits_to_keep=1)
        finally:
            hook.remove()

    def attribution() -> None:
        edit_effects(model, atlas, [ids], [np.array([length - 1])], replacements)

    ablated(0)
    attribution()
    layers = np.linspace(0, len(atlas.sites) - 1, TRIED).astype(int).tolist()
    each, ours = [], []
    for layer in layers:
        each.append(_seconds(lambda layer=layer: ablated(layer), model.device))
        ours.append(_seconds(attribution, model.device))
    neurons = len(atlas.sites) * atlas.neurons
    return row(
        f"real ablation of every neuron, one at a time, for 1 position of a text of {length:,} tokens",
        "attribution",
        neurons * _ratio(each, ours),
        1_000.0,
        f"worked out for {neurons:,} neurons from {TRIED} that were ablated, in whole passes; attribution says to "
        "first order what they do",
        at_least=True,
        seconds=neurons * statistics.median(each),
        seconds_against=statistics.median(ours),
    )


def rows(small: bool) -> list[Row]:
    preset, lengths, turns = ("tiny", (64,), 1) if small else ("gemma-3-270m", (512, 4096), 3)
    lines: list[Row] = []
    for length in lengths:
        for positions in (1, 5, 9):
            lines += alone("attribution:of_positions", preset, length, positions, turns if length < 4096 else 1)
    lines.append(alone("attribution:beside_transformer_lens", preset, lengths[0], turns))
    lines.append(alone("attribution:beside_ablations", preset, lengths[0]))
    return lines


if __name__ == "__main__":
    command_line(rows, __doc__)
