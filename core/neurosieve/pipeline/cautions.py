"""Warnings about the texts of a ranking: too few positions, and what was left out."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from neurosieve.pipeline.job import Job
from neurosieve.pipeline.settings import Find
from neurosieve.texts.absence import nowhere
from neurosieve.texts.copies import repeated_readings_warning
from neurosieve.texts.coverage import coverage_warnings
from neurosieve.texts.positions import PARTS, WHOLE_TEXTS, Positions, UnitKind
from neurosieve.texts.settings import Selection
from neurosieve.texts.spans import Detectors
from neurosieve.texts.units.unit import left_out_units, unit_names, units_in_words
from neurosieve.wording import plural

__all__ = [
    "alike",
    "cautions",
    "counted",
    "left_out",
    "not_shown",
    "respelled",
    "too_few",
    "undefined",
    "uneven_parts",
    "unreached",
]

_OTHER_KINDS = 0.1
"""Where so large a share of controls would have to be of another kind to be like the present positions, it is told."""

_UNEVEN = 0.5
"""A part that has less than so large a share of the units that it should have is told."""


def cautions(
    job: Job, positions: Positions, counts: Counter[str], numbers: Mapping[str, Mapping[str, int]], context: int | None
) -> list[str]:
    """Return warnings about too few positions, and about what was left out."""
    selection, settings, unit = job.selection, job.settings, positions.unit
    warnings = not_shown(job.detectors, positions.behaviours, plural(counts["documents"], "document"))
    for behaviour in positions.behaviours:
        rows = positions.table[positions.table.behaviour == behaviour]
        present, controls = rows[rows.label == 1], rows[rows.label == 0]
        ranking, held_out = (present[present.part == part] for part in PARTS)
        number, what = len(ranking), units_in_words(unit, len(ranking), "present ")
        if selection.neighbours:  # The tokens of one span are alike: they count as one.
            number = numbers[behaviour]["ranking_spans"]
            what += f" of {plural(number, 'span')}"
        warnings += too_few(behaviour, number, what, ranking.document.nunique(), settings, unit)
        if 0 < (groups := held_out.group.nunique()) < settings.min_groups:
            warnings.append(
                f"`{behaviour}` shows in {plural(groups, 'held-out group')}: with fewer than {settings.min_groups} "
                "there is no interval and no verdict on replication"
            )
        wanted = min(selection.controls_per_position, job.reading.controls or math.inf)
        if unit in WHOLE_TEXTS:  # Of these there are as many as there are texts.
            wanted = min(wanted, 1.0)
        if len(controls) < wanted * len(present) / 2:
            warnings.append(
                f"`{behaviour}` has {units_in_words(unit, len(controls), 'control ')} for {len(present):,} present "
                f"ones, where {wanted:g} for each were requested: {_no_more(positions, behaviour, selection)}"
            )
        warnings += _other_kinds(behaviour, present, controls)
        if unit != "token":
            warnings += uneven_parts(behaviour, rows, selection)
    warnings += _no_distance(job, unit)
    warnings += left_out(counts, context)
    warnings += [f"{units}, left out" for units in left_out_units(unit, counts, context)]
    warnings += unreached(counts)
    warnings += alike(counts, selection.near_duplicates, unit)
    return warnings + [
        f"{counts[f'{place}_unread']} of {len(positions.behaviours)} behaviours have no present position, or no "
        f"control, at `{place}`: its columns are empty there"
        for place in positions.places[1:]
        if counts[f"{place}_unread"]
    ]


def _no_more(positions: Positions, behaviour: str, selection: Selection) -> str:
    """Return why a behaviour has no more controls."""
    if positions.unit == "token" or positions.unit in WHOLE_TEXTS:
        return f"the texts hold no more such {'tokens' if positions.unit == 'token' else unit_names(positions.unit)[1]}"
    table = positions.table[positions.table.behaviour == behaviour]
    showing = table.document[table.label == 1].nunique()
    return (
        f"the control finds no more in the {plural(showing, 'document')} with it and in "
        f"{table.document.nunique() - showing:,} without it (`control.same_kind=false` takes those that start with any "
        f"kind of token; `selection.negatives_per_positive_document={selection.negatives_per_positive_document:g}` "
        "says how many documents without it are read)"
    )


def uneven_parts(behaviour: str, units: pd.DataFrame, selection: Selection) -> list[str]:
    """Return a warning where a part has less than half of the units that its share of the groups leads to expect.

    `units` is the table of a behaviour's positions.
    """
    warnings = []
    for part, share in zip(PARTS, (1 - selection.held_out_fraction, selection.held_out_fraction), strict=True):
        of_part = units[units.part == part]
        if len(of_part) >= _UNEVEN * share * len(units):
            continue
        sizes = units.group.value_counts()
        warnings.append(
            f"`{behaviour}`: the {'ranking' if part == PARTS[0] else 'held-out'} part has {len(of_part):,} of "
            f"{units_in_words(selection.unit, len(units))}, and {of_part.group.nunique():,} of "
            f"{plural(len(sizes), 'group')}: whole groups are held out, and the largest has {sizes.iloc[0]:,}; another "
            "`seed` splits them otherwise"
        )
    return warnings


def _no_distance(job: Job, unit: UnitKind) -> list[str]:
    """Return a warning where a distance was asked for that controls of several tokens do not keep."""
    tokens = getattr(job.control, "tokens", None)
    if unit not in ("span", "sentence") or tokens == getattr(type(job.control), "tokens", None):
        return []
    return [
        f"`control.tokens={tokens}` has no effect on {unit}s: one with the behaviour may follow another, so "
        "its controls may, too"
    ]


def _other_kinds(behaviour: str, present: pd.DataFrame, controls: pd.DataFrame) -> list[str]:
    """Return a warning where controls are of other kinds of token than the present positions."""
    shares = pd.DataFrame({"present": _shares(present), "controls": _shares(controls)}).fillna(0.0)
    difference = shares.present - shares.controls
    if difference.clip(lower=0).sum() <= _OTHER_KINDS:
        return []
    kind = str(difference.abs().idxmax())
    return [
        f"the controls of `{behaviour}` are of other kinds of token than its present positions: {kind} is "
        f"{shares.present[kind]:.0%} of these, and {shares.controls[kind]:.0%} of the controls; a neuron that tells "
        "kinds of token apart scores high (the baseline `token kind` says how high)"
    ]


def _shares(positions: pd.DataFrame) -> pd.Series:
    return positions.kind.value_counts(normalize=True)


def not_shown(detectors: Detectors, behaviours: Sequence[str], where: str) -> list[str]:
    """Return a warning for each requested behaviour that does not show in the texts."""
    missing = {name: detector.scope for name, detector in detectors.items() if name not in behaviours}
    return [f"{nowhere(name, scope, where)}, and was left out" for name, scope in missing.items()]


def too_few(
    behaviour: str, number: int, what: str, documents: int, settings: Find, unit: UnitKind = "token"
) -> list[str]:
    """Return a warning where a behaviour is ranked on few positions or documents.

    `number` is that of independent present positions, `what` these in words; `documents` is how many hold them.
    """
    if number >= settings.min_positions and documents >= settings.min_documents:
        return []
    return [
        f"`{behaviour}` is ranked on {what} in {plural(documents, 'document')}: with fewer than "
        f"{settings.min_positions} {unit_names(unit)[1]} or {settings.min_documents} documents, the best of many "
        "neurons scores high by chance alone"
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


def unreached(counts: Counter[str]) -> list[str]:
    """Return a warning where a reading of edits left out present positions that no edit reaches."""
    number = counts["positions_no_edit_reaches"]
    if not number:
        return []
    have = "has" if number == 1 else "have"
    return [
        f"{plural(number, 'present position')} {have} special tokens alone before, which are never edited: no edit "
        "reaches them, and they were left out; give texts with what stands before the behaviour, such as their prompts"
    ]


def alike(counts: Counter[str], near_duplicates: float | None, unit: UnitKind = "token") -> list[str]:
    """Return warnings about groups that were joined by their names, texts alike, and readings that repeat."""
    warnings = respelled(counts)
    if number := counts["texts_alike"]:
        sets, joined = counts["sets_of_texts_alike"], counts["groups_with_texts_alike"]
        same = f"are the same as another, or nearly (selection.near_duplicates={near_duplicates:g})"
        if unit == "prompt_end":
            same = "have the same prompt as another"
        warnings.append(
            f"{number:,} of {plural(counts['documents'], 'text')} {same}: {plural(sets, 'set')}, each kept in one "
            f"part, which joined {plural(joined, 'group')} with another"
        )
    if repeated := counts["texts_repeated"]:
        same = "texts that are the same where a behaviour is looked for, or nearly"
        if unit == "prompt_end":
            same = "texts with the same prompt"
        warnings.append(
            f"{plural(repeated, 'text')} {'was' if repeated == 1 else 'were'} left out, because copies are not new "
            f"evidence: of {same}, one that shows it is read, and one that does not"
        )
    warnings += repeated_readings_warning(
        counts["positions_repeated"],
        f"present {unit_names(unit)[0]}",
        "the null counts it as new evidence, and p comes out too small",
    )
    if near_duplicates is None:
        warnings.append(
            "texts that are the same as another were not looked for (`selection.near_duplicates=null`): copies count "
            "as new evidence, and with many of them noise has a small p"
        )
    return warnings


def respelled(counts: Counter[str]) -> list[str]:
    """Return a warning about groups that were joined because their names are the same."""
    joined = counts["groups_spelled_differently"]
    if not joined:
        return []
    return [
        f"the names of {plural(joined, 'group')} differ from another's only in blanks, capitals or Unicode form: each "
        "was joined with that group"
    ]


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
