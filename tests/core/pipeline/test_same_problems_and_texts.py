"""A problem that is spelled in several ways, and a text that stands twice, are in one part of a run; both are told."""

import json
import re
import unicodedata
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from neurosieve import compare, load
from neurosieve.cli import main
from neurosieve.texts.sameness import canonical
from neurosieve.texts.split import split_by_hash
from neurosieve_plugins.sources.arithmetic import Arithmetic

CASES = Path(__file__).parents[4] / "shared" / "cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not beside this checkout (../shared/cases)")
QUICK = ["model=tiny", "layers=[0]", "permutations=0", "interval_bootstraps=1", "stability_bootstraps=0", "reports=[]"]
QUICK += ["selection.extra_positions=[]", "source=traces"]


def records_of(seed=0, problem=str, text=str, first_id=0):
    """40 worked solutions, of which half hold a slip; `problem` and `text` say how each is spelled."""
    documents = enumerate(Arithmetic(documents=40, seed=seed, slips=0.6), first_id)
    return [
        {"problem_id": number, "problem_text": problem(document.group), "generated_cot": text(document.text)}
        for number, document in documents
    ]


@pytest.fixture
def run(tmp_path):
    """Run `neurosieve find` on records or on a file of them, and return the run."""

    def run(texts, *overrides, name="run"):
        if not isinstance(texts, Path):
            path = tmp_path / f"{name}.jsonl"
            path.write_text("\n".join(map(json.dumps, texts)), encoding="utf-8")
            texts = path
        settings = [f"source.path={texts}", f"store={tmp_path / 'store'}", f"hydra.run.dir={tmp_path / name}"]
        main(["find", *QUICK, *settings, *overrides])
        return load(tmp_path / name)

    return run


def parts_of(result, records, key):
    """The parts in which the documents of each key are."""
    key_of = {str(record["problem_id"]): key(record) for record in records}
    table = result.table("texts")
    return table.groupby(table.document.map(key_of)).part.agg(set)


