"""A table goes in, a chart comes out: nothing of it is lost, and nothing made up."""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import TwoRankings
from neurosieve.runs.cells import Cells
from neurosieve.runs.two_rankings import Axis
from neurosieve_plugins.reports.effect_charts import dose, effects, with_conditions
from neurosieve_plugins.reports.matrix_charts import shares_matrix
from neurosieve_plugins.reports.neuron_charts import distribution, points, replication
from neurosieve_plugins.reports.rankings import Ranked, apart, placed, ranked, rounded, thinned
from neurosieve_plugins.reports.two_axes_chart import drawn_of_both, two_axes
from neurosieve_plugins.reports.two_axes_plane import stretch_of
from neurosieve_plugins.reports.vega_lite import columns, specification


def ranking(scores: Any, layers: int = 1, neutral: float = 0.0) -> Ranked:
    """Return a ranking of neurons by their scores, `len(scores) / layers` of them in each layer."""
    values = np.asarray(scores, dtype=float)
    table = pd.DataFrame({"auc": values, "auc_minus_neutral": values - neutral})
    table["layer"] = np.arange(len(table)) * layers // max(len(table), 1)
    table["neuron"] = table.groupby("layer").cumcount()
    far = table.auc_minus_neutral.abs().sort_values(ascending=False, kind="stable", na_position="last")
    table = table.loc[far.index]
    return ranked(table.assign(rank=range(1, len(table) + 1)), "auc", neutral)


def lines(chart: Any) -> list[pd.DataFrame]:
    """Return the tables that a chart holds."""
    return [pd.DataFrame(table) for table in specification(chart.properties(width=300))["datasets"].values()]


SCORES = st.lists(st.floats(-5, 5) | st.just(float("nan")), min_size=1, max_size=300)


@given(scores=SCORES, layers=st.integers(1, 7), most=st.integers(1, 400))
def test_thinning_keeps_the_furthest_and_all_where_all_fit(scores: list[float], layers: int, most: int) -> None:
    whole = ranking(scores, layers)
    kept = thinned(whole, most)
    defined = whole.table[np.isfinite(whole.table.score)]
    assert len(kept) <= most
    if len(defined) <= most:
        assert len(kept) == len(defined)
    if len(defined):
        assert kept.iloc[0].equals(defined.iloc[0])
    assert not kept.duplicated(["layer", "neuron"]).any()
    assert kept["rank"].is_monotonic_increasing


def test_what_thinning_leaves_out_lies_beside_one_that_is_further_out() -> None:
    rng = np.random.default_rng(0)
    whole = ranking(rng.standard_normal(40_000), layers=8)
    kept = thinned(whole, 8_000)
    assert 4_000 < len(kept) <= 8_000
    lost = whole.table[~whole.table["rank"].isin(kept["rank"])]
    places = {layer: mine[["neuron", "score"]].to_numpy() for layer, mine in kept.groupby("layer")}
    span = np.ptp(whole.table.score)
    for line in lost.sample(200, random_state=0).itertuples():
        near = places[line.layer]
        close = (abs(near[:, 0] - line.neuron) < 400) & (abs(near[:, 1] - line.score) < span / 40)
        assert (abs(near[close, 1]) >= abs(line.score) - 1e-9).any()


def test_every_neuron_is_drawn_once_at_its_own_score() -> None:
    scores = np.random.default_rng(0).uniform(-1, 1, 120)
    drawn = pd.concat(one for one in lines(points(ranking(scores, layers=3), most=1000)) if "held_out" in one)
    assert len(drawn) == 120
    place = drawn.layer * 40 + drawn.neuron
    assert np.allclose(drawn.score, scores[place], atol=1e-4)


@pytest.mark.parametrize(
    ("scores", "chance", "levels"),
    [
        ([0.2, 0.5, 0.9], 0.25, {0.25, 0.75}),
        ([0.5, 0.6, 0.9], 0.25, {0.75}),
        ([0.2, 0.9], None, set()),
    ],
)
def test_lines_stand_where_chance_comes_to_on_each_side_that_has_scores(
    scores: list[float], chance: float | None, levels: set[float]
) -> None:
    drawn = ranking(scores, neutral=0.5)._replace(chance=np.nan if chance is None else chance)
    there = [set(table["score"]) - {0.5} for table in lines(points(drawn, 100)) if set(table) == {"score"}]
    assert set().union(*there) == levels


def test_a_chart_of_nothing_is_a_chart() -> None:
    empty = ranking([float("nan")] * 3)
    assert specification(points(empty, most=10))
    assert specification(replication(empty))


