"""What a learner promises."""

import copy
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from neurosieve.contracts import Fitted, Learner
from neurosieve.data import Document, Passage, Scope, Span
from neurosieve.errors import DataError
from neurosieve.testing.plugins import PLUGIN_CHECKS, Check, checker, require, shown, trying

__all__ = ["LEARNER_CHECKS", "check_learner"]

_DOUBT = ("Wait, is that right?", "Hmm, that looks off.", "Wait, I should look again.", "Hmm, is it İ 12?")
_WORK = ("So it is 7 + 5 = 12.", "Then I add 3 to it.", "That gives 15 apples.", "The sum is 12, so 15.")
_SCOPES: tuple[Scope, ...] = ("completion", "thought", "answer", "prompt")


def _documents(seed: int, count: int = 16) -> list[Document]:
    """Return documents of work with a doubt now and then, every sentence annotated."""
    rng, documents = np.random.default_rng(seed), []
    for number in range(count):
        text, spans = "Add. ", []
        for doubt in rng.random(8) < 0.3:
            sentence = str(rng.choice(_DOUBT if doubt else _WORK))
            spans.append(Span(len(text), len(text) + len(sentence), "doubt" if doubt else "work"))
            text += f"{sentence} "
        documents.append(Document(f"{seed}-{number}", text, f"group {number}", 5, tuple(spans)))
    return documents


def _awkward() -> list[Document]:
    texts = ["", " ", "\n\n\t ", "🤔", "İ", "e\u0301 \u202eright to left\u202c \x00", "İ" * 5_000, "Wait. " * 2_000]
    chat = (Passage(0, 21, "user"), Passage(21, 42, "thought"), Passage(42, 63, "answer"))
    return [
        *(Document(f"awkward {number}", text, "awkward") for number, text in enumerate(texts)),
        Document("chat", "Wait, is that right? " * 3, "chat", passages=chat),
    ]


def _fitted(learner: Learner) -> Fitted:
    with trying(learner, "as it learns from annotated sentences"):
        fitted = learner.fit(_documents(0), ["doubt"])
    require(isinstance(fitted, Fitted), f"{shown(learner)} gives {shown(fitted)}, which is no `neurosieve.Fitted`")
    return fitted


def _ratings(learner: Learner, fitted: Fitted, document: Document, scope: Scope = "completion") -> list[Any]:
    with trying(learner, f"as what it has learned rates the text {shown(document.text)}"):
        return list(fitted.rate(document, scope))


def ratings_are_sound(learner: Learner) -> None:
    """Assert that each rating is a number from 0 to 1 of a stretch of the scope, whatever the text is."""
    fitted = _fitted(learner)
    for document in [*_documents(1, 3), *_awkward()]:
        for scope in _SCOPES:
            stretches, text = document.stretches(scope), shown(document.text)
            ratings = _ratings(learner, fitted, document, scope)
            with trying(learner, f"as it is asked what it cannot rate in the text {text}"):
                unknown = list(fitted.unknown(document, scope))
            for span in [*(span for span, _ in ratings), *unknown]:
                within = isinstance(span, Span) and any(
                    start <= span.start < span.end <= end for start, end in stretches
                )
                require(within, f"{shown(learner)} rates {shown(span)} in the text {text}: that is not in its {scope}")
            for span, rating in ratings:
                sound = isinstance(rating, float) and 0 <= rating <= 1
                require(sound, f"{shown(learner)} rates {shown(span)} as {shown(rating)}: give a number from 0 to 1")


def a_behaviour_is_learned(learner: Learner) -> None:
    """Assert that sentences of new documents are rated higher if they show the behaviour, and bear its label."""
    fitted, right, pairs = _fitted(learner), 0, 0
    for document in _documents(1):
        labels = {(span.start, span.end): span.label for span in document.annotations}
        ratings = _ratings(learner, fitted, document)
        for span, _ in ratings:
            require(span.label == "doubt", f"{shown(learner)} labels {shown(span)}, and was taught `doubt`")
        doubts = [rating for span, rating in ratings if labels.get(span[:2]) == "doubt"]
        others = [rating for span, rating in ratings if labels.get(span[:2]) == "work"]
        pairs += len(doubts) * len(others)
        right += sum(doubt > other for doubt in doubts for other in others)
    require(
        right > 0.9 * pairs > 0,
        f"{shown(learner)} rates a doubt higher than other work in {right} of {pairs} pairs of sentences of new "
        "documents, after sentences of a few words that are told apart by any of them",
    )