def read_records(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@needs_cases
def test_the_problem_whose_blanks_vary_is_one_group(run):
    path = CASES / "19-same-problem-variants" / "traces.jsonl"
    records, result = read_records(path), run(path)
    parts = parts_of(result, records, lambda record: canonical(record["problem_text"]))
    assert len(parts) == 15
    assert (parts.map(len) == 1).all()
    assert set(result.positions.group) <= {record["problem_text"] for record in records}
    assert result.positions.group.nunique() == 15
    assert result.run["counts"]["groups_spelled_differently"] == 45
    assert any("45 groups differ from another's only in blanks" in warning for warning in result.run["warnings"])


@needs_cases
def test_the_trace_that_stands_under_two_problems_is_in_one_part(run):
    path = CASES / "27-duplicates" / "traces.jsonl"
    records, result = read_records(path), run(path)
    parts = parts_of(result, records, lambda record: record["generated_cot"])
    assert len(parts) == 60
    assert (parts.map(len) == 1).all()
    assert result.positions.group.nunique() == 60
    [warning] = [warning for warning in result.run["warnings"] if "the same as another, or nearly" in warning]
    assert "120 of 120 texts" in warning
    assert "selection.near_duplicates=0.8): 60 sets" in warning


SPELLINGS = {
    "full-width letters": lambda name: "".join(chr(ord(c) + 0xFEE0) if "!" < c < "~" else c for c in name),
    "accents apart": lambda name: unicodedata.normalize("NFD", name),
    "joiners": lambda name: name.replace("a", "a\u200d").replace(" ", " \ufeff"),
    "capitals and line breaks": lambda name: name.upper().replace(" ", "\r\n"),
}


def first_is_quick(variants):
    """Let the first show that a run goes by sameness; what is the same is tested beside `canonical`, too."""
    first, *others = variants.items()
    return [pytest.param(first[1], id=first[0]), *(pytest.param(v, id=k, marks=pytest.mark.slow) for k, v in others)]


@pytest.mark.parametrize("spelling", first_is_quick(SPELLINGS))
def test_another_spelling_of_a_problem_is_the_same_group(run, spelling):
    plain = (lambda name: f"é{name}") if spelling is SPELLINGS["accents apart"] else str
    # The texts of the second are of other problems: only the names are the same.
    records = records_of(problem=plain)
    others = records_of(seed=1, first_id=40)
    for record, other in zip(records, others, strict=True):
        other["problem_text"] = spelling(record["problem_text"])
    result = run([*records, *others])
    parts = parts_of(result, [*records, *others], lambda record: int(record["problem_id"]) % 40)
    assert (parts.map(len) == 1).all()
    assert result.run["counts"]["groups_spelled_differently"] == 40
    assert result.run["counts"]["texts_alike"] == 0


VARIANTS = {
    "one word changed": lambda text: " was ".join(text.rsplit(" is ", 1)),
    "capitals and blanks": lambda text: text.replace(". ", ".\n\n").replace("T", "t"),
    "two words before and one after": lambda text: text.replace("<think>", "<think> Okay, so") + " End",
    "typographic apostrophes": lambda text: text.replace("'", "\u2019"),
}


@pytest.mark.parametrize("variant", first_is_quick(VARIANTS))
def test_a_text_that_stands_nearly_the_same_under_another_problem_is_in_its_part(run, variant):
    records = [*records_of(), *records_of(problem=lambda name: f"[v2] {name}", text=variant, first_id=40)]
    parts = parts_of(result := run(records), records, lambda record: int(record["problem_id"]) % 40)
    assert (parts.map(len) == 1).all()
    assert result.run["counts"]["texts_alike"] == 80
    assert result.run["counts"]["sets_of_texts_alike"] == 40
    assert result.run["counts"]["groups_with_texts_alike"] == 40


def test_copies_of_every_text_change_no_score_and_no_p(run):
    records = records_of()
    copies = records_of(problem=lambda name: f"[v2] {name}", text=VARIANTS["capitals and blanks"], first_id=900)
    once = run(records, "permutations=49", name="once")
    twice = run([*records, *copies], "permutations=49", name="twice")
    assert once.neurons.p_fwer.notna().all()
    pd.testing.assert_frame_equal(twice.neurons, once.neurons)
    pd.testing.assert_frame_equal(twice.positions, once.positions)
    assert twice.run["counts"]["texts_repeated"] == 40
    assert any("40 texts were left out, because copies are not new" in warning for warning in twice.run["warnings"])
    texts = twice.table("texts")
    assert texts.read.sum() == once.table("texts").read.sum() > 0
    assert len(texts) == 2 * len(once.table("texts")) == 80


def test_where_no_such_texts_are_looked_for_they_are_in_both_parts_and_intervals_resample_them_apart(run):
    records = [*records_of(), *records_of(problem=lambda name: f"[v2] {name}", first_id=40)]
    apart = run(records, "selection.near_duplicates=null", name="apart")
    parts = parts_of(apart, records, lambda record: record["generated_cot"])
    assert (parts.map(len) == 2).any()
    assert "texts_alike" not in apart.run["counts"]
    assert not apart.run["counts"]["texts_repeated"]
    assert any("copies count as new evidence" in warning for warning in apart.run["warnings"])


def test_answers_to_problems_of_one_template_are_not_taken_for_copies(run):
    result = run(records_of())
    assert result.run["counts"]["texts_alike"] == 0
    assert not any("the same as another" in warning for warning in result.run["warnings"])


def test_groups_with_copies_are_too_few_to_split_and_the_message_says_why(run, capsys):
    records = records_of()
    slip = next(record["generated_cot"] for record in records if "et me recalculate" in record["generated_cot"])
    for record in records:
        record["generated_cot"] = slip
    with pytest.raises(SystemExit) as ended:
        run(records)
    assert ended.value.code == 2
    assert "39 groups had the same text as another, or nearly, and joined it" in capsys.readouterr().err


@pytest.mark.parametrize("threshold", ["0", "2", "-0.5", "nan"])
def test_a_threshold_that_is_none_is_refused(run, capsys, tmp_path, threshold):
    with pytest.raises(SystemExit) as ended:
        run(records_of(), f"selection.near_duplicates={threshold}")
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert re.search(r"selection\.near_duplicates is .*: give a number, above 0 and at most 1", error), error
    assert not (tmp_path / "run" / "run.json").exists()


def test_texts_to_replicate_on_are_left_out_where_their_problem_or_text_ranked(run, tmp_path):
    records = records_of()
    spelled = records_of(seed=1, first_id=100)
    for record, other in zip(records, spelled, strict=True):
        other["problem_text"] = record["problem_text"].replace(" ", "\u00a0").upper()
    nearly = records_of(
        problem=lambda name: f"[v2] {name}", text=VARIANTS["two words before and one after"], first_id=200
    )
    fresh = records_of(seed=2, first_id=300)
    other_texts = tmp_path / "other.jsonl"
    other_texts.write_text("\n".join(map(json.dumps, [*spelled, *nearly, *fresh])), encoding="utf-8")
    result = run(records, "replicate_on=traces", f"replicate_on.path={other_texts}")
    [rescored] = result.parts("rescore")
    texts = result.table("texts")
    ranked = {int(number) for number in texts.document[texts.part == "ranking"]}
    assert rescored.run["counts"]["documents_that_ranked"] == len(ranked)
    assert rescored.run["counts"]["documents_with_ranked_words"] == len(ranked)
    read = set(rescored.table("positions").document.astype(int))
    assert not read & {number + start for number in ranked for start in (100, 200)}
    held_out = {int(number) + 200 for number in texts.document[texts.part == "heldout"]}
    assert rescored.run["counts"]["documents_held_out_before"] == len(held_out)


def test_texts_of_a_problem_that_was_joined_by_its_text_are_left_out_too(run, tmp_path):
    records = [*records_of(), *records_of(problem=lambda name: f"[v2] {name}", first_id=40)]
    # Other texts for the second name, which the positions do not bear.
    others = records_of(seed=1, first_id=100)
    for record, other in zip(records_of(), others, strict=True):
        other["problem_text"] = f"[v2] {record['problem_text']}"
    path = tmp_path / "other.jsonl"
    path.write_text("\n".join(map(json.dumps, [*others, *records_of(seed=2, first_id=200)])), encoding="utf-8")
    result = run(records, "replicate_on=traces", f"replicate_on.path={path}")
    texts = result.table("texts")
    ranked = texts.group[(texts.part == "ranking") & texts.group.str.startswith("[v2]")].nunique()
    assert result.parts("rescore")[0].run["counts"]["documents_that_ranked"] == ranked > 10


@pytest.mark.slow
def test_runs_on_problems_that_are_spelled_differently_have_them_in_common(run):
    first = run(records_of(), "selection.held_out_fraction=0", name="first")
    second = run(
        records_of(problem=SPELLINGS["capitals and line breaks"]), "selection.held_out_fraction=0", name="second"
    )
    [pair] = compare(first.folder, second.folder).itertuples()
    assert pair.groups_in_common == pair.groups > 10


def test_a_pass_without_a_store_keeps_every_spelling_of_a_problem_in_one_part(run):
    names = [f"Problem {number}: what is {number} + 1?" for number in range(200)]
    parts = [split_by_hash(name, 0, 0.5) for name in names]
    assert 60 < sum(parts) < 140
    for spelling in SPELLINGS.values():
        if spelling is not SPELLINGS["accents apart"]:
            assert [split_by_hash(spelling(name), 0, 0.5) for name in names] == parts
    # No text is in memory: it says that it did not look for copies.
    result = run(records_of(), "store=none", "scorers=[cohens_d]", "rank_by=cohens_d", "within_token_scorer=null")
    assert any("(nearly) the same are not looked for" in warning for warning in result.run["warnings"])


def test_nothing_counts_where_nothing_is_the_same(run):
    counts = Counter(run(records_of()).run["counts"])
    assert not counts["groups_spelled_differently"] + counts["texts_alike"] + counts["groups_with_texts_alike"]
