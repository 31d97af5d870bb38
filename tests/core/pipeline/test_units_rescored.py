"""A ranking of whole texts is scored again on texts that are new by what was read of them."""

import dataclasses
import re

import pytest
from units import answer

from neurosieve import find
from neurosieve_plugins.detectors.metadata import Metadata
from neurosieve_plugins.detectors.phrases import Phrases

ENDS = ("It is WRONG then.", "It is right then.")


def answers(problems, prefix="g", prompt="What is {} plus one? "):
    """Short answers, which are the same to each problem."""
    return [
        answer(f"{prefix}{problem}-{sample}", end, prompt.format(problem), f"{prefix}{problem}")
        for problem in problems
        for sample, end in enumerate(ENDS)
    ]


@pytest.fixture
def rescored(tmp_path):
    def read(unit, documents, other):
        run = find(
            "tiny",
            source=documents,
            detectors={"wrong": Phrases(("WRONG",))},
            selection={"unit": unit, "pool": "first"},
            null="between_groups",
            replicate_on=other,
            reports=[],
            permutations=20,
            store=str(tmp_path / "store"),
            folder=tmp_path / unit,
        )
        return run, *run.parts("rescore")

    return read


def test_equal_short_answers_to_other_prompts_are_new_evidence(rescored):
    _, part = rescored("completion", answers(range(8)), answers(range(20, 24)))
    assert "documents_with_ranked_words" not in part.run["counts"]
    assert len(part.table("positions")) == 8


def test_the_same_answer_to_the_same_prompt_is_none_whatever_its_problem_is_called(rescored):
    other = [*answers(range(8), "copy "), *answers(range(20, 24))]
    run, part = rescored("completion", answers(range(8)), other)
    ranked = (run.positions.part == "ranking").sum()
    assert part.run["counts"]["documents_with_ranked_words"] == ranked == 8
    assert any("8 further documents have the prompt and the words of one" in text for text in part.run["warnings"])


def test_the_end_of_a_prompt_that_was_read_is_no_new_evidence_whatever_was_answered(rescored):
    def prompts(problems, prefix="g", end="Hm."):
        return [
            answer(
                f"{prefix}{problem}",
                f"{ENDS[problem % 2]} {end}",
                f"What is {problem} plus one? ",
                f"{prefix}{problem}",
            )
            for problem in problems
        ]

    run, part = rescored(
        "prompt_end", prompts(range(24)), [*prompts(range(24), "copy ", "Well."), *prompts(range(30, 38))]
    )
    ranked = set(run.positions.document[run.positions.part == "ranking"].str.removeprefix("g"))
    assert part.run["counts"]["documents_with_ranked_words"] == len(ranked)
    read = set(part.table("positions").document)
    assert not {f"copy {name}" for name in ranked} & read
    assert {f"g{problem}" for problem in range(30, 38)} <= read
    assert any("have the prompt of one that took part in it" in text for text in part.run["warnings"])


def labelled(problems, **names):
    """Short answers whose records say which are wrong, with fields and values by other names."""
    field, wrong = names.get("field", "label"), names.get("wrong", "wrong")
    return [
        dataclasses.replace(document, metadata={field: wrong if number % 2 == 0 else "right"})
        for number, document in enumerate(answers(problems))
    ]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ({"field": "lable"}, "none of 8 documents has the field `label` in its metadata: it holds `lable`"),
        ({"wrong": "incorrect"}, "none of 8 documents has `wrong` in `label`: `label` is `incorrect` \\(4\\), `right`"),
    ],
)
def test_labels_that_other_texts_have_by_other_names_are_said_and_the_ranking_is_kept(names, reason, tmp_path):
    other = labelled(range(20, 24), **names)
    run = metadata_run(tmp_path, {"wrong": Metadata("label", values=("wrong",))}, other)
    assert not run.parts("rescore")
    said = [text for text in run.run["warnings"] if "replicate_on" in text]
    assert len(said) == 1
    assert re.search(f"`wrong` cannot be looked for: {reason}", said[0])


def test_of_two_labels_the_one_that_other_texts_do_not_have_is_a_warning(tmp_path):
    detectors = {"wrong": Metadata("label", values=("wrong",)), "hard": Metadata("level", values=(5,))}
    documents = [
        dataclasses.replace(document, metadata={**document.metadata, "level": 5 - number // 2 % 2})
        for number, document in enumerate(labelled(range(8)))
    ]
    run = metadata_run(tmp_path, detectors, labelled(range(20, 24)), documents)
    [part] = run.parts("rescore")
    assert part.run["behaviours"] == ["wrong"]
    assert any(
        "`hard` cannot be looked for: none of 8 documents has the field" in text for text in part.run["warnings"]
    )


def metadata_run(tmp_path, detectors, other, documents=None):
    return find(
        "tiny",
        source=documents or labelled(range(8)),
        detectors=detectors,
        selection={"unit": "completion", "pool": "first"},
        null="between_groups",
        replicate_on=other,
        reports=[],
        permutations=0,
        store=str(tmp_path / "store"),
        folder=tmp_path / "run",
    )
