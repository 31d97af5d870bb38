"""The positions that are read, as a table for people and as rows and labels for the engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from neurosieve.data import Scope, TokenizedDocument
from neurosieve.texts.token_kinds import TOKEN_KINDS, token_kinds
from neurosieve.texts.tokens import LabelledDocument

__all__ = ["PARTS", "WHOLE_TEXTS", "Pool", "Positions", "UnitKind", "UnitTokens", "assemble"]

PARTS = ("ranking", "heldout")
"""The two parts that groups are split into; each is a block of label columns."""
UnitKind = Literal["token", "span", "sentence", "completion", "prompt_end"]
"""What one row stands for: a token, or all tokens of a span, of a sentence, of a completion, of a prompt's end."""
WHOLE_TEXTS = frozenset[UnitKind]({"completion", "prompt_end"})
"""The units of which a text has one: it shows a behaviour or it does not."""
Pool = Literal["mean", "max", "last", "first"]
"""What becomes of the tokens of a unit: their mean or largest reading, or that of the last or the first."""
UnitTokens = Mapping[tuple[str, int, int], npt.NDArray[np.int32]]
"""The tokens of each unit, in order, by its behaviour, the number of its document, and its first token."""

_SHOWN = 200
"""So many characters of a unit's text are in the table."""


@dataclass(frozen=True)
class Positions:
    """The chosen positions: as a table for people, and as rows and labels for the engine.

    `rows` distinct (document, token) pairs are read, in the order of documents and tokens. Labels have a column per
    place, part and behaviour: all behaviours of the ranking part, then all of the held-out part; then likewise for
    each additional place.
    """

    table: pd.DataFrame
    """behaviour, document, group, part, token, last_token, label, start, end, text, kind: a line per behaviour and
    position. A unit of several tokens goes from `token` to `last_token`, and its `text` may be cut."""
    extra: pd.DataFrame
    """The same of the additional places, with a column `place`."""
    documents: tuple[TokenizedDocument, ...]
    """The documents that hold a position."""
    groups: npt.NDArray[np.int64]
    """The group of each of these documents, as a number."""
    document_of_row: npt.NDArray[np.int64]
    token_of_row: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int8]
    behaviours: tuple[str, ...]
    places: tuple[str, ...] = ("",)
    """The places that are read: the ranking's own, "", and the additional ones by name."""
    scopes: Mapping[str, Scope] = field(default_factory=dict)
    """Where each behaviour was looked for; in what the model wrote, where this does not tell."""
    unit: UnitKind = "token"
    pool: Pool = "mean"
    unit_tokens: tuple[npt.NDArray[np.int32], ...] = ()
    """The tokens of each row's unit, in order, of which `token_of_row` has the first; none where a unit is a token."""

    @cached_property
    def token_ids(self) -> npt.NDArray[np.int64]:
        """The token id at each row."""
        rows = zip(self.document_of_row, self.token_of_row, strict=True)
        return np.array([self.documents[document].token_ids[token] for document, token in rows], dtype=np.int64)

    def scope(self, behaviour: str) -> Scope:
        """Return where a behaviour was looked for."""
        return self.scopes.get(behaviour, "completion")

    def column(self, behaviour: str, part: str = "ranking", place: str = "") -> int:
        """Return which column of the labels is that of a behaviour."""
        block = self.places.index(place) * len(PARTS) + PARTS.index(part)
        return block * len(self.behaviours) + self.behaviours.index(behaviour)

    def of_behaviour(self, behaviour: str) -> "Positions":
        """Return the positions of one behaviour alone."""
        of_places = slice(self.behaviours.index(behaviour), None, len(self.behaviours))
        labels = self.labels[:, of_places]
        table, extra = (
            lines[lines.behaviour == behaviour].reset_index(drop=True) for lines in (self.table, self.extra)
        )
        return self.relabelled(labels, table=table, extra=extra, behaviours=(behaviour,))

    def relabelled(self, labels: npt.NDArray[np.int8], **changed: Any) -> "Positions":
        """Return the rows that have a label, and their documents, under other labels; `changed` are other fields."""
        rows = np.flatnonzero((labels >= 0).any(axis=1))
        used, document_of_row = np.unique(self.document_of_row[rows], return_inverse=True)
        return replace(
            self,
            documents=tuple(self.documents[number] for number in used),
            groups=np.unique(self.groups[used], return_inverse=True)[1],
            document_of_row=document_of_row,
            token_of_row=self.token_of_row[rows],
            labels=labels[rows],
            unit_tokens=tuple(self.unit_tokens[row] for row in rows) if self.unit_tokens else (),
            **changed,
        )


