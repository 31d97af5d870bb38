"""What people said of the sentences of a sample: a label, none, or that it cannot be told."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from neurosieve.detection.agreement.annotated_sentences import Annotations
from neurosieve.detection.agreement.raters import ANNOTATED, Raters
from neurosieve.detection.annotation.label_files import Choice, read_choices
from neurosieve.detection.annotation.page import with_signs
from neurosieve.detection.annotation.settings import NONE, UNSURE, LabelSet
from neurosieve.errors import DataError, nearest
from neurosieve.wording import plural

__all__ = ["Labelled", "annotators_of", "by_annotator", "labelled_sentences", "read_labels"]


class Labelled(NamedTuple):
    """What one person labelled of a sample."""

    annotations: Annotations
    """The sentences that they gave a label, or none; a `weight` says how many of the texts each stands for."""
    unsure: int
    open: int
    """Of so many sentences they said nothing."""
    lost: Mapping[str, int]
    """Strata of which they labelled nothing, with how many sentences of the texts each holds."""


def read_labels(files: Sequence[str], counts: Counter[str], sample: pd.DataFrame, label_set: LabelSet) -> pd.DataFrame:
    """Return what the files say of the sentences of a sample: a row per person and sentence with a label.

    Returns:
        `annotator, sentence, labels`, with the labels as a tuple. How many labels are of sentences that are not in the
        sample is added to `counts`.

    Raises:
        DataError: a file cannot be read, its labels are not of this sample, or they contradict each other.
    """
    paths = [Path(file).expanduser() for file in files]
    if twice := next((path for number, path in enumerate(paths) if path in paths[:number]), None):
        raise DataError(f"`read` names {twice} twice: give each file once")
    by_person: dict[str, dict[str, Choice]] = {}
    texts, places = dict(zip(sample["sentence"], sample["text"], strict=True)), _places(sample)
    for path, called in zip(paths, _called(paths), strict=True):
        known, others = 0, 0
        for choice in read_choices(path):
            if choice.sentence not in texts:
                if choice.place in places:
                    raise DataError(
                        f"{choice.where} labels characters {choice.place[1]:,} to {choice.place[2]:,} of document "
                        f"`{choice.place[0]}`, where the sample has another text: the texts have changed since these "
                        "labels were given; give the run folder of the sample that was labelled"
                    )
                others += 1
                continue
            known += 1
            if choice.text is not None and _letters(choice.text) != _letters(texts[choice.sentence]):
                raise DataError(
                    f"{choice.where} holds another text of the sentence `{choice.sentence}` than the sample: a label "
                    "is of the text that was read. Put the text of the sample back and look at the label again, or "
                    "delete the line"
                )
            _check(choice, label_set)
            own = by_person.setdefault(choice.annotator or called, {})
            earlier = own.setdefault(choice.sentence, choice)
            if set(earlier.labels) != set(choice.labels):
                raise DataError(
                    f"{choice.where} labels the sentence `{choice.sentence}` {' and '.join(choice.labels)}, and "
                    f"{earlier.where} labels it {' and '.join(earlier.labels)}: keep one of them, or, where these are "
                    "two persons, give each a name in `annotator`"
                )
        if not known:
            raise DataError(
                f"{path} labels no sentence of the sample: give the run folder that its sentences were drawn into"
            )
        if known < others:
            raise DataError(
                f"{path} labels {plural(known + others, 'sentence')}, and only {known:,} of them "
                f"{'is' if known == 1 else 'are'} in the sample: it seems to be a file of another sample. Give the run "
                "folder that its sentences were drawn into, or delete the other lines"
            )
        counts["labels_of_other_sentences"] += others
    rows = [(person, sentence, choice.labels) for person, own in by_person.items() for sentence, choice in own.items()]
    return pd.DataFrame(rows, columns=["annotator", "sentence", "labels"])


def by_annotator(
    sample: pd.DataFrame, choices: pd.DataFrame, label_set: LabelSet
) -> tuple[dict[str, Labelled], pd.DataFrame]:
    """Return what each person labelled, and a row per person and sentence of the sample: its rows, with what was said.

    The rows gain `annotator`, `labels`, joined by commas and empty where nothing was said, and for `weight` how many
    sentences of the texts the sentence stands for among those that this person labelled; 0 where it has no label.
    """
    labelled, rows = {}, []
    for annotator, own in choices.groupby("annotator", sort=False):
        labels = dict(zip(own["sentence"], own["labels"], strict=True))
        labelled[str(annotator)] = labelled_sentences(sample, labels, label_set)
        weights = labelled[str(annotator)].annotations.sentences.set_index("sentence")["weight"]
        said = sample.assign(
            annotator=annotator,
            labels=[",".join(labels.get(name, ())) for name in sample["sentence"]],
            weight=sample["sentence"].map(weights).fillna(0.0),
        )
        rows.append(said[["annotator", "labels", *sample.columns]])
    return labelled, pd.concat(rows, ignore_index=True)


def labelled_sentences(sample: pd.DataFrame, labels: Mapping[str, tuple[str, ...]], label_set: LabelSet) -> Labelled:
    """Return what one person labelled, given the labels of each sentence by its name.

    Within a stratum the labelled sentences stand for those that are unsure or have no label: their order was random, so
    that a person who stops early leaves a random part. Little and Rubin (2019), Statistical Analysis with Missing Data,
    3.3.2: adjustment within classes.
    """
    chosen = [labels.get(name, ()) for name in sample["sentence"]]
    unsure = np.array([UNSURE in of_sentence for of_sentence in chosen], dtype=bool)
    known = np.array([bool(of_sentence) for of_sentence in chosen], dtype=bool) & ~unsure
    totals = sample.groupby("stratum")["weight"].sum()
    in_stratum = sample[known].groupby("stratum").size()
    rows = sample[known].reset_index(drop=True)
    said = [of_sentence for of_sentence, is_known in zip(chosen, known, strict=True) if is_known]
    rows["weight"] = rows["stratum"].map(totals / in_stratum).astype(float)
    rows["label"] = [",".join(of_sentence) for of_sentence in said]
    shows = np.array([[label in of_sentence for label in label_set.labels] for of_sentence in said], dtype=bool)
    lost = {str(name): round(float(total)) for name, total in totals.items() if name not in in_stratum}
    annotations = Annotations(rows, label_set.labels, shows.reshape(len(rows), len(label_set.labels)))
    return Labelled(annotations, int(unsure.sum()), int((~known & ~unsure).sum()), lost)


def annotators_of(sample: pd.DataFrame, choices: pd.DataFrame, label: str) -> Raters:
    """Return the annotators as raters of the sample by one label; where one is unsure or says nothing is not known."""
    marks, known = {}, {}
    for annotator, own in choices.groupby("annotator", sort=False):
        labels = dict(zip(own["sentence"], own["labels"], strict=True))
        said = [labels.get(name, (UNSURE,)) for name in sample["sentence"]]
        marks[str(annotator)] = np.array([label in of_sentence for of_sentence in said], dtype=bool)
        known[str(annotator)] = np.array([UNSURE not in of_sentence for of_sentence in said], dtype=bool)
    return Raters(sample, marks, known, (), ANNOTATED)


def _check(choice: Choice, label_set: LabelSet) -> None:
    """Raise a DataError unless a sentence has labels that the sample allows."""
    allowed = (*label_set.labels, NONE, UNSURE)
    for label in choice.labels:
        if label not in allowed:
            raise DataError(
                f"{choice.where} labels the sentence `{choice.sentence}` `{label}`, which the sample does not have: "
                f"{nearest(label, allowed)}"
            )
    if len(choice.labels) > 1 and (not label_set.several or {NONE, UNSURE} & set(choice.labels)):
        raise DataError(
            f"{choice.where} labels the sentence `{choice.sentence}` {' and '.join(choice.labels)}: "
            + (
                f"`{NONE}` and `{UNSURE}` stand alone; leave one out"
                if label_set.several
                else "the sample allows one label a sentence; keep one, or draw a sample with `several=true`"
            )
        )


def _letters(text: str) -> str:
    """Return a text as it is whichever spreadsheet or tool has saved it: these change blanks and line breaks."""
    return re.sub(r"\s+", " ", with_signs(text)).strip(" '")


def _called(paths: Iterable[Path]) -> list[str]:
    """Return what a person is called whose file gives no name: the file's, with its folder where two are the same."""
    stems = [path.stem for path in paths]
    return [
        stem if stems.count(stem) == 1 else str(path.with_suffix("")) for path, stem in zip(paths, stems, strict=True)
    ]


def _places(sample: pd.DataFrame) -> set[tuple[str, int, int]]:
    columns = (sample[column].tolist() for column in ("document", "start", "end"))
    return set(zip(*columns, strict=True))
