"""What a GPU does: the speed of reading and of attribution, scoring and permuting, memory, and agreement with the CPU.

    python benchmarks/on_a_gpu.py [--smoke] [--json PATH] [--kept PATH]

Random weights in bfloat16, in the shape of Gemma 3 270M and of the founding model (DeepSeek-R1-Distill-Qwen-1.5B: 28
layers of 8,960 neurons): nothing is downloaded. It is made for 15 minutes on one GPU, the smallest first. Each figure
is printed, and added to `--kept`, as soon as it is there: a run that is ended early keeps what it has. Where there is
no GPU it says so, and ends with exit code 0; `--smoke` runs tiny shapes on the CPU.

Agreement: bfloat16 rounds each number to 8 bits, and a GPU adds in another order than a CPU. So both are compared with
float32 on the CPU, and the GPU may be at most twice as far from it as bfloat16 on the CPU is.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from figures import Row, forget_peak, machine, markdown, met, peak_mib, row
from founding_shape import SHAPE
from founding_shape import SMALL as TINY

KEPT = Path("on_a_gpu.jsonl")
GEMMA = {
    "vocab_size": 262_144,
    "hidden_size": 640,
    "intermediate_size": 2048,
    "num_hidden_layers": 18,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "head_dim": 256,
    "sliding_window": 512,
    "max_position_embeddings": 32_768,
}


def _model(shape: dict[str, int], dtype: torch.dtype, device: torch.device) -> Any:
    """Return a model of a shape, with its head; the same weights each time, rounded to bfloat16."""
    from transformers import AutoModelForCausalLM, Gemma3TextConfig, Qwen2Config

    from neurosieve.models.loading import hand_over
    from neurosieve.models.tiny import tiny_model

    if shape is GEMMA:
        config = Gemma3TextConfig(**shape, architectures=["Gemma3ForCausalLM"])
    else:
        config = Qwen2Config(
            **shape, tie_word_embeddings=False, max_position_embeddings=131_072, architectures=["Qwen2ForCausalLM"]
        )
    torch.manual_seed(0)
    module = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
    return hand_over(module.to(device, dtype), tiny_model()[1], "random weights")


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    _wait(device)
    began = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _peak_from_now(device: torch.device) -> Callable[[], float]:
    """Return what gives the most memory of the device that was in use since, in MiB."""
    if device.type != "cuda":
        forget_peak()
        return peak_mib
    torch.cuda.reset_peak_memory_stats(device)
    return lambda: torch.cuda.max_memory_allocated(device) / 2**20


def agreement(name: str, shape: dict[str, int], device: torch.device, length: int) -> Iterator[Row]:
    """Compare what is read, and attribution, with float32 on the CPU."""
    from neurosieve.models.architectures import atlas_of
    from neurosieve.models.gradients import edit_effects
    from neurosieve.models.reading_hooks import read

    ids = np.random.default_rng(1).integers(4, shape["vocab_size"], length)
    tokens = np.array([length // 2, length - 1])
    found: list[tuple[Any, Any]] = []
    cpu = torch.device("cpu")
    for dtype, where in ((torch.float32, cpu), (torch.bfloat16, cpu), (torch.bfloat16, device)):
        model = _model(shape, dtype, where)
        atlas = atlas_of(model)
        zero = {site: torch.zeros(atlas.neurons) for site in atlas.sites}
        found.append(
            (read(model, atlas, atlas.sites, [ids], [tokens]), edit_effects(model, atlas, [ids], [tokens], zero))
        )
        del model
    for number, what in enumerate(("activations", "attribution")):
        exact, rounded, there = (_flat(values[number]) for values in found)
        size = exact.norm()
        ours, bound = float((there - exact).norm() / size), float((rounded - exact).norm() / size)
        yield row(
            f"{what} of {name} in bfloat16 on {device.type}, difference from float32",
            "that of bfloat16 on the CPU",
            ours / bound,
            2.0,
            f"{length} tokens; {ours:.2%} and {bound:.2%} of the size of all values",
        )


def _flat(values: Any) -> torch.Tensor:
    return torch.cat([values[site].float().flatten() for site in sorted(values)]).double()


def speed(
    name: str, shape: dict[str, int], device: torch.device, texts: int, length: int, units: tuple[int, ...], turns: int
) -> Iterator[Row]:
    """Time the capture, and attribution at the last positions, beside the bare decoder."""
    from places import captured, random_texts

    from neurosieve.models.architectures import atlas_of
    from neurosieve.models.gradients import edit_effects

    model = _model(shape, torch.bfloat16, device)
    atlas = atlas_of(model)
    batches = 4
    positions = random_texts(shape["vocab_size"], [length] * texts * batches)
    documents = [document.token_ids for document in positions.documents]
    text = torch.from_numpy(np.stack(documents[:texts])).to(device)
    zero = {site: torch.zeros(atlas.neurons) for site in atlas.sites}
    sizes = f"{texts} texts of {length:,} tokens at once"

    def bare(times: int = 1) -> None:
        with torch.inference_mode():
            for _ in range(times):
                model.module.base_model(input_ids=text, use_cache=False)

    def row_of(what: str, work: Callable[[], object], times: int, aim: float) -> Row:
        work()
        peak = _peak_from_now(device)
        ours, decoder = [], []
        for _ in range(turns):
            decoder.append(_seconds(lambda: bare(times), device))
            ours.append(_seconds(work, device))
        tokens, seconds, against = text.numel() * times, statistics.median(ours), statistics.median(decoder)
        return row(
            f"{what}, {name}, bfloat16, {device.type}",
            "the bare decoder (sdpa, no LM head)",
            statistics.median(own / other for own, other in zip(ours, decoder, strict=True)),
            aim,
            f"{sizes}; {tokens / seconds:,.0f} tokens a second, and {tokens / against:,.0f}",
            seconds=seconds,
            seconds_against=against,
            peak_mib=round(peak()),
        )

    bare()
    captures = lambda: captured(model, atlas, positions, texts * length)  # noqa: E731
    yield row_of("reading into a fresh store", captures, batches, 1.05)
    for asked in units:
        tokens = [np.arange(length - asked, length)] * texts

        def attribution(tokens: Any = tokens) -> None:
            edit_effects(model, atlas, documents[:texts], tokens, zero)

        yield row_of(f"attribution of {asked} in each text", attribution, 1, 3.0 * (1 + 1.2 * (asked - 1) / 4))


def scoring(layers: int, neurons: int, positions: int, permutations: int, device: torch.device) -> Iterator[Row]:
    """Time scoring on the device, and the permutation null, as in a run of `find`."""
    from neurosieve import Batch, Site
    from neurosieve.evidence.permutation import permutation_null
    from neurosieve.scoring.engine import score
    from neurosieve_plugins.scorers.auc import Auc
    from neurosieve_plugins.scorers.cohens_d import CohensD

    labels = (torch.arange(positions) % 11 == 0).to(torch.int8).unsqueeze(1)
    documents = torch.arange(positions) // 40
    sizes = f"{layers * neurons:,} neurons x {positions:,} positions"

    def batch(layer: int, where: torch.device, width: int = neurons) -> Any:
        activations = torch.randn(positions, width, generator=torch.Generator().manual_seed(layer)).to(where)
        return Batch(Site(layer), activations, labels, documents, documents, documents)

    scorers = {"auc": Auc(), "cohens_d": CohensD()}
    on_cpu, there = (score([batch(0, where)], scorers) for where in (torch.device("cpu"), device))
    furthest = max(float((on_cpu[each].value.cpu() - there[each].value.cpu()).abs().max()) for each in scorers)
    peak, spent = _peak_from_now(device), 0.0
    for layer in range(layers):
        made = batch(layer, device)
        spent += _seconds(lambda made=made: score([made], scorers), device)
    yield row(
        f"scoring by AUC and Cohen's d on {device.type}",
        "seconds",
        spent,
        None,
        f"{sizes}; one layer differs from the CPU by at most {furthest:.1e}",
        peak_mib=round(peak()),
    )
    cpu = torch.device("cpu")
    permutation_null([batch(0, cpu, 256)], Auc(), permutations, seed=0)
    made_in = 0.0

    def all_layers() -> Iterator[Any]:
        nonlocal made_in
        for layer in range(layers):
            began = time.perf_counter()
            made = batch(layer, cpu)
            made_in += time.perf_counter() - began
            yield made

    forget_peak()
    seconds = _seconds(lambda: permutation_null(all_layers(), Auc(), permutations, seed=0), cpu)
    yield row(
        f"{permutations:,} permutations by AUC, on the CPU as in `find`",
        "seconds",
        seconds - made_in,
        None,
        sizes,
        peak_mib=round(peak_mib()),
    )


def steps(small: bool) -> Iterator[Row]:
    """Measure one figure after the other, the smallest first."""
    if small:
        device = torch.device("cpu")
        yield from agreement("a tiny shape", TINY, device, 32)
        yield from speed("a tiny shape", TINY, device, 2, 64, (1, 5), 1)
        yield from scoring(2, 128, 200, 50, device)
        return
    device = torch.device("cuda")
    gemma, founding = "the shape of Gemma 3 270M", "the founding model's shape"
    yield from agreement(gemma, GEMMA, device, 64)
    yield from speed(gemma, GEMMA, device, 32, 512, (1, 5, 9), 3)
    yield from speed(gemma, GEMMA, device, 4, 4096, (1, 5, 9), 3)
    yield from speed(founding, SHAPE, device, 32, 512, (1, 5, 9), 3)
    yield from speed(founding, SHAPE, device, 4, 4096, (1, 5, 9), 1)
    yield from agreement(founding, SHAPE, device, 64)
    yield from scoring(28, 8_960, 2_000, 1_000, device)


def rows(small: bool, kept: Path | None = None) -> list[Row]:
    """Return all figures; each is printed and kept as soon as it is there. None where there is no GPU."""
    if not (small or torch.cuda.is_available()):
        print("there is no GPU here, and nothing was measured: run it where there is one", file=sys.stderr)
        return []
    lines = []
    began = time.monotonic()
    for line in steps(small):
        line |= {"peak_mib": line.get("peak_mib") or round(peak_mib()), "met": met(line)}
        lines.append(line)
        print(f"{time.monotonic() - began:.0f} s | " + markdown([line]).splitlines()[-1], file=sys.stderr, flush=True)
        if kept is not None:
            with kept.open("a") as file:
                file.write(json.dumps(line, allow_nan=False) + "\n")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny sizes on the CPU, to see that it works")
    parser.add_argument("--json", type=Path, help="also write the rows there, at the end")
    parser.add_argument("--kept", type=Path, default=KEPT, help=f"each row is added there at once; {KEPT}")
    given = parser.parse_args()
    lines = rows(given.smoke, given.kept)
    if lines:
        print(markdown(lines), end="")
    if given.json:
        result = {"machine": machine(), "smoke": given.smoke, "rows": lines}
        given.json.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
