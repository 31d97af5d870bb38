"""Nothing found is not a value: what no trace tells has no share."""

import json
import math
from pathlib import Path

import pytest

from neurosieve import NO_ANSWER, Document, Grader, Verdict, analyze, load
from neurosieve.cli import main
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.graders.boxed import Boxed

CASES = Path(__file__).parents[4] / "shared" / "cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not beside the checkout, in ../shared/cases")


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run `neurosieve analyze` in an empty folder; return its run, and what it printed."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments):
        main(["analyze", "reports=[]", *arguments])
        [left] = (tmp_path / "runs").rglob("run.json")
        return load(left.parent), capsys.readouterr().out

    return command


@pytest.fixture
def traces(tmp_path):
    """Write completions to a file, each of a problem whose answer is 7; return the override that reads it."""

    def traces(*completions, prompt="Add. <think>", **more):
        records = [
            {"problem_id": n, "problem_text": f"p{n}", "generated_cot": prompt + text, "answer": "7"} | more
            for n, text in enumerate(completions)
        ]
        path = tmp_path / "traces.json"
        path.write_text(json.dumps(records), encoding="utf-8")
        return f"source.path={path}"

    return traces


def overall(run, measure):
    summary = run.table("summary")
    lines = summary[(summary.by == "overall") & (summary.measure == measure)].to_dict("records")
    return lines[0] if lines else None


def line_of(printed, measure):
    [line] = [line for line in printed.splitlines() if line.startswith(f"│ {measure} ")][:1]
    return line


@needs_cases
@pytest.mark.parametrize("grader", ["boxed", "math_verify"])
def test_answers_as_in_gsm8k_are_read(grader, command):
    run, printed = command(f"source.path={CASES / '18-gsm8k-answers' / 'hash_only.jsonl'}", f"grader={grader}")
    assert (overall(run, "right")["n"], overall(run, "right")["count"]) == (60, 60)
    assert run.run["counts"]["unanswered"] == 0
    assert "100.00 %" in printed
    assert not run.run["warnings"]


def test_where_no_trace_has_the_mark_that_ends_a_thought_it_is_not_known_and_the_likely_mark_is_named(command, traces):
    channel = "<|channel|>final<|message|>"
    run, printed = command(traces(f"I add.{channel}It is 7.", f"I add again.{channel}It is 7.", prompt=""))
    assert overall(run, "thought_ended")["n"] == 0
    assert "not known" in line_of(printed, "thought ended")
    [warning] = [warning for warning in run.run["warnings"] if warning.startswith("`</think>` ends a thought")]
    assert warning.startswith("`</think>` ends a thought in none of 2 traces, so how many thoughts ended is not known")
    assert f"(`{channel}` stands in 2)" in warning


@needs_cases
def test_where_the_channels_tell_thought_and_answer_apart_all_thoughts_ended(command):
    run, _ = command(f"source.path={CASES / '26-harmony' / 'traces.jsonl'}")
    assert (overall(run, "thought_ended")["n"], overall(run, "thought_ended")["count"]) == (60, 60)


@needs_cases
def test_the_mark_that_was_named_tells_it(command):
    path = f"source.path={CASES / '26-harmony' / 'traces.jsonl'}"
    run, _ = command(path, "thought_end='<|channel|>final<|message|>'")
    assert (overall(run, "thought_ended")["n"], overall(run, "thought_ended")["count"]) == (60, 60)
    assert (overall(run, "right")["n"], overall(run, "right")["count"]) == (60, 60)


FORMS = {
    "after a word": "I add. </think> Answer: 7",
    "in a sentence": "I add. </think> The answer is \\(7\\).",
    "in bold": "I add. </think>\n**7**",
    "in a box in a box": "I add. </think> \\boxed{\\fbox{7}}",
    "with thousands and a unit": "I add. </think> So the answer is 7.00 km.",
    "in a table": "I add. </think>\n| Answer | 7 |",
}


@pytest.mark.parametrize("completion", FORMS.values(), ids=FORMS)
def test_answers_are_read_through_the_command_line(completion, command, traces):
    run, _ = command(traces(completion, "I add. </think> Answer: 8"))
    assert run.table("traces").right.tolist() == [True, False]


