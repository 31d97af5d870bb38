"""The values that flow: from a document to its spans, its tokens, the activations at some of them, and their scores."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int, Int8
from torch import Tensor

__all__ = [
    "Batch",
    "Contrast",
    "Document",
    "Interval",
    "Neuron",
    "Present",
    "Problem",
    "Reference",
    "Scores",
    "Site",
    "Span",
    "TokenizedDocument",
    "Verdict",
]


class Span(NamedTuple):
    """A stretch of a document's text, in characters: `text[start:end]`."""

    start: int
    end: int
    label: str = ""
    """The phrase, the pattern, or the annotator's label."""


@dataclass(frozen=True)
class Document:
    """A text, with what is known before a model reads it."""

    id: str
    text: str
    group: str
    """The unit that splits and resampling keep together, such as the problem that the text answers."""
    completion_start: int = 0
    """The character where the model's own completion starts; nothing is looked for before it."""
    annotations: tuple[Span, ...] = ()
    """Spans that come with the source."""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TokenizedDocument:
    """A document as the model reads it: `tokens` token ids, and where in the text each stands."""

    id: str
    group: str
    text: str
    token_ids: npt.NDArray[np.integer[Any]]
    starts: npt.NDArray[np.integer[Any]]
    """The character where each token starts."""
    ends: npt.NDArray[np.integer[Any]]
    usable: npt.NDArray[np.bool_]
    """Whether a token may be a position: in the completion, no special token, within the model's context."""
    relative: npt.NDArray[np.floating[Any]]
    """How far into the completion each token is, 0 at its first usable token and 1 at its last."""
    completion_start: int = 0
    """The character where the completion starts."""


class Present(NamedTuple):
    """What a control knows of the behaviour that its positions are compared with."""

    here: Sequence[range]
    """The spans in this document, in tokens."""
    onsets: Sequence[int]
    """The first token of each span in this document."""
    anchor_token_ids: npt.NDArray[np.integer[Any]]
    """The token id at each anchor in any document: at the first token of each span, or at all that are read of it."""
    anchor_relative: npt.NDArray[np.floating[Any]]
    """How far into its completion each anchor in any document is, 0 to 1."""


@dataclass(frozen=True)
class Problem:
    """A task for a model, and its answer where that is known."""

    id: str
    text: str
    answer: str | None = None
    """The right answer, as a grader reads it; None where it is not known."""
    level: str = ""
    type: str = ""
    solution: str = ""
    """A worked solution, in words."""
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Verdict(NamedTuple):
    """A grader's judgement of a completion."""

    right: bool | None
    """None where the grader failed, which is counted separately and never as wrong."""
    answer: str = ""
    """The answer in the completion."""
    reason: str = ""
    """Why there is no verdict."""


class Neuron(NamedTuple):
    """One coordinate of a site, whatever the site's kind."""

    layer: int
    neuron: int


class Reference(NamedTuple):
    """What an intervention may use, besides the activations that it edits."""

    controls: Float[Tensor, "controls neurons"]
    """Activations of the same neurons at control positions."""
    draws: Float[Tensor, "batch positions"]
    """A random number in [0, 1) for each place. It does not depend on what else is in the batch."""


class Site(NamedTuple):
    """A place in the model whose activations are read or edited."""

    layer: int
    kind: str = "mlp_post"
    """Which activations of the layer: by default its MLP neurons, after the nonlinearity."""


@dataclass(frozen=True)
class Batch:
    """Activations at one site, at some chosen positions."""

    site: Site
    activations: Float[Tensor, "positions neurons"]
    labels: Int8[Tensor, "positions behaviours"]
    """1 present, 0 control, -1 not part of this behaviour's comparison."""
    documents: Int[Tensor, "positions"]
    """Which document each position is in, as a number."""
    groups: Int[Tensor, "positions"]
    """Which group that document belongs to, as a number."""
    token_ids: Int[Tensor, "positions"]


class Contrast(NamedTuple):
    """A score that depends only on sums over present positions: of many label columns it is one matrix product."""

    values: Float[Tensor, "positions neurons"]
    """What is summed over the present positions of a column."""
    score: Callable[[Float[Tensor, "columns neurons"]], Float[Tensor, "columns neurons"]]
    """Turns such sums into scores, of columns with as many present positions as the batch has."""


class Interval(NamedTuple):
    """A confidence interval of a score per neuron; nan where undefined."""

    low: Float[Tensor, "neurons"]
    high: Float[Tensor, "neurons"]


@dataclass(frozen=True)
class Scores:
    """A number per behaviour and neuron, nan where undefined."""

    value: Float[Tensor, "behaviours neurons"]
    neutral: float | Float[Tensor, "behaviours 1"] = 0.0
    """The score at chance level; neurons are ranked by how far they are from it."""
    details: Mapping[str, Float[Tensor, "behaviours neurons"]] = field(default_factory=dict)
    """Further columns of the ranking, such as a p-value, named after the scorer and this key."""
