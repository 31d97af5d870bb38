"""Spans of characters become tokens, whatever the tokenizer says of offsets."""

from collections import Counter
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from neurosieve import DataError, Detector, Document, Span
from neurosieve.texts.tokens import label_documents, token_range, tokenize

LESSON = [
    "Let me add the apples. Wait, that's not right: 12 + 7 = 19, so there are 19.",
    "naïve ｆｕｌｌ 数学 🙂 İstanbul",
]
BEGIN, END = "<bos>", "<eos>"


def around(tokenizer: Tokenizer, *before: object) -> Tokenizer:
    """Let the tokenizer put a token before and one behind each text."""
    ids = [(name, tokenizer.token_to_id(name)) for name in (BEGIN, END)]
    template = processors.TemplateProcessing(single=f"{BEGIN} $A {END}", special_tokens=ids)
    tokenizer.post_processor = processors.Sequence([*before, template])
    return tokenizer


def byte_level(trim_offsets: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=[BEGIN, END], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(LESSON, trainer)
    return around(tokenizer, processors.ByteLevel(trim_offsets=trim_offsets))


def byte_fallback() -> Tokenizer:
    """As Gemma and Llama 2 have it: a space belongs to the word behind it, a rare letter is several bytes."""
    pieces = [f"<0x{byte:02X}>" for byte in range(256)] + ["▁", *"abcdefghijklmnopqrstuvwxyz.,'", "th", "▁th", "ap"]
    vocabulary = {piece: number for number, piece in enumerate(["<unk>", BEGIN, END, *pieces])}
    bpe = models.BPE(
        vocabulary, [("t", "h"), ("▁", "th"), ("a", "p")], unk_token="<unk>", byte_fallback=True, fuse_unk=True
    )
    tokenizer = Tokenizer(bpe)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="never")])
    tokenizer.add_special_tokens([BEGIN, END])
    return around(tokenizer)


def unigram() -> Tokenizer:
    scores = [("<unk>", 0.0), (BEGIN, 0.0), (END, 0.0), *((f"<0x{byte:02X}>", -9.0) for byte in range(256))]
    scores += [(piece, -2.0) for piece in ("▁", *"abcdefghijklmnopqrstuvwxyz.,", "▁the", "ples", "▁app")]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=0, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.add_special_tokens([BEGIN, END])
    return around(tokenizer)


