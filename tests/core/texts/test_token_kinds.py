"""Each token is of the kind that a reader of the text would say."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import TOKEN_KINDS, Document, TokenizedDocument, token_kinds
from neurosieve.models.tiny import tiny_model
from neurosieve.texts.tokens import tokenize


def pieces(*parts):
    """Return a document whose tokens are the parts of its text."""
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    count = np.arange(len(parts))
    return TokenizedDocument("a", "a", "".join(parts), count, starts, ends, count >= 0, count / max(1, len(parts)))


def kinds(*parts):
    return [TOKEN_KINDS[kind] for kind in token_kinds(pieces(*parts))]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (
            ("Wait", ",", " that", "'s", " no", "pe"),
            "sentence start, punctuation, word start, word piece, word start, word piece",
        ),
        (
            ("So", " 14", "5", " +", " 1", "2"),
            "sentence start, number start, number piece, punctuation, number start, number piece",
        ),
        (("a", ".", " ", "B"), "sentence start, punctuation, blank, sentence start"),
        (("a", ":", "\n", "\n", "then"), "sentence start, punctuation, line break, line break, sentence start"),
        (("No", "!", '"', " He", " said"), "sentence start, punctuation, punctuation, sentence start, word start"),
        (
            ("pi", " is", " 3", ".", "14", " or", " so"),
            "sentence start, word start, number start, punctuation, number start, word start, word start",
        ),
        (("x", "²", "y", "2"), "sentence start, word piece, word piece, number piece"),
        (("我", "错", "了", "。", "等"), "sentence start, word piece, word piece, punctuation, sentence start"),
        (("e", "\u0301", "t", "é"), "sentence start, word piece, word piece, word piece"),
        (("- ", "**", "Wait", "**"), "punctuation, punctuation, sentence start, punctuation"),
        (("", "Hi"), "blank, sentence start"),
        (
            ("So", ".", " 12", " +", " 3"),
            "sentence start, punctuation, number at a sentence start, punctuation, number start",
        ),
        (("see", " a", ".", "com"), "sentence start, word start, punctuation, word start"),
        (
            ("\n", "</", "think", ">", "\n", "\\", "boxed"),
            "line break, punctuation, word start, punctuation, line break, punctuation, word start",
        ),
        (("(ok", ".", ")", " Then"), "punctuation, punctuation, punctuation, sentence start"),
        (("\ud800", "a"), "punctuation, word start"),
    ],
)
def test_a_token_is_what_its_first_character_that_is_not_blank_is(parts, expected):
    assert kinds(*parts) == expected.split(", ")


def test_the_tokens_of_a_tokenizer_are_told_apart_in_a_text_as_people_write_it():
    text = "Wait, 12 apples.\n\nSo it is 7."
    tokens = tokenize(Document("a", text, "a"), tiny_model()[1])
    starts = {
        text[start:end].strip(): TOKEN_KINDS[kind]
        for start, end, kind in zip(tokens.starts, tokens.ends, token_kinds(tokens), strict=True)
    }
    assert starts["Wait"] == starts["So"] == "sentence start"
    assert starts["12"] == starts["7"] == "number start"
    assert starts["it"] == "word start"
    assert starts[","] == "punctuation"


@given(st.text(max_size=60), st.data())
def test_every_token_of_any_text_has_a_kind_and_blanks_alone_are_blank(text, data):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=12)) | {0, len(text)})
    parts = [text[start:end] for start, end in itertools.pairwise(cuts)]
    for part, kind in zip(parts, kinds(*parts), strict=True):
        assert kind in TOKEN_KINDS
        assert (kind in ("blank", "line break")) == (not part.strip())


def test_a_document_without_tokens_has_no_kinds():
    assert len(token_kinds(pieces())) == 0


def test_they_are_kept_with_the_document_and_cannot_be_written_over():
    document = pieces("Wait", ",", " no")
    kept = token_kinds(document)
    assert token_kinds(document) is kept
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 0
    assert token_kinds(dataclasses.replace(document, text="1234, no"))[0] != kept[0]
