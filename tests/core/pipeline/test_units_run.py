"""A run of units of several tokens: its tables, what follows it, and what cannot take units."""

import dataclasses
import json
import re

import pandas as pd
import pytest
from units import answer

from neurosieve import ConfigError, DataError, Note, ablate, find, plan, show
from neurosieve.commands.plan import main as plan_main
from neurosieve.runs.ranking_summary import ranking_blocks
from neurosieve_plugins.controls.distant import Distant
from neurosieve_plugins.detectors.metadata import Metadata
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.reports.any_sections import question
from neurosieve_plugins.sources.traces import Traces

DETECTORS = {"wrong": Phrases(("WRONG",))}
QUICK = {
    "selection": {"unit": "completion", "pool": "first"},
    "reports": [],
    "permutations": 20,
    "interval_bootstraps": 20,
    "stability_bootstraps": 0,
}
DOCUMENTS = [
    answer(
        f"{problem}-{sample}",
        f"Let me see. I add {problem} and {sample}. {end} So it is.",
        f"{problem}?",
        f"g{problem}",
    )
    for problem in range(8)
    for sample, end in enumerate(("It is WRONG then.", "It is right then."))
]


def found(folder, **choices):
    return find("tiny", folder=folder, **{"source": DOCUMENTS, "detectors": DETECTORS} | QUICK | choices)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return found(tmp_path_factory.mktemp("runs") / "run")


def test_a_run_of_completions_has_a_line_for_each(run):
    positions = run.positions
    assert len(positions) == len(DOCUMENTS)
    texts = {document.id: document.text for document in DOCUMENTS}
    for line in positions.itertuples():
        assert line.text == texts[line.document][line.start :][:200]
        assert line.label == ("WRONG" in line.text)
        assert line.last_token > line.token
    assert set(positions.kind) == {"completion"}
    assert not len(run.table("extra_positions"))
    counts = run.run["counts"]["behaviours"]["wrong"]
    assert (counts["ranking_present"], counts["ranking_control"], counts["present_kinds"]) == (4, 4, {"completion": 8})


def test_it_says_how_many_completions_it_is_ranked_on_and_not_that_labels_cover_texts(run):
    warnings = "\n".join(run.run["warnings"])
    assert "`wrong` is ranked on 4 present completions in 4 documents" in warnings
    assert "covers" not in warnings
    assert "the texts hold no more such" not in warnings


def test_it_is_spoken_of_as_completions(run):
    [warning] = [text for text in run.run["warnings"] if "is ranked on" in text]
    assert "with fewer than 100 completions or 30 documents" in warning
    assert (run.unit, run.units) == ("completion", "completions")
    said = [block.text for block in ranking_blocks(run, 3) if isinstance(block, Note)]
    assert "wrong shows in 8 of 16 documents; ranked on 4 present and 4 control completions" in said[-2]