def words() -> Tokenizer:
    """Words and marks; the spaces between them belong to no token."""
    names = ["<unk>", BEGIN, END, "let", "wait", "right", "me", ",", "."]
    tokenizer = Tokenizer(models.WordLevel({name: number for number, name in enumerate(names)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens([BEGIN, END])
    return around(tokenizer)


MADE = {
    "bytes": lambda: byte_level(trim_offsets=False),
    "bytes, trimmed": lambda: byte_level(trim_offsets=True),
    "byte fallback": byte_fallback,
    "unigram": unigram,
    "words": words,
}


@cache
def tokenizer_of(name):
    return PreTrainedTokenizerFast(tokenizer_object=MADE[name](), bos_token=BEGIN, eos_token=END)


every_tokenizer = pytest.mark.parametrize("name", MADE)
TEXTS = st.lists(
    st.sampled_from(
        [
            "Wait",
            "that's",
            " ",
            "  ",
            "\n",
            "\t",
            "right",
            ".",
            "the apples",
            "İ",
            "e\u0301",
            "🙂",
            "👩‍👩‍👧",
            "数",
            "ﬁ",
            "\u200b",
        ]
    )
    | st.text(max_size=4),
    min_size=1,
    max_size=10,
).map("".join)


@st.composite
def texts_with_a_span(draw):
    text = draw(TEXTS.filter(bool))
    start = draw(st.integers(0, len(text) - 1))
    return text, Span(start, draw(st.integers(start + 1, len(text))))


def tokens_of(text, name, completion_start=0, context=None):
    return tokenize(Document("a", text, "g", completion_start), tokenizer_of(name), context)


class Says(Detector):
    """Finds what it is told to find."""

    def __init__(self, *spans):
        self.spans = spans

    def detect(self, document):
        return self.spans


def labelled(documents, name="bytes", context=None, **detectors):
    counts = Counter()
    return list(label_documents(documents, detectors, tokenizer_of(name), context, counts)), counts


@every_tokenizer
@given(case=texts_with_a_span())
@example(case=("a   b", Span(1, 5)))
@example(case=("the  ", Span(3, 5)))
@example(case=("🙂🙂", Span(1, 2)))
def test_a_span_covers_the_tokens_that_overlap_it_from_the_first_that_ends_after_its_start(name, case):
    text, span = case
    tokens = tokens_of(text, name)
    covered = token_range(tokens, span)
    # By looking at each token in turn.
    overlapping = [
        token
        for token in range(len(tokens.token_ids))
        if tokens.starts[token] < min(span.end, tokens.ends[token]) and tokens.ends[token] > span.start
    ]
    assert [token for token in covered if tokens.ends[token] > tokens.starts[token]] == overlapping
    if covered:
        assert covered.start == overlapping[0]
        assert covered.start == min(token for token, end in enumerate(tokens.ends) if end > span.start)


@every_tokenizer
@given(text=TEXTS)
def test_every_letter_belongs_to_a_token_unless_the_tokenizer_drops_it(name, text):
    tokens = tokens_of(text, name)
    held = {at for start, end in zip(tokens.starts, tokens.ends, strict=True) for at in range(start, end)}
    dropped = {at for at, letter in enumerate(text) if letter.isspace() or not letter.isprintable()}
    assert set(range(len(text))) - held <= (dropped if name in ("words", "bytes, trimmed") else set())
    for start, end in zip(tokens.starts[tokens.usable], tokens.ends[tokens.usable], strict=True):
        assert 0 <= start < end <= len(text)


@every_tokenizer
@given(text=TEXTS)
def test_a_begin_token_stands_first_once_whether_the_text_brings_it_or_not(name, text):
    alone, brought = tokens_of(text, name), tokens_of(BEGIN + text, name)
    begin = tokenizer_of(name).bos_token_id
    for tokens in (alone, brought):
        assert tokens.token_ids[0] == begin
        assert not tokens.usable[0]
    if name != "unigram":  # It puts a space before a text, and none after a special token.
        np.testing.assert_array_equal(brought.token_ids, alone.token_ids)
        np.testing.assert_array_equal(brought.usable, alone.usable)
        np.testing.assert_array_equal(brought.starts[brought.usable], alone.starts[alone.usable] + len(BEGIN))


@every_tokenizer
@given(text=TEXTS, at=st.floats(0, 1), context=st.integers(1, 20))
def test_special_tokens_and_tokens_of_the_prompt_or_beyond_the_context_are_never_usable(name, text, at, context):
    start = round(at * len(text))
    tokens = tokens_of(text, name, completion_start=start, context=context)
    usable = np.flatnonzero(tokens.usable)
    assert not np.isin(tokens.token_ids[usable], tokenizer_of(name).all_special_ids).any()
    assert (tokens.starts[usable] >= start).all()
    assert (usable < context).all()
    special = np.isin(tokens.token_ids, tokenizer_of(name).all_special_ids)
    assert special[: tokens.first_editable].all()
    assert not special[tokens.first_editable : tokens.first_editable + 1].any()
    # And every other one is.
    whole = tokens_of(text, name)
    expected = [t for t in np.flatnonzero(whole.usable) if whole.starts[t] >= start and t < context]
    assert list(usable) == expected


@every_tokenizer
@given(text=TEXTS)
def test_an_end_token_that_stands_for_no_text_is_in_no_span(name, text):
    tokens = tokens_of(text, name)
    assert tokens.token_ids[-1] == tokenizer_of(name).eos_token_id
    assert not tokens.usable[-1]
    assert (np.diff(tokens.starts) >= 0).all()
    assert (np.diff(tokens.ends) >= 0).all()
    if text:
        assert len(tokens.token_ids) - 1 not in token_range(tokens, Span(len(text) - 1, len(text)))


@every_tokenizer
@given(text=TEXTS)
def test_how_far_a_token_is_runs_from_0_at_the_first_usable_one_to_1_at_the_last(name, text):
    tokens = tokens_of(text, name)
    usable = np.flatnonzero(tokens.usable)
    assume(len(usable) > 1)
    assert tokens.relative[usable[0]] == 0
    assert tokens.relative[usable[-1]] == 1
    assert (np.diff(tokens.relative[usable]) > 0).all()
    assert ((tokens.relative >= 0) & (tokens.relative <= 1)).all()


def test_a_span_that_starts_with_a_blank_starts_at_the_word_where_offsets_are_trimmed():
    [document], _ = labelled([Document("a", "so  Wait now", "g")], "bytes, trimmed", wait=Says(Span(2, 8)))
    onset = document.ranges["wait"][0].start
    assert document.tokens.usable[onset]
    assert document.tokens.text[document.tokens.starts[onset] :].startswith("W")


def test_spans_in_the_prompt_are_left_out_and_counted():
    text = "Wait for it. Wait, that is not right."
    spans = [Span(0, 4), Span(10, 16), Span(13, 17)]
    [document], counts = labelled([Document("a", text, "g", completion_start=13)], wait=Says(*spans))
    assert document.spans["wait"] == [Span(13, 17)]
    assert counts["spans_out_of_scope"] == 2


def test_spans_without_a_token_that_can_be_read_are_left_out_and_counted():
    found = Says(Span(0, 4), Span(4, 6), Span(30, 34))
    [document], counts = labelled([Document("a", "wait  " * 10, "g")], "words", context=4, wait=found)
    assert document.spans["wait"] == [Span(0, 4)]
    assert counts["spans_not_readable"] == 2
    assert counts["documents_cut"] == 1


def test_documents_without_text_to_read_are_left_out_and_counted():
    blank, prompt, read = (
        Document("a", "", "g"),
        Document("b", "Wait", "g", completion_start=4),
        Document("c", "Wait", "g"),
    )
    found, counts = labelled([blank, prompt, read], wait=Says())
    assert [document.tokens.id for document in found] == ["c"]
    assert (counts["documents"], counts["documents_empty"]) == (3, 2)


def test_spans_come_in_the_order_of_the_text_whatever_the_order_of_the_detector():
    [document], _ = labelled([Document("a", "Wait, wait, wait", "g")], wait=Says(Span(12, 16), Span(0, 4), Span(6, 10)))
    assert [span.start for span in document.spans["wait"]] == [0, 6, 12]
    assert document.ranges["wait"] == sorted(document.ranges["wait"], key=lambda covered: covered.start)


@pytest.mark.parametrize("span", [Span(-1, 2), Span(2, 99), Span(3, 3), Span(3, 2)])
def test_a_detector_that_finds_a_span_outside_the_text_is_refused_with_the_name_of_its_behaviour(span):
    with pytest.raises(DataError, match=r"detector of `wait` found .* in document `a`, which has 4 characters"):
        labelled([Document("a", "Wait", "g")], wait=Says(span))


def test_two_documents_of_one_id_are_refused():
    with pytest.raises(DataError, match="two documents have the id `a`"):
        labelled([Document("a", "Wait", "g"), Document("b", "Wait", "g"), Document("a", "So", "g")], wait=Says())
