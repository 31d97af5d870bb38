"""The headline of a circuit names the half of each number, and says where the other half does not confirm it."""

import json

import pytest

from neurosieve.runs.notebook import run_html
from neurosieve.runs.results import Run
from neurosieve.runs.summary import run_blocks
from neurosieve.runs.writer import write_run
from neurosieve.testing.runs import written_runs
from neurosieve_plugins.reports.circuit_section import circuit_section

EFFECT, NONE = "an effect", "no effect that can be told from 0"
NOT_BEYOND = "no effect beyond that of its control neurons"


@pytest.fixture(scope="module")
def circuit_run(tmp_path_factory):
    return next(run for run in written_runs(tmp_path_factory.mktemp("runs")) if "doses" in run.tables)


def of(verdict, effect=-0.475, low=-0.801, high=-0.157):
    beyond = {"beyond_controls": -0.38, "beyond_controls_low": -0.83, "beyond_controls_high": 0.1}
    return {"effect": effect, "effect_low": low, "effect_high": high, **beyond, "verdict": verdict}


@pytest.fixture
def told(circuit_run, tmp_path):
    """Write the run with other verdicts, and return all that it says."""

    def write(k, confirmed, chose, largest, circuit=None, sign="negative", **tables):
        estimating = {"largest": largest} | ({"circuit": circuit} if circuit else {})
        more = {"k": k, "confirmed": confirmed, "choosing": {"largest": chose}, "estimating": estimating}
        record = circuit_run.run | {"circuit": circuit_run.run["circuit"] | more, "sign": sign}
        kept = {name: circuit_run.table(name) for name in circuit_run.tables if k or name != "sufficiency"}
        run = write_run(tmp_path / "run", record, kept | tables)
        return run, [block.text for block in run_blocks(run) if hasattr(block, "text")]

    write.doses = circuit_run.table("doses")
    write.sufficiency = circuit_run.table("sufficiency")
    return write


def headline(texts):
    [text] = [text for text in texts if text.startswith(("circuit", "no circuit"))]
    return text


def test_a_circuit_that_the_other_half_confirms_is_told_with_the_numbers_of_both(told):
    _, texts = told(10, True, of(EFFECT, -0.8, -0.9, -0.7), of(EFFECT), of(EFFECT, -0.42, -0.6, -0.2))
    assert headline(texts) == (
        "circuit: 10 neurons of 100 have half of the effect in the half of the texts that chose (−0.400 of −0.800 "
        "nats, −0.900 to −0.700); on the other half these 10 have an effect (−0.420 nats, −0.600 to −0.200), and all "
        "100 have an effect (−0.475 nats, −0.801 to −0.157)"
    )


def test_a_circuit_that_the_other_half_does_not_confirm_says_so_first_in_the_notebook_and_on_the_page_too(told):
    run, texts = told(10, False, of(EFFECT, -0.8, -0.9, -0.7), of(NONE, -0.2, -0.6, 0.2), of(NONE, 0.213, -0.07, 0.5))
    text = headline(texts)
    assert text.startswith("circuit, not confirmed on the other half: 10 neurons of 100 have half of the effect in the")
    assert "these 10 have no effect that can be told from 0 (+0.213 nats, −0.070 to +0.500)" in text
    assert "all 100 have no effect that can be told from 0 (−0.200 nats, −0.600 to +0.200)" in text
    assert text.endswith("12 and 12 groups are few for this effect; give more texts (`documents`)")
    assert text in run_html(run, ())
    assert text in [getattr(block, "text", "") for block in circuit_section(run).blocks]
    assert json.loads((run.folder / "run.json").read_text())["circuit"]["confirmed"] is False


@pytest.mark.parametrize(
    ("chose", "other", "expected"),
    [
        (
            NONE,
            EFFECT,
            "but the other half shows one: −0.475 nats, −0.801 to −0.157. The halves disagree: 12 and 12 gro",
        ),
        (
            NONE,
            NOT_BEYOND,
            "one that can be told from 0, but not beyond that of its control neurons (−0.475 nats, −0.8",
        ),
        (
            NOT_BEYOND,
            NONE,
            "on the other half it has no effect that can be told from 0 (−0.475 nats, −0.801 to −0.157)",
        ),
        (NONE, NONE, "; nor has it one on the other half (−0.475 nats, −0.801 to −0.157)"),
    ],
)
def test_no_circuit_is_said_of_the_half_that_chose_with_what_the_other_half_shows(told, chose, other, expected):
    _, texts = told(None, None, of(chose, -0.1, -0.5, 0.3), of(other))
    text = headline(texts)
    assert text.startswith(
        f"no circuit: in the half of the texts that chose, the largest dose (100 neurons) has {chose} ("
    )
    assert "(−0.100 nats, −0.500 to +0.300" in text
    assert expected in text
    assert ("give more texts" in text) == (chose != other)


@pytest.mark.parametrize(("sign", "cancels"), [("any", True), ("negative", False), (None, True)])
def test_a_curve_that_turns_back_is_told_with_where_it_is_furthest(told, sign, cancels):
    doses = told.doses.copy()
    at_five = (doses.k == 5) & (doses.set == "target")
    doses.loc[at_five, ["effect", "effect_low", "effect_high"]] = 0.944, 0.8, 1.1
    _, texts = told(None, None, of(NONE), of(NONE), sign=sign, doses=doses)
    [text] = [
        text for text in texts if text.startswith("the curve is furthest from 0 at 5 neurons: +0.944 nats (+0.800")
    ]
    assert "expect less on other texts" in text
    assert ("may cancel" in text) == cancels
    _, texts = told(None, None, of(NONE), of(NONE), sign=sign)
    assert not any(text.startswith("the curve is furthest") for text in texts)


def test_a_share_of_what_may_be_nothing_is_told_to_be_undefined(told):
    doses = told.doses.assign(share=float("nan"), share_low=float("nan"), share_high=float("nan"))
    _, texts = told(None, None, of(NONE), of(NONE), doses=doses)
    assert any(text.startswith("share of the largest: not defined, for the interval of the effect") for text in texts)


@pytest.mark.parametrize(
    ("low", "expected"),
    [(0.1, "1 layer raises the behaviour, so that nothing is lost"), (-0.1, "1 layer has no effect that can be told")],
)
def test_sufficiency_that_is_undefined_says_why(told, low, expected):
    undefined = dict.fromkeys(("faithfulness", "faithfulness_low", "faithfulness_high"), float("nan"))
    whole = {"effect_all_ablated": 0.3, "effect_all_ablated_low": low, "effect_all_ablated_high": 0.5}
    sufficiency = told.sufficiency.assign(**undefined, **whole)
    _, texts = told(10, True, of(EFFECT), of(EFFECT), of(EFFECT), sufficiency=sufficiency)
    [text] = [text for text in texts if text.startswith("sufficiency: not defined, for the edit of all neurons")]
    assert expected in text
    assert "(+0.300 nats, " in text


def test_a_run_made_before_halves_were_compared_says_to_make_it_again(circuit_run, tmp_path):
    circuit = {
        name: value for name, value in circuit_run.run["circuit"].items() if name not in ("choosing", "confirmed")
    }
    tables = {name: circuit_run.table(name) for name in circuit_run.tables}
    run: Run = write_run(tmp_path / "run", circuit_run.run | {"circuit": circuit}, tables)
    assert "make it again" in run_html(run, ())
