import json
from collections import Counter

import pytest

from neurosieve import Document, Span, analyze, detect, find
from neurosieve.cli import main
from neurosieve.data import Passage
from neurosieve.models.tiny import tiny_model
from neurosieve.texts.prevalence import prevalence_warnings, token_prevalence_warnings
from neurosieve.texts.spans import DetectedDocument
from neurosieve.texts.tokens import label_document
from neurosieve_plugins.controls.distant import Distant
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.detectors.regex import Regex
from neurosieve_plugins.sources.arithmetic import Arithmetic

TEXT = "I add. Wait, that is not right. So it is 7."


def detected(*spans, text=TEXT, start=0, passages=()):
    document = Document("a", text, "a", start, passages=passages)
    return DetectedDocument(document, {"slip": [Span(*span) for span in spans]})


def test_a_behaviour_in_more_than_half_of_the_text_is_warned_of():
    [warning] = prevalence_warnings([detected((2, 40))])
    assert warning.startswith(f"`slip` covers 38 of {len(TEXT)} characters of the completions")
    assert prevalence_warnings([detected((2, 2 + len(TEXT) // 2))]) == []


def test_spans_over_each_other_count_once_and_only_in_the_completion():
    assert prevalence_warnings([detected((1, 15), (2, 16), (3, 16))]) == []
    assert prevalence_warnings([detected((0, 20), start=20)]) == []
    [warning] = prevalence_warnings([detected((21, 43), start=20)])
    assert "covers 22 of 23 characters" in warning
    several = (Passage(0, 10, "completion"), Passage(10, 30, "user"), Passage(30, 43, "completion"))
    [warning] = prevalence_warnings([detected((1, 43), passages=several)])
    assert "covers 22 of 23 characters" in warning


def test_a_behaviour_at_the_start_of_every_completion_is_warned_of():
    start = detected((0, 5), text=f" {TEXT}")
    [warning] = prevalence_warnings([start, start])
    assert warning.startswith("`slip` shows where the completion starts in all 2 documents")
    assert prevalence_warnings([start]) == []
    assert prevalence_warnings([start, detected((7, 12))]) == []


def test_empty_documents_and_behaviours_that_show_nowhere_are_no_degenerate_detectors():
    assert prevalence_warnings([]) == []
    assert prevalence_warnings([detected(text=""), detected(text="  ")]) == []
    assert prevalence_warnings([detected(), detected()]) == []


def test_tokens_are_counted_where_a_model_reads_them():
    _, tokenizer = tiny_model()

    whole = [
        label_document(
            Document(name, TEXT, name), {"all": Regex((".+",)), "so": Phrases(("so",))}, tokenizer, None, Counter()
        )
        for name in "ab"
    ]
    covers, starts = token_prevalence_warnings(whole)
    assert covers.startswith("`all` covers ")
    assert " tokens of the completions" in covers
    assert starts.startswith("`all` shows where the completion starts in all 2 documents")


@pytest.mark.parametrize("command", [detect, analyze])
def test_detect_and_analyze_warn(command, tmp_path):
    documents = [Document(name, TEXT, name) for name in "abc"]
    run = command(documents, {"all": Regex((".+",)), "so": Phrases(("so",))}, reports=(), folder=tmp_path / "run")
    said = [warning for warning in run.run["warnings"] if warning.startswith("`all` ")]
    assert [warning.split()[1] for warning in said] == ["covers", "shows"]
    assert not [warning for warning in run.run["warnings"] if warning.startswith("`so` ")]


def test_find_warns(tmp_path):
    result = find(
        "tiny",
        Arithmetic(documents=60),
        {"most": Regex(("[a-z ]{3,}",))},
        ["cohens_d"],
        control=Distant(same_kind=False),
        selection={"held_out_fraction": 0.0},
        reports=(),
        folder=tmp_path / "run",
        store=str(tmp_path / "store"),
        interval_bootstraps=10,
        stability_bootstraps=0,
        permutations=0,
    )
    assert any(warning.startswith("`most` covers ") for warning in result.run["warnings"])


def test_the_command_line_warns(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    records = [{"problem_id": n, "problem_text": f"p{n}", "generated_cot": f"<think>{TEXT}"} for n in range(4)]
    (tmp_path / "traces.json").write_text(json.dumps(records))
    main(
        [
            "detect",
            "source=traces",
            "source.path=traces.json",
            "detectors=[regex]",
            "detectors.regex.patterns=['.+']",
            "reports=[]",
        ]
    )
    assert "warning: `regex` covers 172 of 172 characters of the completions" in capsys.readouterr().out
