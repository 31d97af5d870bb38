"""The sections of interventions: the effect beside its controls, doses, the proof that the edit took place."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from neurosieve import Block, Note, Run, as_table, interval, neuron_name, number, plural, single_neuron_blocks
from neurosieve_plugins.reports.any_sections import overrides_of
from neurosieve_plugins.reports.blocks import Code, Figure, Fold, Grid, Section
from neurosieve_plugins.reports.circuit_section import circuit_section, proof_facts
from neurosieve_plugins.reports.effect_charts import dose, effects, with_conditions
from neurosieve_plugins.reports.text import plain

__all__ = ["effect_sections"]

_MODES = {"teacher_forced": "in texts as they stand", "generated": "in what the model writes"}
_PROBLEMS = 3
_KEYS = ["mode", "behaviour", "intervention", "strength", "k", "set", "control_set", "measure"]


def effect_sections(runs: Sequence[Run]) -> Iterator[Section]:
    """Yield what the edits of one or several runs of `ablate` changed.

    The same condition in several runs is that of the last one.
    """
    yield from _told_apart([(run, _one_by_one(run)) for run in runs if "single_neurons" in run.tables])
    yield from _told_apart([(run, circuit_section(run)) for run in runs if "doses" in run.tables])
    edited = [run for run in runs if "effects" in run.tables and len(run.table("effects"))]
    if not edited:
        return
    table = pd.concat([run.table("effects") for run in edited], ignore_index=True)
    table = table.drop_duplicates(_KEYS, keep="last", ignore_index=True)
    words = {str(name): str(text) for run in edited for name, text in run.run.get("measures", {}).items()}
    for mode, part in table.groupby("mode", sort=False):
        yield _effect(str(mode), part, [run for run in edited if run.run.get("mode", mode) == mode], words)


def _told_apart(sections: Sequence[tuple[Run, Section]]) -> Iterator[Section]:
    """Yield the sections of several runs of one kind, each with what its run alone was asked, or with its folder."""
    overrides = [overrides_of(run.folder) or [] for run, _ in sections]
    shared = set.intersection(*map(set, overrides)) if overrides else set()
    differences = [" ".join(override for override in of_run if override not in shared) for of_run in overrides]
    if not all(differences) or len(set(differences)) < len(differences):
        differences = ["/".join(run.folder.parts[-2:]) for run, _ in sections]
    for (_, section), difference in zip(sections, differences, strict=True):
        title = section.title if len(sections) == 1 else f"{section.title} · {plain(difference)}"
        yield Section(title, section.lead, section.blocks)


def _one_by_one(run: Run) -> Section:
    blocks: list[Block] = list(single_neuron_blocks(run))
    caption = (
        "Across: the change of the log-probability of the first token, in nats. Orange: the neuron, with its interval. "
        "Blue: a dot for each of its control neurons; how high it stands means nothing. Dashed: no change."
    )
    blocks.append(Figure("single-neurons", effects(_with_controls(run), of="change by the edit (nats)"), caption))
    blocks.append(Fold("That the edits took place", (proof_facts(run),)))
    lead = (
        "Each neuron is edited alone, in held-out texts as they stand. An effect is one on the behaviour only where it "
        "exceeds that of the same edit on control neurons that fire alike, and that on tokens elsewhere."
    )
    return Section("Which neurons matter? (one at a time)", lead, tuple(blocks))


def _with_controls(run: Run) -> pd.DataFrame:
    """Return a row for the effect of each neuron, and one for that of each of its control neurons."""
    neurons, controls = run.table("single_neurons"), run.table("matched_controls")
    named = [
        table.assign(condition=list(map(neuron_name, table.layer, table.neuron)), value=table.effect)
        for table in (neurons, controls)
    ]
    targets = named[0].assign(set="target", control_set=-1, low=neurons.effect_low, high=neurons.effect_high)
    columns = ["condition", "set", "control_set", "value", "low", "high", "n"]
    edits = pd.concat([targets, named[1].assign(set="control")], ignore_index=True)
    return edits.reindex(columns=columns)


def _effect(mode: str, table: pd.DataFrame, runs: Sequence[Run], words: Mapping[str, str]) -> Section:
    blocks: list[Block] = []
    behaviours = table.behaviour.fillna("").unique().tolist()
    for place, behaviour in enumerate(behaviours):
        part = table[table.behaviour.fillna("") == behaviour]
        named = f"-{place}" if place else ""
        inner = _of_behaviour(part, f"{mode}{named}", words)
        inner[:0] = [Note(plain(sentence), finding=True) for sentence in _verdicts(runs, behaviour)]
        if len(behaviours) == 1:
            blocks += inner
        else:
            blocks.append(Fold(plain(behaviour), tuple(inner), unfolded=place == 0))
    if not (table.set == "control").any():
        blocks.append(Note("No control set was edited: what is seen may be what any edit of so many neurons does."))
    for run in runs[-1:]:
        if "traces" in run.tables and len(traces := run.table("traces")):
            blocks.append(_written(traces))
    if proved := [run for run in runs if isinstance(run.run.get("proof"), Mapping)]:
        blocks.append(Fold("That the edit took place", (proof_facts(proved[-1]),)))
    lead = (
        f"What changes {_MODES.get(mode, mode)} as the neurons in question are edited (orange), beside control neurons "
        "that fire alike (blue): an effect that the controls share is no effect of these neurons."
    )
    return Section(f"Does it matter? ({plain(mode.replace('_', '-'))})", lead, tuple(blocks))


def _verdicts(runs: Sequence[Run], behaviour: str) -> list[str]:
    """Return what the runs themselves say of their doses."""
    sentences = [
        str(verdict.get("sentence", ""))
        for run in runs
        if behaviour in (run.run.get("behaviours") or [behaviour])
        for verdict in run.run.get("verdicts", [])
        if isinstance(verdict, Mapping)
    ]
    return [f"{text[:1].upper()}{text[1:]}." for text in dict.fromkeys(sentences) if text]


def _of_behaviour(table: pd.DataFrame, name: str, words: Mapping[str, str]) -> list[Block]:
    before = table[table.set == "unedited"].drop_duplicates("measure", keep="last").set_index("measure").value
    edited = with_conditions(table[table.set != "unedited"])

    def unedited(measure: object) -> float:
        return float(before.get(measure, 0.0))

    def name_of(measure: object) -> str:
        return plain(words.get(str(measure), str(measure).replace("_", " ")))

    of = "under the edit" if len(before) else "change by the edit"
    charts = tuple(
        (name_of(measure), effects(part, unedited=unedited(measure), of=of))
        for measure, part in edited.groupby("measure", sort=False)
    )
    what = "the measure under each edit" if len(before) else "the change from the unedited model under each edit"
    caption = (
        f"Across: {what}. Orange: the neurons in question, with the 95 % interval. Blue: a dot for each set of control "
        "neurons; how high it stands means nothing. Dashed: the unedited model."
    )
    blocks: list[Block] = [Grid(f"effects-{name}", charts, caption)]
    for along, other in (("k", "strength"), ("strength", "k")):
        curves = []
        for key, part in edited.groupby(["intervention", other, "measure"], sort=False, dropna=False):
            intervention, fixed, measure = key
            if part[along].nunique() > 1:
                setting = "" if edited[other].nunique() < 2 else f", {other} {number(fixed)}"
                heading = f"{name_of(measure)} ({plain(intervention)}{setting})"
                curves.append((heading, dose(part, along, unedited=unedited(measure), of=of)))
        if curves:
            caption = "As more neurons are edited." if along == "k" else "As the edit is stronger."
            caption += (
                " Orange: the neurons in question, with the 95 % interval; blue: each control set. Dashed: unedited."
            )
            blocks.append(Grid(f"dose-{name}-{along}", tuple(curves), caption))
    edited = edited.assign(measure=[name_of(measure) for measure in edited.measure])
    blocks += [_differences(edited), Fold("Every number", (_numbers(table),))]
    return blocks


def _differences(edited: pd.DataFrame) -> Block:
    part = edited[edited.set == "target"].assign(controls=_controls(edited))
    if "difference" not in part or not part.difference.notna().any():
        return Note("There is no difference from control sets to tell.")
    ends = zip(part.difference_low, part.difference_high, strict=True)
    part = part.assign(interval=[interval(low, high) for low, high in ends])
    titles = {
        "measure": "measure",
        "condition": "edit",
        "value": "target",
        "controls": "control sets",
        "p_controls": "p among controls",
        "difference": "target − controls",
        "interval": "95 % interval",
        "p": "p from unedited",
        "detectable": "detectable change",
        "n": "n",
        "groups": "groups",
    }
    caption = (
        "The target less the mean of its control sets, with the 95 % interval: one that holds 0 shows no difference."
    )
    if "p_controls" in part and part.p_controls.notna().any():
        caption += (
            " “p among controls”: how often one of these sets, the target among them, taken at random, goes as far "
            "from unedited as the target, at any of the doses; it is never below one by the number of sets."
        )
    return as_table(part, titles, caption)


def _controls(edited: pd.DataFrame) -> pd.Series:
    """Return, for each line of the target, from where to where its control sets go; empty where there are none."""
    keys = ["intervention", "strength", "k", "measure"]
    ends = edited[edited.set == "control"].groupby(keys, dropna=False, sort=False).value.agg(["min", "max"])
    target = edited[edited.set == "target"]
    ends = ends.reindex(pd.MultiIndex.from_frame(target[keys]))
    texts = [
        number(low) if low == high else interval(low, high) for low, high in ends.itertuples(index=False, name=None)
    ]
    return pd.Series(["" if pd.isna(low) else text for low, text in zip(ends["min"], texts, strict=True)], target.index)


def _written(traces: pd.DataFrame) -> Fold:
    """Return what the model wrote on the first problems, unedited and with the most neurons in question edited."""
    edited = traces[(traces.set == "target") & (traces.k == traces.k.max())]
    pairs = {"unedited": traces[traces.set == "unedited"], "edited": edited[edited.strength == edited.strength.max()]}
    blocks: list[Block] = []
    for problem in edited.problem.drop_duplicates().tolist()[:_PROBLEMS]:
        for how, table in pairs.items():
            part = table[table.problem == problem].head(1)
            for text, spans, tokens in part[["text", "spans", "tokens"]].itertuples(index=False, name=None):
                shown = "spans not known" if pd.isna(spans) else plural(int(spans), "span")
                caption = f"{plain(problem)}, {how}: {shown} in {plural(int(tokens), 'token')}"
                blocks += [Note(caption), Code(str(text), caption, wraps=True)]
    return Fold("What the model wrote, unedited and edited", tuple(blocks))


def _numbers(table: pd.DataFrame) -> Block:
    titles = {str(name): str(name).replace("_", " ") for name in table if name not in ("mode", "behaviour")}
    return as_table(table, titles, "Every set, condition and measure", names=["control_set", "k"])
