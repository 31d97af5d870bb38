"""The detectors `judge` and `judge_text`, as runs and configs use them."""

import dataclasses
import json
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from judge_servers import Reply, judge_server

from neurosieve import ConfigError, Document, FieldError, Span
from neurosieve.cli import main
from neurosieve.config.configuration import CONF, build, publish
from neurosieve_plugins.detectors.judge import Judge
from neurosieve_plugins.detectors.judge_text import JudgeText
from neurosieve_plugins.detectors.metadata import Metadata
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.detectors.regex import Regex
from neurosieve_plugins.judge.account import account_of


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    account_of.cache_clear()  # The server of a test may have the port of the one before.
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def rule(text):
    return "backtracking" if text.lower().startswith("wait") else "none"


def test_the_spans_of_another_detector_are_judged_in_place_of_sentences():
    text = "Hmm, wait, that is wrong. It can wait until later. Wait, I do it again."
    document = Document("a", text, "a")

    def by_place(number, body):
        passage = json.loads(body["messages"][1]["content"])["passage"]
        assert [item["text"] for item in passage] == ["wait", "wait", "Wait"]
        return Reply(
            content=json.dumps(
                {
                    "labels": [
                        {"number": item["number"], "label": "none" if "can" in item["before"][-5:] else "backtracking"}
                        for item in passage
                    ]
                }
            )
        )

    with judge_server(rule, by_place) as server:
        judge = Judge("backtracking", "judge-1", base_url=server.base_url, spans=Regex(("wait",)))
        assert list(judge.detect(document)) == [Span(5, 9, "backtracking"), Span(51, 55, "backtracking")]
        assert len(server.bodies) == 1


def test_near_misses_of_the_inner_detector_stay_near_misses():
    document = Document("a", "Hmm. That’s-not right, I think; that's not right.", "a")
    phrases = Phrases(("that's not",))
    nearly = list(phrases.near_misses(document))
    with judge_server(rule) as server:
        judge = Judge("backtracking", "judge-1", base_url=server.base_url, spans=phrases)
        assert list(judge.near_misses(document)) == nearly


def test_spans_have_to_be_looked_for_where_the_judge_looks():
    with pytest.raises(ConfigError, match="give both the same `scope`"):
        Judge("backtracking", "judge-1", spans=Regex(("wait",)), scope="thought")
    with pytest.raises(ConfigError, match="take the detector `judge_text`"):
        Judge("backtracking", "judge-1", spans=Metadata("label", values=("x",)))


def test_a_judge_of_judged_spans_asks_for_the_inner_one_first():
    document = Document("a", "It is so, yes. Wait, it is not. Wait and see, it is so.", "a")
    with judge_server(rule) as server:
        inner = Judge("backtracking", "judge-1", base_url=server.base_url)
        outer = Judge("backtracking", "judge-1", base_url=server.base_url, spans=inner)
        assert "and then the judge's requests for what is found" in outer.estimate([document])
        remarks = list(outer.prepare([document], lambda **_: None))
        assert sum("labelled" in remark for remark in remarks) == 2
        assert outer.estimate([document]) == ""
        assert [document.text[start:end] for start, end, _ in outer.detect(document)] == [
            "Wait, it is not.",
            "Wait and see, it is so.",
        ]


def test_whole_texts_are_judged_whole():
    documents = [
        Document("yes", "How? wait, I will not.", "a", completion_start=5),
        Document("no", "How? Like this.", "b", completion_start=5),
        Document("blank", "How?  ", "c", completion_start=4),
        Document("refused", "How? Ask the judge.", "d", completion_start=5),
    ]

    def script(number, body):
        return Reply(content="", refusal="No.") if "Ask the judge" in body["messages"][1]["content"] else None

    with judge_server(rule, script) as server:
        judge = JudgeText("backtracking", "judge-1", base_url=server.base_url)
        remarks = list(judge.prepare(documents, lambda **_: None))
        assert [list(judge.detect(document)) for document in documents] == [[Span(5, 22, "backtracking")], [], [], []]
        assert [[span.label for span in judge.near_misses(document)] for document in documents] == [
            [],
            [],
            ["it is blank"],
            ["the judge refused"],
        ]
        assert "1 of 3 texts has no sound answer after 3 attempts" in remarks[-1]
        assert [
            item["text"] for body in server.bodies[:1] for item in json.loads(body["messages"][1]["content"])["passage"]
        ]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"taxonomy": "backtraking"}, "did you mean `backtracking`"),
        ({"taxonomy": ""}, "taxonomy is ''"),
        ({"model": ""}, "model is ''"),
        ({"labels": ("backtrack",)}, "has no label `backtrack`: did you mean `backtracking`"),
        ({"base_url": "localhost:8000"}, "give an address, as http://localhost:8000/v1"),
        ({"base_url": "http://:8000"}, "give an address"),
        ({"base_url": "http://localhost:99999999/v1"}, "give an address"),
        ({"base_url": ""}, "give an address"),
        ({"prices": (1.0,)}, r"give two numbers, \[in, out\]"),
        ({"prices": (1.0, -1.0)}, "prices is"),
        ({"budget_requests": 0}, "budget_requests is 0: give a whole number, at least 1"),
        ({"budget_tokens": -5}, "budget_tokens is -5: give a whole number, at least 1"),
        ({"attempts": 0}, "attempts is 0"),
        ({"concurrency": 0}, "concurrency is 0"),
        ({"window": 0}, "window is 0"),
    ],
)
def test_a_mistake_in_a_field_is_told_before_anything_is_asked(fields, said):
    with pytest.raises(ConfigError, match=said):
        Judge(**{"taxonomy": "backtracking", "model": "judge-1", **fields})


