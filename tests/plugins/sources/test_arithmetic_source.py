import json
import re
from operator import add, floordiv, mul, sub
from pathlib import Path

import pytest
import yaml

import neurosieve_conf
from neurosieve import ConfigError
from neurosieve.testing import check_source
from neurosieve_plugins.detectors.phrases import Phrases
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


@pytest.mark.parametrize("fields", [{"documents": 0}, {"slips": -0.1}, {"slips": 1.5}, {"slips": float("nan")}])
def test_fields_that_make_no_sense_are_refused(fields):
    with pytest.raises(ConfigError, match=r"the source `arithmetic`: (documents|slips) is .*: give a .*at least"):
        Arithmetic(**fields)
