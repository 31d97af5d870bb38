"""What generated text costs is reckoned as plain passes of the unedited model give it, on held-out prompts."""

import json
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
import transformers
from scipy.special import log_softmax

from neurosieve import ConfigError, DataError, Detector, Document, ModelError, Problem, Prompt, Span
from neurosieve.ablation import completion_likelihood as likelihood_module
from neurosieve.ablation.completion_likelihood import log_probabilities
from neurosieve.ablation.tasks import Task, refuse_blind, tasks_of_documents, tasks_of_problems
from neurosieve.models.loading import hand_over
from neurosieve.models.tiny import tiny_model
from neurosieve_plugins.detectors.annotations import Annotations

SIZE = {"vocab_size": 461, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
GATED = SIZE | {"intermediate_size": 48, "num_key_value_heads": 2, "pad_token_id": 0}
CONFIGS = {
    "Qwen2": transformers.Qwen2Config(**GATED),
    "Gemma2": transformers.Gemma2Config(**GATED, head_dim=8, sliding_window=8, final_logit_softcapping=2.0),
    "Gemma3": transformers.Gemma3TextConfig(**GATED, head_dim=8, sliding_window=8),
    "Phi": transformers.PhiConfig(**GATED),
    "OPT": transformers.OPTConfig(**SIZE, ffn_dim=48, word_embed_proj_dim=32),
    "GPT2": transformers.GPT2Config(
        vocab_size=461, n_embd=32, n_layer=3, n_head=4, n_inner=48, bos_token_id=1, eos_token_id=1
    ),
    "GPTNeoX": transformers.GPTNeoXConfig(**SIZE, intermediate_size=48),
}


def opened(name="Qwen2"):
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(CONFIGS[name]).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return hand_over(model, tiny_model()[1])


def ids(length, seed):
    return np.random.default_rng(seed).integers(2, 461, size=length).tolist()


def plainly(held, prompt, completion):
    """The sum of log-probabilities by one plain pass over the prompt and its completion."""
    if not completion:
        return 0.0
    with torch.inference_mode():
        logits = held.module(input_ids=torch.tensor([prompt + completion])).logits[0].double().numpy()
    found = log_softmax(logits, axis=-1)
    return sum(found[len(prompt) - 1 + place, token] for place, token in enumerate(completion))


@pytest.mark.parametrize("piece", [1, 4, 100])
@pytest.mark.parametrize("name", CONFIGS)
def test_the_log_probability_of_completions_is_that_of_plain_passes(name, piece, monkeypatch):
    monkeypatch.setattr(likelihood_module, "LOGITS", piece * 4 * 461)
    held = opened(name)
    prompt, completions = ids(11, 0), [ids(length, length) for length in (13, 1, 0, 6)]
    found = log_probabilities(held, prompt, completions)
    np.testing.assert_allclose(found, [plainly(held, prompt, one) for one in completions], rtol=1e-4, atol=1e-3)


def test_completions_without_a_token_are_certain():
    assert log_probabilities(opened(), ids(5, 0), [[], []]) == [0.0, 0.0]


def test_completions_that_do_not_fit_into_memory_are_refused(monkeypatch):
    held = opened()

    def full(_, given):
        if len(given[0]) > 1:
            raise torch.OutOfMemoryError("out of memory")

    held.module.model.layers[0].register_forward_pre_hook(full)
    with pytest.raises(ModelError, match="2 completions of 9 tokens do not fit into the memory of cpu at once"):
        log_probabilities(held, ids(5, 0), [ids(9, 1), ids(3, 2)])


def documents(groups=6, each=3):
    return [
        Document(
            f"d{group}{n}", f"Problem {group}, asked {n} ways: so", f"g{group}", 22, metadata={"answer": str(group)}
        )
        for group in range(groups)
        for n in range(each)
    ]


def test_tasks_of_documents_are_their_prompts_of_the_held_out_groups_each_once():
    tasks = tasks_of_documents([*documents(), replace(documents()[0], id="again")], {"g0", "g3"}, 40, 0)
    assert {task.group for task in tasks} == {"g0", "g3"}
    assert sorted(task.prompt for task in tasks) == sorted(
        one.text[:22] for one in documents() if one.group in ("g0", "g3")
    )
    assert {task.known["answer"] for task in tasks} == {"0", "3"}


def test_few_tasks_are_of_as_many_groups_as_can_be_and_drawn_by_seed():
    every = {f"g{n}" for n in range(6)}
    drawn = {seed: tasks_of_documents(documents(), every, 6, seed) for seed in range(4)}
    assert all(Counter(task.group for task in tasks) == Counter(every) for tasks in drawn.values())
    assert len({tuple(sorted(task.id for task in tasks)) for tasks in drawn.values()}) > 1
    assert drawn[0] == tasks_of_documents(documents()[::-1], every, 6, 0)


@pytest.mark.parametrize("completion_start", [0, 1])
def test_documents_without_a_prompt_are_none_to_go_on_from(completion_start):
    bare = [replace(one, text=" " + one.text, completion_start=completion_start) for one in documents()]
    with pytest.raises(ConfigError, match="hold no prompt"):
        tasks_of_documents(bare, {"g0"}, 40, 0)


def test_tasks_of_problems_are_in_the_words_of_the_prompt_with_what_is_known_of_the_answer():
    problems = [Problem("a", "1 + 1?", "2"), Problem("b", "2 + 2?", None, solution=r"\boxed{4}")]
    tasks = tasks_of_problems(problems, Prompt("Q: {problem}\nA:"), None, 40, 0)
    assert [(task.prompt, dict(task.known)) for task in tasks] == [
        ("Q: 1 + 1?\nA:", {"answer": "2"}),
        ("Q: 2 + 2?\nA:", {"ground_truth_solution": r"\boxed{4}"}),
    ]
    document = tasks[0].completed(" 2.", number=1)
    assert document == Document("a#1", "Q: 1 + 1?\nA: 2.", "a", 12, metadata={"answer": "2"})
    assert len(tasks_of_problems((problem for problem in problems), Prompt(), None, 1, 0)) == 1


def test_no_problem_is_refused():
    with pytest.raises(DataError, match="there are no problems"):
        tasks_of_problems([], Prompt(), None, 4, 0)


@dataclass(frozen=True)
class Knowing(Detector):
    """What a document's metadata says."""

    def detect(self, document):
        return [Span(0, 4)] if document.metadata.get("answer") == "1" else []


@dataclass(frozen=True)
class Reading(Detector):
    """What a document says."""

    def detect(self, document):
        start = document.text.find("so")
        return [Span(start, start + 2)] if start >= 0 else []


def test_a_detector_that_does_not_read_is_refused_and_one_that_finds_nothing_at_all_is_not():
    with pytest.raises(
        DataError, match="the detector of `slip` relies on annotations or metadata, so it cannot label generated"
    ):
        refuse_blind(Knowing(), "slip", documents())
    refuse_blind(Reading(), "slip", documents())
    refuse_blind(Reading(), "slip", [])


def test_labels_of_the_old_text_are_not_laid_on_what_the_model_writes_on_its_prompt(tmp_path):
    path = tmp_path / "labels.jsonl"
    spans = [{"start": 0, "end": 4, "label": "slip"}]
    path.write_text("\n".join(json.dumps({"trace_id": each.id, "spans": spans}) for each in documents()))
    of_file = Annotations(path=str(path))
    with pytest.raises(DataError, match="so it cannot label generated text"):
        refuse_blind(of_file, "slip", documents())
    old = documents()[0]
    task = Task(old.id, "g", "Problem", {})
    assert list(of_file.detect(old))
    assert not any(list(of_file.detect(task.completed(" so", number))) for number in range(3))
