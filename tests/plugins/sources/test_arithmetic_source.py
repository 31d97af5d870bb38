import hashlib
import json
import re
from itertools import combinations
from operator import add, floordiv, mul, sub
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.stats import spearmanr

import neurosieve_conf
from neurosieve import ConfigError
from neurosieve.testing import check_source
from neurosieve.texts.duplicates import jaccard, runs_of_words
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.graders.boxed import Boxed
from neurosieve_plugins.problems.arithmetic import Arithmetic as Problems
from neurosieve_plugins.sources.arithmetic import Arithmetic
from neurosieve_plugins.sources.traces import Traces

PRESETS = Path(neurosieve_conf.__file__).parent / "detectors"
FOUNDING, BROAD = (
    Phrases(tuple(yaml.safe_load((PRESETS / f"{name}.yaml").read_text())["phrases"]))
    for name in ("backtracking", "backtracking_broad")
)
DOCUMENTS = list(Arithmetic(2000))
EQUATION = re.compile(r"(\d+) (\+|-|×|÷|plus|minus|times|divided by) (\d+)(?: =|, which is|,? so| is) (\d+)")
OPERATION = {
    "+": add,
    "plus": add,
    "-": sub,
    "minus": sub,
    "×": mul,
    "times": mul,
    "÷": floordiv,
    "divided by": floordiv,
}


def false_equations(text: str) -> int:
    return sum(
        OPERATION[sign](int(left), int(right)) != int(result) for left, sign, right, result in EQUATION.findall(text)
    )


def test_it_keeps_what_a_source_promises():
    check_source(Arithmetic(40))


def test_a_document_does_not_depend_on_how_many_are_asked_for():
    assert list(Arithmetic(50)) == DOCUMENTS[:50]


def test_another_seed_gives_other_documents():
    assert not {document.group for document in Arithmetic(200, seed=1)} & {document.group for document in DOCUMENTS}


def test_every_problem_is_another():
    assert len({document.group for document in DOCUMENTS}) == len(DOCUMENTS)


def test_the_share_of_slips_is_as_asked():
    assert 0.46 < sum(document.metadata["slipped"] for document in DOCUMENTS) / len(DOCUMENTS) < 0.54
    assert not any(document.annotations for document in Arithmetic(50, slips=0.0))
    assert all(document.annotations for document in Arithmetic(50, slips=1.0))


def test_the_arithmetic_is_right_but_for_the_slip():
    for document in DOCUMENTS:
        completion = document.text[document.completion_start :]
        assert EQUATION.search(completion)
        assert false_equations(completion) == document.metadata["slipped"], completion


def test_the_slip_stands_right_before_the_annotated_correction():
    for document in DOCUMENTS:
        assert len(document.annotations) == document.metadata["slipped"]
        for span in document.annotations:
            before, after = document.text[: span.start], document.text[span.end :]
            assert false_equations(before) == 1
            wrong = re.search(r"(\d+)\. $", before)
            right = re.search(r"\d+(?=\.( |\n))", after)
            assert wrong
            assert right
            assert wrong[1] != right[0]
            assert span.label == "backtracking"


def test_the_answer_is_boxed_and_ends_the_last_step():
    for document in DOCUMENTS:
        steps, _, end = document.text.rpartition("\n</think>\n")
        assert end == f"\\boxed{{{document.metadata['answer']}}}"
        assert steps.endswith(f" {document.metadata['answer']}.")


def test_results_are_positive_whole_numbers():
    for document in DOCUMENTS:
        assert not re.search(r"-\d|\d\.\d", document.text)
        for left, sign, right, _ in EQUATION.findall(document.text):
            assert OPERATION[sign](int(left), int(right)) > 0
            assert OPERATION[sign] is not floordiv or int(left) % int(right) == 0


