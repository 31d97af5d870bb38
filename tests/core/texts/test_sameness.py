"""Which names and texts are the same: laws, over any text, and what people meet."""

import unicodedata
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import Document
from neurosieve.texts.sameness import canonical, join_spellings, shown_names

LETTERS = "aZßİıſKÅéﬁ１Ａｶﾞ가각𝐱²₂½ªΣς\u0301\u0345\u0323 \t\n\u00a0\u2003\u200b\u200d\ufeff\u00ad\u3000"
WORDS = st.text(st.sampled_from(LETTERS) | st.characters(), max_size=20)

SAME = {
    "no-break and narrow blanks": ("2 +\u00a03\u202f= 5", "2 + 3 = 5"),
    "line breaks and doubled blanks": (" Solve\r\n\r\nx\u2028 now ", "Solve x now"),
    "full-width letters and digits": ("Ｓｏｌｖｅ　ｘ＋１", "solve x+1"),
    "accents apart from their letters": ("Cafe\u0301", "CAFÉ"),
    "joiners and marks without width": ("\ufeffan\u200bswer\u2060 soft\u00adly", "answer softly"),
    "letters of mathematics": ("Let 𝑥 ∈ ℝ", "let x ∈ r"),
    "ligatures": ("ﬁnd the ﬂow", "find the flow"),
    "Greek letters at a word's end": ("ΟΔΟΣ", "οδος"),
    "typographic quotation marks and dashes": ("It’s “5 – 3” − 1, non‑zero", 'it\'s "5 - 3" - 1, non-zero'),
    "Hangul in parts": (unicodedata.normalize("NFD", "각도"), "각도"),
}
OTHER = {
    "a raised digit": ("What is 10²?", "What is 102?"),
    "a lowered digit": ("x₁ + 2", "x1 + 2"),
    "another word": ("a crate of jars", "a crate of cans"),
    "no blank at all": ("1 2", "12"),
    "an accent more": ("résumé", "resume"),
}


@pytest.mark.parametrize(("first", "second"), SAME.values(), ids=SAME)
def test_blanks_capitals_and_unicode_forms_make_no_difference(first, second):
    assert canonical(first) == canonical(second)


@pytest.mark.parametrize(("first", "second"), OTHER.values(), ids=OTHER)
def test_what_a_reader_takes_for_another_text_is_another(first, second):
    assert canonical(first) != canonical(second)


@given(WORDS)
def test_the_canonical_form_is_its_own(text):
    assert canonical(canonical(text)) == canonical(text)


@given(WORDS, st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_a_text_is_the_same_in_every_normal_form(text, form):
    # Raised digits, which the compatible forms level, are told apart on purpose.
    plain = "".join(letter for letter in text if "<su" not in unicodedata.decomposition(letter))
    assert canonical(unicodedata.normalize(form, plain)) == canonical(plain)


@given(WORDS, WORDS, st.text(" \t\n\u00a0\u2003\u3000\u200b\u2060", min_size=1))
def test_any_run_of_blanks_between_words_is_one(first, second, blanks):
    between = " " if blanks.strip("\u200b\u2060") else ""
    assert canonical(f"a{first}b{blanks}c{second}d") == canonical(f"a{first}b{between}c{second}d")


@given(st.lists(WORDS, max_size=12))
def test_names_are_shown_by_one_of_them_and_those_that_are_the_same_by_the_same(names):
    shown = shown_names(names)
    assert shown == shown_names(reversed(names))
    for name in names:
        assert shown[name] in names
        assert canonical(shown[name]) == canonical(name)
        assert all((shown[name] == shown[other]) == (canonical(name) == canonical(other)) for other in names)


def test_groups_that_are_spelled_differently_are_joined_and_counted():
    names, counts = ["p 1", "P\u00a01", "p 2", "Ｐ 2 ", "p 3"], Counter()
    documents = join_spellings((Document(str(n), "text", name) for n, name in enumerate(names)), counts)
    assert [document.group for document in documents] == ["P\u00a01", "P\u00a01", "p 2", "p 2", "p 3"]
    assert counts["groups_spelled_differently"] == 2
