"""Requests of users, made from a seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Annotated, Literal

from annotated_types import Ge, Le

from neurosieve import Document, Passage, Source, check_fields
from neurosieve_plugins.sources.chat_messages import Message, Piece
from neurosieve_plugins.sources.chat_template import template_text
from neurosieve_plugins.sources.request_phrases import ACTS, CIRCUMSTANCES, FRAMES

__all__ = ["Requests"]

_KINDS: tuple[Literal["harmful", "harmless"], ...] = ("harmful", "harmless")
_MOST = len(_KINDS) * len(ACTS) * len(FRAMES) * len(CIRCUMSTANCES)
"""So many requests differ."""


@dataclass(frozen=True)
class Requests(Source):
    """Short requests to an assistant: one half for help with a misdeed, the other half their harmless twins.

    Each document is all prompt, without an answer. A request and its twin have the same syntax and as many words, and
    end alike. The metadata gives the `kind`, `harmful` or `harmless`, and the number of the `pair`. What is asked for,
    with any words around it, is one group, so that held-out requests ask for something else.

    >>> harmful, harmless = Requests(documents=2)
    >>> harmful.text, harmful.metadata["kind"]
    ('Give me a plan to fake a note from my doctor.', 'harmful')
    >>> harmless.text, harmless.metadata["kind"]
    ('Give me a plan to read a note from my doctor.', 'harmless')
    """

    documents: Annotated[int, Ge(2), Le(_MOST)] = 448
    """How many; the default has seven requests of each thing that is asked for."""
    seed: int = 0
    template: str | None = None
    """The chat template that the requests are put into, up to where the assistant's turn begins: a file such as
    `chat.jinja`, or the folder or the name of the model whose tokenizer has it; null for the requests alone."""

    def __post_init__(self) -> None:
        check_fields(self, "the source `requests`: ")

    def __iter__(self) -> Iterator[Document]:
        acts = list(range(len(ACTS)))
        Random(self.seed).shuffle(acts)
        for number in range(self.documents):
            pair, kind = divmod(number, len(_KINDS))
            turn, place = divmod(pair, len(acts))
            yield self._document(number, pair, _KINDS[kind], acts[place], turn)

    def _document(self, number: int, pair: int, kind: Literal["harmful", "harmless"], act: int, turn: int) -> Document:
        """Return a request for an act, the `turn`-th one for it."""
        ways = list(product(FRAMES, CIRCUMSTANCES))
        Random(f"{self.seed}/{act}").shuffle(ways)
        frame, circumstance = ways[turn]
        asked_for: str = getattr(ACTS[act], kind)
        text = frame.format(act=asked_for, circumstance=circumstance)
        name = f"request-{number:04d}"
        passages: tuple[Passage, ...] = (Passage(0, len(text), "user"),)
        if self.template is not None:
            message = Message("user", (Piece("text", text),))
            text, passages, _ = template_text([message], self.template, {}, None, name, ahead=True)
        return Document(name, text, asked_for, len(text), (), {"kind": kind, "pair": pair}, passages)