def page_of(folder, labels):
    documents = [
        dataclasses.replace(document, metadata={"label": "right" if number % 2 else labels[number // 2 % len(labels)]})
        for number, document in enumerate(DOCUMENTS)
    ]
    detectors = {"wrong": Metadata("label", values=labels)}
    find(
        "tiny",
        source=documents,
        detectors=detectors,
        selection={"unit": "completion", "pool": "first"},
        permutations=20,
        reports=["html"],
        folder=folder,
    )
    return (folder / "report.html").read_text(encoding="utf-8")


def test_its_page_speaks_of_completions_and_advises_nothing_that_it_cannot_do(tmp_path):
    page = page_of(tmp_path / "run", ("wrong",))
    for words in ("completions where it shows", "control completions", "completions held out", "share of completions"):
        assert words in page
    for words in ("positions where", "control positions", "share of positions", "spans of wrong", "neurosieve ablate"):
        assert words not in page
    assert "neurosieve show" in page
    assert "behind it" not in page
    assert "What it was found by" not in page


def test_its_page_shows_labels_where_there_are_several(tmp_path):
    page = page_of(tmp_path / "run", ("invented", "half true"))
    assert "What it was found by" in page
    assert "behind it" not in page


def test_the_command_line_plans_units_by_their_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))
    plan_main(["model=tiny", "+experiment=right_or_wrong", "source.documents=160"])
    said = capsys.readouterr().out
    assert "present completions that rank" in said
    assert "control completions held out" in said
    assert re.search(r"reads \d+ completions of", said)
    assert "position" not in said


def test_prompts_that_are_the_same_are_not_said_to_be_nearly_so(tmp_path):
    documents = [
        answer(f"{prompt}-{sample}", text, f"Is {prompt} even?", f"{prompt}-{sample}")
        for prompt in range(8)
        for sample, text in enumerate(("WRONG it is.", "It is right.", "So right it is."))
    ]
    choices = {"selection": "prompt_end", "null": "between_groups", "source": documents}
    warnings = "\n".join(plan("tiny", detectors=DETECTORS, **choices).warnings)
    assert "24 of 24 texts have the same prompt as another: 8 sets, each kept in one part" in warnings
    assert "8 texts were left out, because copies are not new evidence: of texts with the same prompt, one" in warnings
    assert "nearly" not in warnings


def test_it_is_opened_again_and_its_neurons_are_shown_at_single_tokens_of_documents(run, tmp_path):
    shown = show(run, source=DOCUMENTS, detectors=DETECTORS, reports=[], folder=tmp_path / "show", k=2, documents=2)
    assert any("the run read several tokens as one" in note for note in shown.run["notes"])
    assert shown.table("contexts").document.nunique() == 2
    assert shown.table("distribution").groupby(["neuron", "part", "label"]).positions.first().eq(4).all()


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        ("sentence", "as the first token of each sentence with a span, against other sentences"),
        ("span", "as the first token of each span, against stretches of the same lengths"),
        ("prompt_end", "at the last token of each prompt, against the prompts that do not show it"),
    ],
)
def test_other_units_are_read_planned_and_told_alike(unit, said, tmp_path):
    selection = {"unit": unit, "pool": "first"}
    null = "between_groups" if unit == "prompt_end" else None  # There is one prompt in each group.
    run = found(tmp_path / "run", selection=selection, null=null)
    assert set(run.positions.kind) == {unit}
    assert said in question(run)
    notes = [note for note in run.run["notes"] if "no `verdict`: it compares" in note and f"is a {unit};" in note]
    assert len(notes) == ("verdict" not in run.neurons) == (unit != "prompt_end")
    planned = plan("tiny", source=DOCUMENTS, detectors=DETECTORS, selection=selection, null=null)
    assert planned.positions == len(run.positions)


def test_the_order_of_documents_changes_nothing(run, tmp_path):
    again = found(tmp_path / "run", source=DOCUMENTS[::-1])
    assert again.run["hashes"]["positions"] == run.run["hashes"]["positions"]
    pd.testing.assert_frame_equal(again.positions, run.positions)


