"""From problems to traces that can be read back, killed at any moment or not."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from neurosieve import ConfigError, DataError, ModelError, Problem, Prompt, Sampling, find, generate, load
from neurosieve.cli import main
from neurosieve.generation.requests import request_seed
from neurosieve.models.tiny import tiny_model
from neurosieve_plugins.problems.arithmetic import Arithmetic
from neurosieve_plugins.sources.traces import Traces

FOUNDING = ["problem_id", "problem_text", "problem_type", "problem_level", "ground_truth_solution", "generated_cot"]
SHORT = {"temperature": 1.0, "max_new_tokens": 12}


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """An empty working directory, and a cache of our own."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def tiny():
    return tiny_model()


@pytest.fixture
def run(tiny, tmp_path):
    def run(problems=None, name="run", **changed):
        options = {"model": tiny[0], "tokenizer": tiny[1], "sampling": SHORT, "reports": ()} | changed
        return generate(problems or Arithmetic(6), folder=tmp_path / name, **options)

    return run


def records(run):
    return [json.loads(line) for line in (run.folder / "traces.jsonl").read_text().splitlines()]


def test_traces_have_the_founding_schema_in_the_order_of_the_problems(run):
    done = run()
    found = records(done)
    for record, problem in zip(found, Arithmetic(6), strict=True):
        assert list(record)[:6] == FOUNDING
        assert record["problem_id"] == problem.id
        assert record["problem_text"] == problem.text
        assert (record["problem_type"], record["problem_level"]) == (problem.type, problem.level)
        assert record["ground_truth_solution"] == problem.solution
        assert record["answer"] == problem.answer
        assert record["prompt"] == Prompt().text(problem.text)
        assert record["generated_cot"].startswith(record["prompt"])
        assert record["completion_start"] == len(record["prompt"])
        assert (record["seed"], record["sample"], record["tokens"] <= 12) == (0, 0, True)
        assert record["ended"] == (record["tokens"] < 12)
    assert done.command == "generate"
    assert load(done.folder).run["counts"]["traces"] == 6


def test_a_problem_whose_solution_boxes_nothing_gets_its_answer_boxed(run):
    problems = [
        Problem("a", "1 + 1?", "2"),
        Problem("b", "1 + 2?", "3", solution="It is 3."),
        Problem("c", "1 + 3?", solution="Four."),
        Problem("d", "1 + 4?"),
    ]
    found = [record["ground_truth_solution"] for record in records(run(problems))]
    assert found == ["\\boxed{2}", "It is 3.\n\\boxed{3}", "Four.", ""]


@pytest.mark.parametrize(
    "prompt",
    [
        "notebook",
        "corrections",
        Prompt("{problem}", ({"problem": "<think>", "completion": "<think> 1 </think>"},)),
        Prompt("\N{PILE OF POO}İ <think> {problem} <think>"),
    ],
    ids=["notebook", "corrections", "examples that think", "characters beyond"],
)
def test_traces_are_read_back_with_their_completions(run, prompt):
    done = run(prompt=prompt, samples=2)
    documents = list(Traces(str(done.folder / "traces.jsonl")))
    assert len(documents) == 12
    for document, record in zip(documents, records(done), strict=True):
        assert document.text == record["generated_cot"]
        assert document.text[: document.completion_start] == record["prompt"]
        assert document.group == record["problem_text"]
        assert document.metadata["ended"] == record["ended"]


def test_each_problem_gets_as_many_different_traces_as_asked(run):
    found = records(run(samples=3))
    assert [record["problem_id"] for record in found[:4]] == [
        "arithmetic-0000",
        "arithmetic-0000#1",
        "arithmetic-0000#2",
        "arithmetic-0001",
    ]
    assert [record["sample"] for record in found[:4]] == [0, 1, 2, 0]
    assert len({record["generated_cot"] for record in found}) == 18


def test_more_samples_and_more_problems_leave_the_others_as_they_were(run):
    few, more = records(run(n=3, name="few")), records(run(name="more", samples=2, rows_per_batch=5))
    assert [record for record in more if record["problem_id"] in {one["problem_id"] for one in few}] == few


