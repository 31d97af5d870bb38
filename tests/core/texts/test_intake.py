"""The one door for documents: what contradicts itself is refused, what was skipped or assumed is told with a count."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from planted import texts

from neurosieve import (
    Assumption,
    ConfigError,
    DataError,
    Document,
    Passage,
    Skipped,
    Span,
    ablate,
    analyze,
    detect,
    find,
    learn,
    plan,
    show,
)
from neurosieve.texts.intake import check_documents
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.detectors.regex import Regex
from neurosieve_plugins.scorers.cohens_d import CohensD

TEXT = "0123456789"
FAULTS = {
    "overlap": ([(0, 5, "user"), (4, 10, "answer")], 0, r"passages 0 to 5 \(`user`\) and 4 to 10 \(`answer`\) overlap"),
    "order": ([(5, 10, "user"), (0, 5, "answer")], 0, r"passages 5 to 10 .* and 0 to 5 .* are out of order"),
    "outside": ([(0, 11, "answer")], 0, "0 to 11 .* is not a stretch of its 10 characters"),
    "before the text": ([(-1, 3, "answer")], 0, "-1 to 3 .* is not a stretch"),
    "backwards": ([(6, 3, "answer")], 0, "6 to 3 .* is not a stretch"),
    "role": ([(0, 3, "human")], 0, "unknown role: there are system, user, tool, thought, answer, completion"),
    "start in the prompt": ([(0, 5, "user"), (5, 10, "answer")], 3, "starts at 3, and by its passages .* start at 5"),
    "start too late": ([(0, 5, "user"), (5, 10, "answer")], 7, "leave out `completion_start`"),
    "start outside": ([], 11, "completion starts at 11, outside its 10 characters"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_document_that_contradicts_itself_is_refused_by_its_id(fault):
    passages, start, message = FAULTS[fault]
    document = Document("d7", TEXT, "g", start, passages=tuple(Passage(*passage) for passage in passages))
    with pytest.raises(DataError, match=f"document `d7` contradicts itself.*{message}.*correct what the source gives"):
        list(check_documents([document], Counter()))


@pytest.mark.parametrize("start", [0, 5, 6])
def test_a_completion_may_start_anywhere_between_the_prompt_and_the_first_of_the_model_s_words(start):
    passages = (Passage(0, 5, "user"), Passage(6, 8, "thought"), Passage(8, 10, "answer"))
    [document] = check_documents([Document("d", TEXT, "g", start, passages=passages)], Counter())
    assert document.stretches() == ((6, 10),)
    assert document.stretches("thought") == ((6, 8),)
    assert document.text_of("prompt") == "01234"


GUESS = Assumption("the completion is taken to start at the last <think>")


def guessed(documents, of_each=3, doubtful=False):
    """Some documents, of which every so many-th rests on a guess, with a skipped record at the head."""
    yield Skipped("record 1 of traces.jsonl", "its text is blank")
    for number, document in enumerate(documents):
        yield replace(document, assumptions=() if number % of_each else (GUESS._replace(doubtful=doubtful),))


SAID = [
    "skipped 1 record; 60 documents were read: record 1 of traces.jsonl: its text is blank",
    "in 20 of 60 documents: the completion is taken to start at the last <think>",
]
SLIPS = {"slip": Annotations()}
QUICK = {"permutations": 19, "interval_bootstraps": 20, "stability_bootstraps": 2, "within_token_scorer": None}


@pytest.fixture(scope="module")
def source():
    return list(guessed(texts()))


@pytest.mark.parametrize("command", [detect, analyze])
def test_commands_without_a_model_tell_what_was_skipped_and_assumed(command, source, tmp_path):
    run = command(source, SLIPS, folder=tmp_path / "run").run
    assert run["warnings"][:2] == SAID
    assert run["counts"]["documents"] == 60
    if command is detect:
        assert run["counts"]["documents_skipped"] == 1
        assert run["counts"]["skipped"] == ["record 1 of traces.jsonl: its text is blank"]
        assert run["counts"]["assumptions"] == {GUESS.what: 20}


def test_learn_tells_what_was_skipped_and_assumed(tmp_path):
    spans = (Span(0, 11, "work"), Span(12, 24, "doubt"), Span(25, 42, "work"))
    text = "So it is 7. Wait, is it? Let me add again."
    annotated = guessed([Document(f"d{n}", text, f"g{n % 6}", annotations=spans) for n in range(60)])
    run = learn(annotated, "doubt", folder=tmp_path / "run", folds=3, interval_bootstraps=2).run
    assert run["warnings"][:2] == SAID


def test_a_ranking_and_what_goes_on_from_it_tell_what_was_skipped_and_assumed(source, tmp_path):
    settings = {"scorers": {"cohens_d": CohensD()}, "store": str(tmp_path / "store"), **QUICK}
    assert list(plan("tiny", source, SLIPS, **settings).warnings[:2]) == SAID
    result = find("tiny", source, SLIPS, folder=tmp_path / "run", **settings)
    assert result.run["warnings"][:2] == SAID
    assert result.run["counts"]["assumptions"] == {GUESS.what: 20}
    shown = show(result, source=source, detectors=SLIPS, k=1, documents=1)
    assert shown.run["warnings"][:2] == SAID
    edited = ablate(result, source=source, detectors=SLIPS, k=1, documents=2, controls=1, positions=1)
    assert edited.run["warnings"][:2] == SAID


def test_a_pass_without_a_store_tells_what_was_skipped_and_assumed(source, tmp_path):
    run = find("tiny", source, SLIPS, {"cohens_d": CohensD()}, store="none", folder=tmp_path / "run").run
    assert run["warnings"][:2] == SAID
    assert run["counts"]["documents_skipped"] == 1
    assert run["counts"]["assumptions"] == {GUESS.what: 20}


def test_what_is_known_is_told_in_a_note_and_warned_of_by_nobody(tmp_path):
    known = Assumption("its prompt was read from `problem`", known=True)
    documents = [replace(document, assumptions=(known,)) for document in texts()]
    note = "in 60 of 60 documents: its prompt was read from `problem`"
    run = detect(documents, SLIPS, folder=tmp_path / "detect")
    ranked = find("tiny", documents, SLIPS, {"cohens_d": CohensD()}, store="none", folder=tmp_path / "find")
    for record in (run.run, ranked.run):
        assert note in record["notes"]
        assert record["counts"]["assumptions"] == {known.what: 60}
        assert not any("problem" in warning for warning in record["warnings"])
    planned = plan("tiny", documents, SLIPS, scorers={"cohens_d": CohensD()}, **QUICK)
    assert planned.notes == (note,)
    assert not any("problem" in warning for warning in planned.warnings)
    assert note in run._repr_html_()


def test_doubtful_guesses_for_most_documents_are_refused(tmp_path):
    doubtful, folder = list(guessed(texts(), of_each=1, doubtful=True)), tmp_path / "run"
    for command in (detect, analyze):
        with pytest.raises(DataError, match=r"60 of 60 documents was a doubtful guess \(in 60 of 60 documents: the "):
            command(doubtful, SLIPS, folder=folder)
    assert not folder.exists()


@pytest.mark.parametrize("store", ["none", "store"])
def test_doubtful_guesses_are_refused_before_the_model_is_read(store, tmp_path, monkeypatch):
    def read(*_, **__):
        raise AssertionError("the model was read")

    monkeypatch.setattr("neurosieve.pipeline.streaming_pass.STREAMS", {"activations": read})
    monkeypatch.setattr("neurosieve.pipeline.cells.capture", read)
    doubtful, folder = guessed(texts(), of_each=1, doubtful=True), tmp_path / "run"
    with pytest.raises(DataError, match="60 of 60 documents was a doubtful guess"):
        find("tiny", doubtful, SLIPS, {"cohens_d": CohensD()}, store=store, folder=folder)
    assert not folder.exists()


def test_doubtful_guesses_for_half_of_the_documents_are_told(tmp_path):
    run = detect(guessed(texts(), of_each=2, doubtful=True), SLIPS, folder=tmp_path / "run").run
    assert run["warnings"][1].startswith("in 30 of 60 documents: ")


def test_records_that_are_all_skipped_are_an_error_that_says_why(tmp_path):
    skipped = [Skipped(f"record {number}", "no `text`") for number in range(60)]
    with pytest.raises(DataError, match=r"all 60 records .* skipped.*\(record 0: no `text`; record 1: .*; …\)"):
        detect(skipped, SLIPS, folder=tmp_path / "run")


@pytest.mark.parametrize("skipped", [60, 61])
def test_a_run_on_what_is_left_after_most_records_were_skipped_is_refused(skipped, tmp_path):
    documents = [*texts(), *(Skipped(f"record {number}", "no `text`") for number in range(skipped))]
    if skipped == 60:
        run = detect(documents, SLIPS, folder=tmp_path / "run").run
        assert run["warnings"][0].startswith("skipped 60 records; 60 documents were read: record 0: no `text`")
        return
    with pytest.raises(DataError, match=r"61 records, and only 60 documents could be read \(record 0: no .*split the"):
        detect(documents, SLIPS, folder=tmp_path / "run")
    with pytest.raises(DataError, match="most records were skipped: 61 records"):
        find("tiny", documents, SLIPS, {"cohens_d": CohensD()}, store="none", folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_documents_without_a_thought_are_counted(tmp_path):
    chats = [
        Document(f"d{n}", "Hm. Wait. 7.", "g", passages=(Passage(0, 9, "thought" if n % 3 else "answer"),))
        for n in range(60)
    ]
    run = detect(chats, {"waits": Regex(("wait",), scope="thought")}, folder=tmp_path / "run").run
    assert "20 of 60 documents have no thought" in run["warnings"]
    assert run["counts"]["behaviours"]["waits"]["spans"] == 40


def test_a_count_that_is_told_is_json(source, tmp_path):
    detect(source, SLIPS, folder=tmp_path / "run")
    assert json.loads((tmp_path / "run" / "run.json").read_text())["counts"]["assumptions"] == {GUESS.what: 20}


def test_a_scope_that_there_is_not_is_refused():
    said = "scope is 'mind': take completion, thought, answer or prompt|Type-check"
    with pytest.raises((ConfigError, TypeError), match=said):  # The checks of types of `make test` are first.
        Regex(("wait",), scope="mind")