def test_a_budget_of_nothing_names_its_field():
    with pytest.raises(FieldError) as error:
        JudgeText("refusal", "judge-1", budget_requests=0)
    assert error.value.field == "budget_requests"


@pytest.mark.parametrize("address", ["http://me:sk-secret@localhost/v1", "http://localhost/v1?key=sk-secret"])
def test_a_key_in_the_address_is_refused_and_not_repeated(address):
    with pytest.raises(ConfigError) as error:
        Judge("backtracking", "judge-1", base_url=address)
    assert "`key_variable`" in str(error.value)
    assert "sk-secret" not in str(error.value)


def test_only_openai_gets_the_key_of_openai():
    def name(address, **fields):
        return Judge("backtracking", "judge-1", base_url=address, **fields).key_name

    assert name(None) == name("https://api.openai.com/v1/") == name("https://eu.api.openai.com/v1") == "OPENAI_API_KEY"
    assert name("http://localhost:8000/v1") is None
    assert name("https://api.openai.com.evil.example/v1") is None
    assert name("https://notapi.openai.com/v1") is None
    assert name("http://localhost:8000/v1", key_variable="OUR_KEY") == "OUR_KEY"


PRESETS = {
    "judged_backtracking": (Judge, "backtracking", ("backtracking",)),
    "judged_uncertainty": (Judge, "thought_anchors", ("uncertainty_management",)),
    "judged_refusal": (JudgeText, "refusal", ("refusal",)),
}


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_needs_a_model_alone(preset):
    publish({})
    with initialize_config_module(CONF, version_base="1.3"):
        config = compose(overrides=[f"+detectors={preset}", f"detectors.{preset}.model=judge-1"])
    judge = build(config.detectors[preset], "detector", f"detectors.{preset}")
    cls, taxonomy, labels = PRESETS[preset]
    assert type(judge) is cls
    assert judge.taxonomy == taxonomy
    assert judge.behaviour_labels == frozenset(labels)


def test_the_fields_of_both_detectors_have_the_same_defaults():
    shared = {field.name for field in dataclasses.fields(JudgeText)}
    assert shared < {field.name for field in dataclasses.fields(Judge)}


def asked(server, folder, *more):
    return [
        "detect",
        "source.documents=12",
        "detectors=[judged_backtracking]",
        "detectors.judged_backtracking.model=judge-1",
        f"detectors.judged_backtracking.base_url={server.base_url}",
        f"hydra.run.dir={folder}",
        "reports=[]",
        *more,
    ]


def test_a_run_notes_what_it_asked_and_a_second_one_asks_nothing(tmp_path, capsys):
    with judge_server(rule) as server:
        main(asked(server, tmp_path / "first"))
        sent = len(server.bodies)
        main(asked(server, tmp_path / "second"))
        assert len(server.bodies) == sent == 12
    first, second = (json.loads((tmp_path / name / "run.json").read_text()) for name in ("first", "second"))
    assert "12 requests sent" in str(first["notes"])
    assert "nothing was sent" in str(second["notes"])
    assert "HTTP Request" not in "".join(capsys.readouterr())
    main(["cache"])
    assert f"judge-1 at {server.base_url}" in capsys.readouterr().out.replace("\n", "")
    main(["cache", "--clear", "answers"])
    assert "removed 1 folder" in capsys.readouterr().out


def test_two_behaviours_of_one_run_share_the_requests(tmp_path):
    with judge_server(lambda text: "self_checking" if text.startswith("So") else "plan_generation") as server:
        both = [
            f"+detectors.{name}={{_target_: detector/judge, taxonomy: thought_anchors, labels: [{label}], "
            f"model: judge-1, base_url: '{server.base_url}'}}"
            for name, label in (("checks", "self_checking"), ("plans", "plan_generation"))
        ]
        folder = f"hydra.run.dir={tmp_path / 'run'}"
        main(["detect", "source.documents=12", "detectors=[]", *both, folder, "reports=[]"])
        assert len(server.bodies) == 12
    behaviours = json.loads((tmp_path / "run" / "run.json").read_text())["counts"]["behaviours"]
    assert set(behaviours) == {"checks", "plans"}


def test_a_budget_that_is_used_up_is_one_message(tmp_path, refused):
    with judge_server(rule) as server:
        said = refused(*asked(server, tmp_path / "run", "detectors.judged_backtracking.budget_requests=5"))
        assert "the budget of 5 requests is used up; 5 of 12 requests are done, 5 answers of `judge-1` are kept" in said
        assert not (tmp_path / "run" / "run.json").exists()


@pytest.mark.slow
def test_a_plan_says_what_it_would_cost_and_asks_nothing(tmp_path, refused):
    with judge_server(rule) as server:
        arguments = asked(server, tmp_path / "run", "model=tiny", "detectors.judged_backtracking.prices=[1,2]")
        said = refused("plan", *(part for part in arguments[1:] if not part.startswith("reports")))
        assert "cannot be planned before it has looked at the texts: 12 requests to `judge-1`" in said
        assert "at the given prices" in said
        assert not server.bodies


def test_a_look_asks_for_no_more_texts_than_it_shows(capsys):
    with judge_server(rule) as server:
        preset = ["detectors=[judged_refusal]", "detectors.judged_refusal.model=judge-1"]
        main(
            ["detect", "look=2", "source.documents=12", *preset, f"detectors.judged_refusal.base_url={server.base_url}"]
        )
        assert len(server.bodies) == 2
    assert "of the first 2 documents" in capsys.readouterr().out


def test_without_the_package_one_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(ConfigError, match=r"pip install 'neurosieve\[judge\]'"):
        list(Judge("backtracking", "judge-1", base_url="http://localhost:1/v1").detect(Document("a", "It is so.", "a")))
