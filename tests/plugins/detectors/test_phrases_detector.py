import unicodedata

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from neurosieve import ConfigError, Document, Passage, Span
from neurosieve.testing import check_detector
from neurosieve_plugins.detectors.folding import fold_text, mark_commands
from neurosieve_plugins.detectors.phrases import Phrases

# Characters that fold to several (ß, ŉ, ﬃ, ΐ), that others fold to, that are words or not, blanks and apostrophes.
AWKWARD = "sSßẞiİIıŉnʼ’'ﬃfﬀΐι\u0308\u0301Σσς -.9aé\u00e9\n\u202f😀Ａ"
texts = st.one_of(st.text(alphabet=AWKWARD, max_size=40), st.text(alphabet="aA é\u0301-’'n\n", max_size=20))
phrases = st.lists(st.text(alphabet=AWKWARD, min_size=1, max_size=4).filter(str.strip), min_size=1, max_size=6)


def fold(text: str) -> str:
    """What the alphabet above is read as, by the standard library alone."""
    composed = unicodedata.normalize("NFC", text).replace("İ", "i")
    small = unicodedata.normalize("NFKC", composed).casefold().replace("i\u0307", "i")
    signs = unicodedata.normalize("NFC", small).translate(dict.fromkeys(map(ord, "’ʼ"), "'"))
    folded = ""
    for character in signs:
        if not (character.isspace() and folded.endswith(" ")):
            folded += " " if character.isspace() else character
    return folded


def is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M"


def naive_scan(text: str, phrases: list[str], words: bool) -> list[tuple[int, int]]:
    """Every stretch of whole characters that folds to a phrase, from left to right, the longest at each place."""
    wanted = {fold(phrase) for phrase in phrases}
    found, at = [], 0
    while at < len(text):
        for end in range(len(text), at, -1):
            if fold(text[at:end]) in wanted and not any(cuts(text, place, words) for place in (at, end)):
                found.append((at, end))
                at = end
                break
        else:
            at += 1
    return found


def cuts(text: str, at: int, words: bool) -> bool:
    if not 0 < at < len(text):
        return False
    before, after = text[at - 1], text[at]
    if is_mark(after) or (before.isspace() and after.isspace()):
        return True
    # What a character is read as may be no letter: the apostrophe of `ŉ`.
    before, after = fold(before)[-1:] or before, fold(after)[:1] or after
    return words and all(character.isalnum() or is_mark(character) for character in (before, after))


def found(
    text: str, *phrases: str, words: bool = False, begin: int = 0, language: str = "any"
) -> list[tuple[int, int]]:
    document = Document("a", text, "a", completion_start=begin)
    return [(span.start, span.end) for span in Phrases(phrases, words, language).detect(document)]


def near(text: str, *phrases: str, words: bool = False, language: str = "any") -> list[str]:
    spans = Phrases(phrases, words, language).near_misses(Document("a", text, "a"))
    return [text[span.start : span.end] for span in spans]


@settings(deadline=None, max_examples=250)
@given(texts, phrases, st.booleans())
@example(".ʼ9", [".ʼ9"], False)
def test_it_finds_what_a_naive_scan_finds(text, phrases, words):
    # By default `I` is the capital of `ı` for some of the phrases: the reference knows one rule only.
    assume(not any(letter in phrase for letter in "ıİ" for phrase in phrases))
    assert found(text, *phrases, words=words) == naive_scan(text, phrases, words)


WORDS = ["Wait", "that's", "not", "right", "double-check", "déjà", "Straße", "fin", "WATT", "7", "ﬀ"]
sentences = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6)
BLANKS = [" ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u202f", "\u2009", "\u3000", "\n\n", "\u2028", " \u200b", "\ufeff "]
APOSTROPHES = "'’‘ʼ＇´`′"
HYPHENS = "-‐‑–—−－"
UNSEEN = ["", "", "", "\u200b", "\u00ad", "\u2060", "\ufeff", "\u200d"]
EMPHASIS = [("", ""), ("**", "**"), ("*", "*"), ("_", "_"), ("~~", "~~"), ("***", "***"), ("`", "`")]
EMPHASIS += [("<b>", "</b>"), ("<em class='x'>", "</em>"), ("\\textbf{", "}"), ("\\emph{", "}"), ("**\\textit{", "}**")]