def test_a_slip_is_all_that_sets_a_document_with_it_apart():
    for with_slip, without in zip(Arithmetic(100, slips=1.0), Arithmetic(100, slips=0.0), strict=True):
        [span] = with_slip.annotations
        assert with_slip.group == without.group
        # From the wrong number to the right one.
        common = next(
            at for at, (one, other) in enumerate(zip(with_slip.text, without.text, strict=False)) if one != other
        )
        assert common < span.start
        rest = without.text[common:].partition(".")[2]
        assert with_slip.text.endswith(rest)


def test_most_corrections_but_not_all_use_a_founding_phrase():
    slipped = [document for document in DOCUMENTS if document.metadata["slipped"]]
    assert 0.8 < sum(any(True for _ in FOUNDING.detect(document)) for document in slipped) / len(slipped) < 0.87


def test_founding_phrases_are_found_in_corrections_alone():
    for document in DOCUMENTS:
        for span in (*FOUNDING.detect(document), *BROAD.detect(document)):
            [truth] = document.annotations
            assert truth.start <= span.start
            assert span.end <= truth.end + 1, "a phrase may hold the punctuation that follows"


@pytest.mark.parametrize(
    "word", ["wait", "actually", "mistake", "error", "wrong", "right", "hmm", "let me", "that's not"]
)
@pytest.mark.parametrize("slipped", [True, False])
def test_the_words_of_corrections_stand_outside_of_them_too(word, slipped):
    found = 0
    for document in DOCUMENTS:
        completion = document.text[document.completion_start :]
        for span in document.annotations:
            completion = completion.replace(document.text[span.start : span.end], "")
        found += document.metadata["slipped"] == slipped and word in completion.lower()
    assert found >= 10


def test_completions_are_of_fifty_to_a_hundred_and_fifty_tokens():
    # Words, signs and digits: as tokenizers cut them that take each digit alone.
    for document in DOCUMENTS:
        assert 50 <= len(re.findall(r"\d|[^\W\d]+|[^\w\s]", document.text[document.completion_start :])) <= 150


def test_written_as_a_founding_file_they_are_read_as_they_were(tmp_path):
    file = tmp_path / "traces.json"
    records = [
        {"problem_id": document.id, "problem_text": document.group, "generated_cot": document.text} | document.metadata
        for document in DOCUMENTS[:100]
    ]
    file.write_text(json.dumps(records))
    for read, made in zip(Traces(str(file)), DOCUMENTS, strict=False):
        assert (read.id, read.text, read.group, read.completion_start, read.metadata) == (
            made.id,
            made.text,
            made.group,
            made.completion_start,
            made.metadata,
        )


@pytest.mark.parametrize(
    "fields",
    [
        {"documents": 0},
        {"slips": -0.1},
        {"slips": 1.5},
        {"slips": float("nan")},
        {"samples": 0},
        {"unnoticed": -0.1},
        {"unnoticed": 1.5},
    ],
)
def test_fields_that_make_no_sense_are_refused(fields):
    [name] = fields
    with pytest.raises(ConfigError, match=rf"the source `arithmetic`: {name} is .*: give a .*at least"):
        Arithmetic(**fields)


SAMPLED = list(Arithmetic(1600, samples=8, unnoticed=0.4))


def of_problems(documents):
    problems = {}
    for document in documents:
        problems.setdefault(document.group, []).append(document)
    return problems


def test_without_samples_and_unnoticed_slips_the_documents_are_those_of_always():
    digest = hashlib.sha256("".join(repr(document) for document in DOCUMENTS[:300]).encode()).hexdigest()
    assert digest == "a10cad6fb6b6210feb29bb55901bfbe2b4c382451c902030824a55ccb78e6c85"


def test_the_samples_of_a_problem_are_one_group_in_other_words():
    problems = of_problems(SAMPLED)
    assert [len(samples) for samples in problems.values()] == [8] * 200
    assert list(problems) == [document.group for document in DOCUMENTS[:200]]
    for samples in problems.values():
        assert len({document.text for document in samples}) == 8
        assert [document.metadata["sample"] for document in samples] == list(range(8))
        assert len({document.metadata["answer"] for document in samples}) == 1
    assert len({document.id for document in SAMPLED}) == len(SAMPLED)
    assert [document.id for document in SAMPLED[7:10]] == ["arithmetic-0000#7", "arithmetic-0001", "arithmetic-0001#1"]


