"""What the tests of the graders share."""

import json
from pathlib import Path

import pytest

FOUNDING = Path(__file__).parents[4] / "shared" / "data" / "founding"


@pytest.fixture
def founding():
    """Return the completions of a founding file with the solutions of their problems."""

    def founding(name):
        path = FOUNDING / f"math_cot_results_{name}_tp=0.92.json"
        if not path.is_file():
            pytest.skip("the founding files are not beside the checkout, in ../shared/data/founding")
        records = json.loads(path.read_text(encoding="utf-8"))
        return [(one["generated_cot"].partition("<think>")[2], one["ground_truth_solution"]) for one in records]

    return founding
