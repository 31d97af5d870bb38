"""Warnings about the texts of a ranking: too few positions, and what was left out."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from neurosieve.pipeline.job import Job
from neurosieve.pipeline.settings import Find
from neurosieve.texts.coverage import coverage_warnings
from neurosieve.texts.positions import PARTS, Positions
from neurosieve.wording import plural

__all__ = ["cautions", "counted", "left_out", "not_shown", "too_few", "undefined"]


def cautions(
    job: Job, positions: Positions, counts: Counter[str], numbers: Mapping[str, Mapping[str, int]], context: int | None
) -> list[str]:
    """Return warnings about too few positions, and about what was left out."""
    selection, settings = job.selection, job.settings
    warnings = not_shown(job.detectors, positions.behaviours, plural(counts["documents"], "document"))
    for behaviour in positions.behaviours:
        rows = positions.table[positions.table.behaviour == behaviour]
        present, controls = rows[rows.label == 1], rows[rows.label == 0]
        ranking, held_out = (present[present.part == part] for part in PARTS)
        number, what = len(ranking), plural(len(ranking), "present position")
        if selection.neighbours:  # The tokens of one span are alike: they count as one.
            number = numbers[behaviour]["ranking_spans"]
            what += f" of {plural(number, 'span')}"
        warnings += too_few(behaviour, number, what, ranking.document.nunique(), settings)
        if 0 < (groups := held_out.group.nunique()) < settings.min_groups:
            warnings.append(
                f"`{behaviour}` shows in {plural(groups, 'held-out group')}: with fewer than {settings.min_groups} "
                "there is no interval and no verdict on replication"
            )
        if len(controls) < selection.controls_per_position * len(present) / 2:
            warnings.append(
                f"`{behaviour}` has {plural(len(controls), 'control position')} for {len(present):,} present ones, "
                f"where {selection.controls_per_position:g} for each were requested: the texts hold no more such tokens"
            )
    warnings += left_out(counts, context)
    return warnings + [
        f"{counts[f'{place}_unread']} of {len(positions.behaviours)} behaviours have no present position, or no "
        f"control, at `{place}`: its columns are empty there"
        for place in positions.places[1:]
        if counts[f"{place}_unread"]
    ]


def not_shown(requested: Iterable[str], behaviours: Sequence[str], where: str) -> list[str]:
    """Return a warning for each requested behaviour that does not show in the texts."""
    return [f"`{name}` shows nowhere in {where}, and was left out" for name in requested if name not in behaviours]


def too_few(behaviour: str, number: int, what: str, documents: int, settings: Find) -> list[str]:
    """Return a warning where a behaviour is ranked on few positions or documents.

    `number` is that of independent present positions, `what` these in words; `documents` is how many hold them.
    """
    if number >= settings.min_positions and documents >= settings.min_documents:
        return []
    return [
        f"`{behaviour}` is ranked on {what} in {plural(documents, 'document')}: with fewer than "
        f"{settings.min_positions} positions or {settings.min_documents} documents, the best of many neurons scores "
        "high by chance alone"
    ]


def left_out(counts: Counter[str], context: int | None) -> list[str]:
    """Return a warning for each reason for which documents, spans or places were left out, or have no token."""
    reasons = {
        "documents_cut": f"documents are longer than the model's context of {context or 0:,} tokens, and were cut",
        "prompts_fill_context": "documents have a prompt that fills the model's context alone, and were left out",
        "documents_empty": "documents have no text that can be read, and were left out",
        "spans_not_readable": "spans hold no token that can be read, and were left out",
        "positions_outside": "places to read were outside their texts, and were left out",
    }
    return [*counted(counts, reasons), *coverage_warnings(counts)]


def counted(counts: Counter[str], words: Mapping[str, str]) -> list[str]:
    """Return each count that is not 0, with its words."""
    return [f"{counts[name]:,} {what}" for name, what in words.items() if counts[name]]


def undefined(neurons: pd.DataFrame, rank_by: str) -> list[str]:
    """Return a warning for each behaviour for which most neurons have no score."""
    missing = neurons[rank_by].isna().groupby(neurons.behaviour, sort=False).agg(["sum", "size"])
    return [
        f"`{rank_by}` is undefined for {count:,} of {size:,} neurons of `{behaviour}`: they stand last, and have no p"
        for behaviour, count, size in missing.itertuples(name=None)
        if count > size / 2
    ]
