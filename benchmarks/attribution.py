"""The time and memory of attribution beside reading: for one position of a text, for five, and for nine.

    python benchmarks/attribution.py [--smoke] [--json PATH]

Gemma 3 270M (float32 on a CPU, bfloat16 on a GPU), one text of 512 and one of 4,096 tokens, whose last positions
are asked for: no token can be left out behind them. Each ratio is to one forward pass of the bare decoder over the same
tokens (sdpa, no LM head), taken in turn; the vocabulary of 262,144 makes the head of one position alone cost much.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from figures import Row, alone, command_line, forget_peak, peak_mib, row


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


def of_positions(preset: str, length: int, positions: int, turns: int) -> Row:
    """Measure attribution at the last positions of one text."""
    from neurosieve.models.gradients import edit_effects

    model, atlas = _setting(preset)
    ids = np.random.default_rng(0).integers(10, 60, size=length)
    replacements = {site: torch.zeros(atlas.neurons) for site in atlas.sites}
    tokens = np.arange(length - positions, length)
    text = torch.from_numpy(ids)[None].to(model.device)

    def bare() -> None:
        with torch.inference_mode():
            model.module.base_model(input_ids=text, use_cache=False)

    def attribution() -> None:
        edit_effects(model, atlas, [ids], [tokens], replacements)

    bare()
    forget_peak()
    base = peak_mib()
    forward, ours = [], []
    for _ in range(turns):
        forward.append(_seconds(bare, model.device))
        ours.append(_seconds(attribution, model.device))
    return row(
        f"attribution at {positions} positions of a text of {length:,} tokens",
        "the bare decoder",
        statistics.median(own / decoder for own, decoder in zip(ours, forward, strict=True)),
        3.0 * (1 + 1.2 * (positions - 1) / 4),
        f"{len(atlas.sites)} x {atlas.neurons:,} neurons; {peak_mib() - base:,.0f} MiB beyond a forward pass",
        seconds=statistics.median(ours),
        seconds_against=statistics.median(forward),
        peak_mib=round(peak_mib()),
    )


def rows(small: bool) -> list[Row]:
    preset, lengths, turns = ("tiny", (64,), 1) if small else ("gemma-3-270m", (512, 4096), 3)
    return [
        alone("attribution:of_positions", preset, length, positions, turns if length < 4096 else 1)
        for length in lengths
        for positions in (1, 5, 9)
        if length < 4096 or positions < 9
    ]


if __name__ == "__main__":
    command_line(rows, __doc__)
