"""Whose words are looked at: nothing is found, read or taken as a control outside the scope of a detector."""

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from planted import texts

from neurosieve import (
    DataError,
    Document,
    Grader,
    Passage,
    Role,
    Scope,
    Span,
    Verdict,
    ablate,
    analyze,
    detect,
    find,
)
from neurosieve.ablation.measured_tokens import measured_tokens
from neurosieve.ablation.tasks import tasks_of_documents
from neurosieve.evidence.baselines import baseline_table
from neurosieve.inspection.excerpts import excerpt
from neurosieve.models.tiny import tiny_model
from neurosieve.pipeline.settings import Find
from neurosieve.pipeline.streaming_pass import Pass
from neurosieve.terminal.trace import highlighted
from neurosieve.texts.copies import text_key
from neurosieve.texts.selection import Selection, choose_positions
from neurosieve.texts.tokens import label_documents, tokenize
from neurosieve_plugins.controls.distant import Distant
from neurosieve_plugins.controls.lexical import Lexical
from neurosieve_plugins.controls.matched import Matched
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.detectors.learned import Learned
from neurosieve_plugins.detectors.regex import Regex
from neurosieve_plugins.learners.words import Words
from neurosieve_plugins.scorers.auc import Auc

CASE = "shared/cases/11-multi-turn/traces.jsonl"
SCOPES = get_args(Scope)
tokenizer_of_tiny = cache(lambda: tiny_model()[1])


def chat(name: str, *turns: tuple[str, str], group: str = "", between: str = "") -> Document:
    """Return a document of turns, each a role and its text."""
    text, passages = "", []
    for role, words in turns:
        text += between
        passages.append(Passage(len(text), len(text) + len(words), role))  # type: ignore[arg-type]
        text += words
    return Document(name, text, group or name, passages=tuple(passages))


# Words of several tokens, capitals, marks and characters of several bytes, that tokens may well run across.
turns = st.tuples(
    st.sampled_from(get_args(Role)),
    st.lists(st.sampled_from([" wait", "wait", " So", " 7", ".", "\n", " 🤔", "İ"]), max_size=12).map("".join),
)
chats = st.lists(
    st.tuples(st.lists(turns, min_size=1, max_size=6), st.sampled_from(["", "\n", " <|wait|> "])),
    min_size=4,
    max_size=8,
)


def outside(tokens: Any, token: int, document: Document, scope: Scope) -> bool:
    return not any(start <= tokens.starts[token] < end for start, end in document.stretches(scope))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    chats,
    st.sampled_from(SCOPES),
    st.sampled_from([Distant(tokens=1), Matched(tokens=1, tolerance=1.0), Lexical()]),
    st.sampled_from(["onset", "prediction", "window", "span", "context"]),
)
def test_no_position_of_any_command_lies_outside_the_scope(turns_of_each, scope, control, at):
    documents = [chat(f"d{number}", *turns, between=between) for number, (turns, between) in enumerate(turns_of_each)]
    by_id = {document.id: document for document in documents}
    detectors = {"waits": Regex(("wait",), scope=scope)}
    labelled = list(label_documents(documents, detectors, tokenizer_of_tiny(), 30, Counter()))
    for document in labelled:
        for span in document.spans["waits"]:
            assert any(a <= span.start < span.end <= b for a, b in by_id[document.tokens.id].stretches(scope))
    selection = Selection(at=at, held_out_fraction=0.0, offsets=(-2, -1, 1))
    try:
        positions = choose_positions(labelled, ["waits"], control, selection, 0, Counter())
    except DataError:  # There is nothing to find, or nothing to compare with.
        positions = None
    by_tokens = {document.tokens.id: document.tokens for document in labelled}
    if positions is not None:
        for table in (positions.table, positions.extra):
            for name, token in zip(table.document, table.token, strict=True):
                assert not outside(by_tokens[name], token, by_id[name], scope)
        try:
            measured, _ = measured_tokens(labelled, positions.table, "waits", 40, 10, 0, Counter())
        except DataError:
            measured = []
        for place in measured:
            for token in (place.token, *place.further):
                assert not outside(place.document, token, by_id[place.document.id], scope)
    streamed: Any = SimpleNamespace(detectors=detectors, control=control, selection=selection, seed=0)
    for document in labelled:
        if not control.needs_other_documents:
            used = Pass._label_tokens(streamed, document, Counter()).used
            assert not any(outside(document.tokens, token, by_id[document.tokens.id], scope) for token in used)