def rewritten(draw: st.DrawFn, word: str) -> str:
    """The word as another program may have written it."""
    word = word.replace("'", draw(st.sampled_from(APOSTROPHES))).replace("-", draw(st.sampled_from(HYPHENS)))
    word = unicodedata.normalize(draw(st.sampled_from(["NFC", "NFD"])), word)
    if draw(st.booleans()):
        word = word.swapcase()
    if draw(st.booleans()):
        word = word.replace("fi", "ﬁ").replace("W", "Ｗ")
    middle = max((at for at in range(len(word)) if not is_mark(word[at])), default=0)
    word = word[:middle] + draw(st.sampled_from(UNSEEN)) + word[middle:]
    opening, closing = draw(st.sampled_from(EMPHASIS))
    return opening + word + closing


@st.composite
def written_twice(draw: st.DrawFn) -> tuple[str, str]:
    """A sentence, and the same one in other signs."""
    words = draw(sentences)
    other = words[0] and rewritten(draw, words[0])
    for word in words[1:]:
        other += draw(st.sampled_from(BLANKS)) + rewritten(draw, word)
    return " ".join(words), other


@settings(deadline=None, max_examples=250)
@given(written_twice(), st.lists(sentences, min_size=1, max_size=3), st.booleans())
def test_the_same_is_found_however_the_text_is_written(both, wanted, words):
    plain, other = both
    detector = Phrases(tuple(" ".join(phrase[:3]) for phrase in wanted), words)
    labels = [[span.label for span in detector.detect(Document("a", text, "a"))] for text in (plain, other)]
    assert labels[0] == labels[1]


@settings(deadline=None, max_examples=250)
@given(written_twice(), sentences)
def test_the_same_is_found_however_the_phrase_is_written(both, sentence):
    plain, other = both
    text = " ".join([*sentence, plain, *sentence])
    assert found(text, plain) == found(text, other) != []


@settings(deadline=None, max_examples=250)
@given(st.one_of(texts, written_twice().map(lambda both: both[1]), st.text()), phrases, st.booleans())
@example("**\u0301* a", ["a"], False)
def test_every_span_lies_in_the_text_and_reads_as_its_phrase(text, phrases, words):
    detector = Phrases(tuple(phrases), words)
    for span in detector.detect(Document("a", text, "a")):
        assert 0 <= span.start < span.end <= len(text)
        read = fold_text(mark_commands(text[span.start : span.end]))
        phrase = fold_text(span.label)
        assert (read.small, read.small_dotless)["ı" in span.label or "İ" in span.label] in (
            phrase.small,
            phrase.small_dotless,
        )
    for span in detector.near_misses(Document("a", text, "a")):
        assert 0 <= span.start < span.end <= len(text)


@pytest.mark.parametrize("words", [False, True])
def test_it_keeps_what_a_detector_promises(words):
    check_detector(Phrases(("wait", "that's not right", "straße", "i̇k", "**", "ısı"), words))


def test_every_occurrence_is_found_in_any_case():
    assert found("Wait. wait! WAIT? aWaited", "wait") == [(0, 4), (6, 10), (12, 16), (19, 23)]


def test_a_span_is_labelled_with_its_phrase_as_given():
    spans = Phrases(("That's NOT", "wait")).detect(Document("a", "wait, that’s not", "a"))
    assert list(spans) == [Span(0, 4, "wait"), Span(6, 16, "That's NOT")]


def test_the_first_then_the_longest_of_overlapping_phrases_is_taken():
    assert found("not sure at all", "not sure", "not sure at all", "sure at") == [(0, 15)]
    assert found("abcd", "bcd", "abc") == [(0, 3)]
    assert found("aaaaa", "aa") == [(0, 2), (2, 4)]


def test_a_longer_phrase_that_cuts_a_word_does_not_hide_a_shorter_one():
    assert found("wait actor", "wait", "wait act", words=True) == [(0, 4)]


