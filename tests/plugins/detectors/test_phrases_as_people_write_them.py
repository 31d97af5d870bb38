"""Phrases in texts as people and models write them, through the command line."""

import json
import re
from pathlib import Path

import pytest

from neurosieve import load
from neurosieve.cli import main

CASES = Path(__file__).parents[4] / "shared" / "cases" / "07-typography"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason=f"there are no public cases beside the project, in {CASES}")
PHRASES = '["that\'s not right","let me recalculate"]'
FIND = ["find", "model=tiny", "permutations=19", "interval_bootstraps=19", "stability_bootstraps=0"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command on traces, as a file or as texts; return its run, and its text by document."""

    def run(traces, *arguments, phrases=PHRASES):
        monkeypatch.chdir(tmp_path)
        path = traces
        if not isinstance(traces, Path):
            path = tmp_path / "traces.jsonl"
            records = (
                {"problem_id": number, "problem_text": f"Sum {number}?", "generated_cot": text}
                for number, text in enumerate(traces)
            )
            path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
        command = arguments[:1] if arguments else ["detect"]
        source = ["source=traces", f"source.path='{path}'", "reports=[]"]
        main([*command, *source, "detectors=[phrases]", f"detectors.phrases.phrases={phrases}", *arguments[1:]])
        [record] = tmp_path.rglob("run.json")
        return load(record.parent)

    return run


@needs_cases
def test_ten_ways_to_write_a_sentence_are_one(run):
    spans = run(CASES / "variants.jsonl").table("spans")
    assert spans.groupby("label").document.nunique().to_dict() == {"that's not right": 10, "let me recalculate": 10}
    odd = {"that’s not right", "that's **not** right", "that's not\nright", "that's not\u200b right"}
    assert odd < set(spans.text)


@needs_cases
def test_four_hyphens_are_one(run):
    spans = run(CASES / "hyphen.jsonl", phrases="[double-check,7-digit]").table("spans")
    assert spans.groupby("label").document.nunique().to_dict() == {"double-check": 4, "7-digit": 4}


@needs_cases
@pytest.mark.slow
def test_half_with_other_blanks_are_all_found_and_none_is_a_control(run):
    found = run(CASES / "half_nbsp.jsonl", *FIND)
    assert found.run["counts"]["documents"] == 120
    assert found.run["counts"]["behaviours"]["phrases"]["documents_with"] == 60
    texts = [json.loads(line)["generated_cot"] for line in (CASES / "half_nbsp.jsonl").read_text("utf-8").splitlines()]
    assert no_control_in(r"that.s\s+not\s+right|let\s+me\s+recalculate", found, texts) > 1000


def no_control_in(pattern, found, texts):
    """Assert that no control overlaps what a pattern finds in its text; return how many controls there are."""
    controls = found.table("positions").query("label == 0")
    for document, start, end in controls[["document", "start", "end"]].itertuples(index=False):
        for match in re.finditer(pattern, texts[int(document)], re.IGNORECASE):
            assert end <= match.start() or match.end() <= start, texts[int(document)][match.start() : match.end()]
    return len(controls)


def traces(count, *steps):
    """Traces of which every second one takes a step back, in one of some ways by turns."""
    return [
        f"Sum {number}?<think>I add {number} and {number + 3} first, then the units. "
        + (f"The sum is {2 * number}. {steps[number // 2 % len(steps)]}: " if number % 2 else "Now the rest is easy: ")
        + f"it is {2 * number + 3}, and so the sum is {2 * number + 3}. That is what was asked, and I am done with it."
        for number in range(count)
    ]


@pytest.mark.parametrize(
    "step",
    [
        "Wait,\u2009that\u2019s not\u00a0ri\u00adght",  # As taken out of a typeset page.
        "Ｗａｉｔ，ｔｈａｔ＇ｓ　ｎｏｔ　ｒｉｇｈｔ".replace("，", "， "),  # Full width.
        r"\textbf{Wait}, \emph{that's \textbf{not}} right",
        "<p><strong>Wait</strong>, that&#39;s".replace("&#39;", "`") + " <em class='loud'>not</em>\r\n  right</p>",
        "> ~~Yes.~~ ***Wait, that's*** __not__\n\n\tright",
        "W\u200ba\u200bi\u200bt, \ufeffthat\u02bcs\u2028not right",
    ],
)
def test_a_phrase_is_found_in_pages_and_papers(run, step):
    texts = traces(20, step)
    spans = run(texts, phrases='["wait, that\'s not right"]').table("spans")
    assert spans.document.tolist() == [str(number) for number in range(1, 20, 2)]
    assert all(re.fullmatch("(?s)[wｗ].*[tｔ]", text.replace("}", "").lower()) for text in spans.text)


def test_the_case_of_a_language_and_words_without_blanks_are_known(run):
    texts = ["DUR, YANLIŞ OLDU. İYİ DEĞİL.", "Dur, yanlış oldu.", "等一下，这不对。", "让我等一下再想", "รอเดี๋ยวก่อนนะ"]
    texts = [f"Sum?<think>{text}" for text in [*texts, "ΟΧΙ, όχι"]]
    phrases = '["yanlış","iyi","等一下","เดี๋ยว","όχι"]'
    found = run(texts, "detect", "detectors.phrases.words=true", phrases=phrases)
    documents = found.table("spans").groupby("label").document.apply(list).to_dict()
    assert documents == {"yanlış": ["0", "1"], "iyi": ["0"], "等一下": ["2", "3"], "เดี๋ยว": ["4"], "όχι": ["5"]}
    [warning] = [warning for warning in found.run["warnings"] if "nearly" in warning]
    assert "in 1 document something is nearly `phrases`, such as “ΟΧΙ” in document `5`" in warning


def test_what_is_nearly_found_is_counted_and_listed(run):
    found = run(traces(40, "Wait, that's not right", "Wait that's not right", "wait, thаt's not right"))
    [warning] = found.run["warnings"]
    assert "in 6 documents something is nearly `phrases`, such as “thаt's not right” in document `5`, where" in warning
    assert "“that's not right” is looked for" in warning
    assert set(found.table("near_misses").document) == {str(number) for number in range(5, 40, 6)}


@pytest.mark.slow
@pytest.mark.parametrize("way", [[], ["store=none", "scorers=[cohens_d]", "rank_by=cohens_d"]])
def test_what_is_nearly_found_is_no_control(run, way):
    texts = traces(80, "Wait, that's not right", "Wait that's not right")
    arguments = [*FIND, *way, "control=distant", "control.tokens=1"]
    found = run(texts, *arguments, phrases='["wait, that\'s not right"]')
    assert any("in 20 documents something is nearly `phrases`" in warning for warning in found.run["warnings"])
    if way:
        # All tokens but those of phrases, found or nearly found: as many as where every one is found.
        assert found.run["counts"]["behaviours"]["phrases"]["spans"] == 20
    else:
        assert found.run["counts"]["behaviours"]["phrases"]["documents_with"] == 20
        assert no_control_in("wait,? that's not right", found, texts) > 100


@pytest.mark.slow
def test_analyze_and_plan_warn_of_it_too(run, capsys):
    texts, phrases = traces(80, "Wait, that's not right", "Wait that's not right"), '["wait, that\'s not right"]'
    run(texts, "analyze", phrases=phrases)
    detector = ["detectors=[phrases]", f"detectors.phrases.phrases={phrases}"]
    main(["plan", "model=tiny", "source=traces", "source.path=traces.jsonl", *detector])
    said = " ".join("".join(capsys.readouterr()).split())
    assert said.count("in 20 documents something is nearly `phrases`") == 2
