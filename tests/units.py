"""Documents whose tokens are their words, for tests of units."""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from neurosieve import Control, Detector, Document, Span
from neurosieve.texts.groups import join_groups
from neurosieve.texts.selection import choose_positions
from neurosieve.texts.settings import Selection
from neurosieve.texts.tokens import label_documents

BEGIN, MARK = 0, 1


class WordTokenizer:
    """Each word is a token, with the space before it; `<m>` is a special token, and one token begins each text."""

    bos_token_id, eos_token_id, unk_token_id = BEGIN, None, None
    all_special_ids = (BEGIN, MARK)

    def __call__(self, text, return_offsets_mapping, verbose):
        words = list(re.finditer(r"<m>|\s*(?:(?!<m>)\S)+", text))
        ids = [MARK if word[0] == "<m>" else 2 + sum(map(ord, word[0])) % 997 for word in words]
        return {"input_ids": [BEGIN, *ids], "offset_mapping": [(0, 0), *(word.span() for word in words)]}


@dataclass(frozen=True)
class Marked(Detector):
    """Every `word` in capitals is a span, and every one in small letters is nearly one."""

    word: str = "WRONG"
    scope: str = "completion"

    def detect(self, document):
        return [Span(*match.span()) for match in re.finditer(rf"\b{self.word}\b", document.text)]

    def near_misses(self, document):
        return [Span(*match.span()) for match in re.finditer(rf"\b{self.word.lower()}\b", document.text)]


@dataclass(frozen=True)
class Anywhere(Control):
    """Any usable token outside the spans."""

    def choose(self, document, present, count, rng):
        taken = {token for span in present.here for token in span}
        free = [int(token) for token in np.flatnonzero(document.usable) if token not in taken]
        return sorted(rng.choice(free, size=min(count, len(free)), replace=False).tolist()) if free else []


def labelled(documents, detectors=None, context=None, unit="token", near_duplicates=0.8):
    """Return documents with their tokens and spans, in the groups that are kept together."""
    read = label_documents(documents, detectors or {"a": Marked()}, WordTokenizer(), context, Counter())
    return join_groups(list(read), near_duplicates, Counter(), unit)


def chosen(documents, detectors=None, context=None, control=None, **settings):
    """Return the units of some documents, and what was counted."""
    counts, selection = Counter(), Selection(**{"held_out_fraction": 0.0, **settings})
    detectors = detectors or {"a": Marked()}
    read = labelled(documents, detectors, context, selection.unit, selection.near_duplicates)
    return choose_positions(read, list(detectors), control or Anywhere(), selection, 0, counts), counts


def words_of(positions, label):
    """Return the words of each unit with a label, as texts, sorted."""
    rows = np.flatnonzero((positions.labels == label).any(axis=1))
    texts = []
    for row in rows:
        document, tokens = positions.documents[positions.document_of_row[row]], positions.unit_tokens[row]
        texts.append("".join(document.text[document.starts[token] : document.ends[token]] for token in tokens).strip())
    return sorted(texts)


def answer(name, text, prompt="How many?", group=None):
    """Return a document with a prompt and a completion, which begins with a space where it holds anything."""
    return Document(name, prompt + f" {text}" * bool(text), group or name, completion_start=len(prompt))
