"""The page of a run: what stands on it, and that no text is obeyed."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import VERDICTS, Cell, ConfigError, Header, Run, Table, as_table, load
from neurosieve.cli import main
from neurosieve.commands.compare import compare_runs
from neurosieve.runs.writer import write_run
from neurosieve.testing.awkward import MARKUP
from neurosieve_plugins.reports.blocks import Section
from neurosieve_plugins.reports.html import Html
from neurosieve_plugins.reports.page import page

KNOWN = {"html", "head", "meta", "title", "link", "style", "body", "header", "h1", "h2", "p", "bdi", "div", "ul", "li"}
KNOWN |= {"nav", "a", "main", "noscript", "code", "section", "figure", "table", "thead", "tr", "th", "tbody", "td"}
KNOWN |= {"figcaption", "footer", "script"}
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Outline(HTMLParser):
    """The tags of a page, its texts by tag, and whatever is closed that was not open."""

    def __init__(self, page: Path | str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.amiss: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(page if isinstance(page, str) else page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.amiss.append(tag)

    def handle_data(self, data: str) -> None:
        for tag in dict.fromkeys(self.open):
            self.texts.setdefault(tag, []).append(data)

    def said(self, tag: str) -> str:
        """Return all that stands in some kind of tag."""
        return "".join(self.texts.get(tag, []))

    def data(self) -> list[Any]:
        """Return the pieces of JSON in the page."""
        scripts = [attributes for tag, attributes in self.attributes if tag == "script"]
        return [
            json.loads(text)
            for attributes, text in zip(scripts, self.texts["script"], strict=True)
            if attributes.get("type") == "application/json"
        ]


def headings(path: Path) -> list[str]:
    return re.findall(r'<h2 id="heading-\d+">(.*?)</h2>', path.read_text(encoding="utf-8"))


def test_every_page_is_sound_html_with_a_language_a_title_and_a_width_for_phones(pages: dict[str, Path]) -> None:
    for name, path in pages.items():
        outline = Outline(path)
        assert not outline.open, name
        assert not outline.amiss, name
        assert ("html", {"lang": "en"}) in outline.attributes
        assert outline.said("title").startswith("neurosieve ")
        assert any(one.get("name") == "viewport" for tag, one in outline.attributes if tag == "meta")
        ids = [attributes["id"] for _, attributes in outline.attributes if "id" in attributes]
        assert len(ids) == len(set(ids)), name


def test_no_text_of_a_run_is_a_tag_and_no_piece_of_data_ends_its_script(pages: dict[str, Path]) -> None:
    for name, path in pages.items():
        outline = Outline(path)
        tags = [tag for tag, _ in outline.attributes]
        assert "img" not in tags, name
        scripts = [attributes for tag, attributes in outline.attributes if tag == "script"]
        assert all(attributes.keys() <= {"type", "id"} for attributes in scripts)
        assert not any(attributes.get("id") == "planted" for attributes in scripts)
        # Vega's script and ours, and nobody else's.
        assert len([one for one in scripts if "type" not in one]) == 2
        assert outline.data()
        assert MARKUP in outline.said("body"), "the text is there, as text"


def test_a_page_allows_no_address_and_no_script_but_its_own(pages: dict[str, Path]) -> None:
    for path in pages.values():
        text = path.read_text(encoding="utf-8")
        [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
        assert "default-src 'none'" in policy
        assert "unsafe-eval" not in policy
        assert "script-src 'unsafe-inline'" not in policy
        for _, attributes in Outline(path).attributes:
            assert not attributes.get("src")
            assert (attributes.get("href") or "#").startswith(("#", "./", "data:,"))


def test_a_ranking_shows_what_it_has_and_says_what_would_show_more(pages: dict[str, Path]) -> None:
    assert headings(pages["bare find"]) == [
        "The question",
        "What was read",
        "The ranking",
        "Every neuron",
        "The best neurons&#39; activations",
        "The phrases behind it",
        "What to do next",
        "How to run it again",
    ]
    told = Outline(pages["bare find"]).said("main")
    for command in ("show", "ablate"):
        # The folder's name has a space, which Hydra and a shell each take for an end.
        assert f"neurosieve {command} \"run='{pages['bare find'].parent}'\"" in told


def test_a_ranking_shows_also_the_runs_that_went_on_from_it(pages: dict[str, Path]) -> None:
    here = headings(pages["find"])
    for heading in (
        "Replication",
        "The ranking on other texts (rescore)",
        "Neurons on text",
        "What each neuron promotes",
        "Does it matter? (generated)",
    ):
        assert heading in here
    assert "What to do next" not in here
    links = [one["href"] for tag, one in Outline(pages["find"]).attributes if tag == "a"]
    assert "./show/1/report.html" in links
    assert (pages["find"].parent / "show/1/report.html").is_file()


def test_a_ranking_with_another_beside_it_opens_with_both_in_one_picture(pages: dict[str, Path]) -> None:
    here = headings(pages["find"])
    assert here[0] == "Activation and attribution in one picture"
    said = Outline(pages["find"]).said("main")
    for corner in ("fires less", "firing within chance", "fires more", "opposes it", "effect within chance"):
        assert corner in said
    assert re.search(r"\d+ of the best (\d+) of one ranking are among the best \1 of the other", said)
    assert "one picture" not in "".join(headings(pages["bare find"]) + headings(pages["find/beside"]))


def test_a_page_with_a_follow_up_that_broke_off_says_what_there_is(tmp_path: Path, runs: dict[str, Run]) -> None:
    folder = tmp_path / "find"
    shutil.copytree(runs["find"].folder, folder)
    [page] = Html().write(folder)
    whole = page.read_bytes()
    assert b"edited alone: 5 neurons (edit: mean; ablate/3)" in whole
    assert b"1 neuron that was edited alone has no score in one of the rankings" in whole
    shutil.copytree(folder / "ablate/3", folder / "ablate/9")
    (folder / "ablate/9/run.json").unlink()
    Html().write(folder)
    assert page.read_bytes() == whole
    shutil.rmtree(folder / "ablate")
    shutil.rmtree(folder / "beside/ablate")
    Html().write(folder)
    assert "an ablation tests" in Outline(page).said("figcaption")
    assert "edited alone" not in Outline(page).said("main")


def test_several_runs_of_one_kind_are_told_apart_in_their_headings(tmp_path: Path, runs: dict[str, Run]) -> None:
    folder = tmp_path / "find"
    shutil.copytree(runs["find"].folder, folder, ignore=shutil.ignore_patterns("show", "rescore", "beside"))
    [edited] = [path.parent for path in folder.rglob("single_neurons.parquet")]
    first, second = (shutil.copytree(edited, folder / "ablate/sweep" / name) for name in "01")
    shutil.rmtree(edited)
    [page] = Html().write(folder)
    title = "Which neurons matter? (one at a time)"
    told_apart = [heading for heading in headings(page) if heading.startswith(title)]
    assert told_apart == [f"{title} · sweep/0", f"{title} · sweep/1"]
    for path, tops in ((first, 5), (second, 10)):
        (path / ".hydra").mkdir(exist_ok=True)
        (path / ".hydra/overrides.yaml").write_text(f"- mode=each\n- top={tops}\n")
    Html().write(folder)
    told_apart = [heading for heading in headings(page) if heading.startswith(title)]
    assert told_apart == [f"{title} · top=5", f"{title} · top=10"]


def test_a_comparison_of_a_ranking_with_the_one_beside_it_draws_both(tmp_path: Path, runs: dict[str, Run]) -> None:
    folder = tmp_path / "find"
    shutil.copytree(runs["find"].folder, folder)
    comparison = compare_runs(folder, folder / "beside", folder=tmp_path / "comparison", reports=["html"])
    page = comparison.folder / "report.html"
    assert "Activation and attribution in one picture" in headings(page)
    assert "edited alone: 5 neurons" in Outline(page).said("main")
    folder.rename(tmp_path / "moved")
    Html().write(comparison.folder)
    assert "Both rankings in one picture" in headings(page)
    assert "The picture is missing: " in Outline(page).said("main")


def test_what_was_edited_of_the_ranking_beside_is_told_apart_from_what_was_edited_of_the_ranking(
    tmp_path: Path, runs: dict[str, Run]
) -> None:
    folder = tmp_path / "find"
    others = shutil.ignore_patterns("show", "rescore", "2", "3")
    shutil.copytree(runs["find"].folder, folder, ignore=others)
    for path, sentence in (("ablate/1", "the ranking"), ("beside/ablate/1", "the one beside")):
        edited = load(folder / path)
        verdict = {"k": 10, "strength": 1.0, "verdict": "cannot be told", "sentence": f"edited by {sentence}"}
        write_run(edited.folder, {**edited.run, "verdicts": [verdict]}, {})
    [page_of_both] = Html().write(folder)
    text = page_of_both.read_text(encoding="utf-8")
    sections = {
        re.search(r'<h2 id="heading-\d+">(.*?)</h2>', part)[1]: part  # type: ignore[index]
        for part in text.split("<section")[1:]
    }
    for title, sentence in (("", "the ranking"), (" · by attribution", "the one beside")):
        section = sections[f"Does it matter? (teacher-forced){title}"]
        assert re.findall(r"edited by (the \w+\s?\w*)", section, re.I) == [sentence]
    assert "ablate by attribution" in Outline(page_of_both).said("td")


def test_a_ranking_by_attribution_says_what_it_read_in_which_unit_and_what_the_sign_means(
    pages: dict[str, Path],
) -> None:
    here, said = headings(pages["find/beside"]), Outline(pages["find/beside"]).said("main")
    assert "The best neurons&#39; attributions" in here
    assert "by mean_difference of attribution (in nats; negative: without the neuron" in said
    assert "stand out by their attribution where" in said
    assert " fire where" not in said
    titles = [text for piece in Outline(pages["find/beside"]).data() for text in axis_titles(piece)]
    assert "attribution (nats)" in titles
    assert "mean_difference of attribution (nats; 0 is chance)" in titles
    assert not any("activation" in title for title in titles)


def axis_titles(made: Any) -> list[str]:
    """Return the titles of the axes of a chart."""
    inner = made.values() if isinstance(made, dict) else made if isinstance(made, list) else []
    own = [made["title"]] if isinstance(made, dict) and isinstance(made.get("title"), str) else []
    return own + [title for one in inner for title in axis_titles(one)]


def test_runs_that_went_on_are_named_by_their_command_and_numbered_where_there_are_several(
    tmp_path: Path, runs: dict[str, Run]
) -> None:
    folder = tmp_path / "find"
    shutil.copytree(runs["bare find"].folder, folder)
    for stamp, numbered in (("2026-11-22_22-51-18-025713", ""), ("2026-11-23_08-00-00-000001", " 1")):
        shutil.copytree(runs["analyze"].folder, folder / "analyze" / stamp)
        [path] = Html().write(folder)
        here = headings(path)
        assert f"What is in the traces (analyze{numbered})" in here
        assert not any("2026" in heading for heading in here)
        # What the behaviour was found by is the same below: once is enough.
        assert [heading for heading in here if "phrases" in heading] == ["The phrases behind it"]
    assert "What is in the traces (analyze 2)" in here
    said = Outline(path).said("td")
    assert "analyze 2" in said
    assert "analyze/2026-11-23_08-00-00-000001" in said, "which one is the second is told"


def test_as_many_neurons_as_would_replicate_by_chance_are_told_beside_those_that_do(
    pages: dict[str, Path], runs: dict[str, Run]
) -> None:
    neurons = runs["find"].table("neurons")
    verdicts = neurons[neurons.behaviour == "backtracking"].replicates.dropna()
    told = Outline(pages["find"]).said("main")
    assert f"{verdicts.sum()} of {len(verdicts)}" in told
    assert f"by chance, about {0.025 * len(verdicts):g} would" in told
    assert "A neuron at chance level does so in 2.5 % of cases" in told
    assert "does so in" not in Outline(pages["bare find"]).said("main"), "nothing was tested"


def test_columns_that_are_empty_throughout_are_left_out() -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "level": [None, float("nan")], "reason": "", "tokens": [None, 3]})
    table = as_table(frame, {name: name for name in frame}, "traces")
    assert [header.text for header in table.headers] == ["id", "tokens"]
    assert [[cell.text for cell in row] for row in table.rows] == [["a", "–"], ["b", "3"]]
    nothing = as_table(frame.head(0), {"id": "id"}, "traces")
    assert [header.text for header in nothing.headers] == ["id"], "a table of nothing says what it would hold"


@pytest.mark.parametrize("word", ["matters less than its controls", "cannot be told", "a word of tomorrow"])
def test_whatever_an_edit_came_to_is_told_in_the_runs_own_words(
    tmp_path: Path, runs: dict[str, Run], word: str
) -> None:
    edited = runs["find/ablate/1"]
    verdict = {"k": 10, "strength": 1.0, "verdict": word, "sentence": f"10 neurons edited: {word}"}
    tables = {name: edited.table(name) for name in ("effects", "neurons")}
    run = write_run(tmp_path / "run", {**edited.run, "verdicts": [verdict]}, tables)
    [path] = Html().write(run.folder)
    assert f'<p class="note finding">10 neurons edited: {word}.' in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "heading"),
    [
        ("analyze", "What is in the traces"),
        ("detect", "Do detectors and annotators agree?"),
        ("generate", "What the model wrote"),
        ("find/show/1", "Where each neuron is strongest"),
        ("find/ablate/1", "Does it matter? (teacher-forced)"),
        ("find/ablate/3", "Which neurons matter? (one at a time)"),
        ("find/ablate/4", "How many neurons does it take? (circuit)"),
        ("find/rescore", "The ranking on other texts"),
    ],
)
def test_every_command_has_a_page_of_its_own(pages: dict[str, Path], name: str, heading: str) -> None:
    assert heading in headings(pages[name])


def test_a_run_of_a_command_that_nobody_knows_has_a_page_too_and_so_has_one_that_came_to_nothing(
    pages: dict[str, Path],
) -> None:
    assert headings(pages["unheard of"]) == ["The question", "What was read", "How to run it again"]
    assert "How to run it again" in headings(pages["empty/detect"])


def test_warnings_stand_before_everything_else_also_those_of_runs_that_went_on(pages: dict[str, Path]) -> None:
    text = pages["find"].read_text(encoding="utf-8")
    before = text[: text.index("<nav")]
    for warning in ("<bdi>beware of", "<bdi>show: beware of", "<bdi>ablate 2: beware of"):
        assert warning in before


def test_the_command_line_is_what_a_shell_would_read_as_the_overrides(pages: dict[str, Path]) -> None:
    import shlex

    [line] = [one for one in Outline(pages["find"]).texts["pre"] if one.startswith("neurosieve find")]
    assert shlex.split(line) == ["neurosieve", "find", "model=tiny", f"source.path='{MARKUP}'"]


def test_no_verdict_is_more_than_the_data_bear(make_run: Any) -> None:
    run = make_run("one", {"wait": {"auc": [0.4, -0.2, 0.1]}})
    neurons = run.table("neurons").assign(
        auc_heldout=0.3, auc_minus_neutral_heldout=0.3, replicates=pd.array([None] * 3, dtype="boolean")
    )
    counts = {"behaviours": {"wait": {"spans": 3, "heldout_present": 2}}}
    warning = "`wait` shows in 2 held-out groups: with fewer than 10 there is no interval and no verdict on replication"
    few = write_run(
        run.folder.parent / "few",
        {**run.run, "warnings": [warning], "counts": counts},
        {"neurons": neurons, "positions": run.positions},
    )
    [path] = Html().write(few.folder)
    told = Outline(path).said("main")
    assert f"No neuron has a verdict: {warning}.".replace("`", "") in told
    assert "replicate " not in told.partition("Every neuron")[0].replace("replicates", "")


def test_the_numbers_on_the_page_are_those_of_the_run(runs: dict[str, Run], pages: dict[str, Path]) -> None:
    neurons = load(runs["find"].folder).table("neurons")
    best = neurons.iloc[0]
    rows = re.findall(r"<tr>\n(.*?)</tr>", pages["find"].read_text(encoding="utf-8"), flags=re.S)
    drawn = [re.findall(r"<bdi>(.*?)</bdi>", row) for row in rows]
    cells, *_ = [row for row in drawn if row[:3] == ["1", str(best.layer), str(best.neuron)]]
    assert cells[3] == f"{best.auc:.3f}"
    assert cells[4:7] == [f"{best.p_fwer:.3f}", f"{best.q_fdr:.3f}", f"{best.auc_heldout:.3f}"]
    assert cells[8] == ("yes" if best.replicates else "no")
    assert cells[9].startswith(best.verdict)
    assert cells[10] == f"{best.stability:.3f}"
    assert cells[11] == ("yes" if best.beats_baselines else "no")


def test_the_best_neuron_stands_beside_what_chance_and_the_text_alone_come_to(
    pages: dict[str, Path], runs: dict[str, Run]
) -> None:
    neurons, told = runs["find"].table("neurons"), runs["find"].run
    rows = re.findall(r"<tr>\n(.*?)</tr>", pages["find"].read_text(encoding="utf-8"), flags=re.S)
    # The first that are called so: the ranking beside this one comes later.
    lines = {cells[0]: cells[1:] for row in rows[::-1] if (cells := re.findall(r"<bdi[^>]*>(.*?)</bdi>", row))}
    best = neurons.iloc[0]
    assert lines[f"L{best.layer}N{best.neuron}, the best neuron"][0] == f"{best.auc:.3f}"
    # On the side of the best neuron.
    level = 0.5 + np.sign(best.auc_minus_neutral) * told["null"]["backtracking"]["null_max_q95"]
    assert lines["chance: the best of all, in 5 % of 1,000 permutations"] == [f"{level:.3f}", "–", "–"]
    assert lines["the text alone: the id of the token that is read"] == ["0.700", "0.680", "0.650 to 0.710"]
    assert "the text alone: which tokens are among the 20 before it, in any order" not in lines, "it has no score"
    mine = neurons[neurons.behaviour == "backtracking"].beats_baselines.dropna()
    counted = f"{mine.sum()} of {len(mine)} neurons with a p_fwer of at most 0.05 beat the text alone"
    assert counted in Outline(pages["find"]).said("main")
    assert "the text alone" not in Outline(pages["bare find"]).said("main")


def test_each_verdict_that_occurs_is_explained_with_how_many_neurons_have_it(
    pages: dict[str, Path], runs: dict[str, Run]
) -> None:
    neurons = runs["find"].table("neurons")
    counted = neurons[neurons.behaviour == "backtracking"].verdict.dropna().value_counts()
    told = Outline(pages["find"]).said("main")
    for verdict, sentence in VERDICTS.items():
        assert (f"{verdict} ({counted[verdict]})" in told) if verdict in counted else f"{verdict} (" not in told
        assert sentence in told or verdict not in counted
    assert f"{counted['token detector']} of {counted.sum()}" in told
    assert "token detector" not in Outline(pages["bare find"]).said("main")


def test_how_many_neurons_stand_out_from_chance_is_told_where_there_is_a_null(pages: dict[str, Path]) -> None:
    tiles = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", pages["find"].read_text(encoding="utf-8"))
    assert ("have a p_fwer ≤ 0.05, corrected within this behaviour", "3") in tiles  # It is one of two.
    assert ("have a q_fdr ≤ 0.05, corrected within this behaviour", "4") in tiles
    assert "p_fwer" not in Outline(pages["bare find"]).said("main")


def test_an_interval_is_called_as_sure_as_it_is(tmp_path: Path, runs: dict[str, Run]) -> None:
    find = runs["find"]
    sure = write_run(
        tmp_path / "sure",
        {**find.run, "config": {"confidence": 0.9}},
        {name: find.table(name) for name in ("neurons", "positions", "baselines")},
    )
    told = Outline(next(iter(Html().write(sure.folder)))).said("main")
    assert "90 % interval" in told
    assert "95 % interval" not in told
    assert "A neuron at chance level does so in 5 % of cases" in told


def test_runs_side_by_side_show_no_number_where_they_cannot_be_compared(pages: dict[str, Path]) -> None:
    compared = Outline(pages["compare"])
    assert "What they agree on: backtracking" in compared.said("h2")
    values = [
        columns["value"]
        for piece in compared.data()
        for columns in piece.get("datasets", {}).values()
        if "value" in columns
    ]
    assert len(values) == 6
    assert all(value is not None and np.isfinite(value) for column in values for value in column)


def test_charts_hold_the_runs_own_numbers(runs: dict[str, Run], pages: dict[str, Path]) -> None:
    neurons = runs["bare find"].table("neurons").set_index(["layer", "neuron"]).auc
    charts = [piece for piece in Outline(pages["bare find"]).data() if "datasets" in piece]
    drawn = {
        (layer, neuron): score
        for columns in charts[0]["datasets"].values()
        if "held_out" in columns
        for layer, neuron, score in zip(columns["layer"], columns["neuron"], columns["score"], strict=True)
    }
    assert drawn.keys() == set(neurons.dropna().index)
    assert all(score == pytest.approx(neurons[key], abs=1e-4) for key, score in drawn.items())


def test_pages_stay_small(tmp_path: Path, make_run: Any) -> None:
    rng = np.random.default_rng(0)
    many = make_run("many", {"wait": {"auc": rng.standard_normal(250_000) / 10}})
    [path] = Html().write(many.folder)
    assert path.stat().st_size < 4_000_000


@given(texts=st.lists(st.text(alphabet=st.characters(), max_size=30), min_size=3, max_size=3))
def test_any_text_stands_on_a_page_as_text(texts: list[str]) -> None:
    run = Run(Path("somewhere"))
    vars(run)["run"] = {"format": 2, "command": "detect", "warnings": [texts[0]]}
    table = Table([Header(texts[1])], [[Cell(texts[2], texts[2])]], "a table")
    made = page(run, [Section("title", "lead", (table,))])
    parsed = Outline(made.encode("utf-8", "xmlcharrefreplace").decode())
    assert not parsed.open
    assert not parsed.amiss
    assert {tag for tag, _ in parsed.attributes} <= KNOWN


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"reports\.html\.points is 0: give at least 1"):
        Html(points=0)


def test_a_run_on_the_command_line_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))
    few = ["permutations=19", "interval_bootstraps=20", "stability_bootstraps=5"]
    main(["find", "model=tiny", "source=arithmetic", "source.documents=40", "hydra.run.dir=run", *few])
    told = Outline(tmp_path / "run" / "report.html")
    assert "Which MLP neurons of tiny fire where backtracking shows?" in told.said("main")
    assert "neurosieve find model=tiny source=arithmetic source.documents=40" in told.said("pre")
    assert not [file for file in (tmp_path / "run").rglob("*") if file.suffix == ".part"]


def test_a_note_of_a_run_stands_where_it_says_what_was_read_and_is_no_warning(tmp_path: Path) -> None:
    note = "in 2 of 2 documents: its prompt was read from `problem`"
    record = {"command": "detect", "behaviours": ["slip"], "counts": {"documents": 2}, "warnings": [], "notes": [note]}
    write_run(tmp_path, record, {})
    [file] = Html().write(tmp_path)
    outline = Outline(file)
    assert note.replace("`", "") in outline.said("section")
    assert "Beware" not in outline.said("body")
