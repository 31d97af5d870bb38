"""`analyze`: the founding notebook's own figures, and what else is in traces."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from neurosieve import ConfigError, DataError, Document, Grader, Report, Span, Verdict, analyze, find, load
from neurosieve.analysis.summary import Analyze, wilson
from neurosieve.cli import main
from neurosieve.commands.analyze import analyze_run
from neurosieve.runs.results import Run
from neurosieve.terminal.finished_run import show_run
from neurosieve.terminal.trace import highlighted, trace_shown
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.graders.boxed import Boxed
from neurosieve_plugins.sources.arithmetic import Arithmetic
from neurosieve_plugins.sources.traces import Traces

FOUNDING = Path(__file__).parents[4] / "shared" / "data" / "founding"
HOSTILE = "<script>alert(1)</script> [bold red]x[/] [link=file:///]y[/link] \x1b]0;gone\x07\x1b[2J\x9b31m\r\u202egnol"


@pytest.fixture
def founding():
    def founding(name):
        path = FOUNDING / f"math_cot_results_{name}_tp=0.92.json"
        if not path.is_file():
            pytest.skip("the founding files are not beside the checkout, in ../shared/data/founding")
        return path

    return founding


def record(number, completion="Wait. \\boxed{7}", **more):
    prompt = f"Put your final answer in \\boxed{{}}. Problem {number}\n<think>"
    known = {
        "problem_level": f"Level {number % 2 + 1}",
        "problem_type": "Algebra",
        "ground_truth_solution": "\\boxed{7}",
    }
    return {"problem_id": number, "problem_text": f"p{number}", "generated_cot": prompt + completion} | known | more


def documents(*completions, **more):
    return [
        Document(f"d{number}", f"\\boxed? {text}", f"g{number}", 8, metadata={"answer": "7"} | more)
        for number, text in enumerate(completions)
    ]


@pytest.fixture
def run(tmp_path):
    """Analyze documents with the grader `boxed` and the word "wait" as behaviour."""

    def run(source, **changed):
        settings = {
            "detectors": {"waiting": Phrases(("wait",))},
            "grader": Boxed(),
            "folder": tmp_path / "run",
            "reports": (),
        }
        return analyze(source, **settings | changed)

    return run


def measure(run, name, by="overall", value="all"):
    summary = run.table("summary")
    [line] = summary[(summary.by == by) & (summary.value == value) & (summary.measure == name)].to_dict("records")
    return line


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run `neurosieve analyze` in an empty folder; return its exit code, and what it said and said of errors."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def command(*arguments):
        code = 0
        try:
            main(["analyze", "reports=[]", *arguments])
        except SystemExit as ended:
            code = ended.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


@pytest.fixture
def traces(tmp_path):
    """Write records to a file, and return the override that reads it."""

    def traces(*records):
        path = tmp_path / "traces.json"
        path.write_text(json.dumps(records), encoding="utf-8")
        return f"source.path={path}"

    return traces


def test_the_founding_notebooks_own_figures_come_out(founding, command):
    code, said, _ = command(f"source.path='{founding('t=0.4_mnt=1500')}'", "grader=boxed")
    assert code == 0
    assert "41 traces of 41 problems" in said
    assert "41 of 41 traces do not say whether they `ended`" in said
    [left] = Path("runs/analyze").rglob("run.json")
    run = load(left.parent)
    figures = {"right": (13, 31.71), "thought_ended": (20, 48.78), "out_of_tokens": (22, 53.66)}
    for name, (count, percent) in (figures | {"shows_backtracking": (9, 21.95)}).items():
        line = measure(run, name)
        assert (line["n"], line["count"], round(100 * line["share"], 2)) == (41, count, percent)
        assert f"{percent} %" in said


def test_the_larger_founding_file_is_counted_as_the_notebook_counts_it(founding, run):
    found = run(Traces(str(founding("t=0.6_mnt=1500"))))
    assert [measure(found, name)["count"] for name in ("right", "thought_ended", "out_of_tokens")] == [233, 357, 374]
    assert measure(found, "right")["n"] == 673


def test_levels_and_types_share_out_all_traces(founding, run):
    found = run(Traces(str(founding("t=0.4_mnt=1500"))))
    summary = found.table("summary")
    for name in ("right", "thought_ended", "out_of_tokens", "shows_waiting"):
        whole = measure(found, name)
        for by in ("level", "type"):
            parts = summary[(summary.by == by) & (summary.measure == name)]
            assert (parts.n.sum(), parts["count"].sum()) == (whole["n"], whole["count"])
    assert summary[summary.by == "level"].value.unique().tolist() == [f"Level {number}" for number in range(1, 6)]


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_intervals_are_wilsons(counted):
    count, n = counted
    z = 1.959963984540054  # The formula of Wilson (1927), by hand.
    centre, spread = (count + z**2 / 2) / (n + z**2), z / (n + z**2) * (count * (n - count) / n + z**2 / 4) ** 0.5
    assert wilson(count, n) == pytest.approx((max(0, centre - spread), min(1, centre + spread)), abs=1e-12)


def test_the_share_of_nothing_has_no_interval():
    assert all(bound != bound for bound in wilson(0, 0))


def test_a_trace_that_says_whether_it_ended_is_believed(run):
    recorded = [
        Document("a", "\\boxed{} cut \\boxed{7}", "a", 9, metadata={"answer": "7", "ended": False, "tokens": 12}),
        Document("b", "\\boxed{} done", "b", 9, metadata={"answer": "7", "ended": True, "tokens": 3}),
        Document("c", "\\boxed{} done", "c", 9, metadata={"answer": "7"}),
        Document("d", "no box is asked for", "d", 0, metadata={"answer": "7", "ended": "yes"}),
        Document("e", "\\boxed{} \\boxed{7}", "e", 9, metadata={"answer": "7"}),
    ]
    found = run(recorded)
    table = found.table("traces").set_index("id")
    assert table.out_of_tokens.tolist() == [True, False, True, pd.NA, False]
    assert table.ended_known_by.tolist() == ["record", "record", "answer", "", "answer"]
    assert table.tokens.tolist() == [12, 3, pd.NA, pd.NA, pd.NA]
    assert measure(found, "out_of_tokens")["n"] == 4
    assert found.run["counts"]["ended_unknown"] == 1
    assert any("2 of 5 traces do not say whether they `ended`" in one for one in found.run["warnings"])


def test_a_box_that_was_begun_is_no_run_out_of_tokens_and_no_answer(run):
    [line] = run(documents("so it is \\boxed{\\frac{")).table("traces").to_dict("records")
    assert (line["out_of_tokens"], line["right"], line["answer"]) == (False, False, "")


def test_only_the_completion_is_looked_at(run):
    prompt = "Wait, wait. \\boxed{7} </think> "
    other = Document("b", "</think> \\boxed{8}", "b", metadata={"answer": "7"})
    found = run([Document("a", prompt + "Hm.", "a", len(prompt), metadata={"answer": "7"}), other])
    line = found.table("traces").to_dict("records")[0]
    assert (line["unanswered"], line["waiting_spans"], line["characters"]) == (True, 0, 3)
    assert line["thought_ended"] is False


@dataclass(frozen=True)
class Failing(Grader):
    """Fails on a question mark; else right if there is a 7."""

    def grade(self, completion, truth):
        if "?" in completion:
            raise RecursionError("too deep")
        return Verdict("7" in completion, completion.strip())


def test_a_grader_that_fails_is_counted_by_itself_and_never_as_wrong(run):
    found = run(documents("7", "8", "wait?", "7?"), grader=Failing())
    assert measure(found, "right") | {"low": 0, "high": 0} == {
        **{"by": "overall", "value": "all", "measure": "right", "n": 2, "count": 1, "share": 0.5, "low": 0, "high": 0}
    }
    assert found.table("traces").right.tolist() == [True, False, pd.NA, pd.NA]
    assert found.table("spans").right.tolist() == [pd.NA]
    assert found.run["counts"]["without_verdict"] == 2
    assert any("2 of 4 answers have no verdict" in one and "too deep" in one for one in found.run["warnings"])
    assert measure(found, "shows_waiting", "answer", "no verdict")["count"] == 1


def test_where_every_answer_lacks_a_verdict_there_is_no_share_of_right_ones(run):
    found = run(documents("?", "?"), grader=Failing())
    assert (measure(found, "right")["n"], measure(found, "right")["share"] != measure(found, "right")["share"]) == (
        0,
        True,
    )
    assert not (found.table("summary").by == "answer").any()


def test_behaviours_are_counted_by_whether_the_answer_is_right(run):
    found = run(documents("wait \\boxed{7}", "\\boxed{7}", "wait, wait \\boxed{8}", "wait", "wait"))
    counted = [measure(found, "shows_waiting", "answer", value) for value in ("right", "wrong", "no answer")]
    assert [(line["count"], line["n"]) for line in counted] == [(1, 2), (1, 1), (2, 2)]
    spans = found.table("spans")
    assert spans.document.tolist() == ["d0", "d2", "d2", "d3", "d4"]
    assert spans.right.tolist() == [True, False, False, False, False]
    assert set(spans.label) == {"wait"}


def test_a_trace_of_which_the_detector_does_not_know_is_not_without_the_behaviour(run):
    """Labels of some sentences alone leave the others open; a label that is there counts all the same."""
    shown, told = "Wait. So it is 7. Good.", "So it is 7."
    spans = ((Span(0, 5, "doubt"),), (), (Span(0, len(told), "work"),))
    made = [
        Document(f"d{n}", text, f"g{n}", annotations=annotations, metadata={"unlabelled": "not known"})
        for n, (text, annotations) in enumerate(zip((shown, told, told), spans, strict=True))
    ]
    counted = run(made, detectors={"doubt": Annotations(("doubt",))}, grader=None)
    assert counted.table("traces").shows_doubt.tolist() == [True, pd.NA, False]
    row = measure(counted, "shows_doubt")
    assert (row["n"], row["count"], row["share"]) == (2, 1, 0.5)
    assert counted.run["counts"]["behaviours"]["doubt"]["documents_not_known"] == 1
    assert any("of 1 of 3 traces it is not known whether they show `doubt`" in each for each in counted.run["warnings"])


def test_several_traces_of_a_problem_are_warned_of(run):
    several = [Document(f"d{number}", "wait", f"g{number // 2}", metadata={"answer": "7"}) for number in range(5)]
    assert any("several traces of 2 of 3 problems" in one for one in run(several).run["warnings"])


def test_a_behaviour_that_shows_nowhere_is_warned_of(run):
    assert "`waiting` shows nowhere in 1 document" in run(documents("Hm.")).run["warnings"]


def test_texts_without_answers_can_be_analysed_without_a_grader(run):
    found = run([Document("a", "Wait. </think>", "a"), Document("b", "", "b")], grader=None)
    assert set(found.table("summary").measure) == {"thought_ended", "shows_waiting"}
    assert found.table("traces").right.isna().all()
    assert found.run["counts"]["without_verdict"] == 0
    assert found.run["config"]["grader"] is None
    assert not found.run["warnings"]


def test_without_answers_at_hand_nothing_is_graded_and_all_else_is_analysed(run, tmp_path):
    source = [Document("a", "Wait. </think>", "a"), Document("b", "", "b")]
    graded, switched_off = run(source), run(source, grader=None, folder=tmp_path / "off")
    pd.testing.assert_frame_equal(graded.table("summary"), switched_off.table("summary"))
    [warning] = graded.run["warnings"]
    assert warning.startswith("nothing was graded: there are no right answers to grade by: none of 2 documents has ")
    assert graded.run["counts"] == switched_off.run["counts"]


def test_right_answers_that_are_not_where_they_were_said_to_be_are_an_error_and_nothing_is_left(run, tmp_path):
    with pytest.raises(DataError, match="none of 1 document has `solution` in its metadata, which holds nothing"):
        run([Document("a", "Wait.", "a")], truth_fields=("solution",))
    assert not (tmp_path / "run").exists()


def test_the_fields_of_metadata_can_be_named(run):
    source = [Document("a", "\\boxed{7}", "a", metadata={"solution": "7", "difficulty": 3, "subject": "Sums"})]
    found = run(source, truth_fields=("solution",), level_field="difficulty", type_field="subject", thought_end="}")
    [line] = found.table("traces").to_dict("records")
    assert (line["right"], line["level"], line["type"], line["thought_ended"]) == (True, "3", "Sums", True)


@pytest.mark.parametrize("settings", [{"truth_fields": ()}, {"level_field": ""}, {"thought_end": ""}])
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ConfigError, match=f"{next(iter(settings))} is empty"):
        Analyze(**settings)


def test_levels_stand_in_the_order_of_their_numbers(run):
    source = [Document(str(n), "", str(n), metadata={"answer": "7", "problem_level": f"Level {n}"}) for n in (10, 2, 1)]
    summary = run([*source, Document("x", "", "x")]).table("summary")
    assert summary[summary.by == "level"].value.unique().tolist() == ["", "Level 1", "Level 2", "Level 10"]


def test_the_summary_is_json_too_with_null_for_what_is_undefined(run):
    found = run(documents("7", "8?"), grader=Failing(), detectors={})
    held = json.loads((found.folder / "summary.json").read_text(encoding="utf-8"))
    table = found.table("summary")
    assert [line["count"] for line in held] == table["count"].tolist()
    for line, low in zip(held, table.low, strict=True):
        assert line["low"] is None if low != low else line["low"] == pytest.approx(low)
    assert load(found.folder).command == "analyze"
    assert isinstance(found, Run)


def test_a_finished_run_is_not_written_over(run):
    run(documents("7"))
    with pytest.raises(ConfigError, match="holds a finished run already"):
        run(documents("8"))


def test_no_documents_are_an_error(run):
    with pytest.raises(DataError, match="the source gave no document"):
        run([])


@dataclass(frozen=True)
class Telling(Report):
    """The names of the tables."""

    def write(self, folder):
        path = folder / "told.txt"
        path.write_text(" ".join(load(folder).tables), encoding="utf-8")
        return [path]


def test_reports_draw_the_run(run):
    folder = run(documents("7"), reports={"telling": Telling()}).folder
    assert (folder / "told.txt").read_text() == "spans summary traces"


def test_presets_can_be_named_in_python(tmp_path):
    found = analyze("arithmetic", ["backtracking", "hedging"], "boxed", reports=(), folder=tmp_path / "run")
    assert found.run["behaviours"] == ["backtracking", "hedging"]
    assert found.run["config"]["grader"] == {"_target_": "grader/boxed", "thought_end": "</think>"}
    assert measure(found, "right")["share"] == 1


def test_a_run_of_find_is_analysed_by_its_own_texts_and_detectors(tmp_path):
    from neurosieve import Model

    model = Model("tiny", format="tiny")
    result = find(
        model, Arithmetic(documents=80), {"slips": Annotations()}, ["cohens_d"], interval_bootstraps=10,
        folder=tmp_path / "run", store=str(tmp_path / "s"),
    )  # fmt: skip
    found = analyze_run(result.folder, grader="boxed", reports=())
    assert found.folder == result.folder / "analyze"
    assert result.parts("analyze") == [found]
    assert found.run["counts"]["behaviours"]["slips"]["spans"] == result.run["counts"]["behaviours"]["slips"]["spans"]


def test_a_run_of_texts_that_were_handed_over_wants_them_again(make_run):
    result = make_run("run", {"slip": {"auc": [0.5]}})
    held = json.loads((result.folder / "run.json").read_text())
    held["config"] = {"source": "handed over", "detectors": {}}
    (result.folder / "run.json").write_text(json.dumps(held))
    with pytest.raises(ConfigError, match="were handed over in Python: hand them over again"):
        analyze_run(result.folder)
    found = analyze_run(
        result.folder, documents=documents("wait"), detectors={"waiting": Phrases(("wait",))}, reports=()
    )
    assert found.run["counts"]["behaviours"]["waiting"]["spans"] == 1


def printed(what, **options):
    out = Console(width=120, record=True, force_terminal=True, highlight=False, color_system="standard", **options)
    with out.capture() as caught:
        show_run(what, out) if isinstance(what, Run) else out.print(what, soft_wrap=True)
    return caught.get()


def test_texts_are_shown_as_they_are_and_obeyed_in_nothing(run):
    hostile = Document(HOSTILE, f"Q {HOSTILE} wait {HOSTILE}", HOSTILE, 2, metadata={"answer": "7"})
    level = Document("b", "wait", "b", metadata={"answer": "7", "problem_level": HOSTILE, "problem_type": HOSTILE})
    found = run([hostile, level], detectors={"waiting": Phrases(("wait", "[bold red]x[/]"))})
    for said in (printed(found), printed(trace_shown(hostile, {"a": [Span(0, 1, HOSTILE)]}, Verdict(None, HOSTILE)))):
        assert "<script>" in said
        assert "[bold red]x[/]" in said
        for bad in ("\x1b]", "\x1b[2J", "\x07", "\x9b", "\r", "\u202e"):
            assert bad not in said


def test_a_trace_is_shown_whole_with_its_spans_highlighted_where_they_stand():
    text = "Prompt:\n<think>\nHm, \x1b[1m🤔 wait.\n\tWait!\n"
    document = Document("a", text, "a", 15)
    spans = {"waiting": list(Phrases(("wait",)).detect(document)), "thinking": [Span(16, 18, "hm")]}
    shown = highlighted(document, spans)
    assert len(shown.plain) == len(text)
    assert shown.plain.count("\n") == text.count("\n")
    marked = {shown.plain[span.start : span.end] for span in shown.spans if "on" in str(span.style)}
    assert marked == {"wait", "Wait", "Hm"}
    assert [shown.plain[span.start : span.end] for span in shown.spans if span.style == "dim"] == ["Prompt:\n<think>"]


def test_show_prints_one_trace_with_its_verdict_and_leaves_no_folder(command, traces):
    given = traces(record(3, "Wait, that's not right. \\boxed{7}"), record(4))
    code, said, _ = command(given, "show=3", "grader=boxed")
    assert code == 0
    assert "Wait, that's not right. \\boxed{7}" in said
    assert "backtracking: 1 span\n" in said
    assert "answer: 7: right" in said
    assert list(Path().iterdir()) == []


def test_show_of_a_trace_without_an_answer_shows_it_all_the_same(command, traces):
    code, said, _ = command(traces(record(3, ground_truth_solution="")), "show=3")
    assert code == 0
    assert "no verdict (there is no right answer to compare with)" in said


def test_show_names_the_nearest_ids_where_there_is_no_such_trace(command, traces):
    code, _, said = command(traces(*(record(number) for number in range(100, 400))), "show=3999")
    assert code == 2
    assert "the source has no trace `3999`: did you mean `399`" in said
    code, _, said = command(traces(*(record(number) for number in range(100, 400))), "show=x")
    assert (code, len(said) < 400) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], r"`source.path` has no value: give one"),
        (["grader=bxed"], "there is no `bxed` to choose for `grader`: did you mean `boxed`?"),
        (["truth_fields=[nothing]"], "there are no right answers to grade by"),
        (["truth_fields=nothing"], "truth_fields"),
        (["detectors=[backtrack]"], "did you mean `backtracking`"),
        (["grader.seconds=0"], "`seconds` of the grader `math_verify` is 0.0: it must be above 0"),
        (["level=x"], "the config has no `level`: did you mean `level_field`"),
    ],
)
def test_a_mistake_ends_with_one_message_and_leaves_nothing(arguments, said, command, traces):
    code, _, error = command(*([traces(record(1))] if arguments else []), *arguments)
    assert code == 2
    assert said in error
    assert error.count("\n") == 1
    assert list(Path().iterdir()) == []


def test_a_sweep_that_fails_leaves_nothing(command):
    code, _, error = command("-m", "source.path=nowhere.json", "grader=boxed,none")
    assert (code, "the source `traces`: cannot read `nowhere.json`: there is no such file in" in error) == (2, True)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("off", ["grader=none", "grader=null"])
def test_grading_is_switched_off_by_either_name(off, command, traces):
    code, said, _ = command(traces(record(1, ground_truth_solution="")), off)
    assert code == 0
    assert "answer right" not in said
    assert "thought ended" in said


def test_the_help_says_what_there_is(command):
    code, said, _ = command("--help")
    assert code == 0
    assert "grader: boxed, math_verify, none" in said
    assert "show=17" in said
