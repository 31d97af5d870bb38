"""A run of units of several tokens: its tables, what follows it, and what cannot take units."""

import json

import pandas as pd
import pytest
from units import answer

from neurosieve import ConfigError, DataError, ablate, find, plan, show
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
    ],
)
def test_what_reads_single_tokens_is_refused_before_anything_is_read(choices, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        found(tmp_path / "run", **choices)
    assert not (tmp_path / "run").exists()


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