def learning_again_gives_the_same(learner: Learner) -> None:
    """Assert that the same documents teach the same, whatever was learned before."""
    fitted = _fitted(learner)
    with trying(learner, "as it learns from other documents in between"):
        copy.deepcopy(learner).fit(_documents(2), ["work"])
        list(learner.prepare(_documents(0), lambda **_: None))
    again = _fitted(learner)
    for document in _documents(1, 4):
        first, later = (_ratings(learner, one, document) for one in (fitted, again))
        require(
            first == later,
            f"{shown(learner)} rates {shown(later)} in the text {shown(document.text)} after it has learned again, and "
            f"{shown(first)} before",
        )


def a_file_holds_what_was_learned(learner: Learner) -> None:
    """Assert that a saved file says whose it is, and gives the same ratings, threshold and account of itself."""
    fitted = _fitted(learner)
    about = {"documents": 16, "by": "İ"}
    require(bool(type(learner).format), f"{type(learner).__name__} has no `format`: say what its files are")
    with TemporaryDirectory() as folder, trying(learner, "as it writes its file and opens it again"):
        path = Path(folder, "detector.safetensors")
        fitted.save(path, 0.25, about)
        name = _format(path)
        loaded = type(learner).load(path)
    require(
        name == type(learner).format,
        f"the file of {shown(learner)} says that its format is `{name}`, and not `{type(learner).format}`: no detector "
        "could open it",
    )
    kept = (loaded.threshold, dict(loaded.about))
    require(kept == (0.25, about), f"{shown(learner)} keeps {kept} where its file was given {(0.25, about)}")
    for document in [*_documents(1, 4), *_awkward()]:
        first, later = (_ratings(learner, one, document) for one in (fitted, loaded))
        require(
            first == later,
            f"{shown(learner)} rates {shown(later)} in the text {shown(document.text)} opened from its file, "
            f"and {shown(first)} before",
        )


def _format(path: Path) -> str:
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        return str(json.loads((file.metadata() or {}).get("neurosieve", "{}")).get("format", ""))


def a_broken_file_is_refused(learner: Learner) -> None:
    """Assert that a file that was cut off is refused with a DataError."""
    fitted = _fitted(learner)
    with TemporaryDirectory() as folder, trying(learner, "as it opens a file that was cut off", DataError):
        path = Path(folder, "detector.safetensors")
        fitted.save(path, 0.5, {})
        path.write_bytes(path.read_bytes()[:-20])
        try:
            type(learner).load(path)
        except DataError:
            return
    raise AssertionError(f"{shown(learner)} opens a file that was cut off: raise a `DataError`")


def too_little_is_refused(learner: Learner) -> None:
    """Assert that nothing is learned where all sentences, or none, show the behaviour."""
    for labels in (["doubt", "work"], ["nothing"]):
        with trying(learner, f"as it is to learn {labels}, which all sentences bear, or none", DataError):
            try:
                learner.fit(_documents(0), labels)
            except DataError:
                continue
        raise AssertionError(
            f"{shown(learner)} learns {labels}, which all annotated sentences bear, or none: raise a `DataError`"
        )


def learning_leaves_the_documents_alone(learner: Learner) -> None:
    """Assert that documents are the same after learning from them, and after rating them."""
    documents = _documents(0)
    before = copy.deepcopy(documents)
    with trying(learner, "as it learns from annotated sentences"):
        fitted = learner.fit(documents, ["doubt"])
        for document in documents:
            list(fitted.rate(document))
    require(documents == before, f"{shown(learner)} changes the documents that it learns from")


LEARNER_CHECKS: tuple[Check, ...] = (
    *PLUGIN_CHECKS,
    ratings_are_sound,
    a_behaviour_is_learned,
    learning_again_gives_the_same,
    a_file_holds_what_was_learned,
    a_broken_file_is_refused,
    too_little_is_refused,
    learning_leaves_the_documents_alone,
)
check_learner = checker(LEARNER_CHECKS)