@given(st.lists(turns, max_size=6), st.sampled_from(["", "\n"]))
@settings(deadline=None)
def test_a_token_belongs_to_the_passage_that_it_starts_in_and_its_place_is_along_them(turns, between):
    document = chat("d", *turns, between=between)
    tokens = tokenize(document, tokenizer_of_tiny())
    for scope in SCOPES:
        view = tokens.within(scope)
        holds_text = tokens.ends > tokens.starts
        inside = [not outside(tokens, token, document, scope) for token in range(len(tokens.starts))]
        np.testing.assert_array_equal(view.usable, holds_text & np.array(inside, dtype=bool))
        places = view.relative[view.usable]
        assert (np.diff(places) > 0).all()
        assert len(places) < 2 or (places[0], places[-1]) == (0, 1)
        np.testing.assert_array_equal(view.within("completion").usable, tokens.usable)
        assert view.within("completion").text_of(scope) == document.text_of(scope)


def test_tokens_between_two_turns_have_no_length():
    [labelled] = label_documents(
        [chat("d", ("answer", "a" * 10), ("user", "b" * 70), ("answer", "c" * 10))],
        {"a": Regex(("a",))},
        tokenizer_of_tiny(),
        None,
        Counter(),
    )
    tokens = labelled.tokens
    first_of_the_last_turn = int(np.searchsorted(tokens.starts, 80))
    assert tokens.relative[first_of_the_last_turn] == pytest.approx(0.5, abs=0.15)


def multi_turn() -> list[Document]:
    """Return the chats of the case by hand: only what stands after `assistant` is the model's."""
    case = next((folder / CASE for folder in Path(__file__).parents[3:] if (folder / CASE).is_file()), None)
    if case is None:
        pytest.skip(f"the cases are not beside this checkout (../{CASE})")
    documents = []
    for line in case.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        text, passages = record["generated_cot"], []
        for turn in re.finditer(r"<\|im_start\|>(\w+)\n(.*?)<\|im_end\|>", text, re.DOTALL):
            if turn[1] == "user":
                passages.append(Passage(*turn.span(2), "user"))
                continue
            thought = re.match(r"<think>\n(.*?)\n</think>\n", turn[2], re.DOTALL)
            begin = turn.start(2)
            if thought:
                passages.append(Passage(begin + thought.start(1), begin + thought.end(1), "thought"))
                begin += thought.end()
            passages.append(Passage(begin, turn.end(2), "answer"))
        documents.append(Document(str(record["problem_id"]), text, record["problem_text"], passages=tuple(passages)))
    return documents


def test_the_user_s_words_are_not_found(tmp_path):
    run = detect(multi_turn(), "backtracking", folder=tmp_path / "run")
    assert len(run.table("spans")) == 0
    assert run.run["counts"].get("spans_out_of_scope", 0) == 0  # `phrases` looks where it should, and nowhere else.
    assert "`backtracking` shows nowhere in 60 documents" in run.run["warnings"]
    with pytest.raises(DataError, match="no span of `backtracking` was found in 60 documents"):
        find("tiny", multi_turn(), "backtracking", folder=tmp_path / "find")
    both = {scope: Regex(("that's not right",), scope=scope) for scope in SCOPES}
    spans = detect(multi_turn(), both, folder=tmp_path / "scopes").table("spans")
    assert spans.behaviour.value_counts().to_dict() == {"prompt": 60}


