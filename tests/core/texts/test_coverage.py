"""What the tokens of documents do not stand for is counted."""

from collections import Counter

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from neurosieve import Document
from neurosieve.models.tiny import tiny_model
from neurosieve.texts.coverage import coverage_warnings
from neurosieve.texts.tokens import label_documents


def counted(tokenizer, *texts):
    counts = Counter()
    documents = [Document(f"d{number}", text, "g") for number, text in enumerate(texts)]
    list(label_documents(documents, {}, tokenizer, None, counts))
    return counts


def letters(normalizer=None, known="abcdefghijklmnopqrstuvwxyz"):
    """A tokenizer of single letters, which knows some and drops what its normalizer drops."""
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2, **{letter: 3 + place for place, letter in enumerate(known)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split("", "isolated")]
    )
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


TEXTS = ["Wait, no: 12 × 7 is 84. 数学 🙂 İ", "x\u200by\u00adz", "  ", "e\u0301 é \u1d6d"]


def test_a_tokenizer_of_bytes_covers_every_text():
    counts = counted(tiny_model()[1], *TEXTS)
    assert counts["characters_without_token"] == counts["unknown_tokens"] == counts["documents_that_begin_twice"] == 0
    assert coverage_warnings(counts) == []


@pytest.mark.parametrize(
    ("dropped", "text", "expected"),
    [("[0-9]", "so 12 and 7", 3), ("[0-9]", "12", 2), ("!", "so!", 1), ("!", "! so", 1), ("\u200b", "s\u200bo", 0)],
)
def test_characters_that_a_tokenizer_drops_are_counted_but_not_those_that_nobody_sees(dropped, text, expected):
    from tokenizers import Regex

    counts = counted(letters(normalizers.Replace(Regex(dropped), "")), text, "so")
    assert counts["characters_without_token"] == expected
    assert counts["documents_not_covered"] == (expected > 0)
    assert bool(coverage_warnings(counts)) == (expected > 0)


def test_a_text_that_begins_twice_is_counted_once():
    tokenizer = tiny_model()[1]
    counts = counted(tokenizer, "<bos>So it is", "So it is", "<bos>So<bos>it<bos>is", "<bos><bos>So")
    assert counts["documents_that_begin_twice"] == 2
    [warning] = coverage_warnings(counts)
    assert warning.startswith("2 documents hold the token that begins a text once more")


def test_a_token_that_also_ends_texts_may_stand_anywhere():
    tokenizer = tiny_model()[1]
    tokenizer.eos_token = "<bos>"
    assert counted(tokenizer, "So<bos>it")["documents_that_begin_twice"] == 0


def test_many_unknown_tokens_are_warned_of_and_a_rare_one_is_not():
    rare, many = counted(letters(), "so it is " * 50 + "ß"), counted(letters(), "數學 so")
    assert (rare["unknown_tokens"], many["unknown_tokens"]) == (1, 2)
    assert coverage_warnings(rare) == []
    [warning] = coverage_warnings(many)
    assert warning.startswith("2 of 4 tokens are unknown")
