import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from classifiers import save_classifier
from judge_servers import JudgeServer
from tiny_embeddings import static_model

from neurosieve import Document, Span
from neurosieve.registry import KINDS, Plugin, installed
from neurosieve.testing import CHECKS, Check, check_statistic
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.detectors.regex import Regex
from neurosieve_plugins.learners.words import Words

PLUGINS = list(installed())
SLOW = ("ray", "figures")
"""Plugins that start processes, or draw many pictures."""
ASKING_CHECKS = ("spans_lie_in_the_text", "spans_end_where_their_author_does", "whole_texts_are_labelled_whole")
ASKING_CHECKS += ("order_and_history_do_not_matter", "detecting_leaves_the_document_alone")
SLOW_CHECKS = {*product(("judge", "judge_text"), ASKING_CHECKS)}
SLOW_CHECKS |= {("html", "nothing_else_is_touched"), ("html", "drawing_again_gives_the_same_files")}
"""Checks that take seconds: they draw the page of a large run twice, or ask a server for each text by itself."""


def a_file(folder: Path, name: str, *records: Mapping[str, Any]) -> str:
    file = folder / name
    file.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return str(file)


def some_traces(folder: Path) -> dict[str, Any]:
    records = [
        {"problem_id": f"p{n}", "problem_text": f"What is {n} + 1?", "generated_cot": f"{n}? <think>Wait. {n + 1}."}
        for n in range(5)
    ]
    return {"path": a_file(folder, "traces.jsonl", *records)}


def some_chats(folder: Path) -> dict[str, Any]:
    records = [
        {
            "messages": [
                {"role": "user", "content": f"What is {n} + 1?"},
                {"role": "assistant", "content": f"<think>Wait. İ</think>{n + 1}."},
                {"role": "user", "content": "Wait, no."},
                {"role": "assistant", "content": [{"type": "text", "text": "Let me add again."}]},
            ]
        }
        for n in range(5)
    ]
    return {"path": a_file(folder, "chats.jsonl", *records)}


def some_records(folder: Path) -> dict[str, Any]:
    records = [{"text": f"İt is {n}. Wait, no."} for n in range(5)]
    return {"dataset": "json", "data_files": (a_file(folder, "records.jsonl", *records),), "streaming": True}


def some_problems(folder: Path) -> str:
    return a_file(folder, "problems.jsonl", *({"problem": f"İt is {n}?", "answer": n} for n in range(5)))


def problems_of_the_gym(_: Path) -> dict[str, Any]:
    pytest.importorskip("reasoning_gym", reason="the extra `problems` is not installed")
    return {"tasks": ("chain_sum",), "count": 5}


def some_logs(folder: Path) -> dict[str, Any]:
    log = pytest.importorskip("inspect_ai.log", reason="the extra `inspect` is not installed")
    model = pytest.importorskip("inspect_ai.model")
    samples = [
        log.EvalSample(
            id=f"s{n}",
            epoch=1,
            input=f"What is {n} + 1?",
            target=str(n + 1),
            messages=[
                model.ChatMessageUser(content=f"What is {n} + 1?"),
                model.ChatMessageAssistant(content=f"<think>Wait. İ</think>{n + 1}."),
            ],
        )
        for n in range(5)
    ]
    spec = log.EvalSpec(
        created="2026-01-01T00:00:00+00:00",
        task="adding",
        model="a/model",
        dataset=log.EvalDataset(),
        config=log.EvalConfig(),
    )
    log.write_eval_log(log.EvalLog(eval=spec, samples=samples, status="success"), str(folder / "adding.eval"))
    return {"path": str(folder)}


def some_texts(folder: Path) -> dict[str, Any]:
    for n in range(5):
        (folder / f"{n}.txt").write_text(f"It is {n}.\n\nWait, no.", encoding="utf-8")
    return {"path": str(folder)}


def an_embedding_model(folder: Path) -> str:
    pytest.importorskip("sentence_transformers", reason="the extra `embeddings` is not installed")
    return static_model(folder / "static")


def a_trained_detector(folder: Path) -> dict[str, Any]:
    text = "So it is 7. Wait, is it İ? Let me add again."
    spans = (Span(0, 11, "work"), Span(12, 26, "doubt"), Span(27, 44, "work"))
    documents = [Document(str(n), text, str(n), annotations=spans) for n in range(4)]
    Words().fit(documents, ["doubt"]).save(folder / "doubt.safetensors", threshold=0.2, about={})
    return {"path": str(folder / "doubt.safetensors")}


WAIT = Phrases(("wait, that's not", "İt", "let me", "wait"))
WORDS = Regex((r"\w+",), seconds=60.0)
SENTENCE_ENDS = Regex((r"[.!?…]\s*\w?",), seconds=60.0)


