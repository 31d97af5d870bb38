"""Which texts are the same but for their spaces: texts that took part in a ranking are not evidence for it."""

import hashlib

import pandas as pd

from neurosieve.data import TokenizedDocument
from neurosieve.texts.positions import Positions

__all__ = ["group_key", "text_key", "texts_table"]


def group_key(group: str) -> str:
    """Return a group's name without differences of spaces and capitals.

    >>> group_key("  Solve x +\\n1 = 2") == group_key("solve X + 1 = 2")
    True
    """
    return " ".join(group.split()).casefold()


def text_key(document: TokenizedDocument) -> str:
    """Return a hash of what the model wrote in a document, without differences of spaces."""
    words = " ".join(document.text_of().split())
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def texts_table(positions: Positions) -> pd.DataFrame:
    """Return a line per document that holds a position: `document, group, part, words`, a hash of its completion."""
    part = dict(zip(positions.table.group, positions.table.part, strict=True))
    lines = [
        (document.id, document.group, part[document.group], text_key(document))
        for document in positions.documents
        if document.group in part
    ]
    return pd.DataFrame(lines, columns=["document", "group", "part", "words"])