def test_controls_of_a_chat_are_the_model_s_words(tmp_path):
    documents = {document.id: document for document in multi_turn()}
    quick = {"permutations": 19, "interval_bootstraps": 10, "stability_bootstraps": 2, "within_token_scorer": None}
    detectors = {"sorry": Regex(("sorry",)), "sum": Regex(("sum",), scope="thought")}
    result = find(
        "tiny",
        documents.values(),
        detectors,
        control=Distant(tokens=1, same_kind=False),
        folder=tmp_path / "run",
        store=str(tmp_path / "store"),
        **quick,
    )
    table = result.positions
    assert len(table[(table.behaviour == "sorry") & (table.label == 0)]) > 100
    for behaviour, name, start in zip(table.behaviour, table.document, table.start, strict=True):
        stretches = documents[name].stretches(detectors[behaviour].scope)
        assert any(begin <= start < end for begin, end in stretches)
    with pytest.raises(Exception, match=r"`sum` looks in the thought alone.*mode=teacher_forced"):
        ablate(result, source=documents.values(), detectors=detectors, behaviour="sum", mode="generated", k=1)


def test_a_match_does_not_run_across_what_another_wrote():
    document = chat("d", ("answer", "No, wait"), ("user", "wait, "), ("answer", "wait that"))
    spans = list(Regex((r"wait[\s\S]*that", r"(?<=wait, )wait", "wait")).detect(document))
    assert [document.text[slice(*span[:2])] for span in spans] == ["wait that", "wait", "wait", "wait"]
    touching = chat("d", ("thought", "No, wai"), ("answer", "t. "))
    assert [span[:2] for span in Regex(("wait",)).detect(touching)] == [(4, 8)]
    assert not list(Regex(("wait",), scope="thought").detect(touching))


def test_learned_sentences_are_those_of_the_scope(tmp_path):
    text = "So it is 7. Wait, is it? Let me add again."
    spans = (Span(0, 11, "work"), Span(12, 24, "doubt"), Span(25, 42, "work"))
    Words().fit([Document(str(n), text, str(n), annotations=spans) for n in range(20)], ["doubt"]).save(
        tmp_path / "doubt.safetensors", threshold=0.5, about={}
    )
    document = chat("d", ("user", text), ("thought", text), ("user", text), ("answer", text))
    found = {
        scope: [span[:2] for span in Learned(str(tmp_path / "doubt.safetensors"), scope=scope).detect(document)]
        for scope in SCOPES
    }
    places = [(42 * turn + 12, 42 * turn + 24) for turn in range(4)]
    assert found == {
        "prompt": [places[0], places[2]],
        "thought": [places[1]],
        "answer": [places[3]],
        "completion": [places[1], places[3]],
    }


def test_agreement_is_with_the_annotations_of_each_detector_s_scope(tmp_path):
    documents = []
    for number in range(12):
        document = chat(f"d{number}", ("user", "wait. ok. "), ("thought", "wait. so. "), ("answer", "no. wait."))
        bounds = [(match.start(), match.end()) for match in re.finditer(r"\w+\.", document.text)]
        labels = [Span(a, b, "doubt" if document.text[a:b] == "wait." else "work") for a, b in bounds]
        documents.append(Document(document.id, document.text, document.group, 0, tuple(labels), {}, document.passages))
    detectors = {scope: Regex((r"wait\.",), scope=scope) for scope in ("completion", "thought", "prompt")}
    table = detect(documents, detectors, folder=tmp_path / "run").table("agreement").set_index(["detector", "label"])
    assert table.xs("doubt", level="label").f1.to_dict() == {"completion": 1, "thought": 1, "prompt": 1}
    assert table.sentences.xs("doubt", level="label").to_dict() == {"completion": 48, "thought": 24, "prompt": 24}


def test_texts_are_the_same_where_the_model_s_words_are():
    def key(*turns: tuple[str, str]) -> str:
        return text_key(tokenize(chat("d", *turns), tokenizer_of_tiny()))

    answered = key(("user", "What?"), ("answer", "It is 7."))
    assert answered == key(("user", "And what now?"), ("answer", "It  is 7."))
    assert answered != key(("user", "What?"), ("answer", "It is 8."))
    assert answered != key(("answer", "What?"), ("answer", "It is 7."))
    assert answered == text_key(tokenize(Document("d", "Q It is 7.", "g", 2), tokenizer_of_tiny()))


def test_a_chat_is_written_anew_from_its_first_words_of_the_model():
    document = chat("d", ("user", "What?"), ("answer", "It is 7."), ("user", "No."), ("answer", "8."), between="\n")
    [task] = tasks_of_documents([document], {"d"}, 5, 0)
    assert task.prompt == "\nWhat?\n"