@given(
    present=st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=50),
    control=st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=50),
)
def test_each_distribution_adds_up_to_all_of_its_positions(present: list[float], control: list[float]) -> None:
    table = pd.DataFrame(
        {
            "part": "ranking",
            "label": [1] * len(present) + [0] * len(control),
            "activation": np.array([*present, *control], dtype=np.float32),
        }
    )
    [drawn] = lines(distribution(table, "a neuron"))
    for _, mine in drawn.groupby("where"):
        assert mine.share.iloc[:-1].sum() == pytest.approx(1, abs=0.01)


def test_the_interval_of_a_neuron_that_fires_less_is_turned_with_its_score() -> None:
    table = pd.DataFrame(
        {
            "layer": [0, 0],
            "neuron": [0, 1],
            "rank": [1, 2],
            "auc": [0.1, 0.8],
            "auc_minus_neutral": [-0.4, 0.3],
            "auc_heldout": [0.2, 0.4],
            "auc_minus_neutral_heldout": [-0.3, -0.1],
            "auc_minus_neutral_heldout_low": [-0.35, -0.2],
            "auc_minus_neutral_heldout_high": [-0.2, 0.05],
            "replicates": pd.array([True, False], dtype="boolean"),
        }
    )
    told = ranked(table, "auc", 0.5).table
    assert told.far.tolist() == pytest.approx([0.4, 0.3])
    assert told.far_heldout.tolist() == pytest.approx([0.3, -0.1])  # The second has turned its sign.
    assert told.low.tolist() == pytest.approx([0.2, -0.2])
    assert told.high.tolist() == pytest.approx([0.35, 0.05])
    assert told.verdict.tolist() == ["replicates", "does not replicate"]


@given(
    places=st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1)), min_size=1, max_size=40),
    width=st.integers(290, 1400),
)
def test_names_lie_on_no_other_name_on_any_screen(places: list[tuple[int, float]], width: int) -> None:
    drawn = ranking([score for _, score in places]).table
    drawn["layer"] = [layer for layer, _ in places]
    drawn = drawn[np.isfinite(drawn.score)]
    named = apart(drawn, drawn, 100, high=380, most=8)
    assert len(named) >= 1
    wide = np.ptp(drawn.layer) + 1.2
    x = (placed(named, 100) - drawn.layer.min() + 0.6) / wide * width
    y = named.score / max(np.ptp(drawn.score), 1e-12) * 356
    ends = [
        (at + side * 6, at + side * (6 + 6.5 * len(name)))
        for at, side, name in zip(x, named.side, named["name"], strict=True)
    ]
    for one, other in combinations(range(len(named)), 2):
        beside = max(ends[one]) <= min(ends[other]) or max(ends[other]) <= min(ends[one])
        assert beside or abs(y[one] - y[other]) >= 12


def of_both(first: Any, second: Any, chance: float = np.nan) -> TwoRankings:
    """Return neurons of one layer by two scores, each with 0 at chance level."""
    values = np.column_stack([first, second]).astype(float)
    table = pd.DataFrame({"layer": 0, "neuron": range(len(values)), "real_verdict": None})
    for place, end in enumerate(("", "_beside")):
        score = values[:, place]
        far = np.abs(score)
        ranks = pd.Series(-far).rank(method="first").astype(int)
        table = table.assign(
            **{f"rank{end}": ranks, f"score{end}": score, f"held_out{end}": score / 2, f"verdict{end}": "not tested"},
            **{f"distance{end}": score, f"side{end}": (np.sign(score) * ~(far < chance)).astype(int)},
        )
    order = table[["rank", "rank_beside"]].min(axis=1).sort_values(kind="stable").index
    cells = Cells("activation", "", "", "", ("less", "same", "more")), Cells("effect", "", "nats", "", ("a", "b", "c"))
    axes = tuple(
        Axis(name, read, 0.0, chance, read.signs, name) for name, read in zip(("auc", "effect"), cells, strict=True)
    )
    return TwoRankings("a", "neurons", (axes[0], axes[1]), table.loc[order].reset_index(drop=True))


@given(
    scores=st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=200),
    most=st.integers(2, 250),
)
def test_thinning_in_two_rankings_keeps_the_best_of_either(scores: list[tuple[float, float]], most: int) -> None:
    both = of_both(*zip(*scores, strict=True))
    kept = drawn_of_both(both, most)
    assert len(kept) <= most
    assert len(scores) > most or len(kept) == len(scores)
    places = kept[["score", "score_beside"]].to_numpy()
    for best in both.table[(both.table["rank"] == 1) | (both.table["rank_beside"] == 1)].itertuples():
        # It is drawn, or another lies on it that is as good.
        near = np.abs(places - [best.score, best.score_beside]).max(axis=1)
        assert near.min() <= 1e-2 * max(np.ptp(both.table.score), np.ptp(both.table.score_beside), 1e-9)