def test_another_seed_draws_other_problems_and_other_traces(run):
    one, other = (records(run(Arithmetic(40), name=f"{seed}", n=6, seed=seed)) for seed in (0, 1))
    assert {record["problem_id"] for record in one} != {record["problem_id"] for record in other}
    again = records(run(Arithmetic(6), name="again", seed=1))
    assert not {record["generated_cot"] for record in again} & {record["generated_cot"] for record in records(run())}


def test_no_two_samples_of_any_two_seeds_share_their_draws():
    seeds = [request_seed(seed, sample) for seed in range(40) for sample in range(40)]
    assert len(set(seeds)) == 1600
    assert all(0 <= seed < 2**60 for seed in seeds)


def test_the_size_of_a_batch_changes_no_byte(run, tmp_path):
    files = []
    for rows in (1, 4, 16):
        done = run(name=f"{rows}", rows_per_batch=rows, store=str(tmp_path / f"store{rows}"))
        assert done.run["counts"]["from_the_store"] == 0
        files.append((done.folder / "traces.jsonl").read_bytes())
    assert files[0] == files[1] == files[2]


def test_what_was_made_before_is_taken_from_the_store(run):
    first, second = run(name="first"), run(name="second")
    assert (first.folder / "traces.jsonl").read_bytes() == (second.folder / "traces.jsonl").read_bytes()
    assert [one.run["counts"]["from_the_store"] for one in (first, second)] == [0, 6]
    assert [one.run["counts"]["tokens_made"] > 0 for one in (first, second)] == [True, False]


def test_stops_of_the_prompt_and_of_the_sampling_both_end_a_completion(run):
    whole = records(run(name="whole"))
    text = [record["generated_cot"][record["completion_start"] :] for record in whole]
    done = run(
        name="stopped",
        prompt=Prompt(stop=(text[0][4:6],)),
        sampling=Sampling(1.0, max_new_tokens=12, stop=(text[1][4:6],)),
    )
    for number in (0, 1):
        record = records(done)[number]
        assert record["ended"]
        assert text[number].startswith(record["generated_cot"][record["completion_start"] :])
        assert record["generated_cot"] != whole[number]["generated_cot"]


def test_warnings_say_what_to_know_first(run):
    said = run(name="cut").run["warnings"]
    assert any("traces ran out of their 12 tokens: raise `sampling.max_new_tokens`" in one for one in said)
    twice = [Problem("a", "1 + 1?"), Problem("b", "1 + 1?")]
    done = run(twice, name="twice", sampling={"temperature": 0.0, "max_new_tokens": 2}, samples=2)
    assert any("1 problems have the text of another: their traces are the same" in one for one in done.run["warnings"])
    assert any("all samples of a problem are the same" in one for one in done.run["warnings"])
    for path in Path(os.environ["NEUROSIEVE_CACHE"]).glob("traces/*/*.jsonl"):
        path.write_text(path.read_text() + '{"key": "')
    assert any("lines of kept traces cannot be read" in one for one in run(name="torn").run["warnings"])


def test_the_config_of_a_run_is_enough_to_repeat_it(tmp_path, capsys):
    first = tmp_path / "first"
    main(["generate", "model=tiny", "problems.count=9", "n=3", "sampling.max_new_tokens=5", f"hydra.run.dir={first}"])
    config = load(first).run["config"]
    assert config["problems"] == {"_target_": "problems/arithmetic", "count": 9, "seed": 1}
    assert config["model"]["format"] == "tiny"
    assert (config["n"], config["seed"], config["sampling"]["max_new_tokens"]) == (3, 0, 5)
    assert config["prompt"]["template"] == Prompt().template
    said = capsys.readouterr().out
    assert "3 traces of 3 problems by tiny" in said
    assert f"next: neurosieve analyze source=traces source.path={first}/traces.jsonl" in said


