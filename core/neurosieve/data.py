"""The values that flow: from a document to its spans, its tokens, the activations at some of them, and their scores."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int, Int8
from torch import Tensor

__all__ = [
    "NO_ANSWER",
    "ROLES_OF",
    "Assumption",
    "Batch",
    "Contrast",
    "Document",
    "Interval",
    "Neuron",
    "Passage",
    "Present",
    "Problem",
    "Reference",
    "Role",
    "Scope",
    "Scores",
    "Site",
    "Skipped",
    "Span",
    "TokenizedDocument",
    "Verdict",
]


Role = Literal["system", "user", "tool", "thought", "answer", "completion"]
"""Who wrote a passage, or what of the model's own it is."""
Scope = Literal["completion", "thought", "answer", "prompt"]
"""Where a detector looks."""
ROLES_OF: Mapping[Scope, frozenset[Role]] = {
    "completion": frozenset({"thought", "answer", "completion"}),
    "thought": frozenset({"thought"}),
    "answer": frozenset({"answer"}),
    "prompt": frozenset({"system", "user", "tool"}),
}
"""The roles of the passages that a scope takes in."""


class Span(NamedTuple):
    """A stretch of a document's text, in characters: `text[start:end]`."""

    start: int
    end: int
    label: str = ""
    """The phrase, the pattern, or the annotator's label."""


class Passage(NamedTuple):
    """A stretch of a document's text by one author: `text[start:end]`."""

    start: int
    end: int
    role: Role
    """Who wrote it. The model's are `thought`, `answer`, and `completion`, where these two are not told apart."""


class Assumption(NamedTuple):
    """How a source understood a record, where the record alone does not say it. A run counts in how many documents."""

    what: str
    """The same words for every document of which it is assumed."""
    doubtful: bool = False
    """Whether it may well be wrong: a run that rests on it for most of its documents is refused."""
    known: bool = False
    """Whether it is sure, and only to be told: it is a note of the run, and no warning."""


class _Authored:
    """A text of which it is known who wrote what."""

    text: str
    completion_start: int
    passages: tuple[Passage, ...]

    def stretches(self, scope: Scope = "completion") -> tuple[tuple[int, int], ...]:
        """Return the parts of the text that belong to a scope, `(start, end)` in characters, those that touch as one.

        `completion` is all that the model wrote, `thought` and `answer` are parts of it, and `prompt` is what others
        wrote. Where nothing is known of the passages, the prompt ends and the completion starts at `completion_start`,
        and there is no thought and no answer.
        """
        start, end = self.completion_start, len(self.text)
        whole = (Passage(0, start, "user"), Passage(start, end, "completion"))
        merged: list[tuple[int, int]] = []
        for passage in self.passages or whole:
            if passage.start == passage.end or passage.role not in ROLES_OF[scope]:
                continue
            begin = merged.pop()[0] if merged and merged[-1][1] == passage.start else passage.start
            merged.append((begin, passage.end))
        return tuple(merged)

    @property
    def prompt_end(self) -> int:
        """The character where the first completion starts; the end of a text that has none."""
        return next((start for start, _ in self.stretches()), len(self.text))

    def text_of(self, scope: Scope = "completion") -> str:
        """Return the text of a scope; stretches that are apart stand on lines of their own."""
        return "\n".join(self.text[start:end] for start, end in self.stretches(scope))


@dataclass(frozen=True)
class Document(_Authored):
    """A text, with what is known before a model reads it."""

    id: str
    text: str
    group: str
    """The unit that splits and resampling keep together, such as the problem that the text answers."""
    completion_start: int = 0
    """The character where the model's own completion starts. Where `passages` are given, they decide, and this may be
    left at 0."""
    annotations: tuple[Span, ...] = ()
    """Spans that come with the source."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    passages: tuple[Passage, ...] = ()
    """Who wrote what, in the order of the text, where more is known than where the one completion starts: several
    turns, or thought and answer apart. Text in no passage is nobody's, such as the marks of a chat template."""
    assumptions: tuple[Assumption, ...] = ()
    """What the source took for granted of it."""
    annotation_weights: tuple[float, ...] = ()
    """How many sentences of the texts each annotation stands for, where only a sample of them was annotated; empty
    where each stands for itself."""

    def in_scope(self, spans: Iterable[Span], scope: Scope = "completion") -> list[Span]:
        """Return those of some spans that lie in one stretch of a scope."""
        stretches = self.stretches(scope)
        starts, ends = [start for start, _ in stretches], [0, *(end for _, end in stretches)]
        # The last stretch that starts no later than a span is the one that holds it, if any does.
        return [span for span in spans if span.end <= ends[bisect_right(starts, span.start)]]