def test_every_neuron_is_drawn_once_by_both_of_its_scores_with_the_lines_of_chance() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 80))
    drawn = lines(two_axes(of_both(first, second, chance=1.5), most=1000))
    points_drawn = pd.concat(table for table in drawn if "held_out" in table)
    assert sorted(points_drawn.neuron) == list(range(80))
    assert np.allclose(points_drawn.score, first[points_drawn.neuron], atol=1e-3)
    assert np.allclose(points_drawn.score_beside, second[points_drawn.neuron], atol=1e-3)
    for name in ("score", "score_beside"):
        levels = {value for table in drawn if set(table) == {name} for value in table[name]}
        assert levels == {-1.5, 0.0, 1.5}
    [stand_out] = [table for table in drawn if "where" in table]
    beyond = stand_out.set_index("neuron")["where"]
    for name, far in (("both", (abs(first) > 1.5) & (abs(second) > 1.5)), ("effect alone", (abs(first) < 1.5))):
        assert set(beyond[beyond == name].index) == set(np.flatnonzero(far & (abs(second) > 1.5)))


def of_edited(verdicts: dict[int, str], scorer: str) -> TwoRankings:
    """Return many neurons on one spot, some of them edited alone, with an effect of -3; up is a scorer of effects."""
    both = of_both(np.linspace(0.1, 0.11, 500), np.linspace(0.1, 0.11, 500), chance=0.5)
    table = both.table.assign(real_verdict=both.table.neuron.map(verdicts))
    effect = np.where(table.real_verdict.notna(), -3.0, np.nan)
    for name in ("effect", "effect_control_tokens", "difference"):
        columns = {f"real_{name}{end}": effect + by for end, by in (("", 0), ("_low", -9), ("_high", 1))}
        table = table.assign(**columns)
    table = table.assign(real_intervention="mean", real_strength=1.0, real_as_foretold_beside=True)
    across, up = both.axes
    up = up._replace(scorer=scorer, cells=up.cells._replace(foretells="mean_present"))
    return both._replace(table=table, axes=(across, up))


def test_every_neuron_that_was_edited_is_drawn_where_it_was_foretold_and_where_it_is() -> None:
    both = of_edited({250: "drives", 499: "not settled"}, "paired_difference")
    both.table.loc[both.table.neuron == 499, ["real_difference", "real_difference_low", "real_difference_high"]] = (
        np.nan
    )
    assert {250, 499} <= set(drawn_of_both(both, 20).neuron), "however many lie on the same spot"
    drawn = lines(two_axes(both, most=20))
    [marks] = [table for table in drawn if "what" in table]
    assert sorted(zip(marks.neuron, marks.what, marks["at"].round(1), strict=True)) == [
        (250, "foretold", 0.1),
        (250, "real", -3.0),
        (499, "foretold", 0.1),
    ]
    others = pd.concat(table for table in drawn if "held_out" in table and "what" not in table)
    assert not set(others.neuron) & {250, 499}
    assert not any("where" in table for table in drawn if "what" in table), "one meaning of a colour in one picture"


def test_an_edit_that_was_not_foretold_has_no_real_effect_on_the_axis() -> None:
    both = of_edited({250: "drives", 499: "opposes"}, "mean_present")
    both.table["real_as_foretold_beside"] = both.table.neuron != 499
    [marks] = [table for table in lines(two_axes(both, most=20)) if "what" in table]
    assert sorted(zip(marks.neuron, marks.what, strict=True)) == [
        (250, "foretold"),
        (250, "real"),
        (499, "foretold"),
    ]
    both.table["real_as_foretold_beside"] = False
    drawn = lines(two_axes(both, most=20))
    assert stretch_of(both, 1, 0.0).low > -1
    assert {what for table in drawn if "what" in table for what in table.what} == {"foretold"}


def test_an_axis_reaches_to_the_real_effects_and_not_to_their_intervals() -> None:
    def domain(both: TwoRankings) -> list[float]:
        encodings = [layer["encoding"] for layer in specification(two_axes(both, 20).properties(width=300))["layer"]]
        [reach] = {tuple(one["y"]["scale"]["domain"]) for one in encodings if "scale" in one.get("y", {})}
        return list(reach)

    low, high = domain(of_edited({250: "drives"}, "mean_present"))
    assert -12 < low < -3 < 0.5 < high
    assert domain(of_edited({250: "drives"}, "auc"))[0] > -1, "no effect stands on an axis of another unit"


def test_where_no_axis_foretells_edited_neurons_stand_where_their_scores_are() -> None:
    drawn = lines(two_axes(of_edited({250: "drives"}, "auc"), most=20))
    [edited] = [table for table in drawn if "real_verdict" in table]
    assert edited[["neuron", "real_verdict", "real_effect"]].to_numpy().tolist() == [[250, "drives", -3.0]]