def test_whole_words_end_where_words_end():
    assert found("await waits wait, wait_ (wait)", "wait", words=True) == [(12, 16), (18, 22), (25, 29)]
    assert found("hmm,no", "hmm,", words=True) == [(0, 4)], "a phrase that ends with a sign ends anywhere"


def test_offsets_are_right_behind_characters_that_fold_to_several():
    assert found("İßﬃ wait", "wait") == [(4, 8)]
    assert found("die STRASSE, die Straße", "straße") == [(4, 11), (17, 23)]


def test_half_of_a_folded_character_is_no_match():
    assert found("Maß", "mas") == []
    assert found("aß", "sa", "s") == []


def test_nothing_is_looked_for_before_the_completion():
    assert found("wait wait", "wait", begin=1) == [(5, 9)]
    assert found("waitwait", "waitwait", "wait", begin=4) == [(4, 8)]
    assert found("so that's not right", "that's not right", begin=8) == []


def test_phrases_that_read_the_same_are_one():
    [span] = Phrases(("that’s", "That's")).detect(Document("a", "THAT'S", "a"))
    assert span.label == "that’s"


def test_thousands_of_phrases_are_found_in_one_pass():
    many = tuple(f"phrase number {number}" for number in range(5000))
    text = " ".join(f"Phrase Number {number}" for number in range(0, 5000, 7))
    assert [span.label for span in Phrases(many, words=True).detect(Document("a", text, "a"))] == [
        f"phrase number {number}" for number in range(0, 5000, 7)
    ]


@pytest.mark.parametrize(
    ("phrases", "says"), [((), "is empty"), (("a", ""), "phrase 2"), ((" \n",), "phrase 1"), (("\u200b",), "phrase 1")]
)
def test_phrases_that_would_find_nothing_or_everything_are_refused(phrases, says):
    with pytest.raises(ConfigError, match=says):
        Phrases(phrases)


def test_emphasis_at_the_edges_of_words_is_passed_over():
    assert found("that's **not** right", "that's not right") == [(0, 20)]
    assert found("_that's_ <b>not</b> right", "that's not") == [(1, 15)]
    assert found(r"that's \textbf{not \emph{right}} then", "not right then") == [(15, 37)]
    assert found("我**不**知道", "我不知道") == [(0, 8)]
    assert found("**Wait", "wait") == found("**Wait** ", "wait") == [(2, 6)]


def test_what_stands_apart_is_not_joined():
    assert found("2*3, x_1, a * b, a <b> c, 7², 2**3", "23", "x1", "ab", "a b", "a c", "72") == []
    assert found(r"x\text{wait} and f{not}", "xwait", "fnot") == []


def test_a_span_holds_the_characters_of_the_text_as_it_is():
    text = "Oh,\u00a0**that\u2019s**\u202fnot \n  ri\u00adght. Wait"
    assert [text[start:end] for start, end in found(text, "that's not right", "wait")] == [
        "that\u2019s**\u202fnot \n  ri\u00adght",
        "Wait",
    ]


def test_a_character_and_its_marks_are_one():
    assert found("cafe\u0301 café", "café") == [(0, 5), (6, 10)]
    assert found("cafe\u0301", "cafe") == found("café", "cafe") == []
    assert found("\u1112\u1161\u11ab", "한") == [(0, 3)]
    assert found("한", "하") == found("\u1112\u1161\u11ab", "하") == []


@pytest.mark.parametrize("language", ["any", "tr", "az"])
def test_turkish_capitals_are_known(language):
    assert found("İYİ, I\u0307yi, iyi", "iyi", language=language) == [(0, 3), (5, 9), (11, 14)]
    assert found("ISI, ısı, Isı", "ısı", language=language) == [(0, 3), (5, 8), (10, 13)]
    assert found("ISI ısı", "isi", language=language) == ([(0, 3)] if language == "any" else [])


