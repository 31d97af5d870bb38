"""What the search for a circuit says: the curve over the number of neurons, the circuit, what it does and keeps."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import pandas as pd

from neurosieve.runs.blocks import Block, Cell, Header, Note, Table
from neurosieve.runs.reader import RunFolder
from neurosieve.runs.tables import interval, neuron_name, number
from neurosieve.wording import plural

__all__ = ["CIRCUIT", "DOSES", "SUFFICIENCY", "circuit_blocks"]

DOSES, CIRCUIT, SUFFICIENCY = "doses", "circuit", "sufficiency"
"""The tables: of the curve, of the neurons of the circuit, and of what it keeps by itself."""
_NAMED = 10
_NOT_BEYOND = "no effect beyond that of its control neurons"
"""The verdict on an effect that can be told from 0 alone."""


def circuit_blocks(run: RunFolder) -> Iterator[Block]:
    """Yield the curve, the circuit in a sentence, and what its neurons do, ablated and kept by themselves."""
    yield _curve(run)
    for sentence in _circuit(run):
        yield Note(sentence, finding=True)
    if SUFFICIENCY in run.tables:
        yield Note(_necessity(run), finding=True)
        yield Note(_sufficiency(run), finding=True)
    record = run.run["circuit"]
    [most] = _targets(run, record["largest"])
    if pd.isna(most["share"]):
        yield Note(
            "share of the largest: not defined, for the interval of the effect of the largest dose holds 0: a share of "
            "what may be nothing has no meaning"
        )
    if "choosing" in record and any(
        record[half]["largest"]["verdict"] != "an effect" for half in ("choosing", "estimating")
    ):
        yield from _furthest(run)
    if most["effect_control_tokens_low"] > 0 or most["effect_control_tokens_high"] < 0:
        yield Note(
            f"the largest dose changes other tokens too, by {number(most['effect_control_tokens'], signed=True)} nats "
            f"({interval(most['effect_control_tokens_low'], most['effect_control_tokens_high'], signed=True)}): its "
            "effect is not on the behaviour alone; a smaller `k` says more of the behaviour"
        )
    yield Note(
        f"{plural(record['groups_choosing'], 'group')} of held-out texts chose the number of neurons, "
        f"{plural(record['groups_estimating'], 'other group')} gave all effects of the table: no text did both"
    )


def _curve(run: RunFolder) -> Table:
    doses = run.table(DOSES)
    controls = doses[doses.set == "control"].groupby("k").effect.agg(["min", "max"])
    rows = []
    for row in doses[doses.set == "target"].to_dict("records"):
        low, high = controls.loc[row["k"]]
        rows.append(
            [
                Cell(f"{row['k']:,}", row["k"]),
                Cell(number(row["effect"], signed=True), row["effect"]),
                _interval(row, "effect"),
                Cell(_ends(low, high), low),
                _interval(row, "beyond_controls"),
                Cell(number(row["share"]), row["share"]),
                Cell(number(row["effect_control_tokens"], signed=True), row["effect_control_tokens"]),
                _interval(row, "effect_control_tokens"),
                Cell(number(row["kl_control_tokens"]), row["kl_control_tokens"]),
            ]
        )
    headers = [
        Header("neurons", True),
        Header("effect", True),
        Header("interval", True),
        Header("control sets", True),
        Header("beyond them", True, 1),
        Header("share of the largest", True, 1),
        Header("other tokens", True),
        Header("their interval", True, 2),
        Header("their KL", True, 2),
    ]
    caption = (
        f"{run.run['behaviours'][0]}: the first {run.site.neurons} edited together (intervention {_edit(run)}): the "
        f"change of the log-probability of the first token, in nats, over {int(doses.n.iloc[0]):,} onsets in "
        f"{int(doses.groups.iloc[0]):,} groups; 95 % intervals"
    )
    return Table(headers, rows, caption)


def _targets(run: RunFolder, k: int) -> list[dict[Hashable, Any]]:
    doses = run.table(DOSES)
    return doses[(doses.k == k) & (doses.set == "target")].to_dict("records")


def _circuit(run: RunFolder) -> Iterator[str]:
    """Yield what the half that chose says, with its number, and whether the other half confirms it."""
    record = run.run["circuit"]
    if "choosing" not in record:
        yield "this run does not say whether one half of the texts confirms what the other chose: make it again"
        return
    chose, k, largest = record["choosing"]["largest"], record["k"], record["largest"]
    other = record["estimating"]["largest"]
    if k is None:
        yield (
            f"no circuit: in the half of the texts that chose, the largest dose ({plural(largest, 'neuron')}) has "
            f"{_with_numbers(chose)}; {_other_half(record, chose, other)}"
        )
        return
    circuit = record["estimating"]["circuit"]
    [of_circuit] = [tried["effect"] for tried in record["effects_choosing"] if tried["k"] == k]
    not_confirmed = "" if record["confirmed"] else ", not confirmed on the other half"
    of_all = "" if k == largest else f", and all {largest:,} have {_with_numbers(other)}"
    yield (
        f"circuit{not_confirmed}: {plural(k, 'neuron')} of {largest:,} {'has' if k == 1 else 'have'} half of the "
        f"effect in the half of the texts that chose ({number(of_circuit, signed=True)} of {_numbers(chose)}); on the "
        f"other half {'it has' if k == 1 else f'these {k:,} have'} {_with_numbers(circuit)}{of_all}"
        f"{'' if record['confirmed'] else f': {_more_texts(record)}'}"
    )
    members = run.table(CIRCUIT)
    names = [neuron_name(layer, neuron) for layer, neuron in members[["layer", "neuron"]].itertuples(index=False)]
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    yield f"the circuit is in {plural(len(record['layers']), 'layer')}: {', '.join(names[:_NAMED])}{more}"


def _other_half(record: Mapping[str, Any], chose: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    if other["verdict"] == chose["verdict"]:
        return f"nor has it one on the other half ({_numbers(other)})"
    if other["verdict"] == "an effect":
        return f"but the other half shows one: {_numbers(other)}. The halves disagree: {_more_texts(record)}"
    effect = other["verdict"]
    if effect == _NOT_BEYOND:
        effect = "one that can be told from 0, but not beyond that of its control neurons"
    return f"on the other half it has {effect} ({_numbers(other)}): {_more_texts(record)}"


def _more_texts(record: Mapping[str, Any]) -> str:
    return (
        f"{record['groups_choosing']:,} and {record['groups_estimating']:,} groups are few for this effect; give more "
        "texts (`documents`)"
    )


def _with_numbers(effect: Mapping[str, Any]) -> str:
    return f"{effect['verdict']} ({_numbers(effect)})"


def _numbers(effect: Mapping[str, Any]) -> str:
    """Return an effect with its interval, and how far it is beyond its controls where that is what it lacks."""
    text = f"{number(effect['effect'], signed=True)} nats, {_between(effect, 'effect')}"
    if effect["verdict"] != _NOT_BEYOND:
        return text
    beyond = number(effect["beyond_controls"], signed=True)
    return f"{text}; beyond the mean of its controls {beyond}, {_between(effect, 'beyond_controls')}"


def _between(row: Mapping[Any, Any], name: str) -> str:
    return interval(row[f"{name}_low"], row[f"{name}_high"], signed=True)


def _furthest(run: RunFolder) -> Iterator[Note]:
    """Yield where the curve is furthest from 0, where that is not at the largest dose."""
    doses = run.table(DOSES)
    targets = doses[doses.set == "target"].to_dict("records")
    furthest = max(targets, key=lambda row: abs(row["effect"]))
    if furthest["k"] == run.run["circuit"]["largest"]:
        return
    cancel = {
        "any": "; with `sign=any` neurons that drive and that oppose may cancel: try `sign=negative`, or `positive`",
        None: "; neurons that drive and that oppose, if both are listed, may cancel",
    }.get(run.run["sign"], "")
    yield Note(
        f"the curve is furthest from 0 at {plural(furthest['k'], 'neuron')}: "
        f"{number(furthest['effect'], signed=True)} nats ({_between(furthest, 'effect')}) on the half that gives the "
        f"table. It is the furthest of {len(targets):,} doses there, so expect less on other texts{cancel}"
    )


def _necessity(run: RunFolder) -> str:
    doses, k = run.table(DOSES), run.run["circuit"]["k"]
    [target] = _targets(run, k)
    controls = doses[(doses.k == k) & (doses.set == "control")].effect
    share = interval(target["share_low"], target["share_high"])
    of_largest = "" if pd.isna(target["share"]) else f", {number(target['share'])} of that of the most ({share})"
    return (
        f"necessity: its edit changes the log-probability of the first token by "
        f"{number(target['effect'], signed=True)} nats "
        f"({interval(target['effect_low'], target['effect_high'], signed=True)}){of_largest}; control sets "
        f"{_ends(controls.min(), controls.max())}; other tokens {number(target['effect_control_tokens'], signed=True)}"
    )


def _sufficiency(run: RunFolder) -> str:
    table = run.table(SUFFICIENCY)
    [kept] = table[table.set == "target"].to_dict("records")
    layers = plural(len(run.run["circuit"]["layers"]), "layer")
    without = f"{number(kept['effect_all_ablated'], signed=True)} nats"
    if pd.isna(kept["faithfulness"]):
        why = (
            "raises the behaviour, so that nothing is lost of which a share could be kept"
            if kept["effect_all_ablated_low"] > 0
            else "has no effect that can be told from 0"
        )
        return (
            f"sufficiency: not defined, for the edit of all neurons of its {layers} {why} "
            f"({without}, {_between(kept, 'effect_all_ablated')})"
        )
    controls = table[table.set == "control"].faithfulness
    ends = interval(kept["faithfulness_low"], kept["faithfulness_high"])
    return (
        f"sufficiency: with all other neurons of its {layers} edited, it keeps {number(kept['faithfulness'])} of the "
        f"behaviour ({ends}; 1 is the unedited model, 0 the edit of these layers as a whole, {without}); "
        f"control sets of the same size {_ends(controls.min(), controls.max(), signed=False)}"
    )


def _edit(run: RunFolder) -> str:
    [(name, strength)] = run.table(DOSES)[["intervention", "strength"]].drop_duplicates().itertuples(index=False)
    return name if strength == 1 else f"{name}, strength {strength:g}"


def _interval(row: Mapping[Hashable, Any], name: str) -> Cell:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return Cell(interval(low, high, signed=True), low)


def _ends(low: float, high: float, signed: bool = True) -> str:
    return number(low, signed) if low == high else interval(low, high, signed)