class Skipped(NamedTuple):
    """Stands, among the documents of a source, for a record that makes none; a run counts it, and says why."""

    where: str
    """Which record, as in `record 7 of traces.jsonl`."""
    why: str


@dataclass(frozen=True)
class TokenizedDocument(_Authored):
    """A document as the model reads it: `tokens` token ids, and where in the text each stands."""

    id: str
    group: str
    text: str
    token_ids: npt.NDArray[np.integer[Any]]
    starts: npt.NDArray[np.integer[Any]]
    """The character where each token starts."""
    ends: npt.NDArray[np.integer[Any]]
    usable: npt.NDArray[np.bool_]
    """Whether a token may be a position: it starts in what the model wrote, or in the scope that this is narrowed to,
    is no special token, and within the model's context."""
    relative: npt.NDArray[np.floating[Any]]
    """How far along the usable tokens each token is, 0 at the first of them and 1 at the last."""
    completion_start: int = 0
    """The character where the completion starts."""
    passages: tuple[Passage, ...] = ()
    """Who wrote what, as of the document."""
    readable: npt.NDArray[np.bool_] | None = None
    """Whether a token may be a position in some scope; None where the usable ones are all."""
    first_editable: int = 0
    """The first token that is no special one: edits change no special token, so none before this."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What else is known of the text, as of the document."""

    def within(self, scope: Scope) -> "TokenizedDocument":
        """Return the document with the tokens of a scope as its usable ones; all else is shared with this one."""
        readable = self.usable if self.readable is None else self.readable
        in_scope = np.zeros(len(self.starts), dtype=np.bool_)
        for start, end in self.stretches(scope):
            in_scope |= (self.starts >= start) & (self.starts < end)
        usable = readable & in_scope
        left_over = readable if (readable & ~in_scope).any() else None
        return replace(self, usable=usable, relative=_along(in_scope, usable), readable=left_over)


def _along(in_scope: npt.NDArray[np.bool_], usable: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Return how far along the usable tokens each token stands, from 0 to 1; tokens out of scope have no length."""
    tokens = np.flatnonzero(usable)
    if not len(tokens):
        return np.zeros(len(usable), dtype=np.float32)
    passed = np.cumsum(in_scope)
    first, last = int(passed[tokens[0]]), int(passed[tokens[-1]])
    return np.asarray(((passed - first) / max(1, last - first)).clip(0, 1), dtype=np.float32)


class Present(NamedTuple):
    """What a control knows of the behaviour that its positions are compared with."""

    here: Sequence[range]
    """The spans in this document, in tokens. None where a unit has several tokens: `usable` leaves them out then, and
    controls far from them, or near to them, would tell what follows the behaviour from what does not."""
    onsets: Sequence[int]
    """The first token of each span in this document; none where a unit has several tokens."""
    anchor_token_ids: npt.NDArray[np.integer[Any]]
    """The token id at each anchor in any document: at the first token of each span, or at all that are read of it."""
    anchor_relative: npt.NDArray[np.floating[Any]]
    """How far into its completion each anchor in any document is, 0 to 1."""
    anchors: Sequence[int] = ()
    """The anchors in this document, as tokens."""
    anchor_kinds: npt.NDArray[np.int8] = np.zeros(0, dtype=np.int8)
    """The kind of token of each anchor in any document, a number of `TOKEN_KINDS`; none where that is not known."""


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
    """None where there is no verdict: the grader failed, or found no answer, which is not yet a wrong one."""
    answer: str = ""
    """The answer in the completion."""
    reason: str = ""
    """Why there is no verdict."""
    unanswered: bool = False
    """Whether no answer was found in the completion; `right` is None then."""


NO_ANSWER = Verdict(None, reason="no answer was found", unanswered=True)
"""The judgement of a completion in which a grader finds no answer: cut off, or given in a form that it cannot read."""


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