def test_the_english_i_is_what_it_was():
    assert found("IF I think", "if", "i", "think") == [(0, 2), (3, 4), (5, 10)]
    assert found("IF I think", "ıf", language="tr") == [(0, 2)]
    assert found("if I think", "ıf") == [], "a phrase that has it is Turkish, and `if` is another word"


def test_words_may_end_anywhere_in_writing_without_blanks():
    assert found("让我等一下再想", "等一下", words=True) == [(2, 5)]
    assert found("ちょっと待って、違う", "待って", words=True) == [(4, 7)]
    assert found("ผมว่าเดี๋ยวก่อนนะ", "เดี๋ยวก่อน", words=True) == [(5, 15)]
    assert found("ខ្ញុំសូមចាំសិនណា", "ចាំសិន", words=True) != []
    assert found("我wait了 awaitする", "wait", words=True) == [(1, 5)]
    assert found("잠깐만요 잠깐", "잠깐", words=True) == [(5, 7)], "Korean puts blanks between words"
    assert found("подождите, подожди", "подожди", words=True) == [(11, 18)]


def test_marks_that_show_nothing_do_not_begin_a_word():
    assert found("a\u200bwait e\u0301wait", "wait", words=True) == []
    assert found("_wait_ **wait**", "wait", words=True) == [(1, 5), (9, 13)]


def test_phrases_with_the_same_letters_are_told_apart():
    spans = Phrases(("wait", "wait,", "wait?")).detect(Document("a", "wait, wait? wait!", "a"))
    assert [span.label for span in spans] == ["wait,", "wait?", "wait"]


def test_phrases_without_a_letter_are_found():
    assert found("so … no... 🤔 — yes", "...", "🤔", "-") == [(3, 4), (7, 10), (11, 12), (13, 14)]


def test_it_looks_in_its_scope_and_never_across():
    text = "that's not right so that's not right"
    passages = (Passage(0, 10, "thought"), Passage(10, 17, "user"), Passage(17, 36, "answer"))
    document = Document("a", text, "a", passages=passages)

    def found_in(scope: str) -> list[Span]:
        return list(Phrases(("that's not right", "that's not"), scope=scope).detect(document))

    assert found_in("completion") == [Span(0, 10, "that's not"), Span(20, 36, "that's not right")]
    assert found_in("thought") == [Span(0, 10, "that's not")]
    assert found_in("answer") == [Span(20, 36, "that's not right")]
    assert found_in("prompt") == []


@pytest.mark.parametrize(
    "text",
    [
        "wait that's not right",
        "wait... that's not right",
        "wait, thats not right",
        "wait, that 's not right",
        "wait, that's **n**ot right",
        "wait, that's not ri-\nght",
        "wait, thаt's not right",  # A Cyrillic letter.
        "wait, that's nót right",
        "WAIT — that's not right",
    ],
)
def test_what_is_one_step_from_a_phrase_is_nearly_one(text):
    assert found(text, "wait, that's not right") == []
    assert near("So: " + text + ".", "wait, that's not right") == [text]


@pytest.mark.parametrize(
    "text",
    [
        "wait, that's not right",
        "Wait,\n**that’s** not right",
        "wait that is not right",
        "wait thats not right",  # Two steps.
        "await that's not right",  # Another word.
        "wait ?!?!?! that's not right",
    ],
)
def test_a_phrase_and_what_is_further_from_it_is_not_nearly_one(text):
    assert near(text, "wait, that's not right", words=True) == []


def test_greek_capitals_and_turkish_letters_without_a_dot_are_nearly_the_phrase():
    assert near("ΠΕΡΙΜΕΝΕ λίγο", "περίμενε") == ["ΠΕΡΙΜΕΝΕ"]
    assert near("ISI ve isi", "ısı") == ["isi"]
    assert near("may be, maybe", "maybe") == ["may be"]


def test_one_text_in_place_of_a_list_is_refused():
    # The checks of types of `make test` are first.
    with pytest.raises((ConfigError, TypeError), match=r"phrases is 'wait': give a list|Type-check"):
        Phrases("wait")
    with pytest.raises((ConfigError, TypeError), match=r"language is 'de': take any, tr or az|Type-check"):
        Phrases(("wait",), language="de")
