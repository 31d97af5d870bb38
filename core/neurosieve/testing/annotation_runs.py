"""Small finished runs of `annotate`, with texts that are awkward."""

from pathlib import Path

import numpy as np
import pandas as pd

from neurosieve.runs.results import Run
from neurosieve.runs.writer import write_run
from neurosieve.testing.awkward import AWKWARD, BEHAVIOURS, MARKUP, grid, record

__all__ = ["run_of_labels", "run_of_sample"]

_ANNOTATORS = ("Ada", MARKUP)


def run_of_sample(folder: Path) -> Run:
    """Write a run that drew sentences."""
    rows = {"sentence": [f"{number:012x}" for number in range(len(AWKWARD))], "document": AWKWARD, "text": AWKWARD}
    sample = pd.DataFrame(rows).assign(group=MARKUP, start=0, end=5, stratum=MARKUP, weight=7.5)
    strata = pd.DataFrame({"stratum": [MARKUP, "nothing found"], "sentences": [30, 900], "drawn": [4, 6]})
    counts = {"documents": 12, "sentences_in_texts": 930, "sentences_drawn": 10, "documents_drawn": 5}
    labels = {"name": "0f", "labels": list(BEHAVIOURS), "definitions": {MARKUP: MARKUP}, "several": False}
    about = record("annotate", behaviours=list(BEHAVIOURS), annotation=labels, counts=counts | {"groups_drawn": 5})
    return write_run(folder, about, {"sample": sample, "strata": strata})


def run_of_labels(folder: Path) -> Run:
    """Write a run that read the labels of two annotators back."""
    agreement = grid(annotator=_ANNOTATORS, detector=BEHAVIOURS, label=BEHAVIOURS)
    undefined_last = np.where(np.arange(len(agreement)) == len(agreement) - 1, np.nan, 1)
    agreement = agreement.assign(precision=0.83 * undefined_last, recall=0.05, f1=0.1 * undefined_last)
    agreement = agreement.assign(true_positive=10, false_positive=2, false_negative=19, sentences=100, not_known=3)
    pairs = grid(label=BEHAVIOURS, first=_ANNOTATORS[:1], second=_ANNOTATORS[1:]).assign(kappa=[0.4, np.nan])
    cells = {"both": 10, "only_first": 2, "only_second": 3, "neither": 80, "sentences": 95, "not_known": 5}
    together = pd.DataFrame({"label": BEHAVIOURS, "raters": ", ".join(_ANNOTATORS), "alpha": [0.3, np.nan]})
    tables = {
        "agreement": agreement,
        "confusion": agreement[["annotator", "detector", "label"]].assign(sentences=29, detected=10, share=0.05),
        "annotator_pairs": pairs.assign(**cells, kappa_low=0.3, kappa_high=0.5),
        "annotators": together.assign(number=2, sentences=95, alpha_low=0.2, alpha_high=0.4),
    }
    labels = {"name": "0f", "labels": list(BEHAVIOURS), "definitions": {}, "several": False}
    about = record(
        "annotate",
        behaviours=list(BEHAVIOURS),
        annotation=labels | {"annotators": list(_ANNOTATORS)},
        counts={"sentences_drawn": 100, "sentences_labelled": 180, "sentences_unsure": 10, "annotators": 2},
        config={"source": {"_target_": "source/traces", "path": MARKUP}, "sample": MARKUP, "read": [MARKUP]},
    )
    return write_run(folder, about, tables)
