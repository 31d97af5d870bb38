"""A run is followed by other commands and tried on fresh traces, all in its own folder."""

import pytest

from neurosieve import ConfigError, Document, find, hookimpl, load
from neurosieve.cli import main
from neurosieve.commands.follow_ups import planned
from neurosieve.config.configuration import build_all
from neurosieve.registry import installed
from neurosieve.runs.recording import draw
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.reports.html import Html
from neurosieve_plugins.sources.arithmetic import Arithmetic

QUICK = {"permutations": 19, "interval_bootstraps": 20, "stability_bootstraps": 5}
TINY = ["find", "model=tiny", "source.documents=40", "reports=[]", "hydra.run.dir=run"]
TINY += [f"{key}={value}" for key, value in QUICK.items()]
# A detector of a letter, so that a model with random weights shows it in what it writes.
LETTER = ["detectors=[phrases]", "detectors.phrases.phrases=[an]"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_what_follows_a_run_is_left_in_its_folder(here):
    main([*TINY, *LETTER, "follow_up=[analyze,show,'ablate k=[1,3] controls=1 documents=5 interval_bootstraps=100']"])
    run = load(here / "run")
    assert sorted(part.command for part in run.parts()) == ["ablate", "analyze", "show"]
    [ablation] = run.parts("ablate")
    assert set(ablation.table("effects").k) == {1, 3}
    [shown] = run.parts("show")
    best = set(run.neurons.head(5)[["layer", "neuron"]].itertuples(index=False, name=None))
    assert set(shown.table("tokens")[["layer", "neuron"]].itertuples(index=False, name=None)) == best


def test_a_ranking_is_tried_on_fresh_traces_of_other_problems(here):
    main([*TINY, *LETTER, "validate=generated", "validate.n=20", "validate.sampling.max_new_tokens=30"])
    run = load(here / "run")
    [made], [tried] = run.parts("generate"), run.parts("rescore")
    assert made.run["counts"]["traces"] == 20
    ranked = set(run.positions.group[run.positions.part == "ranking"])
    assert not ranked & set(tried.table("positions").group)
    assert tried.table("neurons")["rank"].tolist() == run.neurons["rank"].tolist()
    assert tried.table("neurons").auc_heldout.notna().any()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("abalte", "`follow_up` holds `abalte`, which cannot follow a run: did you mean `ablate`"),
        ("", "which cannot follow a run"),
        ("ablate kk=1", "kk"),
        (
            "show neurons=[[0,99999]]",
            "`follow_up` holds `show neurons=[[0,99999]]`: there is no neuron L0N99999 in `tiny",
        ),
        ("ablate neurons=[L9N1]", "there is no neuron L9N1"),
        ("ablate neurons=[nine]", "names no neuron"),
        ("ablate neurons=[[0,1]] k=2", "k is 2, and `neurons` lists 1"),
        ("ablate k=[1,385]", "k is 385, and the ranking will hold 384 neurons"),
        ("show k=385", "k is 385, and the ranking will hold 384 neurons"),
        ("show k=0", "k is 0"),
        ("show behaviour=backtrackin", "no behaviour `backtrackin` is looked for: did you mean `backtracking`"),
        ("ablate behaviour=hedging", "no behaviour `hedging` is looked for"),
        ("ablate strength=0", "strength is [0.0]"),
        ("ablate mode=generated sampling.max_new_tokens=0", "max_new_tokens is 0"),
        ("analyze level_field=''", "level_field is empty"),
        ("analyze grader.seconds=0", "must be above 0"),
    ],
)
def test_what_cannot_follow_is_refused_before_anything_is_run(here, capsys, line, message):
    with pytest.raises(SystemExit) as stopped:
        main([*TINY, f'follow_up=["{line}"]'])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not (here / "run").exists()


def test_a_neuron_of_a_layer_that_will_not_be_read_is_refused_before_anything_is(here, capsys):
    with pytest.raises(SystemExit):
        main([*TINY, "layers=[1]", 'follow_up=["ablate neurons=[[2,5]]"]'])
    assert "layer 2 is not read" in capsys.readouterr().err
    assert not (here / "run").exists()