def test_ablate_refuses_a_run_of_units_before_the_model_is_opened(run, tmp_path):
    with pytest.raises(ConfigError, match=r"single tokens, and the run reads several as one .*unit=completion"):
        ablate(run, "no such model", source=DOCUMENTS, detectors=DETECTORS, folder=tmp_path / "ablate")


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (
            {"store": "none", "scorers": ["cohens_d"]},
            "`store=none` adds up single tokens, and selection.unit=completion",
        ),
        ({"reading": "attribution"}, "`reading=attribution` reads single tokens, and selection.unit=completion reads"),
        ({"beside": "attribution"}, "`beside=attribution` reads single tokens"),
        ({"follow_up": ["ablate"]}, "`follow_up` holds `ablate`: .* single tokens"),
        ({"null": "within_documents"}, "null is within_documents, and `selection.unit=completion` reads one unit"),
        ({"selection": "span", "null": "within_groups"}, "null is within_groups, which exchanges labels of whole"),
        ({"selection": "sentence", "strata": ["level"]}, r"strata is \['level'\], and `selection.unit=sentence`"),
        (
            {"selection": "onset", "store": "none", "scorers": ["cohens_d"], "null": "within_documents"},
            "`null` says which labels the permutation null exchanges, and `store=none` has no such null",
        ),
        (
            {"selection": "onset", "store": "none", "scorers": ["cohens_d"], "strata": ["level"]},
            "`strata` says which labels",
        ),
    ],
)
def test_what_does_not_fit_its_units_is_refused_before_anything_is_read(choices, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        found(tmp_path / "run", **choices)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("selection", ["onset", "span", "pooled_span", "sentence"])
@pytest.mark.parametrize(("scope", "instead"), [("answer", "completion"), ("prompt", "prompt_end")])
def test_a_label_of_whole_texts_is_not_compared_within_them(selection, scope, instead, tmp_path):
    detectors = {"wrong": Metadata("right", values=(False,), scope=scope)}
    said = f"the detector of `wrong` labels whole texts, and selection.unit=.* take `selection={instead}`$"
    for command in (plan, find):
        with pytest.raises(ConfigError, match=said):
            command("nobody/no-such-model", source=DOCUMENTS, detectors=detectors, selection=selection)


def test_a_label_of_whole_texts_is_read_in_no_single_pass(tmp_path):
    detectors = {"wrong": Metadata("right", values=(False,))}
    with pytest.raises(ConfigError, match="take `selection=completion`, and leave out `store=none`"):
        find("nobody/no-such-model", source=DOCUMENTS, detectors=detectors, store="none", scorers=["cohens_d"])


def test_texts_of_one_kind_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(DataError, match="shows in all 8 completions that can be read, and there is none to compare"):
        find("tiny", source=DOCUMENTS[::2], detectors=DETECTORS, selection="completion", folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_file_of_prompts_is_read_at_their_ends(tmp_path):
    lines = [{"id": n, "prompt": f"Tell me how to {'BREAK' if n % 2 else 'mend'} window {n}, now"} for n in range(12)]
    file = tmp_path / "prompts.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    fields = {"text_field": "prompt", "id_field": "id", "group_field": None}
    run = found(
        tmp_path / "run",
        source=Traces(str(file), prompts_only=True, **fields),
        detectors={"breaks": Phrases(("BREAK",), scope="prompt")},
        selection="prompt_end",
        null="between_groups",
    )
    assert dict(zip(run.positions.document.astype(int) % 2, run.positions.label, strict=True)) == {0: 0, 1: 1}
    assert len(run.positions) == 12
    assert run.table("texts").words.is_unique


def test_what_a_control_of_sentences_cannot_do_is_told_with_its_reason():
    choices = {
        "source": DOCUMENTS,
        "detectors": DETECTORS,
        "selection": {"unit": "sentence", "controls_per_position": 100.0},
    }
    warnings = "\n".join(plan("tiny", control=Distant(tokens=3), **choices).warnings)
    assert "`control.tokens=3` has no effect on sentences: one with the behaviour may follow another" in warnings
    assert "the control finds no more in the 8 documents with it and in 8 without it" in warnings
    assert "no effect" not in "\n".join(plan("tiny", control=Distant(), **choices).warnings)


def test_every_text_is_listed_with_whether_it_is_read(tmp_path):
    alone = [answer(f"alone-{n}", f"I see. It is {n}.", f"{n} alone?", f"alone{n}") for n in range(3)]
    copies = [answer(f"copy-{each.id}", each.text[2:].strip(), each.text[:2], each.group) for each in DOCUMENTS[:4]]
    run = found(tmp_path / "run", source=[*DOCUMENTS, *alone, *copies])
    texts = run.table("texts").set_index("document")
    assert sorted(texts.index) == sorted(each.id for each in [*DOCUMENTS, *alone, *copies])
    assert set(texts.index[texts.read]) == set(run.positions.document)
    assert not texts.read[[each.id for each in alone]].any()
    assert (texts.part[[each.id for each in alone]] == "").all()
    assert run.run["counts"]["texts_repeated"] == len(copies) == (~texts.read).sum() - len(alone)
