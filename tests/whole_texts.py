"""Made-up answers to problems: a unit of a whole text each, without a tokenizer or a model."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from neurosieve import TokenizedDocument
from neurosieve.texts.positions import PARTS, Positions

PROMPT = 4
"""How many tokens stand before an answer."""


def answers(
    problems: Mapping[str, Sequence[int]],
    held_out: Sequence[str] = (),
    lengths: Sequence[int] = (6,),
    words: int = 1000,
    metadata: Mapping[str, Mapping[str, Any]] | None = None,
    prompt_tokens: int = 0,
    seed: int = 0,
) -> Positions:
    """Return an answer to a problem for each label, 1 where it is wrong, of tokens drawn at random.

    The unit is the answer, or the last `prompt_tokens` of its prompt, which is the same for all answers to a problem.
    `lengths` are taken in turn; `metadata` is that of all answers to a problem.
    """
    rng, documents, units, labels, groups, lines = np.random.default_rng(seed), [], [], [], [], []
    for number, (problem, wrong) in enumerate(sorted(problems.items())):
        prompt = rng.integers(words, size=PROMPT)
        for sample, label in enumerate(wrong):
            ids = np.concatenate([prompt, rng.integers(words, size=lengths[len(documents) % len(lengths)])])
            starts = np.arange(len(ids))
            unit = np.arange(PROMPT - prompt_tokens, PROMPT) if prompt_tokens else np.arange(PROMPT, len(ids))
            name, part = f"{problem} {sample}", int(problem in held_out)
            documents.append(
                TokenizedDocument(
                    name,
                    problem,
                    "x" * len(ids),
                    ids,
                    starts,
                    starts + 1,
                    starts >= PROMPT,
                    np.linspace(0, 1, len(ids)),
                    completion_start=PROMPT,
                    metadata=(metadata or {}).get(problem, {}),
                )
            )
            units.append(unit.astype(np.int32))
            labels.append([-1 if column != part else label for column in range(2)])
            groups.append(number)
            line = {"behaviour": "wrong", "document": name, "group": problem, "part": PARTS[part], "label": label}
            lines.append(line | {"token": int(unit[0]), "last_token": int(unit[-1])})
    return Positions(
        pd.DataFrame(lines),
        pd.DataFrame(columns=["behaviour"]),
        tuple(documents),
        np.array(groups),
        np.arange(len(documents)),
        np.array([unit[0] for unit in units], dtype=np.int64),
        np.array(labels, dtype=np.int8),
        ("wrong",),
        unit="prompt_end" if prompt_tokens else "completion",
        unit_tokens=tuple(units),
    )