@pytest.mark.parametrize("grader", ["boxed", "math_verify"])
def test_no_answer_in_any_trace_gives_no_percentage(grader, command, traces):
    run, printed = command(traces(*["I add.</think> Well, I cannot say"] * 3), f"grader={grader}")
    line = overall(run, "right")
    assert (line["n"], line["count"]) == (0, 0)
    assert all(math.isnan(line[name]) for name in ("share", "low", "high"))
    assert run.table("traces").right.isna().all()
    assert run.table("traces").unanswered.all()
    assert any("no answer was found in 3 of 3 traces" in warning for warning in run.run["warnings"])
    assert "not known" in line_of(printed, "answer right")
    assert "0.00 %" not in line_of(printed, "answer right")
    assert not (run.table("summary").by == "answer").any()
    [held] = [
        row
        for row in json.loads((run.folder / "summary.json").read_text())
        if row["measure"] == "right" and row["by"] == "overall"
    ]
    assert (held["n"], held["share"], held["low"]) == (0, None, None)


def test_page_and_notebook_say_not_known_too(command, traces):
    run, _ = command(traces(*["I add, and cannot say"] * 3), "reports=[html]")
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "not known" in page
    assert "nan %" not in page
    assert "not known" in run._repr_html_()
    assert "nan %" not in run._repr_html_()


def test_some_traces_without_an_answer_are_told_with_their_number(command, traces):
    run, _ = command(traces("</think> Answer: 7", "</think> Answer: 8", "</think> Well.", "Hm."))
    assert (overall(run, "right")["n"], overall(run, "right")["count"]) == (2, 1)
    said = "no answer was found in 2 of 4 traces: 2 are counted neither as right nor as wrong"
    assert said in run.run["warnings"]
    assert (overall(run, "thought_ended")["n"], overall(run, "thought_ended")["count"]) == (4, 3)


def test_a_trace_that_was_cut_off_before_its_answer_is_not_right(command, traces):
    run, _ = command(traces("</think> Answer: 7", "Hm, I", "Hm, so", ended=False))
    table = run.table("traces")
    assert table.right.tolist() == [True, False, False]
    assert table.reason.tolist()[1:] == ["no answer was found: it ran out of tokens"] * 2
    said = "no answer was found in 2 of 3 traces: 2 ran out of tokens and count as not right"
    assert said in run.run["warnings"]
    summary = run.table("summary")
    assert summary[summary.by == "answer"].value.unique().tolist() == ["right", "no answer"]


def test_no_box_in_any_trace_does_not_show_that_all_were_cut_off(command, traces):
    prompt = "Put your final answer in \\boxed{}. <think>"
    run, printed = command(traces("</think> Answer: 7", "</think> Answer: 8", prompt=prompt))
    assert run.table("traces").out_of_tokens.isna().all()
    assert overall(run, "out_of_tokens") is None
    assert "out of tokens" not in printed.partition("warning")[0]
    assert any("none of 2 traces whose prompt or solution has a boxed answer" in one for one in run.run["warnings"])
    assert run.table("traces").right.tolist() == [True, False]


class Silent(Grader):
    """Finds no answer."""

    def grade(self, completion, truth):
        return NO_ANSWER if "?" in completion else Verdict(None, reason="broken")


def test_no_answer_is_told_apart_from_a_grader_that_fails(tmp_path):
    documents = [Document(text, text, text, metadata={"answer": "7"}) for text in ("a?", "b?", "c")]
    run = analyze(documents, {"waiting": Phrases(("wait",))}, Silent(), reports=(), folder=tmp_path / "run")
    assert "no answer was found in 2 of 3 traces: 2 are counted neither as right nor as wrong" in run.run["warnings"]
    assert any(warning.startswith("1 of 3 answers have no verdict") for warning in run.run["warnings"])
    assert run.run["counts"]["unanswered"] == 2


def test_one_trace_shown_says_that_none_was_found(capsys, tmp_path, monkeypatch, traces):
    monkeypatch.chdir(tmp_path)
    main(["analyze", traces("Hm."), "show=0", "grader=boxed"])
    assert "answer: none was found\n" in capsys.readouterr().out


def test_boxed_truths_are_graded_by_boxes_alone_as_in_the_founding_notebook():
    assert Boxed().grade("</think> Answer: 7", "\\boxed{7}") == NO_ANSWER
    assert Boxed().grade("</think> \\boxed{7}", "7") == Verdict(True, "7")
