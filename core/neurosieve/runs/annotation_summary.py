"""What a run of `annotate` says: which sentences were drawn, or how well detectors agree with people."""

import dataclasses
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from neurosieve.registry import TARGET, as_node, installed
from neurosieve.runs.blocks import Block, Note, Table
from neurosieve.runs.reader import RunFolder
from neurosieve.runs.tables import as_table, share_cell
from neurosieve.wording import plural

__all__ = ["agreement_with_people", "annotation_blocks", "annotators_table", "strata_table"]

_MEASURES = {"precision": "precision", "recall": "recall", "f1": "F1"}


def annotation_blocks(run: RunFolder) -> Iterator[Block]:
    """Yield what was drawn and what to do with it, or what came of the labels."""
    if "strata" in run.tables:
        yield from _drawn(run)
    elif "agreement" in run.tables:
        yield from _read(run)


def _drawn(run: RunFolder) -> Iterator[Block]:
    counts = run.run["counts"]
    yield strata_table(run)
    yield Note(
        f"{plural(counts['sentences_drawn'], 'sentence')} of {counts['sentences_in_texts']:,} are drawn, from "
        f"{plural(counts['documents_drawn'], 'document')} in {plural(counts['groups_drawn'], 'group')}"
    )
    yield Note("to label, a page for any browser:", str(run.folder / "label.html"))
    yield Note("or in a spreadsheet:", str(run.folder / "to_label.csv"))
    yield Note("or in another tool:", str(run.folder / "to_label.jsonl"))
    yield Note("Give people one of these alone: the other files of the folder tell what the detectors say.")
    yield Note("next:", f"neurosieve annotate read=<the labelled file> {_override('sample', str(run.folder))}")


def strata_table(run: RunFolder) -> Table:
    """Return how many sentences were drawn of each kind."""
    strata = run.table("strata")
    titles = {
        "stratum": "what detectors say",
        "sentences": "in the texts",
        "drawn": "drawn",
        "weight": "one stands for",
    }
    return as_table(strata.assign(weight=strata.sentences / strata.drawn), titles, "sentences to label")


def _read(run: RunFolder) -> Iterator[Block]:
    counts, record = run.run["counts"], run.run["annotation"]
    yield agreement_with_people(run)
    if "annotator_pairs" in run.tables:
        yield annotators_table(run)
        yield _alpha(run.table("annotators"))
    annotators = plural(len(record["annotators"]), "annotator")
    yield Note(
        f"{plural(counts['sentences_labelled'], 'sentence')} labelled by {annotators}, and "
        f"{counts['sentences_unsure']:,} unsure; the sample has {counts['sentences_drawn']:,}. Precision and recall "
        "are weighted: they are those of all the texts that were drawn from"
    )
    labels = run.folder / "labels.jsonl"
    yield Note("labels, with their texts:", str(labels))
    fields = "source.text_field=text source.id_field=trace_id source.group_field=group source.spans_field=spans"
    for label in record["labels"][:1]:
        path = _override("source.path", str(labels))
        yield Note("learn from them:", f"neurosieve learn source=traces {path} {fields} {_override('label', label)}")
        if (source := _source(run.run["config"].get("source"))) is not None:
            detector = _override("detectors.annotations.path", str(labels))
            wanted = shlex.quote(f"detectors.annotations.labels=[{_text(label)}]")
            yield Note(
                "use them as a detector:",
                f"neurosieve detect {source} 'detectors=[annotations]' {detector} {wanted}",
            )


def agreement_with_people(run: RunFolder) -> Table:
    """Return precision, recall and F1 with their intervals, a row per annotator, detector and label."""
    agreement = run.table("agreement")
    rows = [
        {
            **row,
            **{measure: share_cell(row, measure) for measure in _MEASURES},
            "positive": row["true_positive"] + row["false_negative"],
        }
        for row in agreement.to_dict("records")
    ]
    titles = {"annotator": "annotator", "detector": "detector", "label": "label", **_MEASURES}
    titles |= {"sentences": "labelled sentences", "positive": "with the label"}
    return as_table(pd.DataFrame(rows), titles, "detectors against people, as they would be over all the texts")


def annotators_table(run: RunFolder) -> Table:
    """Return how far any two annotators agree beyond chance, a row per pair and label."""
    pairs = run.table("annotator_pairs")
    cells = [share_cell(row, "kappa") for row in pairs.to_dict("records")]
    titles = {"label": "label", "first": "first", "second": "second", "kappa": "kappa", "both": "both say it"}
    titles |= {"only_first": "only the first", "only_second": "only the second", "neither": "neither"}
    titles |= {"not_known": "unsure or not labelled"}
    caption = "annotators beside each other: Cohen's kappa over all the texts, and labelled sentences"
    return as_table(pairs.assign(kappa=pd.Series(cells, index=pairs.index, dtype=object)), titles, caption)


def _alpha(annotators: pd.DataFrame) -> Table:
    cells = [share_cell(row, "alpha") for row in annotators.to_dict("records")]
    titles = {"label": "label", "raters": "annotators", "alpha": "alpha", "sentences": "labelled by two or more"}
    caption = "all annotators together: Krippendorff's alpha over all the texts"
    return as_table(annotators.assign(alpha=pd.Series(cells, index=annotators.index, dtype=object)), titles, caption)


def _source(node: Any) -> str | None:
    """Return the overrides that choose a source, as they are typed; None where it was handed over in Python."""
    if not isinstance(node, Mapping) or TARGET not in node:
        return None
    name = str(node[TARGET]).rpartition("/")[2]
    defaults = {field.name: as_node(field.default) for field in dataclasses.fields(installed().get("source", name).cls)}
    changed = {
        key: value for key, value in node.items() if key != TARGET and _as_list(value) != _as_list(defaults.get(key))
    }
    return " ".join([f"source={name}", *(_override(f"source.{key}", value) for key, value in changed.items())])


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _override(key: str, value: Any) -> str:
    """Return an override as it is typed into a shell.

    >>> print(_override("run", "a b"), _override("layers", [1, 2]), _override("group_field", None))
    'run='"'"'a b'"'"'' 'layers=[1,2]' group_field=null
    """
    return shlex.quote(f"{key}={_text(value)}")


def _text(value: Any) -> str:
    """Return a value as Hydra reads it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_text, value))}]"
    text = str(value)
    if isinstance(value, int | float) or re.fullmatch(r"[A-Za-z_./][\w./:@+-]*", text):
        return text
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