def test_the_first_samples_are_the_documents_without_samples():
    first = [document for document in Arithmetic(160, samples=8) if document.metadata["sample"] == 0]
    assert [(d.id, d.text, d.annotations) for d in first] == [(d.id, d.text, d.annotations) for d in DOCUMENTS[:20]]


def test_samples_of_a_problem_are_too_different_to_count_as_copies():
    for samples in list(of_problems(SAMPLED).values())[:50]:
        runs = [runs_of_words(document.text[document.completion_start :]) for document in samples]
        assert max(jaccard(one, other) for one, other in combinations(runs, 2)) < 0.8


def test_the_share_of_wrong_answers_is_about_as_asked_and_differs_by_problem():
    wrong = np.array([[not d.metadata["right"] for d in samples] for samples in of_problems(SAMPLED).values()])
    assert 0.35 < wrong.mean() < 0.47
    # More than chance gives to problems that are all alike: their difficulty differs.
    assert wrong.mean(axis=1).var() > 1.5 * wrong.mean() * (1 - wrong.mean()) / 8
    assert ((wrong.mean(axis=1) > 0) & (wrong.mean(axis=1) < 1)).mean() > 0.8


def test_hard_problems_go_wrong_more_often():
    by_level = {level: [] for level in ("Level 2", "Level 3")}
    for document in SAMPLED:
        by_level[document.metadata["level"]].append(not document.metadata["right"])
    easy, hard = (np.mean(wrong) for wrong in by_level.values())
    assert hard > 1.3 * easy
    digits = [len(re.findall(r"\d", problem)) for problem in of_problems(SAMPLED)]
    wrong = [np.mean([not d.metadata["right"] for d in samples]) for samples in of_problems(SAMPLED).values()]
    assert spearmanr(digits, wrong).statistic > 0.2


def test_a_wrong_answer_is_an_unnoticed_slip_and_nothing_else():
    grader = Boxed()
    for document in SAMPLED:
        completion = document.text[document.completion_start :]
        verdict = grader.grade(completion, document.metadata["answer"])
        assert verdict.right is document.metadata["right"]
        assert false_equations(completion) == document.metadata["slipped"] + (not document.metadata["right"])
        assert len(document.annotations) == document.metadata["slipped"]


def test_an_unnoticed_slip_is_as_likely_where_another_is_noticed():
    noticed, unnoticed = np.array([(d.metadata["slipped"], not d.metadata["right"]) for d in SAMPLED]).T
    assert abs(unnoticed[noticed].mean() - unnoticed[~noticed].mean()) < 0.06


def test_every_story_can_go_wrong_unnoticed_with_whole_numbers_above_0():
    for document in Arithmetic(2000, seed=3, unnoticed=1.0, slips=1.0):
        assert not document.metadata["right"]
        assert not re.search(r"-\d|\d\.\d", document.text)
        for left, sign, right, _ in EQUATION.findall(document.text):
            assert OPERATION[sign](int(left), int(right)) > 0
            assert OPERATION[sign] is not floordiv or int(left) % int(right) == 0


def test_levels_and_types_are_those_of_the_problems_of_the_same_seed():
    told = {d.group: (d.metadata["level"], d.metadata["type"], d.metadata["answer"]) for d in SAMPLED}
    assert told == {problem.text: (problem.level, problem.type, problem.answer) for problem in Problems(200, seed=0)}


def test_a_sampled_document_does_not_depend_on_how_many_are_asked_for():
    assert list(Arithmetic(19, samples=8, unnoticed=0.4)) == SAMPLED[:19]
    check_source(Arithmetic(19, samples=4, unnoticed=0.4))