def test_find_reads_what_generate_wrote(run, tiny, tmp_path):
    done = run(Arithmetic(40), sampling={"temperature": 2.0, "max_new_tokens": 60})
    from neurosieve_plugins.controls.distant import Distant
    from neurosieve_plugins.detectors.regex import Regex
    from neurosieve_plugins.scorers.auc import Auc

    result = find(
        tiny[0],
        Traces(str(done.folder / "traces.jsonl")),
        {"apples": Regex((r"\w+",))},
        {"auc": Auc()},
        control=Distant(same_kind=False),
        tokenizer=tiny[1],
        folder=tmp_path / "find",
        interval_bootstraps=10,
    )
    assert result.run["counts"]["documents"] == 40
    spans = pd.DataFrame(result.table("spans"))
    starts = {record["problem_id"]: record["completion_start"] for record in records(done)}
    assert all(starts[line.document] <= line.start for line in spans.itertuples())


def test_two_commands_share_the_traces_that_they_have_in_common(run, tmp_path):
    first = run(name="first", store=str(tmp_path / "store"))
    second = run(Arithmetic(9), name="second", store=str(tmp_path / "store"))
    assert second.run["counts"]["from_the_store"] == 6
    assert records(second)[:6] == records(first)


ANSWERS = {"rows_per_batch": 2, "sampling": {"temperature": 1.0, "max_new_tokens": 150, "stop": ["e t", "ea", "42"]}}
KILLED = """
import json, sys
from neurosieve import generate
from neurosieve.models.tiny import tiny_model
from neurosieve_plugins.problems.arithmetic import Arithmetic
model, tokenizer = tiny_model()
generate(Arithmetic(24), model, tokenizer=tokenizer, **json.loads(sys.argv[1]))
"""


@pytest.mark.slow
def test_killing_it_at_any_moment_loses_at_most_what_is_in_flight_and_changes_no_byte(run, tmp_path):
    store = tmp_path / "store"

    def kept():
        # Whole lines alone: one that is being written is in flight.
        return sum(file.read_bytes().count(b"\n") for file in store.glob("*/*.jsonl"))

    seen = 0
    for number, moment in enumerate((1, 9, 22)):
        folder = tmp_path / f"killed{number}"
        asked = json.dumps(ANSWERS | {"folder": str(folder), "store": str(store)})
        process = subprocess.Popen([sys.executable, "-c", KILLED, asked])
        while kept() < moment:
            assert process.poll() is None, "it ended before it was killed"
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not folder.exists()
        assert kept() >= max(seen, moment), "what was kept stays"
        seen = kept()
    undisturbed = run(Arithmetic(24), name="undisturbed", store=str(tmp_path / "other"), **ANSWERS)
    last = run(Arithmetic(24), name="last", store=str(store), **ANSWERS)
    assert (last.folder / "traces.jsonl").read_bytes() == (undisturbed.folder / "traces.jsonl").read_bytes()
    assert undisturbed.run["counts"]["from_the_store"] == 0
    assert last.run["counts"]["from_the_store"] == seen
    # No trace was made twice but those that were in flight, two at a time.
    assert kept() == 24
    assert {record["ended"] for record in records(last)} == {True, False}


def said_on(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("neurosieve: ")
    assert len(said.splitlines()) == 1
    return said


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["sampling.max_new_tokens=0"], "max_new_tokens is 0: give a whole number, at least 1"),
        (["sampling.max_new_token=5"], "did you mean `sampling.max_new_tokens`"),
        (["sampling.temperature=-1"], "temperature is -1.0"),
        (["sampling.top_p=1.5"], "top_p is 1.5"),
        (["n=0"], "n is 0: give a whole number, at least 1"),
        (["n=101"], "n is 101, and there are 100 problems: lower it, or set n=null for all"),
        (["samples=0"], "samples is 0"),
        (["rows_per_batch=0"], "rows_per_batch is 0"),
        (["levels=[9]"], "no problem has the level `9`; they have `Level 2`, `Level 3`"),
        (["types=[Geometry]"], "no problem has the type `Geometry`; they have `Addition`"),
        (["levels=3"], "levels"),
        (["prompt.template=Solve"], "has no `{problem}`: write it where the problem is to go"),
        (["prompt=notebok"], "there is no `notebok` to choose for `prompt`: did you mean `notebook`"),
        (["prompt=chat"], "tokenizer has no chat template"),
        (["problems=fil"], "there is no `fil` to choose for `problems`: did you mean `file`"),
        (["problems=file"], "`problems.path` has no value: give one with `problems.path=...`"),
        (["problems=file", "problems.path=nowhere.json"], "cannot read `nowhere.json`: there is no such file in"),
        (["problems=file", "problems.path=broken.json"], "broken.json is cut off"),
        (["problems=file", "problems.path=other.json"], "has no `problem`; it has `question`"),
        (["backend=vllm"], "pip install neurosieve[vllm]"),
        (["backend=vlm"], "did you mean `vllm`"),
        (["problems.count=2", "prompt.template='{problem}{problem}'", "model=tiny", "n=3"], "n is 3"),
    ],
)
def test_a_mistake_ends_with_one_message_and_exit_code_2(overrides, message, capsys):
    Path("broken.json").write_text('[{"problem": "1?"')
    Path("other.json").write_text('[{"question": "1?", "answer": "2"}]')
    assert message in said_on(["generate", "model=tiny", *overrides], capsys)
    assert {path.name for path in Path.cwd().iterdir()} == {"broken.json", "other.json"}, "nothing is left behind"


