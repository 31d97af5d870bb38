"""Whole texts as units: a completion, or the end of its prompt, that shows a behaviour or does not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from units import Marked, answer, chosen, words_of

from neurosieve import DataError, Document, Passage

BOTH = [answer("1", "It is 7, WRONG."), answer("2", "It is 8.")]
LONG = " and so on" * 20


def test_a_completion_is_all_that_the_model_wrote_and_shows_the_behaviour_where_a_span_lies_in_it():
    positions, counts = chosen(BOTH, unit="completion")
    assert words_of(positions, 1) == ["It is 7, WRONG."]
    assert words_of(positions, 0) == ["It is 8."]
    assert not +counts


def test_the_table_tells_where_each_unit_begins_and_ends():
    table = chosen([answer("1", "WRONG." + LONG), BOTH[1]], unit="completion", pool="max")[0].table
    first, second = table.sort_values("document").itertuples()
    assert (first.token, first.last_token, first.start, first.end) == (3, 63, 9, 216)
    assert first.text.startswith(" WRONG. and so on")
    assert first.text.endswith("…")
    assert len(first.text) == 201
    assert (second.text, second.kind) == (" It is 8.", "completion")


def test_of_a_conversation_all_answers_are_one_unit_without_what_others_wrote():
    text = "Hi. Hello there. Why? It is WRONG."
    roles = [(0, 3, "user"), (3, 16, "completion"), (16, 21, "user"), (21, len(text), "completion")]
    document = Document("1", text, "1", passages=tuple(Passage(*each) for each in roles))
    positions, _ = chosen([document, BOTH[1]], unit="completion")
    assert words_of(positions, 1) == ["Hello there. It is WRONG."]


def test_a_detector_of_the_thought_has_units_of_thoughts():
    text = "So WRONG. The answer is 8."
    documents = [
        Document(
            name,
            shown,
            name,
            passages=(Passage(0, shown.index(" The"), "thought"), Passage(shown.index(" The"), len(shown), "answer")),
        )
        for name, shown in (("1", text), ("2", text.replace("WRONG", "right")), ("3", "I think. The answer: WRONG."))
    ]
    detectors = {"a": Marked(scope="thought"), "b": Marked(scope="answer")}
    positions, _ = chosen(documents, detectors, unit="completion")
    assert words_of(positions.of_behaviour("a"), 1) == ["So WRONG."]
    assert words_of(positions.of_behaviour("b"), 1) == ["The answer: WRONG."]
    assert positions.labels.shape[0] == 6


def test_units_that_begin_and_end_alike_are_two_where_their_tokens_are_not_the_same():
    text = "No WRONG it is. Why? It is so."
    roles = [(0, 15, "thought"), (15, 20, "answer"), (20, len(text), "thought")]
    document = Document("1", text, "1", passages=tuple(Passage(*each) for each in roles))
    other = Document("2", text.replace("WRONG", "right"), "2", passages=document.passages)
    detectors = {"a": Marked(scope="thought"), "b": Marked(scope="completion")}
    positions, _ = chosen([document, other], detectors, unit="completion")
    assert sorted(map(len, positions.unit_tokens)) == [7, 7, 8, 8]
    assert ((positions.labels >= 0).sum(axis=1) == 1).all()


def test_a_text_in_which_something_is_nearly_the_behaviour_is_neither():
    positions, _ = chosen([*BOTH, answer("3", "It is wrong to say so.")], unit="completion")
    assert set(positions.table.document) == {"1", "2"}


def test_a_completion_that_the_model_cannot_read_whole_is_left_out_and_counted():
    long = [answer("3", "It is 9." + LONG), answer("4", "WRONG." + LONG)]
    positions, counts = chosen([*BOTH, *long], context=20, unit="completion")
    assert set(positions.table.document) == {"1", "2"}
    assert +counts == {"units_beyond_context": 2}


def test_if_all_are_too_long_it_is_said_with_the_context_and_what_to_do():
    with pytest.raises(
        DataError, match=r"no completion of it can be read .* \(2 completions .* 20 tokens\): take a mod"
    ):
        chosen(
            [answer("3", "WRONG." + LONG), answer("4", "WRONG so." + LONG), *BOTH[1:]], context=20, unit="completion"
        )


@pytest.mark.parametrize("unit", ["completion", "prompt_end"])
def test_one_class_only_is_refused_with_its_number_and_what_to_do(unit):
    documents = [answer(str(n), f"WRONG, {n}.", prompt=f"{n}?") for n in range(3)]
    with pytest.raises(DataError, match=r"`a` shows in all 3 \w+ that can be read, and there is none to .* both kinds"):
        chosen(documents, unit=unit)
    unknown = answer("4", "wrong", prompt="4?")
    with pytest.raises(DataError, match=r"left out: 1 document of which it is not known"):
        chosen([*documents, unknown], unit=unit)


def test_the_other_class_only_is_refused_with_what_is_not_known():
    documents = [answer(str(n), f"right {n}.", prompt=f"{n}?") for n in range(3)]
    with pytest.raises(DataError, match=r"`a` shows in none of 3 documents: check .* texts of both kinds"):
        chosen(documents, unit="completion")
    with pytest.raises(DataError, match=r"none of 4 documents, and it is not known of 1 of them: "):
        chosen([*documents, answer("4", "wrong")], unit="completion")


def test_the_end_of_a_prompt_is_its_last_tokens_with_marks_but_without_what_begins_the_text():
    text = "<m> How many? <m> model\nIt is WRONG."
    start = text.index("It is")
    document = Document("1", text, "1", passages=(Passage(4, 13, "user"), Passage(start, len(text), "completion")))
    other = answer("2", "Seven.", prompt="And why?")
    expected = {1: "model", 2: "<m> model", 3: "many?<m> model", 9: "<m> How many?<m> model"}
    for number, tokens in expected.items():
        positions, _ = chosen([document, other], unit="prompt_end", prompt_tokens=number)
        assert words_of(positions, 1) == [tokens]
    assert words_of(positions, 0) == ["And why?"]


def test_a_token_that_holds_the_start_of_the_completion_is_not_of_the_prompt():
    documents = [
        Document("1", "Is it so?No, WRONG.", "1", completion_start=9),
        answer("2", "Seven.", prompt="And why?"),
    ]
    positions, _ = chosen(documents, unit="prompt_end")
    assert words_of(positions, 1) == ["it"]


def test_texts_that_are_all_prompt_are_read_where_the_detector_looks_at_prompts():
    texts = ["Tell me WRONG things", "Tell me right things", "How is the weather"]
    documents = [Document(str(n), text, str(n), completion_start=len(text)) for n, text in enumerate(texts)]
    positions, counts = chosen(documents, {"a": Marked(scope="prompt")}, unit="prompt_end", prompt_tokens=2)
    assert words_of(positions, 1) == ["WRONG things"]
    assert words_of(positions, 0) == ["right things", "the weather"]
    assert not +counts


def test_texts_of_prompts_and_answers_are_labelled_by_their_prompts_where_the_detector_looks_there():
    documents = [answer("1", "No.", prompt="WRONG?"), answer("2", "WRONG.", prompt="Right?")]
    positions, _ = chosen(documents, {"a": Marked(scope="prompt")}, unit="prompt_end")
    assert words_of(positions, 1) == ["WRONG?"]


def test_a_text_without_prompt_or_completion_is_left_out_and_counted():
    documents = [*BOTH, Document("3", "WRONG.", "3"), answer("4", "", prompt="Why 4?")]
    detectors = {"a": Marked(), "b": Marked("Why", scope="prompt")}
    positions, counts = chosen(documents, detectors, unit="prompt_end")
    assert set(positions.table[positions.table.behaviour == "a"].document) == {"1", "2"}
    assert set(positions.table[positions.table.behaviour == "b"].document) == {"1", "4"}  # 2 has the prompt of 1.
    assert counts["units_empty"] == 3


def test_where_the_completion_is_cut_it_is_not_known_whether_it_shows_the_behaviour():
    documents = [answer("1", "WRONG." + LONG), answer("2", "It is." + LONG, "Why?"), answer("3", "So it is.", "How?")]
    positions, counts = chosen(documents, context=20, unit="prompt_end")
    assert dict(zip(positions.table.document, positions.table.label, strict=True)) == {"1": 1, "3": 0}
    assert counts["units_beyond_context"] == 1


def test_the_same_prompt_is_read_once_with_the_behaviour_and_once_without():
    samples = [answer(f"{n}", "WRONG." if n % 2 else f"{n}.", group="g") for n in range(6)]
    positions, counts = chosen(samples, unit="prompt_end")
    assert sorted(positions.table.label) == [0, 1]
    assert counts["texts_repeated"] == 4
    assert len(chosen(samples, unit="prompt_end", near_duplicates=None)[0].table) == 6


def test_different_prompts_with_the_same_answer_stay():
    documents = [answer(f"{n}", "I cannot help with that." + LONG, prompt=f"{n}?") for n in range(4)]
    documents += [answer(f"w{n}", "WRONG" + LONG, prompt=f"w{n}?") for n in range(4)]
    positions, _ = chosen(documents, unit="prompt_end")
    assert len(positions.table) == 8
    assert positions.table.group.nunique() == 8


def test_different_samples_of_one_problem_stay_and_copies_do_not():
    texts = ["First I add 3 and 4.", "I add them.", "It is 7, WRONG.", "So it is WRONG.", "I add them."]
    positions, counts = chosen([answer(str(n), t, group="g") for n, t in enumerate(texts)], unit="completion")
    assert len(positions.table) == 4
    assert counts["texts_repeated"] == 1


@given(
    st.lists(st.sampled_from(["WRONG", "wrong", "right", "right on", ""]), min_size=1, max_size=8),
    st.sampled_from(["completion", "prompt_end"]),
    st.randoms(),
)
def test_every_text_is_at_most_one_unit_and_the_order_of_texts_changes_nothing(kinds, unit, random):
    documents = [answer("w", "WRONG at last"), answer("r", "right at last", prompt="And?")]
    documents += [answer(str(n), f"{kind}{' ' * bool(kind)}{n}", prompt=f"{n}?") for n, kind in enumerate(kinds)]
    positions, _ = chosen(documents, unit=unit, prompt_tokens=1 + (unit == "prompt_end"))
    assert positions.table.document.is_unique
    assert len(positions.token_of_row) == len(positions.unit_tokens) == len(positions.table)
    shows = {document.id: "WRONG" in document.text for document in documents}
    nearly = {document.id for document in documents if "wrong" in document.text}
    assert not nearly & set(positions.table.document)
    assert all(shows[line.document] == line.label for line in positions.table.itertuples())
    for token, tokens in zip(positions.token_of_row, positions.unit_tokens, strict=True):
        assert token == tokens[0]
        assert (np.diff(tokens) > 0).all()
    again, _ = chosen(random.sample(documents, len(documents)), unit=unit, prompt_tokens=1 + (unit == "prompt_end"))
    assert again.table.equals(positions.table)
    assert (again.labels == positions.labels).all()
