"""A ranking of whole texts is scored again on texts that are new by what was read of them."""

import pytest
from units import answer

from neurosieve import find
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