def test_a_prompt_longer_than_the_context_is_refused_and_named(run):
    with pytest.raises(ConfigError, match=r"the prompt of `long` has [\d,]+ tokens, and the context of .* holds 4,096"):
        run([Problem("short", "1?"), Problem("long", "apples " * 5000)])


def test_ids_that_would_be_those_of_samples_are_refused(run):
    with pytest.raises(ConfigError, match="sample 1 of the problem `a` would be called `a#1`, as another problem is"):
        run([Problem("a#1", "1?"), Problem("a", "2?")], samples=2)


def test_a_finished_run_is_not_written_over(run):
    run()
    with pytest.raises(ConfigError, match="holds a finished run already"):
        run()


def test_problems_that_are_none_are_refused(run):
    with pytest.raises(DataError, match=r"which is not a `neurosieve.Problem`: wrap each in one"):
        run(iter(["What is 1?"]))


def test_kept_traces_are_listed_and_cleared(run, tmp_path, capsys):
    run()
    main(["cache"])
    listed = capsys.readouterr().out
    [space] = (Path(os.environ["NEUROSIEVE_CACHE"]) / "traces").iterdir()
    assert "traces" in listed
    assert space.name in listed
    main(["cache", "--clear", "captures"])
    assert space.is_dir()
    main(["cache", "--clear", "traces"])
    assert "removed 1 folder" in capsys.readouterr().out
    assert not space.exists()
    assert run(name="again").run["counts"]["from_the_store"] == 0


def test_kept_traces_of_another_place_are_listed_and_cleared_there(run, tmp_path, capsys):
    run(store=str(tmp_path / "mine"))
    main(["cache", "--store", str(tmp_path / "mine")])
    [space] = (tmp_path / "mine").iterdir()
    assert space.name in capsys.readouterr().out
    main(["cache", "--store", str(tmp_path / "mine"), "--clear", space.name])
    assert not space.exists()


def test_a_run_tells_how_its_model_was_tested_and_one_that_attends_both_ways_makes_nothing(run, tiny, tmp_path):
    from families import family_model

    assert run().run["model"]["tests"]["later_tokens"] == 0
    with pytest.raises(ModelError, match="attends both ways"):
        run(model=family_model("EmbeddingGemma"), name="both ways")
    assert not (tmp_path / "both ways").exists()


def test_traces_beyond_what_a_model_was_made_for_are_counted(run, tiny):
    from transformers import LlamaConfig, LlamaForCausalLM

    size = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=512, **size, max_position_embeddings=300, eos_token_id=None)
    short, long = {"max_new_tokens": 2}, {"max_new_tokens": 250}
    told = [run(model=LlamaForCausalLM(config), name=name, sampling=new) for name, new in (("a", short), ("b", long))]
    warnings = [[text for text in done.run["warnings"] if "was made for" in text] for done in told]
    assert warnings[0] == []
    lengths = [len(tiny[1](record["prompt"])["input_ids"]) + record["tokens"] for record in records(told[1])]
    longer = sum(length > 300 for length in lengths)  # Some may end before.
    assert longer > 3
    assert warnings[1][0].startswith(f"{longer} of 6 traces with their prompts are longer than the 300 tokens")