class Last(Grader):
    """The last character is the answer."""

    def grade(self, completion: str, truth: str) -> Verdict:
        return Verdict(completion[-1:] == truth, completion)


def test_all_that_the_model_wrote_is_graded_and_a_thought_ends_where_it_writes_on(tmp_path):
    def traced(name: str, *turns: tuple[str, str]) -> Document:
        made = chat(name, *turns)
        return Document(name, made.text, "g", 0, (), {"answer": "7"}, made.passages)

    documents = [
        traced("whole", ("user", "?"), ("thought", "Is it 8"), ("answer", "It is 7")),
        traced("unended", ("user", "?"), ("thought", "It is 7")),
        traced("blank", ("user", "?"), ("thought", "It is 7"), ("answer", "")),
        Document("plain", "?Hm</think>7", "g", 1, metadata={"answer": "7"}),
    ]
    table = analyze(documents, {}, Last(), folder=tmp_path / "run").table("traces").set_index("id")
    assert table.answer.to_dict() == {
        "whole": "Is it 8It is 7",
        "unended": "It is 7",
        "blank": "It is 7",
        "plain": "Hm</think>7",
    }
    assert table.thought_ended.to_dict() == {"whole": True, "unended": False, "blank": False, "plain": True}
    assert table.characters.to_dict() == {"whole": 14, "unended": 7, "blank": 7, "plain": 11}


def test_the_baseline_of_places_counts_along_the_scope():
    # In the thought, the word stands in the last tenth; of all that the model wrote, in the middle like others.
    documents = [
        chat(f"d{n}", ("user", "Q " * (n % 5)), ("thought", " So" * 30 + " wait" + " So"), ("answer", " So" * (40 + n)))
        for n in range(24)
    ]
    detectors = {"waits": Regex(("wait",), scope="thought")}
    labelled = list(label_documents(documents, detectors, tokenizer_of_tiny(), None, Counter()))
    positions = choose_positions(labelled, ["waits"], Distant(tokens=3), Selection(), 0, Counter())
    settings_of_find = Find(interval_bootstraps=10, permutations=19)
    table = baseline_table(positions, {"auc": Auc()}, "auc", settings_of_find).set_index("baseline")
    assert table.auc_heldout["position"] == 1


def test_what_the_model_did_not_write_is_dim():
    document = chat("d", ("user", "What?"), ("answer", "It is 7."), ("user", "No."), ("answer", "8."), between="\n")
    shown = highlighted(document, {})
    dim = "".join(document.text[span.start : span.end] for span in shown.spans if span.style == "dim")
    assert dim == "\nWhat?\n\nNo.\n"


def test_an_excerpt_without_spans_begins_with_the_scope_s_first_words():
    document = chat("d", ("user", "Q" * 300), ("answer", " So" * 400))
    [labelled] = label_documents([document], {"waits": Regex(("wait",))}, tokenizer_of_tiny(), None, Counter())
    first = excerpt(labelled, ["waits"], 20, None).tokens[0]
    assert labelled.tokens.starts[first] == 300


def test_documents_without_passages_are_as_they_were():
    for document in texts():
        assert document.stretches() == ((document.completion_start, len(document.text)),)
        tokens = tokenize(document, tokenizer_of_tiny())
        usable = np.flatnonzero(tokens.usable)
        at = np.arange(len(tokens.usable))
        old = ((at - usable[0]) / max(1, usable[-1] - usable[0])).clip(0, 1).astype(np.float32)
        np.testing.assert_array_equal(tokens.relative, old)
        assert tokens.text_of() == document.text[document.completion_start :]


def test_annotations_elsewhere_are_counted_and_left_out(tmp_path):
    made = chat("d", ("user", "wait."), ("answer", "wait."))
    document = Document("d", made.text, "g", 0, (Span(0, 4, "a"), Span(5, 9, "a"), Span(3, 7, "a")), {}, made.passages)
    run = detect([document], {"a": Annotations()}, folder=tmp_path / "run")
    assert run.table("spans").start.tolist() == [5]
    assert run.run["counts"]["spans_out_of_scope"] == 2
