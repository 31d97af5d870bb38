"""Whether the class of a scorer or a control says the truth about its instances."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from neurosieve.contracts import Control, Scorer
from neurosieve.data import Batch, Present, Site, TokenizedDocument
from neurosieve.scoring.engine import score_batch
from neurosieve.testing.observations import random_batch, same
from neurosieve.testing.plugins import Check, require, shown, trying

__all__ = ["DECLARATION_CHECKS", "need_of_other_documents_is_declared"]

_AREAS = torch.tensor([1.0, 0.0, 0.5], dtype=torch.float64)


def _batch() -> Batch:
    """Return positions of one token: a neuron that always fires more with the behaviour, its opposite, a silent one."""
    labels = torch.tensor([1, 0] * 8, dtype=torch.int8)[:, None]
    documents = torch.arange(16) // 4
    activations = torch.cat([labels, 1 - labels, torch.zeros_like(labels)], dim=1).float()
    return Batch(Site(0), activations, labels, documents, documents, torch.zeros_like(documents))


def an_area_is_declared(scorer: Scorer[Any]) -> None:
    """Assert that `area` is true where, and only where, the score of single neurons is an AUC.

    That is 1 for a neuron that always fires more with the behaviour, 0 for its opposite, 0.5 for a silent one.
    """
    if scorer.joint and not scorer.area:
        return
    with trying(scorer, "as it scores a neuron that always fires more, its opposite, and a silent one"):
        value = score_batch(_batch(), scorer).value[0].double().cpu()
    evidence = f"scores {value.tolist()} where an AUC is {_AREAS.tolist()}"
    _require_declared(scorer, "area", torch.allclose(value, _AREAS, atol=1e-3), evidence)


def what_is_unit_free_does_not_depend_on_the_unit(scorer: Scorer[Any]) -> None:
    """Assert that a scorer that is `unit_free` scores the same where activations are in another unit."""
    if not scorer.unit_free:
        return
    batch = random_batch()
    with trying(scorer, "as it scores the same activations in two units"):
        value, other = (
            score_batch(replace(batch, activations=batch.activations * unit), scorer).value for unit in (1.0, 8.0)
        )
    evidence = f"scores {other.tolist()} where activations are 8 times as large, and otherwise {value.tolist()}"
    _require_declared(scorer, "unit_free", same(value, other), evidence)


def the_bound_of_its_statistic_is_declared(scorer: Scorer[Any]) -> None:
    """Assert that `bounded` is true where, and only where, that of the statistic is."""
    with trying(scorer, "as its statistic is asked for"):
        bounded = scorer.statistic.bounded
    _require_declared(scorer, "bounded", bounded, f"that of its statistic is {bounded}")


def contributions_are_declared(scorer: Scorer[Any]) -> None:
    """Assert that `between_documents` is true where, and only where, there are `contributions`."""
    with trying(scorer, "as it gives the contributions of positions of one behaviour"):
        shares = scorer.contributions(_batch())
    evidence = f"its `contributions` are {'None' if shares is None else 'not None'}"
    _require_declared(scorer, "between_documents", shares is not None, evidence)


DECLARATION_CHECKS: tuple[Check, ...] = (
    an_area_is_declared,
    what_is_unit_free_does_not_depend_on_the_unit,
    the_bound_of_its_statistic_is_declared,
    contributions_are_declared,
)
"""What the class of a scorer promises of its instances."""


def need_of_other_documents_is_declared(control: Control) -> None:
    """Assert that `needs_other_documents` is true where, and only where, nothing is chosen without other documents."""
    tokens = np.arange(1000)
    document = TokenizedDocument("alone", "alone", "x" * 1000, tokens, tokens, tokens + 1, tokens >= 0, tokens / 1000)
    nowhere = Present((), (), np.empty(0, dtype=np.int64), np.empty(0))
    with trying(control, "as 1000 tokens of a document are asked for, and nothing is known of others"):
        chosen = len(control.choose(document, nowhere, 1000, np.random.default_rng(0)))
    evidence = f"chooses {chosen} of 1000 tokens where nothing is known of other documents"
    _require_declared(control, "needs_other_documents", chosen == 0, evidence)


def _require_declared(plugin: object, name: str, truth: bool, evidence: str) -> None:
    declared = getattr(plugin, name)
    require(declared == truth, f"{shown(plugin)} declares `{name} = {declared}`, and {evidence}")
