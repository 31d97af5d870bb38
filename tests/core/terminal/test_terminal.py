"""What a ranking looks like in a terminal: with chance beside the best neuron."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from neurosieve.runs.writer import write_run
from neurosieve.terminal.finished_run import show_run
from neurosieve.testing.runs import written_runs

COUNTS = {"spans": 9, "documents_with": 8, "ranking_present": 5, "ranking_control": 50, "heldout_present": 4}
NULL = {
    "permutations": 1000,
    "null_max_median": 0.18,
    "null_max_q95": 0.2134,
    "p_fwer_05": 2,
    "q_fdr_05": 3,
}
VERDICTS = ["anticipates", "token detector", None]


@pytest.fixture
def shown(make_run, tmp_path):
    """Show a run of three neurons, as it is changed, on a console so wide; returns its lines."""

    def shown(
        width=200,
        scores=(0.9, 0.2, 0.6),
        null=NULL,
        held_out=True,
        baselines=None,
        baselines_by="auc",
        config=None,
        **columns,
    ):
        made = make_run("made", {"a": {"auc": list(scores), "cohens_d": [1.0, -0.5, 0.1]}}, neutral=0.5)
        table = made.neurons.assign(auc_heldout=0.7, cohens_d_heldout=1.5, auc_minus_neutral_heldout=0.2)
        table = table.assign(auc_minus_neutral_heldout_low=0.1, auc_minus_neutral_heldout_high=0.3, replicates=True)
        if not held_out:
            table = table.assign(**{name: np.nan for name in table if "heldout" in name}, replicates=None)
        counts = COUNTS | {"heldout_present": 4 * held_out, "heldout_control": 40 * held_out}
        told = made.run | {
            "counts": {"documents": 12, "behaviours": {"a": counts}},
            "warnings": ["[bold]beware[/]"],
            "reading": {"forward_passes": 0, "tokens": 0},
            "model": {"name": "tiny", "dtype": "float32", "device": "cpu"},
            "null": {} if null is None else {"a": null},
            "config": config or {},
            "baselines_by": baselines_by,
        }
        tables = {"neurons": table.assign(**columns), "positions": made.positions}
        if baselines is not None:
            tables["baselines"] = baselines
        result = write_run(tmp_path / "shown", told, tables)
        out = io.StringIO()
        show_run(result, out=Console(width=width, file=out))
        return out.getvalue().splitlines()

    return shown


KNOWN = {"p_fwer": [0.0002, 0.02, 1.0], "q_fdr": [0.001, 0.03, np.nan], "verdict": VERDICTS}


TEXT = pd.DataFrame(
    {
        "behaviour": "a",
        "baseline": ["token", "position", "previous tokens"],
        "auc": [0.8, np.nan, 0.7],
        "auc_heldout": [0.81, np.nan, np.nan],
        "auc_minus_neutral_heldout": [0.31, np.nan, np.nan],
        "auc_minus_neutral_heldout_low": [0.25, np.nan, np.nan],
        "auc_minus_neutral_heldout_high": [0.35, np.nan, np.nan],
        "cohens_d": [1.5, np.nan, 0.5],
        "cohens_d_heldout": [1.25, np.nan, np.nan],
    }
)
"""What the text alone tells; of position there are too few groups to say."""


def split(line):
    return [cell.strip() for cell in line.split("│")[1:-1]]


def cells(lines, start):
    [line] = [line for line in lines if line.startswith("│") and line.replace("│", " ").split()[:1] == [start]]
    return split(line)


def headings(lines, first):
    """Return the headings of the table whose first one begins with a word."""
    [line] = [line for line in lines if line.startswith("┃") and line.split()[1].startswith(first)]
    return [cell.strip() for cell in line.split("┃")[1:-1]]


def test_what_chance_reaches_stands_below_the_best_neuron(shown):
    lines = shown(**KNOWN)
    chance, best = cells(lines, "chance:"), cells(lines, "1")
    assert chance[:2] == ["chance: the best of all, in 5 % of 1,000 permutations", "0.713"]
    assert best[:6] == ["1", "0", "0", "0.900", "<0.001", "0.001"]
    assert cells(lines, "L0N0,")[:2] == ["L0N0, the best neuron", "0.900"]
    assert lines.index(next(line for line in lines if "L0N0, the best neuron" in line)) < lines.index(
        next(line for line in lines if line.startswith("│ chance:"))
    )


def test_what_chance_came_to_is_said_in_words(shown):
    [said] = [line for line in shown(500, **KNOWN) if line.startswith("chance:")]
    assert "0.213 or more from 0.500 in 5 % of 1,000 permutations" in said
    assert "2 neurons have a p_fwer of at most 0.05, 3 a q_fdr" in said


def test_each_verdict_in_the_table_is_explained_once(shown):
    lines = shown(**KNOWN)
    assert "anticipates" in cells(lines, "1")
    assert [line.partition(":")[0] for line in lines if line.startswith(("antic", "token", "behav", "not re"))] == [
        "anticipates (1)",
        "token detector (1)",
    ]


def test_what_is_unknown_is_a_dash_and_what_is_known_of_no_neuron_has_no_column(shown):
    assert cells(shown(**KNOWN), "3")[5] == "–"
    bare = " ".join(shown(null=None, p_fwer=np.nan, q_fdr=np.nan, verdict=None))
    assert not [word for word in ("chance", "p_fwer", "q_fdr", "verdict") if word in bare]
    assert "replicates" in bare


def test_what_the_text_alone_tells_stands_below_the_neurons_where_it_is_known(shown):
    lines = shown(baselines=TEXT, beats_baselines=[True, False, None], **KNOWN)
    header, beside = (headings(lines, first) for first in ("rank", "compared"))
    [token] = [line for line in lines if line.startswith("│") and "the id of the token that is read" in line]
    assert dict(zip(beside, split(token), strict=True)) == {
        "compared with": "the text alone: the id of the token that is read",
        "auc": "0.800",
        "held out": "0.810",
        "95 % interval": "0.750 to 0.850",
    }
    [previous] = [line for line in lines if line.startswith("│") and "which tokens are among the 20 before" in line]
    assert split(previous)[1:] == ["0.700", "–", "–"]
    assert not [line for line in lines if line.startswith("│") and "how far into its completion" in line]
    assert lines.index(previous) > lines.index(next(line for line in lines if line.split()[:2] == ["│", "3"]))
    assert [cells(lines, rank)[header.index("beats text")] for rank in "123"] == ["yes", "no", "–"]


def test_what_the_text_alone_goes_by_is_said_with_how_many_neurons_beat_it(shown):
    assert not [line for line in shown(500) if "text alone" in line]
    lines = shown(500, baselines=TEXT, beats_baselines=[True, False, None])
    assert sum(line.startswith("│ the text alone: ") for line in lines) == 2
    [said] = [line for line in lines if line.startswith("text alone:")]
    assert "1 of 2 neurons that replicate beat the text alone." in said


def test_of_neurons_that_beat_the_text_those_are_counted_that_chance_does_not_explain(shown):
    known = KNOWN | {"p_fwer": [0.02, 0.6, 1.0]}
    [said] = [line for line in shown(500, baselines=TEXT, beats_baselines=True, **known) if line[:11] == "text alone:"]
    assert "1 of 1 neuron with a p_fwer of at most 0.05 beat the text alone" in said
    noise = KNOWN | {"p_fwer": [0.2, 0.6, 1.0]}
    [said] = [line for line in shown(500, baselines=TEXT, beats_baselines=True, **noise) if line[:11] == "text alone:"]
    assert "there are no neurons with a p_fwer of at most 0.05 to beat the text alone" in said


def test_a_score_in_the_unit_of_activations_is_not_set_beside_the_text(shown):
    lines = shown(baselines=TEXT, baselines_by="cohens_d", beats_baselines=[True, False, None], **KNOWN)
    [by_rank, by_text] = [line for line in lines if line.startswith("│ L0N0, the best neuron")]
    assert split(by_rank)[1] == "0.900"
    assert split(by_text)[1:3] == ["1.000", "1.500"]
    [token] = [line for line in lines if line.startswith("│") and "the id of the token that is read" in line]
    assert split(token)[1:3] == ["1.500", "1.250"]
    assert any("beside the text alone; auc is in the neuron's own unit" in line for line in lines)


def test_an_interval_is_called_as_sure_as_it_is(shown):
    assert any("90 % interval" in line for line in shown(config={"confidence": 0.9}))


def test_a_ranking_of_which_nothing_is_defined_reads_well(shown):
    lines = shown(scores=[np.nan] * 3, null=None, p_fwer=np.nan, q_fdr=np.nan, verdict=None)
    assert cells(lines, "1")[3] == "–"


def test_an_older_run_that_knows_no_chance_is_shown(shown):
    assert cells(shown(null=None, held_out=False), "1") == ["1", "0", "0", "0.900", "1.000"]


def test_a_narrow_terminal_gets_what_matters_most(shown):
    lines = shown(80, baselines=TEXT, beats_baselines=True, **KNOWN)
    assert "the text alone: which" in " ".join(" ".join(map(str.strip, line.split("│")[:2])) for line in lines)
    assert max(len(line) for line in lines if not line.startswith("run folder: ")) <= 80
    assert headings(lines, "rank") == [
        "rank",
        "layer",
        "neuron",
        "auc",
        "p_fwer",
        "held out",
        "verdict",
    ]


def test_a_warning_is_text_and_no_markup(shown):
    assert shown()[0] == "warning: [bold]beware[/]"


def test_a_verdict_that_chance_or_the_text_could_have_earned_says_so(shown):
    known = KNOWN | {"verdict": ["anticipates", "behaviour", "behaviour"]}
    beats = {"beats_baselines": [True, False, True], "beats_baselines_prediction": [False, True, True]}
    lines = shown(baselines=TEXT, **beats, **known)
    assert "anticipates (the text alone does as well)" in cells(lines, "1")
    assert "behaviour (the text alone does as well)" in cells(lines, "2")
    assert "behaviour (may be chance)" in cells(lines, "3")
    assert sum(line.startswith(("may be chance:", "the text alone does as well:")) for line in lines) == 2


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return written_runs(tmp_path_factory.mktemp("runs"))


def test_no_run_of_any_command_moves_the_cursor_or_turns_the_writing_around(runs):
    assert len({run.command for run in runs}) > 8
    for run in runs:
        out = io.StringIO()
        show_run(run, Console(width=150, file=out))
        lines = out.getvalue()
        assert not {"\x1b", "\x00", "\r", "\u2028", "\u202e"} & set(lines), run.folder
        assert "warning: the document one⏎⇥two␍⏎three␀␛[31m is empty" in lines, run.folder
        assert f"run folder: {run.folder}\n" in lines


def test_a_run_below_the_ranking_beside_another_is_printed_once(runs):
    [find] = [run for run in runs if run.folder.name == "find" and run.folder.parent.name != "empty"]
    out = io.StringIO()
    show_run(find, Console(width=300, file=out))
    said = out.getvalue()
    for path in ("beside", "beside/ablate/1", "ablate/1", "rescore"):
        assert said.count(f"run folder: {find.folder / path}\n") == 1, path
    assert "of one ranking are among the best" in said