def assemble(
    chosen: pd.DataFrame,
    documents: Sequence[LabelledDocument],
    part: Mapping[str, int],
    behaviours: tuple[str, ...],
    places: tuple[str, ...],
    scopes: Mapping[str, Scope],
    unit: UnitKind = "token",
    pool: Pool = "mean",
    unit_tokens: UnitTokens = MappingProxyType({}),
) -> Positions:
    """Return chosen positions in the order of documents and tokens.

    `chosen` has a line per position, `place, behaviour, number, token, label`; `number` is that of its document in
    `documents`, and `token` the first of its unit. `part` is the part of each group, as a number. `unit_tokens` has the
    tokens of every unit, unless each is one token.
    """
    numbers = np.unique(chosen.number)
    used = [documents[number].tokens for number in numbers]
    group_names = sorted({document.group for document in used})
    groups = np.searchsorted(np.array(group_names, dtype=object), np.array([d.group for d in used], dtype=object))
    lines = zip(chosen.behaviour, chosen.number, chosen.token, strict=True)
    tokens_of_line = [unit_tokens[line] for line in lines] if unit != "token" else []
    last = [int(tokens[-1]) for tokens in tokens_of_line] if tokens_of_line else chosen.token.to_numpy()
    # Units of different behaviours may begin and end alike, and have other tokens between: those of another scope.
    which = pd.factorize(np.array([tokens.tobytes() for tokens in tokens_of_line], dtype=object))[0]
    chosen = chosen.assign(
        document_number=np.searchsorted(numbers, chosen.number), last=last, which=which if len(which) else 0
    )
    part_of = np.array([part[document.group] for document in used])[chosen.document_number]
    keys = chosen[["document_number", "token", "last", "which"]].to_numpy()
    rows, line_of, row_of = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    labels = np.full((len(rows), len(places) * len(PARTS) * len(behaviours)), -1, dtype=np.int8)
    block = chosen.place.map({name: i for i, name in enumerate(places)}).to_numpy() * len(PARTS) + part_of
    column = block * len(behaviours) + chosen.behaviour.map({name: i for i, name in enumerate(behaviours)}).to_numpy()
    labels[row_of, column] = chosen.label
    table = _table(chosen, used, part_of, unit)
    own = table[table.place == ""].drop(columns="place").reset_index(drop=True)
    extra = table[table.place != ""].reset_index(drop=True)
    return Positions(
        own,
        extra,
        tuple(used),
        groups,
        rows[:, 0],
        rows[:, 1],
        labels,
        behaviours,
        places,
        scopes,
        unit,
        pool,
        tuple(tokens_of_line[line] for line in line_of) if tokens_of_line else (),
    )


def _table(
    chosen: pd.DataFrame, used: Sequence[TokenizedDocument], part_of: npt.NDArray[np.int64], unit: UnitKind
) -> pd.DataFrame:
    """Return the table of chosen positions, for people."""
    of_line = [used[number] for number in chosen.document_number]
    starts = [int(document.starts[token]) for document, token in zip(of_line, chosen.token, strict=True)]
    ends = [int(document.ends[token]) for document, token in zip(of_line, chosen["last"], strict=True)]
    names = {
        "place": chosen.place.tolist(),
        "behaviour": chosen.behaviour.tolist(),
        "document": [document.id for document in of_line],
        "group": [document.group for document in of_line],
        "part": [PARTS[number] for number in part_of],
    }
    # Names, many of them the same, are columns of objects: a column of strings would copy each of them.
    table = pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in names.items()}).assign(
        token=chosen.token.to_numpy(),
        last_token=chosen["last"].to_numpy(),
        label=chosen.label.to_numpy(np.int8),
        start=starts,
        end=ends,
        text=[_shown(d.text[start:end], unit) for d, start, end in zip(of_line, starts, ends, strict=True)],
    )
    if unit == "token":
        kinds_of = [token_kinds(document) for document in used]
        kinds = [kinds_of[number][token] for number, token in zip(chosen.document_number, chosen.token, strict=True)]
        return table.assign(kind=pd.Series([TOKEN_KINDS[kind] for kind in kinds], dtype=object))
    return table.assign(kind=pd.Series([unit] * len(table), dtype=object))


def _shown(text: str, unit: UnitKind) -> str:
    return text if unit == "token" or len(text) <= _SHOWN else text[:_SHOWN] + "…"
