"""Whether a tokenizer's tokens cover the texts: characters of no token, unknown tokens, texts that begin twice."""

import unicodedata
from collections import Counter
from typing import Any

import numpy as np

from neurosieve.data import TokenizedDocument
from neurosieve.wording import plural

__all__ = ["count_coverage", "coverage_warnings"]

_UNSEEN = ("Cc", "Cf")
"""Categories of characters that a tokenizer may drop: of control, and of format, such as zero-width ones."""
_UNKNOWN_SHARE = 0.01
"""A larger share of unknown tokens is warned of: a rare symbol is one in texts of any length."""


def count_coverage(tokens: TokenizedDocument, tokenizer: Any, counts: Counter[str]) -> None:
    """Add to `counts` what of a document its tokens do not stand for, where there is such."""
    if uncovered := _uncovered(tokens):
        counts["characters_without_token"] += uncovered
        counts["documents_not_covered"] += 1
    special = {name: getattr(tokenizer, f"{name}_token_id", None) for name in ("bos", "eos", "pad", "unk")}
    begin, unknown = special["bos"], special["unk"]
    # Where one token both begins and ends texts, it may stand anywhere.
    if begin is not None and begin != special["eos"] and (tokens.token_ids[1:] == begin).any():
        counts["documents_that_begin_twice"] += 1
    others = {special[name] for name in ("bos", "eos", "pad")}
    if unknown is not None and unknown not in others and (number := int((tokens.token_ids == unknown).sum())):
        counts["unknown_tokens"] += number


def _uncovered(tokens: TokenizedDocument) -> int:
    """Return how many characters that can be seen are in no token."""
    ends = np.concatenate([[0], tokens.ends])
    starts = np.concatenate([tokens.starts, [len(tokens.text)]])
    gaps = np.flatnonzero(starts > ends)
    return sum(
        not (character.isspace() or unicodedata.category(character) in _UNSEEN)
        for gap in gaps
        for character in tokens.text[ends[gap] : starts[gap]]
    )


def coverage_warnings(counts: Counter[str]) -> list[str]:
    """Return what a reader must know of the tokens of the documents."""
    warnings = []
    if uncovered := counts["characters_without_token"]:
        warnings.append(
            f"{plural(uncovered, 'character')} in {plural(counts['documents_not_covered'], 'document')} belong to no "
            "token: the tokenizer drops them, and spans there are read at the token behind: check that it belongs to "
            "the model"
        )
    if twice := counts["documents_that_begin_twice"]:
        warnings.append(
            f"{plural(twice, 'document')} hold the token that begins a text once more behind their beginning: a chat "
            "template that was applied twice, or texts glued together, read otherwise than the model was trained"
        )
    if (unknown := counts["unknown_tokens"]) > _UNKNOWN_SHARE * counts["tokens"]:
        warnings.append(
            f"{unknown:,} of {counts['tokens']:,} tokens are unknown to the tokenizer, which gives them all one "
            "number: take a model that knows the language of the texts"
        )
    return warnings