@functools.cache
def a_judge() -> JudgeServer:
    """Return a judge that is there until the process ends."""
    server = JudgeServer(lambda text: "backtracking" if "wait" in text.lower() else "none", None, "judge-1")
    Thread(target=server.serve_forever, daemon=True).start()
    return server


def what_a_judge_labels(_: Path) -> dict[str, Any]:
    pytest.importorskip("openai", reason="the extra `judge` is not installed")
    return {"taxonomy": "backtracking", "model": "judge-1", "base_url": a_judge().base_url}


EXAMPLES: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "problems/file": lambda folder: {"path": some_problems(folder)},
    "problems/huggingface": lambda folder: {"dataset": "json", "data_files": (some_problems(folder),)},
    "problems/reasoning_gym": problems_of_the_gym,
    "source/arithmetic": lambda _: {"documents": 50},
    "source/chat": some_chats,
    "source/huggingface": some_records,
    "source/inspect_logs": some_logs,
    "source/text": some_texts,
    "source/traces": some_traces,
    "detector/after": lambda _: {"of": WAIT, "start": SENTENCE_ENDS, "which": "last"},
    "detector/all_of": lambda _: {"detectors": (WORDS, WAIT)},
    "detector/any_of": lambda _: {"detectors": (WORDS, WAIT, SENTENCE_ENDS)},
    "detector/first": lambda _: {"of": WAIT},
    "detector/classifier": lambda folder: {"model": save_classifier(folder / "saved"), "labels": ("doubt", "plan")},
    "detector/judge": what_a_judge_labels,
    "detector/judge_text": what_a_judge_labels,
    "detector/learned": a_trained_detector,
    "detector/similar": lambda folder: {
        "examples": ("wait, that's not right", "there is a dog here"),
        "counter_examples": ("a hammer is here",),
        "model": an_embedding_model(folder),
    },
    "learner/embeddings": lambda folder: {"model": an_embedding_model(folder)},
    "learner/similar": lambda folder: {"model": an_embedding_model(folder)},
    "detector/metadata": lambda _: {"field": "number", "above": 6.0},
    "detector/near": lambda _: {"of": WAIT, "to": SENTENCE_ENDS, "within": 1, "side": "before"},
    "detector/phrases": lambda _: {"phrases": ("wait, that's not", "ﬁnally", "İt", "straße", "let me")},
    "detector/regex": lambda _: {"patterns": (r"\bwait\b", r"(?<=\s)\w+", "İ|$", r"\p{Lu}+"), "seconds": 60.0},
    "detector/without": lambda _: {"of": WORDS, "excluded": WAIT},
    "detector/surprise": lambda _: {"model": "tiny", "format": "tiny", "device": "cpu", "below": -7.0},
    "scorer/k_sparse": lambda _: {"ks": (1, 2, 4), "folds": 2},
    "scorer/sparse_probe": lambda _: {"Cs": (0.3, 1.0), "folds": 2, "bootstraps": 3},
    "report/figures": lambda _: {"formats": ("svg",)},
}
"""Fields of the plugins that have some without a default, or whose defaults take long: by kind and name."""


check_statistic_once = functools.cache(check_statistic)
"""Check a statistic, unless an equal one passed before: many scorers share one."""


def fields_without_default(plugin: Plugin) -> list[str]:
    return [
        field.name
        for field in dataclasses.fields(plugin.cls)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]


def test_every_kind_of_plugin_has_checks() -> None:
    assert CHECKS.keys() == KINDS.keys()


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: f"{plugin.kind}/{plugin.name}")
def test_every_plugin_with_required_fields_has_an_example_here(plugin: Plugin) -> None:
    required = fields_without_default(plugin)
    key = f"{plugin.kind}/{plugin.name}"
    assert not required or key in EXAMPLES, (
        f"`{key}` has fields without a default: {', '.join(required)}. Give each a default, or add to EXAMPLES in "
        f'{__file__} the line `"{key}": lambda folder: {{"{required[0]}": <value>}},`'
    )


@pytest.mark.parametrize(
    ("plugin", "check"),
    [
        pytest.param(
            plugin,
            check,
            id=f"{plugin.kind}/{plugin.name}-{check.__name__}",
            marks=[pytest.mark.slow] if plugin.name in SLOW or (plugin.name, check.__name__) in SLOW_CHECKS else [],
        )
        for plugin in PLUGINS
        for check in CHECKS[plugin.kind]
    ],
)
def test_every_plugin_keeps_its_contract(
    plugin: Plugin, check: Check, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neurosieve.testing.scorers.check_statistic", check_statistic_once)
    if plugin.name in ("judge", "judge_text"):
        monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))
    if plugin.name == "ray":
        request.getfixturevalue("ray_alone")
    if plugin.kind == "report":
        request.getfixturevalue("copied_runs")
    fields = EXAMPLES.get(f"{plugin.kind}/{plugin.name}", lambda _: {})(tmp_path)
    check(plugin.cls(**fields))
