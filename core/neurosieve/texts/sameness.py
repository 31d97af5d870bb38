"""When two names or two texts are the same: blanks, capitals and Unicode forms make no difference."""

import dataclasses
import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

import regex

from neurosieve.data import Document, TokenizedDocument

__all__ = ["canonical", "count_copies", "hash_of", "join_spellings", "model_words", "prompt_words", "shown_names"]

_WITHOUT_WIDTH = regex.compile(r"\p{Default_Ignorable_Code_Point}+")
_RAISED = regex.compile("[\u00b2\u00b3\u00b9\u2070\u2074-\u207e]+")
_LOWERED = regex.compile("[\u2080-\u208e]+")
_TYPOGRAPHIC = str.maketrans("‘’‚‛“”„‟‐‒–—―−", "'" * 4 + '"' * 4 + "-" * 6)


def canonical(text: str) -> str:
    """Return a text as it is compared: two texts are the same where this is the same.

    A run of blanks is one space, and none at either end. Characters without width, such as joiners, are left out.
    Letters are compared without case and by compatibility (NFKC_Casefold; Unicode Standard, 3.13), except that raised
    and lowered digits stay apart from others: 10² is not 102. Typographic quotation marks and dashes are plain ones.

    >>> canonical("  Solve\\u00a0X\\u200b +\\n１ = 2²") == canonical("solve x + 1 = 2²")
    True
    >>> canonical("10²") == canonical("102")
    False
    """
    if not text.isascii():
        text = _WITHOUT_WIDTH.sub("", text)
        text = _LOWERED.sub(r"_\g<0>", _RAISED.sub(r"^\g<0>", text))
        # Folding the case can undo the form, and the form can bring capitals: twice is enough for most letters.
        while (folded := unicodedata.normalize("NFKC", text.casefold())) != text:
            text = folded
        text = text.translate(_TYPOGRAPHIC)
    return " ".join(text.casefold().split())


def count_copies(texts: Iterable[str]) -> int:
    """Return how many texts are the same as one before them.

    >>> count_copies(["So it is 7.", "Hm.", " so it is  7."])
    1
    """
    copies, seen = 0, set[str]()
    for text in texts:
        key = hash_of(canonical(text))
        copies += key in seen
        seen.add(key)
    return copies


def shown_names(names: Iterable[str]) -> Mapping[str, str]:
    """Return the name that each name is shown by: of those that are the same, the first in order."""
    ordered = sorted(set(names))
    first: dict[str, str] = {}
    return {name: first.setdefault(canonical(name), name) for name in ordered}


def join_spellings(documents: Iterable[Document], counts: Counter[str]) -> list[Document]:
    """Return the documents, with one group for all whose names are the same; `counts` gains how many were joined."""
    documents = list(documents)
    names = shown_names(document.group for document in documents)
    counts["groups_spelled_differently"] += len(names) - len(set(names.values()))
    return [dataclasses.replace(document, group=names[document.group]) for document in documents]


def model_words(document: TokenizedDocument) -> str:
    """Return what the model wrote of a document, in its canonical form."""
    return canonical(document.text_of())


def prompt_words(document: TokenizedDocument) -> str:
    """Return what stands before the first completion of a document, in its canonical form."""
    return canonical(document.text[: document.prompt_end])


def hash_of(text: str) -> str:
    """Return a hash of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
