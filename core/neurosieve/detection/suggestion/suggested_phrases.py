"""What `detect suggest=phrases` adds to a run: phrases that a detector misses, and what they are worth."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from neurosieve.contracts import Detector
from neurosieve.data import Document, Scope
from neurosieve.detection.agreement.annotated_sentences import (
    Annotations,
    Marks,
    annotations_of,
    choose_labels,
    mark_near_misses,
    mark_sentences,
)
from neurosieve.detection.agreement.raters import sentences_of
from neurosieve.detection.suggestion.mended_preset import MendedPreset, write_preset
from neurosieve.detection.suggestion.proposed_phrases import Suggest, choose_phrases, measure_phrases, proposing_groups
from neurosieve.detection.suggestion.suggestion_warnings import suggestion_warnings
from neurosieve.errors import ConfigError, nearest
from neurosieve.registry import installed
from neurosieve.runs.recording import Recording
from neurosieve.texts.near_misses import NearMiss
from neurosieve.texts.spans import Detect, DetectedDocument, Detectors, spans_in_scope

__all__ = ["add_suggestions", "check_suggest"]

_FIELD = "phrases"
"""The field of a detector with its list."""


class _Reference(NamedTuple):
    """Sentences, and which of them show the behaviour."""

    truth: Annotations
    """With one label: what says where the behaviour shows."""
    unknown: int
    """Of how many further sentences that is not known."""


class _Suggestion(NamedTuple):
    """What is suggested for one detector."""

    record: dict[str, Any]
    """What `run.json` says of it."""
    phrases: pd.DataFrame
    curve: pd.DataFrame
    preset: MendedPreset | None
    """None where no phrase is suggested."""


def check_suggest(suggest: Suggest, detectors: Detectors, labels: Sequence[str] | None) -> None:
    """Raise ConfigError where no phrases can be suggested, whatever the texts hold."""
    cls = installed().get("detector", suggest.detector).cls
    if _FIELD not in getattr(cls, "__dataclass_fields__", ()):
        raise ConfigError(f"the detector `{suggest.detector}` has no field `{_FIELD}`: give `suggest=phrases`")
    if suggest.against is None:
        if labels is None:
            raise ConfigError(
                "`suggest` does not know which annotated label is the behaviour: give it, or several that are one "
                "behaviour, as `labels=[...]`; or another detector of the run, as `suggest.against=<behaviour>`"
            )
    elif suggest.against not in detectors:
        raise ConfigError(f"`suggest.against` is no behaviour of this run: {nearest(suggest.against, detectors)}")
    elif detectors[suggest.against].whole_texts:
        raise ConfigError(
            f"`suggest.against` is `{suggest.against}`, which labels whole texts: phrases are told from the sentences "
            "around them; give a detector of spans"
        )
    lists = _lists(suggest, detectors)
    if not lists:
        raise ConfigError(
            "`suggest` has no list to mend: add a detector of phrases, as in `detectors=[...]`"
            f"{f', beside `{suggest.against}`' if suggest.against else '; those given label whole texts'}"
        )
    if suggest.against is not None:
        scope = detectors[suggest.against].scope
        for name in lists:
            if detectors[name].scope != scope:
                raise ConfigError(
                    f"`{suggest.against}` looks in the {scope}, and `{name}` in the {detectors[name].scope}: give both "
                    f"one scope, as `detectors.{name}.scope={scope}`"
                )


def _lists(suggest: Suggest, detectors: Detectors) -> list[str]:
    return [name for name, detector in detectors.items() if name != suggest.against and not detector.whole_texts]


def add_suggestions(
    run: Recording,
    detected: Sequence[DetectedDocument],
    nearly: Mapping[str, Sequence[NearMiss]],
    detectors: Detectors,
    suggest: Suggest,
    settings: Detect,
) -> None:
    """Add the tables `suggestions` and `mended` to a run, and write a preset for each list that is mended."""
    tables: dict[str, list[pd.DataFrame]] = {"suggestions": [], "mended": []}
    records: dict[str, dict[str, Any]] = {}
    presets: dict[str, MendedPreset] = {}
    for name in _lists(suggest, detectors):
        reference = _reference(detected, nearly, detectors[name].scope, suggest, settings)
        suggestion = _suggest(run, detected, nearly[name], name, detectors[name], reference, suggest, settings)
        records[name] = suggestion.record
        tables["suggestions"].append(suggestion.phrases)
        tables["mended"].append(suggestion.curve)
        run.warnings += suggestion_warnings(name, suggestion.record, suggest, settings)
        if suggestion.preset is not None:
            presets[name] = suggestion.preset
    for table, frames in tables.items():
        filled = [frame for frame in frames if len(frame)] or frames[:1]
        run.tables[table] = pd.concat(filled, ignore_index=True)
    # Last, so that an error leaves none.
    for name, preset in presets.items():
        file = write_preset(preset, records[name]["reference"], run.folder)
        records[name]["preset"] = str(file.relative_to(run.folder))
    run.record["suggestions"] = records


def _reference(
    detected: Sequence[DetectedDocument],
    nearly: Mapping[str, Sequence[NearMiss]],
    scope: Scope,
    suggest: Suggest,
    settings: Detect,
) -> _Reference:
    """Return the sentences of a scope, and which of them show the behaviour by annotators or another detector."""
    if suggest.against is None:
        truth = annotations_of((result.document for result in detected), scope)
        labels = choose_labels(truth, settings.labels, "labels")
        shows = truth.any_of(labels)
        return _Reference(Annotations(truth.sentences, (" or ".join(labels),), shows[:, None]), 0)
    sentences = sentences_of((result.document for result in detected), scope).assign(label="")
    shows = mark_sentences(sentences, {document.id: spans[suggest.against] for document, spans in detected})
    known = shows | ~mark_near_misses(sentences, nearly[suggest.against])
    truth = Annotations(sentences[known].reset_index(drop=True), (suggest.against,), shows[known, None])
    return _Reference(truth, int((~known).sum()))


def _suggest(
    run: Recording,
    detected: Sequence[DetectedDocument],
    nearly: Sequence[NearMiss],
    name: str,
    detector: Detector,
    reference: _Reference,
    suggest: Suggest,
    settings: Detect,
) -> _Suggestion:
    truth, [label] = reference.truth, reference.truth.labels
    documents = {result.document.id: result.document for result in detected}
    proposing = truth.sentences["group"].isin(proposing_groups(truth.sentences["group"], settings.seed)).to_numpy()
    marked = mark_sentences(truth.sentences, {result.document.id: result.spans[name] for result in detected})
    # The list's detector does not say that nothing is there: to call them missed would propose what it looks for.
    not_known = mark_near_misses(truth.sentences, nearly) & ~marked
    shows, proposes = truth.any_of([label]), proposing & ~not_known
    finder = _finder(detector, suggest)

    def progress(done: int, total: int) -> None:
        run.announce("stage_progressed", stage="suggesting", done=done, total=total, unit="phrases")

    sentences, heldout_sentences = (truth.sentences[of].reset_index(drop=True) for of in (proposes, ~proposing))
    places = zip(*(sentences[column].tolist() for column in ("document", "start", "end")), strict=True)
    texts = [documents[document].text[start:end] for document, start, end in places]
    proposal = choose_phrases(
        sentences.assign(text=texts),
        shows[proposes],
        marked[proposes],
        lambda phrase: _marks(sentences, documents, name, finder, phrase),
        suggest,
        progress,
    )
    heldout = Annotations(heldout_sentences, (label,), shows[~proposing, None])
    found = [_marks(heldout_sentences, documents, name, finder, phrase.text) for phrase in proposal.phrases]
    draws = settings.interval_bootstraps, settings.seed, settings.min_groups
    of_list = marked[~proposing], not_known[~proposing]
    phrases, curve = measure_phrases(heldout, name, *of_list, proposal.phrases, found, *draws)
    record = {
        "reference": label,
        "tried": proposal.tried,
        "higher": proposal.higher,
        "proposed": len(proposal.phrases),
        "sentences_not_known": reference.unknown,
        "not_known_to_detector": int(not_known.sum()),
        **{
            part: {
                "groups": truth.sentences["group"][of].nunique(),
                "sentences": int(of.sum()),
                "showing": int((of & shows).sum()),
                "missed": int((of & shows & ~marked).sum()),
            }
            for part, of in (("proposing", proposes), ("held_out", ~proposing & ~not_known))
        },
    }
    suggested = tuple(phrase.text for phrase in proposal.phrases)
    preset = MendedPreset(name, detector, finder, suggested) if suggested else None
    return _Suggestion(record, phrases, curve, preset)


def _finder(detector: Detector, suggest: Suggest) -> Detector:
    """Return what finds phrases as the detector with the list does, or would if it had one; its own list is left."""
    if _FIELD in getattr(detector, "__dataclass_fields__", ()):
        return detector
    cls: Any = installed().get("detector", suggest.detector).cls
    scope = {"scope": detector.scope} if "scope" in cls.__dataclass_fields__ else {}
    finder: Detector = cls(**{_FIELD: ("?",), **scope})
    return finder


def _marks(
    sentences: pd.DataFrame, documents: Mapping[str, Document], name: str, finder: Detector, phrase: str
) -> Marks:
    """Return which sentences of some documents a phrase marks alone."""
    alone: Any = dataclasses.replace(finder, **{_FIELD: (phrase,)})  # type: ignore[type-var]
    counts = Counter[str]()
    spans = {
        document: of_document
        for document in sentences["document"].unique()
        if (of_document := spans_in_scope(name, alone, documents[document], counts))
    }
    # Most phrases are in few documents, and to look through the sentences of all takes longer than to find them.
    with_spans = sentences["document"].isin(spans.keys()).to_numpy()
    marks = np.zeros(len(sentences), dtype=bool)
    marks[with_spans] = mark_sentences(sentences[with_spans], spans)
    return marks
