"""The run folder of a sample, read again: its sentences, its labels, and what its detectors were called."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from neurosieve.detection.annotation.settings import LabelSet
from neurosieve.errors import ConfigError, DataError
from neurosieve.runs.results import Run, load

__all__ = ["SAMPLE", "DrawnSample", "open_sample", "sample_record"]

SAMPLE = "sample"
"""The table of the sentences of a sample."""


class DrawnSample(NamedTuple):
    """The sentences that were drawn, and what people could label them."""

    run: Run
    sentences: pd.DataFrame
    strata: pd.DataFrame
    label_set: LabelSet
    detectors: tuple[str, ...]


def sample_record(label_set: LabelSet, name: str) -> dict[str, Any]:
    """Return what `run.json` of a sample says of it; `name` tells it from any other."""
    return {"name": name, **label_set._asdict(), "labels": list(label_set.labels)}


def open_sample(folder: str | None) -> DrawnSample:
    """Return the sample in a run folder.

    Raises:
        ConfigError: no folder is given.
        DataError: it holds no sample.
    """
    if not folder:
        raise ConfigError(
            "no sample is given: name the run folder that the labelled sentences were drawn into, as in "
            "`sample=runs/annotate/...`"
        )
    run = load(folder)
    if run.command != "annotate" or SAMPLE not in run.tables:
        raise DataError(
            f"`{folder}` holds no sample, but a run of `{run.command}`: give a run folder with `label.html`"
        )
    record: Mapping[str, Any] = run.run["annotation"]
    label_set = LabelSet(tuple(record["labels"]), record["definitions"], record["several"])
    return DrawnSample(run, run.table(SAMPLE), run.table("strata"), label_set, tuple(run.run["behaviours"]))
