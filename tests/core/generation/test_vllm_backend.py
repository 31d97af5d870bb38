"""What vLLM is asked for, and what is made of its answers.

vLLM needs a GPU: a stand-in with the documented names of its engine takes its place, and answers by the tiny model.
"""

import sys
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from neurosieve import ConfigError
from neurosieve.generation.completion import complete
from neurosieve.generation.requests import Request
from neurosieve.generation.sampling import Sampling
from neurosieve.generation.trace_store import TraceStore
from neurosieve.models.loading import LanguageModel, hand_over
from neurosieve.models.tiny import tiny_model

SAYS = ((5, 6, 7, 1), (8, 9), (10, 11, 12, 13))
"""What it says to each of three prompts: ended by the token 1, by a text, and not at all."""
ENDS = (("stop", None), ("stop", "halt"), ("length", None))


@dataclass
class Engine:
    """A stand-in of vLLM's engine: a token a row and step."""

    arguments: Any
    requests: dict[str, Any] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)

    def add_request(self, identity, prompt, parameters):
        self.requests[identity] = (prompt, parameters)
        self.done[identity] = 0

    def has_unfinished_requests(self):
        return bool(self.done)

    def step(self):
        outputs = []
        for identity in list(self.done):
            said, (reason, stopped_by) = SAYS[int(identity)], ENDS[int(identity)]
            self.done[identity] += 1
            tokens = said[: self.done[identity]]
            finished = len(tokens) == len(said)
            if finished:
                del self.done[identity]
            one = SimpleNamespace(
                token_ids=tokens,
                text="unused",
                finish_reason=reason if finished else None,
                stop_reason=stopped_by if finished else None,
            )
            outputs.append(SimpleNamespace(request_id=identity, outputs=[one], finished=finished))
        return outputs


@pytest.fixture
def engines(monkeypatch):
    made = []

    class LLMEngine:
        @staticmethod
        def from_engine_args(arguments):
            made.append(Engine(arguments))
            return made[-1]

    vllm, inputs = ModuleType("vllm"), ModuleType("vllm.inputs")
    vllm.LLMEngine, vllm.EngineArgs, vllm.SamplingParams = LLMEngine, SimpleNamespace, SimpleNamespace
    inputs.TokensPrompt = dict
    monkeypatch.setitem(sys.modules, "vllm", vllm)
    monkeypatch.setitem(sys.modules, "vllm.inputs", inputs)
    return made


@pytest.fixture
def model():
    lm = hand_over(*tiny_model(), name="tiny")
    origin = {"model": "somewhere", "revision": None, "trust_remote_code": False}
    never = pytest.fail  # vLLM loads the weights: they must not be loaded here too.
    return LanguageModel("tiny", lm.config, lm.tokenizer, lambda: "weights", never, lm.dtype, lm.device, origin=origin)


REQUESTS = [Request(f"r{number}", prompt, number) for number, prompt in enumerate(["apples", "Let me", "The bus"])]


def completions(model, **options):
    options.setdefault("announce", lambda *_, **__: None)
    sampling = Sampling(0.7, 0.9, 4, stop=("halt",))
    found = complete(model, REQUESTS, sampling, rows_per_batch=5, backend="vllm", **options)
    return {one.request.id: one for one in found}


def test_the_engine_is_asked_for_the_same_model_sampling_and_prompts(engines, model):
    completions(model)
    [engine] = engines
    assert vars(engine.arguments) == {
        "model": "somewhere",
        "revision": None,
        "trust_remote_code": False,
        "dtype": "float32",
        "max_num_seqs": 5,
        "disable_log_stats": True,
    }
    assert [prompt["prompt_token_ids"] for prompt, _ in engine.requests.values()] == [
        model.tokenizer(request.prompt)["input_ids"] for request in REQUESTS
    ]
    for _, parameters in engine.requests.values():
        asked = (parameters.temperature, parameters.top_p, parameters.max_tokens, parameters.stop)
        assert asked == (0.7, 0.9, 4, ["halt"])
        assert 0 <= parameters.seed < 2**63
    assert len({parameters.seed for _, parameters in engine.requests.values()}) == 3


def test_what_ended_a_completion_is_no_part_of_it(engines, model):
    found = completions(model)
    assert [(one.token_ids, one.ended) for _, one in sorted(found.items())] == [
        ((5, 6, 7), True),
        ((8, 9), True),
        ((10, 11, 12, 13), False),
    ]
    assert found["r2"].text == model.tokenizer.decode([10, 11, 12, 13])


def test_each_is_kept_as_it_ends_and_is_not_made_again(engines, model, tmp_path):
    kept = []

    def announce(_, **event):
        kept.append(sum(len(file.read_text().splitlines()) for file in tmp_path.rglob("*.jsonl")))

    first = completions(model, traces=TraceStore(tmp_path), announce=announce)
    assert kept == [0, 1, 1, 3]
    assert completions(model, traces=TraceStore(tmp_path)) == first
    assert len(engines) == 1


def test_progress_ends_where_the_last_row_does(engines, model):
    heard = []
    completions(model, announce=lambda _, **event: heard.append((event["done"], event["total"])))
    assert heard[-1] == (10, 10)
    assert all(done < total for done, total in heard[:-1])


def test_a_prompt_that_leaves_no_room_is_refused(engines, model):
    with pytest.raises(ConfigError, match=r"cannot go past 4,096: set `sampling.max_new_tokens="):
        list(complete(model, REQUESTS, Sampling(max_new_tokens=4096), rows_per_batch=1, announce=print, backend="vllm"))


def test_a_model_that_was_handed_over_is_refused(engines):
    with pytest.raises(ConfigError, match=r"vLLM loads a model by itself, and `tiny` was handed over"):
        completions(hand_over(*tiny_model(), name="tiny"))