def test_corners_are_named_and_sides_too_where_chance_is_known() -> None:
    def words(chance: float) -> set[str]:
        made = specification(two_axes(of_both([1, -1, 0.1], [-1, 1, 0.1], chance), 10).properties(width=300))
        texts = [layer["mark"].get("text") for layer in made["layer"] if layer["mark"].get("style") == "corner"]
        return {text if isinstance(text, str) else ", ".join(text) for text in texts}

    corners = {"less, a", "less, c", "more, a", "more, c"}
    assert words(np.nan) == corners
    assert words(0.5) == corners | {"less, b", "more, b", "same, a", "same, c"}


def test_a_chart_of_a_single_neuron_and_of_equal_scores_is_a_chart() -> None:
    for scores in ([0.0], [0.5] * 4):
        assert specification(two_axes(of_both(scores, scores), 10).properties(width=300))


EFFECTS = pd.DataFrame(
    {
        "intervention": ["mean", "mean", "scale", "scale"],
        "strength": [1.0, 1.0, 0.5, 1.0],
        "k": [1, 10, 10, 10],
        "set": ["target", "control", "target", "control"],
        "control_set": [-1, 0, -1, 1],
        "value": [0.1, 0.2, 0.3, 0.4],
        "low": [0.0, 0.1, 0.2, 0.3],
        "high": [0.2, 0.3, 0.4, 0.5],
        "n": 9,
    }
)


def test_a_condition_names_its_strength_where_that_is_news() -> None:
    told = with_conditions(EFFECTS).condition.tolist()
    assert told == ["mean, k = 1", "mean, k = 10", "scale 0.5, k = 10", "scale 1, k = 10"]


def test_an_effect_is_drawn_with_its_interval_and_the_unedited_model() -> None:
    drawn = lines(effects(with_conditions(EFFECTS), unedited=0.25))
    [values] = [table for table in drawn if "low" in table]
    assert values[["value", "low", "high"]].equals(EFFECTS[["value", "low", "high"]])
    assert values.who.tolist() == ["target", "control set 0", "target", "control set 1"]
    assert [table.value.tolist() for table in drawn if list(table) == ["value"]] == [[0.25]]


def test_nineteen_control_sets_take_no_more_room_than_three_and_stay_apart() -> None:
    def of(sets: int) -> pd.DataFrame:
        line = EFFECTS.iloc[0].to_dict()
        controls = [{**line, "set": "control", "control_set": seed, "value": 0.01 * seed} for seed in range(sets)]
        return with_conditions(pd.DataFrame([line, *controls]))

    many, few = (specification(effects(of(sets)).properties(width=300)) for sets in (19, 3))
    assert many["height"] == few["height"]
    [values] = [table for table in lines(effects(of(19))) if "lane" in table]
    controls = values[values.set == "control"].sort_values("value")
    assert len(controls) == 19
    assert (controls.lane.diff().dropna() != 0).all()
    assert set(values[values.set == "target"].lane).isdisjoint(controls.lane)


@pytest.mark.parametrize("along", ["k", "strength"])
def test_a_dose_curve_holds_every_dose(along: str) -> None:
    drawn = lines(dose(EFFECTS, along))
    [values] = [table for table in drawn if "low" in table]
    assert values[along].tolist() == EFFECTS[along].tolist()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_rounding_for_the_screen_changes_nothing_that_a_screen_shows(values: list[float]) -> None:
    there = np.asarray(values)
    kept = rounded(pd.DataFrame({"value": there}), ["value"]).value.to_numpy()
    assert np.abs(kept - there).max() <= np.abs(there).max() * 1e-3


def test_columns_hold_what_the_lines_held() -> None:
    made = {"datasets": {"one": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], "none": []}, "mark": "point"}
    assert columns(made) == {"datasets": {"one": {"a": [1, 2], "b": ["x", "y"]}, "none": {}}, "mark": "point"}


@given(shares=st.lists(st.floats(0, 1) | st.just(float("nan")), min_size=6, max_size=6), wide=st.booleans())
def test_a_matrix_has_a_number_in_each_cell_that_has_a_share(shares: list[float], wide: bool) -> None:
    places = [(f"row {n // 2}", f"column {n % 2}") if not wide else ("row", f"column {n}") for n in range(6)]
    table = pd.DataFrame(places, columns=["row", "column"]).assign(share=shares, part=1234, whole=5678)
    made = specification(shares_matrix(table, "label", "detector").properties(width=300))
    expected = table[table.share.notna()]
    drawn = pd.DataFrame(next(iter(made["datasets"].values()), []))
    assert len(drawn) == len(expected)
    if len(expected):
        np.testing.assert_allclose(drawn.share, expected.share)
        assert [float(text.rstrip("%")) / 100 for text in drawn.percent] == pytest.approx(expected.share, abs=6e-4)
        assert set(drawn.counts) == {"1,234 of 5,678"}
    # Where there are many columns, there is no room for counts.
    assert len(made["layer"]) == (2 if wide else 3)