def test_fresh_traces_of_problems_that_are_not_there_are_refused_before_anything_is_read(here, capsys):
    problems = ["validate=generated", "problems@validate.problems=math500", "validate.problems.path=nowhere.jsonl"]
    many = ["validate=generated", "validate.problems.count=10", "validate.n=999999"]
    for asked in (problems, many):
        with pytest.raises(SystemExit) as stopped:
            main([*TINY, *asked])
        assert stopped.value.code == 2
        said = capsys.readouterr().err
        assert "nowhere.jsonl" in said or "n is 999,999, and there are 10 problems" in said
        assert here.is_dir(), "an empty folder that the user stands in is not cleared away"
        assert not (here / "run").exists()


# What a model with random weights writes in four tokens never says to wait.
QUIET = ["validate=generated", "validate.n=3", "validate.sampling.max_new_tokens=4"]


@pytest.mark.slow
def test_fresh_traces_that_show_nothing_leave_a_finished_ranking_with_a_warning(here, capsys):
    main(
        [
            *TINY,
            "detectors=[phrases]",
            "detectors.phrases.phrases=[wait]",
            *QUIET,
            "reports=[html]",
            "follow_up=['show k=1 documents=1']",
        ]
    )
    said = capsys.readouterr().out
    run = load(here / "run")
    traces = run.parts("generate")[0].folder / "traces.jsonl"
    [warning] = [one for one in run.run["warnings"] if "fresh traces" in one]
    assert f"the 3 fresh traces in `{traces}`: no span of `phrases` was found in 3 documents" in warning
    assert "validate.n" in warning
    assert traces.is_file()
    assert "warning: `validate=generated` could not be done" in said
    assert "the best 10 of 384 MLP neurons by auc" in said
    assert f"run folder: {here / 'run'}" in said
    assert "could not be done" in (here / "run" / "report.html").read_text(encoding="utf-8")
    assert [part.command for part in run.parts()] == ["generate", "show"], "what follows goes on"


def test_what_the_texts_do_not_allow_is_a_warning_in_python_too(here):
    letter = {"letter": Phrases(("an",))}
    source, steps = Arithmetic(documents=40), ["analyze truth_fields=[nothing]", "show k=1"]
    run = find("tiny", source=source, detectors=letter, follow_up=steps, folder="run", **QUICK)
    [warning] = [one for one in run.run["warnings"] if "could not be done" in one]
    assert warning.startswith("`analyze truth_fields=[nothing]` could not be done: there are no right answers")
    assert run.run == load("run").run
    assert [part.command for part in run.parts()] == ["show"]


