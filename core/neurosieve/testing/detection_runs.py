"""A small finished run of `detect`, with all of its tables, to check reports with."""

from pathlib import Path

import numpy as np
import pandas as pd

from neurosieve.runs.results import Run
from neurosieve.runs.writer import write_run
from neurosieve.testing.awkward import AWKWARD, BEHAVIOURS, MARKUP, grid, record, spans

__all__ = ["run_of_detection"]

_ENDS = {"": 0.0, "_low": -0.1, "_high": 0.1}


def run_of_detection(folder: Path) -> Run:
    """Write a run of two detectors, compared with annotators and with each other, with suggested phrases."""
    detectors = grid(detector=BEHAVIOURS, label=("uncertainty", MARKUP))
    undefined_last = np.array([1, 1, 1, np.nan])
    agreement = detectors.assign(precision=0.83 * undefined_last, recall=0.05, f1=0.1 * undefined_last)
    counts = {"true_positive": 10, "false_positive": 2, "false_negative": 190, "sentences": 5814}
    found = spans(*BEHAVIOURS)
    phrases = found.groupby(["behaviour", "label"]).document.agg(spans="size", documents="nunique").reset_index()
    confusion = detectors.assign(sentences=100, detected=20, share=0.2)
    tables = {"spans": found, "phrases": phrases, "agreement": agreement.assign(**counts), "confusion": confusion}
    over = {"over": "annotated sentences"}
    pairs = grid(first=BEHAVIOURS, second=(f"annotators: {MARKUP}",)).assign(kappa=0.4 * undefined_last[2:], **over)
    cells = {"both": 10, "only_first": 2, "only_second": 190, "neither": 300, "sentences": 502, "not_known": 3}
    reliability = pd.DataFrame({"raters": [", ".join(BEHAVIOURS)], "number": 2, "alpha": 0.3, "sentences": 502})
    who = {"marked_by": MARKUP, "not_marked_by": AWKWARD[0]}
    differ = pairs[["first", "second"]].merge(found.drop(columns=["behaviour", "label"]), how="cross")
    tables |= {
        "rater_pairs": pairs.assign(**cells, kappa_low=0.3, kappa_high=0.5),
        "reliability": reliability.assign(**over, alpha_low=0.2, alpha_high=0.4),
        "disagreements": differ.assign(**who, **over),
    }
    tables |= {"suggestions": _suggestions(), "mended": _mended()}
    half = {"groups": 5, "sentences": 50, "showing": 10, "missed": 8}
    suggestion = {"reference": MARKUP, "tried": 90, "higher": 9, "proposed": 3, "proposing": half, "held_out": half}
    suggestions = {name: {**suggestion, "preset": "presets/detectors/mended.yaml"} for name in BEHAVIOURS}
    preset = folder / "presets" / "detectors" / "mended.yaml"
    preset.parent.mkdir(parents=True)
    preset.write_text(f"# {MARKUP}\n", encoding="utf-8")
    return write_run(folder, record("detect", behaviours=list(BEHAVIOURS), suggestions=suggestions), tables)


def _suggestions() -> pd.DataFrame:
    phrases = grid(detector=BEHAVIOURS, phrase=AWKWARD[:3])
    counts = {"z": 3.2, "in_missed": 9, "in_others": 1, "groups": 4, "heldout_sentences": 8}
    undefined_last = np.resize([0.8, 0.5, np.nan], len(phrases))
    return phrases.assign(**counts, heldout_precision=undefined_last, heldout_recall_gained=undefined_last)


def _mended() -> pd.DataFrame:
    mended = grid(detector=BEHAVIOURS, phrases=range(4))
    undefined_last = np.resize([0.8, 0.6, 0.5, np.nan], len(mended))
    measures = ("precision", "recall", "f1")
    return mended.assign(
        **{f"{measure}{end}": undefined_last + add for measure in measures for end, add in _ENDS.items()}
    )
