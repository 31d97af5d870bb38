"""Which texts are the same, however they are spaced: what took part in a ranking is no evidence for it."""

import hashlib
from collections.abc import Sequence

import pandas as pd

from neurosieve.data import TokenizedDocument
from neurosieve.texts.positions import Positions

__all__ = ["group_key", "text_key", "texts_table"]


def group_key(group: str) -> str:
    """Return what the names of one group have in common, however they are spaced and capitalised.

    >>> group_key("  Solve x +\\n1 = 2") == group_key("solve X + 1 = 2")
    True
    """
    return " ".join(group.split()).casefold()


def text_key(document: TokenizedDocument) -> str:
    """Return what stands for the words of a document's completion, however they are spaced."""
    words = " ".join(document.text[document.completion_start :].split())
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def texts_table(positions: Positions) -> pd.DataFrame:
    """Return a line per document that holds a position: `document, group, part, words`, a hash of its completion."""
    part = dict(zip(positions.table.group, positions.table.part, strict=True))
    lines: Sequence[tuple[str, ...]] = [
        (one.id, one.group, part[one.group], text_key(one)) for one in positions.documents if one.group in part
    ]
    return pd.DataFrame(lines, columns=["document", "group", "part", "words"])