@pytest.mark.parametrize(
    ("follow_up", "drawings"),
    [
        pytest.param("['show k=1 documents=1']", 2, id="the step draws the run"),
        pytest.param("['show k=1 documents=1 reports=[]']", 2, id="the step has other reports", marks=pytest.mark.slow),
        pytest.param(
            "['show k=1 documents=1','analyze truth_fields=[nothing]']",
            3,
            id="the last step could not be done",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_page_of_a_run_shows_what_followed_it_and_is_drawn_no_more_than_needed(
    here, monkeypatch, follow_up, drawings
):
    drawn, write = [], Html.write

    def count(report, folder):
        drawn.append(folder)
        return write(report, folder)

    monkeypatch.setattr(Html, "write", count)
    main([*TINY, *LETTER, "reports=[html]", f"follow_up={follow_up}"])
    assert [folder.name for folder in drawn].count("run") == drawings
    page = (here / "run" / "report.html").read_bytes()
    draw(here / "run", {"html": Html()})
    assert (here / "run" / "report.html").read_bytes() == page


def test_what_fails_after_the_ranking_says_so_when_the_ranking_was_told(here, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*TINY, *LETTER, "follow_up=['show ids=[nobody] k=1']"])
    said = capsys.readouterr()
    assert stopped.value.code == 2
    assert "the best 10 of 384 MLP neurons by auc" in said.out
    assert f"run folder: {here / 'run'}" in said.out
    assert said.err.startswith("neurosieve: `show ids=[nobody] k=1` failed: the run read no document `nobody`")
    assert f"the ranking before it is finished, and stands in `{here / 'run'}`" in said.err
    assert said.err.count("\n") == 1


def test_a_run_that_was_there_before_is_not_told_as_if_it_had_just_ended(here, capsys):
    main([*TINY, *LETTER])
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main([*TINY, *LETTER])
    assert capsys.readouterr().out == ""


def test_texts_without_right_answers_are_analysed_and_what_follows_goes_on(here):
    """The stories that `tiny` reads have answers; texts of one's own have none."""
    (here / "texts").mkdir()
    for number in range(12):
        text = (
            f"I have {number} apples and an egg. Then {number + 3} more came to me. So it is {2 * number + 3} in all."
        )
        (here / "texts" / f"{number}.txt").write_text(text, encoding="utf-8")
    source = [
        "find",
        "model=tiny",
        "source=text",
        "source.path=texts",
        "reports=[]",
        "hydra.run.dir=run",
        *(f"{key}={value}" for key, value in QUICK.items()),
    ]
    main([*source, *LETTER, "control.tokens=2", "follow_up=[analyze,'show k=1 documents=2']"])
    run = load(here / "run")
    assert [part.command for part in run.parts()] == ["analyze", "show"]
    [analysis] = run.parts("analyze")
    assert any(one.startswith("nothing was graded") for one in analysis.run["warnings"])


@pytest.mark.parametrize(
    ("command", "group"), [("find", "model"), ("find", "source"), ("generate", "problems"), ("generate", "prompt")]
)
def test_a_group_that_is_null_is_refused_with_what_can_be_chosen(here, capsys, command, group):
    with pytest.raises(SystemExit) as stopped:
        main([command, f"{group}=null"])
    assert stopped.value.code == 2
    assert f"`{group}` is `null`: choose one of " in capsys.readouterr().err
    assert not list(here.iterdir())


def test_plans_keep_the_reports_of_the_run_unless_they_have_their_own():
    with pytest.raises(ConfigError, match="nonsense"):
        planned(["nonsense"], {})
    [plan, own] = planned(["show k=2", "show 'reports=[figures]'"], {"page": Html(best=7)})
    assert (list(plan.config.reports), plan.config.k) == (["page"], 2)
    assert build_all(plan.config.reports, "report") == {"page": Html(best=7)}
    assert list(own.config.reports) == ["figures"]


def test_a_ranking_is_scored_on_another_source_without_the_problems_that_ranked(here):
    main([*TINY, *LETTER, "replicate_on=arithmetic", "replicate_on.documents=60"])
    run = load(here / "run")
    [tried] = run.parts("rescore")
    assert tried.folder == here / "run" / "replicate_on"
    ranked = set(run.positions.group[run.positions.part == "ranking"])
    assert ranked
    assert not ranked & set(tried.table("positions").group)
    left_out = tried.run["counts"]["documents_that_ranked"]
    assert left_out >= len(ranked)
    assert f"{left_out} documents answer problems that took part in the ranking" in tried.run["warnings"][0]
    assert tried.run["config"]["source"]["documents"] == 60


def test_in_python_another_source_is_handed_over(here):
    texts = [Document(f"d{n}", f"{n} of the {'more words ' * 30}, an end", f"fresh {n}") for n in range(30)]
    detectors = {"an": Phrases(("an",))}
    source, folder = Arithmetic(documents=40), here / "run"
    result = find("tiny", source=source, detectors=detectors, replicate_on=texts, folder=folder, **QUICK)
    [tried] = result.parts("rescore")
    assert tried.run["config"]["source"] == "handed over"
    assert tried.run["counts"]["documents"] == 30


def test_a_file_to_replicate_on_that_is_not_there_is_refused_before_anything_is_read(here, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*TINY, *LETTER, "replicate_on=traces", "replicate_on.path=nowhere.json"])
    assert ended.value.code == 2
    assert "the source `traces`: cannot read `nowhere.json`: there is no such file in" in capsys.readouterr().err
    assert not (here / "run").exists()


@pytest.fixture
def interrupted(here, capsys):
    """Run a command line with Ctrl-C as a run of some command begins; returns the exit code, and what is printed."""

    def interrupted(command, *arguments):
        class Interrupting:
            @hookimpl
            def run_started(self, command):
                if command == self.command:
                    raise KeyboardInterrupt

        listener = Interrupting()
        listener.command = command
        installed().manager.register(listener)
        try:
            with pytest.raises(SystemExit) as stopped:
                main(list(arguments))
        finally:
            installed().manager.unregister(listener)
        return stopped.value.code, capsys.readouterr()

    return interrupted


def test_an_interruption_after_the_ranking_says_where_it_is_how_to_go_on_and_what_is_missing(here, interrupted):
    steps = "follow_up=['show k=1 documents=1','ablate k=[1]',analyze]"
    code, said = interrupted("ablate", *TINY, *LETTER, "reports=[html]", steps)
    assert code == 130
    folder = here / "run"
    assert said.err == (
        f"neurosieve: interrupted; the ranking is finished, and is in `{folder}`, without `ablate k=[1]`, `analyze`: "
        f"go on with `neurosieve ablate run={folder} k=[1]`\n"
    )
    run = load(folder)
    assert [part.command for part in run.parts()] == ["show"]
    warning = "the run was interrupted after the ranking: without `ablate k=[1]`, `analyze`, which did not end"
    assert run.run["warnings"][0] == warning
    assert "interrupted after the ranking" in " ".join(said.out.split())
    assert "interrupted after the ranking" in (folder / "report.html").read_text(encoding="utf-8")
    # What is said to go on does, and one that is interrupted itself begins anew.
    more = ["controls=1", "documents=5", "interval_bootstraps=100", "reports=[]"]
    code, said = interrupted("ablate", "ablate", f"run={folder}", "k=[1]", *more)
    assert code == 130
    assert "interrupted; the run is not finished, and the same command begins it anew, with the traces" in said.err
    main(["ablate", f"run={folder}", "k=[1]", *more])
    assert [part.command for part in run.parts()] == ["ablate", "show"]


def test_an_interruption_before_the_ranking_is_finished_is_told_as_before(here, interrupted):
    code, said = interrupted("find", *TINY, *LETTER, "follow_up=[ablate]")
    assert code == 130
    assert said.err.endswith("the same command goes on from there\n")
    assert not (here / "run").exists()


def test_an_interruption_while_a_finished_run_is_drawn_says_that_it_is_finished(here, capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Html, "write", interrupt)
    for follow_up, said in (
        ("[]", ", but its reports may not be drawn"),
        ("['show k=1']", ", without `show k=1`: go on"),
    ):
        folder = here / f"run{len(follow_up)}"
        with pytest.raises(SystemExit):
            main([*TINY, *LETTER, "reports=[html]", f"follow_up={follow_up}", f"hydra.run.dir={folder}"])
        assert f"interrupted; the ranking is finished, and is in `{folder}`{said}" in capsys.readouterr().err


def test_an_ablation_of_one_of_two_behaviours_names_the_other(here):
    steps = "follow_up=['ablate k=[1] controls=1 documents=5 interval_bootstraps=100']"
    detectors = ["detectors=[phrases,backtracking]", "detectors.phrases.phrases=[an]"]
    main([*TINY, *detectors, steps])
    [ablation] = load(here / "run").parts("ablate")
    assert (
        "edited for `phrases`, the first behaviour of the run; not for `backtracking`: `behaviour=backtracking` edits "
        "for that one"
    ) in ablation.run["notes"]
